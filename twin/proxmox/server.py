"""The emulated Proxmox VE API over HTTPS."""

import inspect
import json
import logging
import ssl
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import cast
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from twin.faults import Faults, InjectedError
from twin.proxmox import guests as guest_values
from twin.proxmox.access import Access
from twin.proxmox.access_calls import AccessCalls
from twin.proxmox.backups import Backups
from twin.proxmox.ceph import CephPools
from twin.proxmox.cluster_calls import ClusterCalls
from twin.proxmox.guest_calls import GuestCalls
from twin.proxmox.guest_disks import GuestDisks
from twin.proxmox.guests import Guest, Guests
from twin.proxmox.hosts import Hosts
from twin.proxmox.internet import Internet
from twin.proxmox.mappings import Mappings
from twin.proxmox.parameters import Values
from twin.proxmox.physics import HostMemory, Physics
from twin.proxmox.pools import Pools
from twin.proxmox.properties import parse_size
from twin.proxmox.refusal import RefusalError
from twin.proxmox.routing import Call, Endpoint, Json, Routes
from twin.proxmox.storage_calls import StorageCalls
from twin.proxmox.storages import Storages
from twin.proxmox.tasks import Tasks
from twin.store import Store
from twin.talos.factory import Factory
from twin.world import BlockDevice, Machine, World

LOGGER = logging.getLogger(__name__)
PREFIX = "/api2/json"
API_NAME = "proxmox"
TASK_DURATION = 0.005
"""Seconds that every task takes."""


