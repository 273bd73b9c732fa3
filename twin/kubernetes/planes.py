"""The Kubernetes of every cluster: which should run, which runs, and where its addresses lead."""

import asyncio
import logging
import re
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Any, Final

from twin.directory import write_private
from twin.faults import Faults
from twin.kubernetes.access import with_proxy
from twin.kubernetes.certificates import LOOPBACK
from twin.kubernetes.hardware import Hardware
from twin.kubernetes.network import Destination, Network, Refusal
from twin.kubernetes.nodes import KUBELET_PORT, RunningNode, node_name
from twin.kubernetes.plane import Plane, PlaneNotReadyError, Specification, Started
from twin.kubernetes.plane_state import PlaneState
from twin.kubernetes.settings import ClusterSettings, read_settings
from twin.talos.clusters import Cluster, Clusters
from twin.talos.configuration import MachineType
from twin.talos.records import ConfiguredMachine, Moment
from twin.world import World

LOG = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.5
"""Between looks at the machines."""
READY_SECONDS: Final = 0.05
"""Between looks of who waits for a plane."""
PROXY_SERVICE: Final = "network"
"""Whose port is the proxy's, among those that the daemon keeps."""
API_SERVICE: Final = "kubernetes-api"
"""Then the cluster: whose port is its API server's."""
IDENTITY: Final = "identity"
"""File in a plane's folder: of which data of etcd the folder is."""

DrawPort = Callable[[str], int]
"""A free port of loopback for a service, the same as before where it can."""


@dataclass(frozen=True)
class _View:
    """A cluster as it was at the last look."""

    cluster: Cluster
    up: frozenset[IPv4Address]
    """Addresses of its machines that answer."""

    @property
    def serves(self) -> bool:
        """Whether its Kubernetes API should answer."""
        return self.cluster.bootstrapped and self.cluster.has_quorum

    @property
    def down(self) -> str:
        """The control-plane machines that do not answer, for people."""
        found = [m for m in self.cluster.control_planes if m.address not in self.up]
        return ", ".join(f"{machine.name} ({machine.address})" for machine in found) or "none"


