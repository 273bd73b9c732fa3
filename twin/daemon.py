"""The twin's one process: stand-in providers, emulated APIs and the control socket over one durable state."""

import asyncio
import logging
import os
import secrets
import signal
import socket
import sqlite3
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from model.lab import Lab
from twin.certificates import Certificates
from twin.control import Control
from twin.directory import Endpoints, TwinDirectory, source_fingerprint
from twin.faults import Faults
from twin.kubernetes.hardware import Hardware
from twin.kubernetes.planes import PROXY_SERVICE, Planes
from twin.operators import operators
from twin.providers.cloudflare import Cloudflare
from twin.providers.command import Command
from twin.providers.gcp import Gcp
from twin.providers.harbor import Harbor
from twin.providers.kinds import Surroundings
from twin.providers.kubernetes.provider import Kubernetes
from twin.providers.random import Random
from twin.providers.servicer import serve
from twin.providers.stand_in import StandIn
from twin.providers.talos import Talos
from twin.proxmox.access import bootstrap_token
from twin.proxmox.server import ProxmoxServer
from twin.secrets import VaultTree
from twin.store import Collection, Store
from twin.talos.clusters import Clusters
from twin.talos.machinery import Machinery
from twin.world import World

LOG = logging.getLogger(__name__)

STAND_INS: Final[tuple[type[StandIn], ...]] = (Cloudflare, Command, Gcp, Harbor, Kubernetes, Random, Talos)

PROXMOX: Final = "proxmox"

LOOPBACK: Final = "127.0.0.1"
PORTS: Final = Collection("daemon/ports")
"""Key: service; body: the port it was given once, so that a printed environment outlives a restart."""
FIRST_PORT: Final = 21000
LAST_PORT: Final = 29999
"""Below what Linux gives to outgoing connections, so that a port kept for later is not taken by chance."""
ATTEMPTS: Final = 50
NEW_ENVIRONMENT: Final = "print the environment anew (`./lab env`)"
NEW_KUBECONFIGS: Final = "`./lab refresh` of each colour brings the kubeconfigs that lead there"
GRACE_SECONDS: Final = 2.0

Report = Callable[[str], None]


class DamagedStateError(Exception):
    """The state file cannot be used."""

    def __init__(self, path: Path, reason: object) -> None:
        super().__init__(
            f"the twin's state file {path} is damaged ({reason}); `./lab twin reset` begins anew with an empty lab"
        )


class Daemon:
    """Serves one directory until it is told to stop."""

    def __init__(self, directory: TwinDirectory, lab: Lab, cache: Path) -> None:
        self._directory = directory
        self._lab = lab
        self._cache = cache
        self._notices: list[str] = []
        self._stop = asyncio.Event()

    async def run(self, report: Report) -> None:
        """Serve until SIGTERM or SIGINT; InUseError or DamagedStateError before anything is served.

        `report` is told each step, and `ready` at the end.
        """
        async with AsyncExitStack() as stack:
            stack.enter_context(self._directory.acquire())
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._stop.set)
            store = open_state(self._directory.state)
            stack.callback(store.close)
            endpoints = await self._serve(stack, store, report)
            self._directory.write_endpoints(endpoints)
            stack.callback(self._directory.endpoints.unlink, missing_ok=True)
            LOG.info("ready: %s", ", ".join(f"{name}:{port}" for name, port in endpoints.providers.items()))
            report("ready")
            await self._stop.wait()
            LOG.info("stopping")

    async def _serve(self, stack: AsyncExitStack, store: Store, report: Report) -> Endpoints:
        faults = Faults(store)
        world = World(self._lab, faults)
        certificates = Certificates(self._directory.certificates)
        certificates.ensure()
        report(f"starting {PROXMOX}")
        proxmox = ProxmoxServer(store, world, faults)
        proxmox_port = await proxmox.start(LOOPBACK, self._port(store, PROXMOX), certificates.server_context())
        stack.push_async_callback(proxmox.stop)
        report("starting the network")
        hardware = Hardware(self._lab, proxmox.guests)
        planes = Planes(
            self._directory.path / "kubernetes",
            Clusters(store, world, Machinery()),
            world,
            hardware,
            faults,
            lambda service: self._port(store, service, NEW_KUBECONFIGS if service == PROXY_SERVICE else None),
        )
        planes.on_start(operators(world, hardware, store, self._cache, VaultTree(os.environ)))
        await planes.start()
        stack.push_async_callback(planes.stop)
        surroundings = Surroundings(store, world, faults)
        providers: dict[str, int] = {}
        for kind in STAND_INS:
            report(f"starting {kind.name}")
            stand_in = kind(surroundings, self._cache / "sdk-types")
            if isinstance(stand_in, Talos | Harbor):
                stand_in.connect(planes)
            stack.push_async_callback(stand_in.close)
            server, providers[kind.name] = await serve(stand_in, self._port(store, kind.name))
            stack.push_async_callback(server.stop, GRACE_SECONDS)
        endpoints = Endpoints(
            pid=os.getpid(),
            sources=source_fingerprint(),
            providers=providers,
            control=self._directory.control,
            certificate_authorities=certificates.bundle,
            environment={
                "PROXMOX_VE_ENDPOINT": f"https://{LOOPBACK}:{proxmox_port}/",
                "PROXMOX_VE_API_TOKEN": bootstrap_token(store),
            },
            notices=tuple(self._notices),
        )
        control = Control(
            store,
            world,
            faults,
            capacity=lambda: [{**asdict(host), "free": host.free} for host in proxmox.capacity()],
            planes=planes.report,
            status=lambda: endpoints.model_dump(mode="json", exclude={"environment"}),
        )
        await control.start(endpoints.control)
        stack.push_async_callback(control.stop)
        return endpoints

    def _port(self, store: Store, service: str, remedy: str | None = NEW_ENVIRONMENT) -> int:
        """The port that the service always had, or a free one when it had none or another program took it.

        `remedy` is what a person has to do then; None when nobody outside uses the port.
        """
        kept = store.get(PORTS, service)
        if kept is not None and _is_free(kept["port"]):
            return int(kept["port"])
        drawn = (FIRST_PORT + secrets.randbelow(LAST_PORT - FIRST_PORT + 1) for _ in range(ATTEMPTS))
        taken = {int(body["port"]) for _, body in store.items(PORTS)}
        port = next((port for port in drawn if port not in taken and _is_free(port)), None)
        if port is None:
            raise OSError(f"no free port for {service} between {FIRST_PORT} and {LAST_PORT} of {LOOPBACK}")
        if kept is not None:
            notice = f"port {kept['port']} of {service} is taken by another program; it is now {port}"
            LOG.warning(notice)
            if remedy is not None:
                self._notices.append(f"{notice}: {remedy}")
        store.put(PORTS, service, {"port": port})
        return port


def open_state(path: Path) -> Store:
    """Open the state, or make an empty one; DamagedStateError when what is there cannot be used."""
    try:
        store = Store(path)
    except sqlite3.DatabaseError as error:
        raise DamagedStateError(path, error) from error
    try:
        store.items(PORTS)
        verdict: Any = sqlite3.connect(path).execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        store.close()
        raise DamagedStateError(path, error) from error
    if verdict != "ok":
        store.close()
        raise DamagedStateError(path, verdict)
    return store


def _is_free(port: int) -> bool:
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError:
        return False
    return True