class ProxmoxServer:
    """One emulated cluster; any node's API may be asked, as in Proxmox VE.

    There is one endpoint. When the host that a client believes to ask is down, another node's API answers here; only
    calls about the host that is down fail (595). A single real endpoint would not answer at all.
    """

    def __init__(
        self, store: Store, world: World, faults: Faults, clock: Callable[[], float] = time.time,
        task_duration: float = TASK_DURATION,
    ) -> None:
        """Adds the guests that run to the world."""
        self._store = store
        self._faults = faults
        self._clock = clock
        self._runner: web.AppRunner | None = None
        hosts = Hosts(world.lab, faults)
        self._hosts = hosts
        self._guests = Guests(store)
        self._tasks = Tasks(store, clock, task_duration)
        self._storages = Storages(store, hosts)
        self._disks = GuestDisks(self._storages)
        mappings = Mappings(store, hosts)
        self._physics = Physics(hosts, self._guests, self._storages, mappings)
        pools = Pools(store, self._node_of, lambda name: self._storages.configurations.get(name) is not None)
        self._access = Access(store, pools.pool_of)
        self._ceph = CephPools(store, hosts, self._tasks)
        backups = Backups(store, hosts, self._storages)
        guest_calls = GuestCalls(
            clock=clock, hosts=hosts, guests=self._guests, disks=self._disks, mappings=mappings,
            physics=self._physics, pools=pools, tasks=self._tasks, on_destroy=backups.forget_guest,
        )
        cluster_calls = ClusterCalls(
            clock=clock, hosts=hosts, guests=self._guests, storages=self._storages, pools=pools,
            physics=self._physics, tasks=self._tasks,
        )
        factory = Factory(store)
        internet = Internet(world.lab, lambda schematic: factory.schematic(schematic) is not None)
        storage_calls = StorageCalls(hosts, self._storages, self._tasks, internet, self._answers)
        self.routes = Routes([
            *cluster_calls.endpoints(),
            *AccessCalls(self._access).endpoints(),
            *pools.endpoints(),
            *mappings.endpoints(),
            *backups.endpoints(),
            *self._ceph.endpoints(),
            *storage_calls.endpoints(),
            *guest_calls.endpoints(),
        ])
        world.add_source(self.machines)

    async def start(self, host: str, port: int, tls: ssl.SSLContext) -> int:
        """Resume unfinished tasks and serve; returns the port, which the system chooses when `port` is 0."""
        with self._store.transaction():
            self._storages.install()
            self._ceph.install()
        self._tasks.resume()
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, ssl_context=tls)
        await site.start()
        bound: int = self._runner.addresses[0][1]
        return bound

    async def stop(self) -> None:
        """Stop serving and working; unfinished tasks are resumed by the next start."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        await self._tasks.stop()

    def capacity(self) -> list[HostMemory]:
        """Memory of every host and which guest holds how much of it."""
        return self._physics.capacity()

    def guests(self) -> list[Guest]:
        """Every guest, running or not."""
        return self._guests.all()

    def machines(self) -> Iterable[Machine]:
        """The running guests that can be reached at an address: given by cloud-init, or by hand at installation."""
        for guest in self._guests.running():
            machine = self._machine(guest, guest.running or {})
            if machine is not None:
                yield machine

    def _machine(self, guest: Guest, config: Values) -> Machine | None:
        address = guest_values.address(config)
        if address is None:
            installed = next((g for g in self._hosts.lab.guests if g.vm_id == guest.vmid), None)
            address = None if installed is None else installed.address
        interfaces = guest_values.devices(config, "net")
        if address is None or not interfaces:
            return None
        if not self._hosts.carries(interfaces[0][1].get("bridge") or "", guest_values.vlan(config)):
            return None
        image, identity = self._disks.image(guest, config)
        return Machine(
            name=guest.name,
            host=guest.node,
            address=address,
            incarnation=f"{guest.incarnation}-{identity}",
            image=image,
            block_devices=_block_devices(config),
            pci_mappings=tuple(mapping for _, mapping in guest_values.mappings(config)),
            tags=tuple(tag for tag in str(config.get("tags", "")).split(";") if tag),
            extra={"vmid": str(guest.vmid), "agent": str(guest_values.has_agent(config)).lower()},
        )

    def _node_of(self, vmid: int) -> str | None:
        guest = self._guests.find(vmid)
        return None if guest is None else guest.node

    def _answers(self, address: str) -> bool:
        return any(
            str(machine.address) == address and self._hosts.is_up(machine.host) for machine in self.machines()
        )

    async def _handle(self, request: web.Request) -> web.Response:
        path = unquote(request.rel_url.raw_path)
        if not path.startswith(f"{PREFIX}/"):
            return _refuse(RefusalError(HTTPStatus.NOT_FOUND, f"no such file '{path}'"))
        path = path.removeprefix(PREFIX).rstrip("/")
        try:
            await self._faults.strike(API_NAME, f"{request.method} {path}")
            principal = self._access.authenticate(request.headers.get("Authorization"), int(self._clock()))
            found = self.routes.find(request.method, path)
            if found is None:
                raise RefusalError(
                    HTTPStatus.NOT_IMPLEMENTED, f"Method '{request.method} {path}' not implemented by the twin"
                )
            endpoint, placeholders = found
            call = Call(principal, self._access, placeholders, endpoint.schema.parse(await _parameters(request)))
            return web.json_response({"data": await self._answer(endpoint, call)})
        except InjectedError as error:
            return _refuse(RefusalError(error.status, str(error)))
        except RefusalError as refusal:
            return _refuse(refusal)
        except Exception:
            LOGGER.exception("%s %s", request.method, path)
            return _refuse(RefusalError(HTTPStatus.INTERNAL_SERVER_ERROR, "the twin failed; its log says more"))

    async def _answer(self, endpoint: Endpoint, call: Call) -> Json:
        try:
            with self._store.transaction():
                if endpoint.permission is not None:
                    endpoint.permission.check(call)
                answer = endpoint.handler(call)
        except BaseException:
            self._tasks.abandon()
            raise
        self._tasks.begin()
        return await answer if inspect.isawaitable(answer) else answer


async def _parameters(request: web.Request) -> dict[str, str]:
    pairs = parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True)
    body = await request.text()
    if body and request.content_type == "application/json":
        pairs += [(name, _as_text(value)) for name, value in _json_object(body).items()]
    elif body:
        pairs += parse_qsl(body, keep_blank_values=True)
    merged: dict[str, str] = {}
    for name, value in pairs:
        # An array parameter comes as one pair per element.
        merged[name] = f"{merged[name]}\n{value}" if name in merged else value
    return merged


def _json_object(body: str) -> dict[str, Json]:
    try:
        decoded: Json = json.loads(body)
    except json.JSONDecodeError as error:
        raise RefusalError(HTTPStatus.BAD_REQUEST, f"malformed JSON: {error}") from error
    if not isinstance(decoded, dict):
        raise RefusalError(HTTPStatus.BAD_REQUEST, "malformed JSON: an object is needed")
    return cast("dict[str, Json]", decoded)


def _as_text(value: Json) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, list):
        return "\n".join(map(str, value))
    return str(value)


def _refuse(refusal: RefusalError) -> web.Response:
    reason = " ".join(refusal.message.split())
    body: dict[str, Json] = {"data": None, "message": f"{reason}\n"}
    if refusal.errors:
        body["errors"] = refusal.errors
    return web.json_response(body, status=refusal.status, reason=reason)


def _block_devices(config: Values) -> tuple[BlockDevice, ...]:
    # The kernel names SCSI and SATA disks in the order it finds them, virtio ones apart.
    names = {"scsi": "sd", "sata": "sd", "virtio": "vd"}
    found: list[BlockDevice] = []
    counts = {"sd": 0, "vd": 0}
    for name, drive in guest_values.disks(config):
        family = name.rstrip("0123456789")
        if family not in names:
            continue
        prefix = names[family]
        path = f"/dev/{prefix}{chr(ord('a') + counts[prefix])}"
        counts[prefix] += 1
        found.append(BlockDevice(path, parse_size(drive.get("size") or "0"), f"virtio-{family}"))
    return tuple(found)