class Planes:
    """Starts a plane when Talos has bootstrapped its cluster, stops it without quorum, removes it with its machines."""

    def __init__(
        self, directory: Path, clusters: Clusters, world: World, hardware: Hardware, faults: Faults, draw_port: DrawPort
    ) -> None:
        """`directory` holds a folder for each plane."""
        self._directory = directory
        self._clusters = clusters
        self._world = world
        self._hardware = hardware
        self._draw_port = draw_port
        self._network = Network(self._route, faults)
        self._proxy_port: int | None = None
        self._started: list[Started] = []
        self._views: tuple[_View, ...] = ()
        self._planes: dict[str, Plane] = {}
        """By cluster id."""
        self._settings: dict[str, tuple[str, ClusterSettings]] = {}
        """What the configuration of a control-plane machine was read to be, by cluster id."""
        self._look = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def proxy_url(self) -> str:
        """The proxy through which kubeconfigs of the twin reach their clusters."""
        return f"http://{LOOPBACK}:{self._proxy_port}"

    def reachable(self, kubeconfig: str) -> str:
        """The kubeconfig with the proxy as it is now: after a restart it may have had to take another port."""
        return with_proxy(kubeconfig, self.proxy_url)

    def on_start(self, started: Started) -> None:
        """Have it entered with each plane that gets ready from now on, and left when that stops."""
        self._started.append(started)

    def running(self) -> tuple[Plane, ...]:
        """The planes that were started, ready or not."""
        return tuple(self._planes.values())

    async def start(self) -> None:
        """Serve the network and look after the planes; OSError when no port can be had."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._proxy_port = self._draw_port(PROXY_SERVICE)
        await self._network.start(self._proxy_port)
        self._task = asyncio.create_task(self._look_after(), name="look after the planes")

    async def stop(self) -> None:
        """Stop every plane; their data stays."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await asyncio.gather(*(plane.stop() for plane in self.running()))
        self._planes.clear()
        await self._network.stop()

    def wake(self) -> None:
        """Something happened to the machines: look now."""
        self._look.set()

    async def wait_ready(self, cluster_id: str, seconds: float) -> None:
        """Return when the cluster's Kubernetes answers; PlaneNotReadyError when it does not in time."""
        self.wake()
        clock = asyncio.get_running_loop().time
        deadline = clock() + seconds
        while True:
            plane = self._planes.get(cluster_id)
            if plane is not None and plane.state is PlaneState.READY:
                return
            lasting = None if plane is None else plane.lasting_problem
            if lasting is not None:
                raise PlaneNotReadyError(lasting)
            if clock() > deadline:
                reasons = () if plane is None else plane.problems
                raise PlaneNotReadyError(
                    f"the Kubernetes API does not answer after {seconds:.0f} s: "
                    + ("; ".join(reasons) or "it is still being started")
                )
            await asyncio.sleep(READY_SECONDS)

    def report(self) -> list[dict[str, Any]]:
        """Every cluster's Kubernetes, for people and tests."""
        return [self._report(view) for view in self._views]

    def _report(self, view: _View) -> dict[str, Any]:
        plane = self._planes.get(view.cluster.cluster_id)
        if plane is not None:
            state, problems = plane.state, plane.problems
        elif not view.cluster.bootstrapped:
            state, problems = PlaneState.NOT_BOOTSTRAPPED, ()
        elif not view.cluster.has_quorum:
            state, problems = PlaneState.NO_QUORUM, (f"etcd has no quorum; these do not answer: {view.down}",)
        elif self._is_namesake(view):
            state, problems = PlaneState.STARTING, (f"another cluster is called {view.cluster.name}, too; it runs",)
        else:
            state, problems = PlaneState.STARTING, ()
        return {
            "name": view.cluster.name,
            "state": state,
            "endpoint": view.cluster.endpoint,
            "proxy": self.proxy_url,
            "problems": list(problems),
            "nodes": len(view.up),
            "processes": {process.name: process.pid for process in (plane.processes if plane else ())},
        }

    async def _look_after(self) -> None:
        while True:
            try:
                await self._settle()
            except Exception:
                LOG.exception("looking after the planes")
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._look.wait()
            self._look.clear()

    async def _settle(self) -> None:
        moment, present = Moment(self._world.machines()), self._hardware.now()
        self._views = tuple(
            _View(cluster, frozenset(m.address for m in cluster.machines if _answers(moment, m)))
            for cluster in self._clusters.settle(present.has)
        )
        serving = {v.cluster.cluster_id: v for v in self._views if v.serves and not self._is_namesake(v)}
        ending = [plane for key, plane in self._planes.items() if key not in serving]
        self._planes = {key: plane for key, plane in self._planes.items() if key in serving}
        self._network.cut_dead()
        for plane in ending:
            LOG.info("stopping the Kubernetes of %s", plane.name)
        await asyncio.gather(*(plane.stop() for plane in ending))
        data = {v.cluster.name: v.cluster.data for v in reversed(self._views) if v.cluster.bootstrapped}
        await asyncio.to_thread(self._sweep, data)
        for key, view in serving.items():
            await self._keep(key, view)
            self._planes[key].tell(
                {
                    node_name(machine): RunningNode(machine, present.of(found, machine))
                    for machine in view.cluster.machines
                    if machine.address in view.up and (found := moment.at(machine.address)) is not None
                }
            )

    def _is_namesake(self, view: _View) -> bool:
        """Whether another bootstrapped cluster of the same name comes first: the folder is its."""
        named = (v for v in self._views if v.cluster.bootstrapped and v.cluster.name == view.cluster.name)
        return next(named, view) is not view

    async def _keep(self, key: str, view: _View) -> None:
        """Have the cluster's plane running as its machines are configured."""
        specification = await self._specification(key, view)
        plane = self._planes.get(key)
        if plane is not None and plane.specification.covers(specification):
            return
        if plane is not None:
            LOG.info("the control plane of %s is configured anew", plane.name)
            await plane.stop()
        directory = self._folder(view.cluster.name)
        directory.mkdir(exist_ok=True, mode=0o700)
        write_private(directory / IDENTITY, (view.cluster.data or "").encode())
        started = Plane(
            specification, directory, self._network, lambda: self._draw_port(f"{API_SERVICE}/{view.cluster.name}"),
            self._started,
        )  # fmt: skip
        self._planes[key] = started
        started.start()

    async def _specification(self, key: str, view: _View) -> Specification:
        """By the configuration of the first control-plane machine: Talos wants that of all to be the same."""
        text = view.cluster.control_planes[0].configuration
        known = self._settings.get(key)
        if known is None or known[0] != text:
            known = (text, await asyncio.to_thread(read_settings, text))
            self._settings[key] = known
        return Specification(known[1], tuple(machine.address for machine in view.cluster.control_planes))

    def _folder(self, cluster_name: str) -> Path:
        return self._directory / re.sub(r"[^\w.-]|^\.+", "_", cluster_name)

    def _sweep(self, data: Mapping[str, str | None]) -> None:
        """Remove what belongs to data that is no more; `data` are the identities that are, by the clusters' names."""
        wanted = {self._folder(name): identity for name, identity in data.items()}
        for folder in self._directory.iterdir():
            try:
                found = (folder / IDENTITY).read_text()
            except FileNotFoundError:
                found = None
            if folder not in wanted or found != wanted[folder]:
                LOG.info("removing %s: the data of its cluster is gone", folder)
                shutil.rmtree(folder, ignore_errors=True)

    def _route(self, host: str, port: int) -> Destination | Refusal:
        """Where an address of the lab leads at the last look."""
        try:
            address = IPv4Address(host)
        except AddressValueError:
            return Refusal(HTTPStatus.BAD_GATEWAY, f"lookup {host}: no such host; the twin's network knows addresses")
        views = sorted(self._views, key=lambda view: not view.serves)
        for view in views:
            if address in view.cluster.virtual_ips:
                return self._route_virtual_ip(view, address, port)
        for view in views:
            machine = next((m for m in view.cluster.machines if m.address == address), None)
            if machine is not None:
                return self._route_machine(view, machine, port)
        found = self._world.at(address)
        if found is not None:
            return Refusal(HTTPStatus.BAD_GATEWAY, f"{found.name} ({address}) is in no cluster")
        return Refusal(
            HTTPStatus.GATEWAY_TIMEOUT,
            f"no route to {address}: the twin's network leads to the Kubernetes APIs of its clusters only, and no "
            "machine of a cluster has that address",
        )

    def _route_virtual_ip(self, view: _View, address: IPv4Address, port: int) -> Destination | Refusal:
        name = view.cluster.name
        if not view.cluster.bootstrapped:
            return Refusal(
                HTTPStatus.GATEWAY_TIMEOUT,
                f"nobody holds the virtual IP {address} of cluster {name}: it has not been bootstrapped",
            )
        if not view.cluster.has_quorum:
            return Refusal(
                HTTPStatus.GATEWAY_TIMEOUT,
                f"nobody holds the virtual IP {address} of cluster {name}: etcd has no quorum, these machines do not "
                f"answer: {view.down}",
            )
        return self._route_plane(view, str(address), port)

    def _route_machine(self, view: _View, machine: ConfiguredMachine, port: int) -> Destination | Refusal:
        where = f"{machine.name} ({machine.address})"
        if machine.address not in view.up:
            return Refusal(HTTPStatus.GATEWAY_TIMEOUT, f"{where} does not answer")
        if port == KUBELET_PORT:
            return Refusal(
                HTTPStatus.BAD_GATEWAY,
                f"{where} has no kubelet in the twin: no container runs, so there are no logs and nothing to enter",
            )
        if machine.parsed.type is not MachineType.CONTROL_PLANE:
            return Refusal(
                HTTPStatus.BAD_GATEWAY,
                f"{where} is a worker: nothing of the twin listens at port {port}",
            )
        if not view.serves:
            return Refusal(HTTPStatus.BAD_GATEWAY, f"{where} has no API server: etcd has not begun or has no quorum")
        return self._route_plane(view, where, port)

    def _route_plane(self, view: _View, where: str, port: int) -> Destination | Refusal:
        plane = self._planes.get(view.cluster.cluster_id)
        if plane is None or plane.port is None:
            return Refusal(HTTPStatus.BAD_GATEWAY, f"the Kubernetes of {view.cluster.name} is being started")
        served = plane.settings.endpoint_port
        if port != served:
            return Refusal(
                HTTPStatus.BAD_GATEWAY, f"nothing listens at port {port} of {where}: the Kubernetes API is at {served}"
            )
        if plane.state is PlaneState.STARTING:
            why = "; ".join(plane.problems) or "it is being started"
            return Refusal(HTTPStatus.BAD_GATEWAY, f"the Kubernetes of {plane.name} does not answer yet: {why}")
        return Destination(plane.port)


def _answers(moment: Moment, machine: ConfiguredMachine) -> bool:
    found = moment.at(machine.address)
    return found is not None and found.incarnation == machine.incarnation
