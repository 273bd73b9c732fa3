"""One cluster's Kubernetes: its programs, what Talos makes in it, its nodes, and how it is doing."""

import asyncio
import contextlib
import errno
import logging
import re
import socket
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from twin.directory import write_private
from twin.kubernetes import control_plane
from twin.kubernetes.api import ApiStatusError, KubernetesApi, Object, ResourceType, UnreachableError
from twin.kubernetes.certificates import LOOPBACK, MASTERS, Authority, KeyUnusableError
from twin.kubernetes.control_plane import Part, Site
from twin.kubernetes.mounts import Mounts
from twin.kubernetes.network import Network
from twin.kubernetes.nodes import TALOS, Nodes, RunningNode
from twin.kubernetes.plane_state import PlaneState
from twin.kubernetes.processes import NO_SPACE, MissingProgramError, Process, Program, find_programs
from twin.kubernetes.settings import ClusterSettings

LOG = logging.getLogger(__name__)

OWN_USER: Final = "twin:plane"
"""Who applies roles and manifests: an administrator, as Talos itself is one."""
LOGS: Final = "logs"
LEASES: Final = ResourceType("coordination.k8s.io", "v1", "leases", "Lease", namespaced=True)
LEASE_NAMESPACE: Final = "kube-node-lease"

ESSENTIAL: Final = (Part.ETCD, Part.API_SERVER)
"""Without them nothing is answered; without the others nothing is done."""

POLL_SECONDS: Final = 0.05
"""Between looks at what is starting."""
WATCH_SECONDS: Final = 2.0
"""Between looks at what runs well."""
SLOW_SECONDS: Final = 5.0
"""An API server that takes longer to say that it is well is not."""
RETRY_SECONDS: Final = 5.0
STATELESS_GRACE_SECONDS: Final = 1.0
ETCD_GRACE_SECONDS: Final = 3.0
SLOW_START_SECONDS: Final = 20.0
"""After so long a start is told as a problem."""

_DAMAGE: Final = re.compile(r"corrupt|crc mismatch|checksum|invalid database|failed to open database", re.IGNORECASE)
"""What etcd says when it finds by itself that its files are damaged; else it panics."""


class PlaneNotReadyError(Exception):
    """A plane did not get ready in time; the message says why, as far as it is known."""


Started = Callable[["Plane"], AbstractAsyncContextManager[None]]
"""Entered when a plane is ready, left when it stops."""


@dataclass(frozen=True)
class Specification:
    """What a plane is to be. A running plane of another specification is started anew."""

    settings: ClusterSettings
    control_planes: tuple[IPv4Address, ...]

    def covers(self, other: "Specification") -> bool:
        """Whether a plane of this specification serves the other: a control-plane machine less changes nothing."""
        return self.settings == other.settings and set(other.control_planes) <= set(self.control_planes)


class Plane:
    """The Kubernetes of one cluster, from its start to its stop."""

    def __init__(
        self,
        specification: Specification,
        directory: Path,
        network: Network,
        draw_port: Callable[[], int],
        started: Sequence[Started] = (),
    ) -> None:
        """`draw_port` gives a free port of loopback, the same as before where it can; `started` may grow until then."""
        self.specification = specification
        self.directory = directory
        self._state = PlaneState.STARTING
        self._network = network
        self._draw_port = draw_port
        self._started = started
        self._running: Mapping[str, RunningNode] = {}
        self._nodes = Nodes()
        self._processes: dict[Part, Process] = {}
        self._site: Site | None = None
        self._trouble: str | None = None
        self._trouble_lasts = False
        self._lacking: tuple[str, ...] = ()
        """Why manifests of the machine configuration could not be made."""
        self._failed: tuple[str, ...] = ()
        """Why what runs in it did not start."""
        self._changed = asyncio.Event()
        self._look = asyncio.Event()
        self._port_is_lost = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def state(self) -> PlaneState:
        """How it is doing."""
        return self._state

    @property
    def name(self) -> str:
        """The cluster's, which is the colour's."""
        return self.settings.name

    @property
    def settings(self) -> ClusterSettings:
        """The cluster's control plane, as configured."""
        return self.specification.settings

    @property
    def port(self) -> int | None:
        """Of the API server on loopback; None before it has one."""
        return None if self._site is None else self._site.port

    @property
    def processes(self) -> tuple[Process, ...]:
        """The programs, in the order in which they start."""
        return tuple(self._processes.values())

    @property
    def running(self) -> Mapping[str, RunningNode]:
        """The machines that are up, by the names of their nodes."""
        return self._running

    @property
    def problems(self) -> tuple[str, ...]:
        """What is not as it should be, for people."""
        found = [] if self._trouble is None else [self._trouble]
        found += [self._explained(process) for process in self.processes if process.problem is not None]
        return (*found, *self._lacking, *self._failed)

    @property
    def lasting_problem(self) -> str | None:
        """What no waiting mends: a person has to do something first. None when there is no such problem."""
        if self._trouble_lasts:
            return self._trouble
        hurt = (p for p in self.processes if not p.is_running and p.problem is not None)
        return next((self._explained(p) for p in hurt if NO_SPACE in (p.problem or "") or _is_damaged(p)), None)

    def kubeconfig(self, user: str) -> str:
        """For a client inside of the twin that acts for an administrator, straight to loopback."""
        issued = Authority(self.settings.authority, "Kubernetes").client(user, [MASTERS])
        return control_plane.client_kubeconfig(self.settings, self._chosen_site(), user, issued)

    def start(self) -> None:
        """Have it running from now on."""
        self._task = asyncio.create_task(self._run(), name=f"Kubernetes of {self.name}")

    async def stop(self) -> None:
        """End everything that belongs to it; etcd's data stays."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def tell(self, running: Mapping[str, RunningNode]) -> None:
        """Which machines are up now."""
        if running != self._running:
            self._running = running
            self._changed.set()

    async def _run(self) -> None:
        while True:
            try:
                async with AsyncExitStack() as stack:
                    await self._live(stack)
            except _PortLostError:
                continue
            except (OSError, MissingProgramError, KeyUnusableError) as error:
                self._fail(_disk_trouble(error, self.directory), lasts=True)
            except (ApiStatusError, UnreachableError) as error:
                self._fail(f"the API server of {self.name} failed while it was prepared: {error}")
            except Exception as error:
                LOG.exception("the Kubernetes of %s", self.name)
                self._fail(f"the twin itself failed ({type(error).__name__}: {error}); the daemon's log says more")
            await asyncio.sleep(RETRY_SECONDS)

    def _become(self, state: PlaneState) -> None:
        self._state = state

    def _fail(self, trouble: str, *, lasts: bool = False) -> None:
        self._become(PlaneState.STARTING)
        self._trouble_lasts = lasts
        if trouble != self._trouble:
            LOG.error("the Kubernetes of %s: %s", self.name, trouble)
        self._trouble = trouble

    async def _live(self, stack: AsyncExitStack) -> None:
        """Start everything and keep it. Ends with an error, or by cancellation; what was started is ended then."""
        self._become(PlaneState.STARTING)
        self._trouble_lasts = False
        self._port_is_lost.clear()
        self._processes.clear()
        self._nodes = Nodes()
        self._lacking = self._failed = ()
        programs = find_programs(tuple(Part))
        self._site = site = Site(self.directory, self._draw_port(), self.specification.control_planes)
        await asyncio.to_thread(self._write_files)
        server = await self._network.listen_at(self.directory, control_plane.NETWORK_SOCKET)
        stack.callback(server.close)
        stack.push_async_callback(self._stop_processes)
        self._begin(Part.ETCD, programs)
        await self._await_etcd()
        self._begin(Part.API_SERVER, programs)
        api = await stack.enter_async_context(KubernetesApi.from_kubeconfig(self.kubeconfig(OWN_USER)))
        await self._await_api(api)
        self._begin(Part.CONTROLLER_MANAGER, programs)
        self._begin(Part.SCHEDULER, programs)
        for role in control_plane.roles():
            await _apply(api, role)
        lacking = await _make(api, self.settings.manifests)
        await self._drop_leases()
        self._begin(Part.KWOK, programs)
        kubelets = await stack.enter_async_context(KubernetesApi.from_kubeconfig(self._kubelets_kubeconfig()))
        await self._nodes.settle(kubelets, self._running)
        self._trouble = None
        self._become(PlaneState.READY)
        LOG.info("the Kubernetes of %s is ready at %s", self.name, site.server)
        for started in self._started:
            await stack.enter_async_context(self._guarded(started))
        tasks = [
            asyncio.create_task(self._watch(api)),
            asyncio.create_task(self._follow_machines(kubelets)),
            asyncio.create_task(self._make_lacking(api, lacking)),
            asyncio.create_task(Mounts(kubelets, lambda name: name in self._running).run()),
        ]
        stack.push_async_callback(_cancel, tasks)
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()

    def _write_files(self) -> None:
        (self.directory / LOGS).mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, content in control_plane.files(self.settings, self._chosen_site()).items():
            write_private(self.directory / name, content)
        for name in (control_plane.ETCD_SOCKET, control_plane.ETCD_PEER_SOCKET):
            (self.directory / name).unlink(missing_ok=True)

    def _chosen_site(self) -> Site:
        if self._site is None:
            raise PlaneNotReadyError(f"the Kubernetes of {self.name} has no port yet")
        return self._site

    def _kubelets_kubeconfig(self) -> str:
        issued = Authority(self.settings.authority, "Kubernetes").client(control_plane.KUBELETS_USER)
        return control_plane.client_kubeconfig(
            self.settings, self._chosen_site(), control_plane.KUBELETS_USER, issued
        )

    def _begin(self, part: Part, programs: Mapping[str, Path]) -> None:
        program = Program(
            name=part,
            executable=programs[part],
            arguments=control_plane.arguments(part, self.settings, self._chosen_site()),
            directory=self.directory,
            log=self.directory / LOGS / f"{part}.log",
        )
        before = {Part.API_SERVER: self._check_port, Part.KWOK: self._drop_leases}.get(part)
        self._processes[part] = process = Process(program, on_end=self._on_end, before=before)
        process.start()

    async def _stop_processes(self) -> None:
        """Those that only speak to the API server, then it, then etcd."""
        etcd, api_server = self._processes.get(Part.ETCD), self._processes.get(Part.API_SERVER)
        clients = [process for process in self.processes if process not in (etcd, api_server)]
        await asyncio.gather(*(process.stop(STATELESS_GRACE_SECONDS) for process in clients))
        if api_server is not None:
            await api_server.stop(STATELESS_GRACE_SECONDS)
        if etcd is not None:
            await etcd.stop(ETCD_GRACE_SECONDS)

    def _on_end(self, process: Process) -> None:
        """A program died; it is started again by itself."""
        if process.name in ESSENTIAL:
            if self.state is PlaneState.READY:
                self._become(PlaneState.TROUBLED)
            self._look.set()

    async def _check_port(self) -> None:
        """Before the API server is started again: another program may have its port now."""
        if not is_free(self._chosen_site().port):
            LOG.warning("the port of the API server of %s is taken by another program; it gets another", self.name)
            self._port_is_lost.set()
            self._look.set()

    async def _drop_leases(self) -> None:
        """Before kwok starts: it would wait for the leases of the one before it, and its nodes with it."""
        with contextlib.suppress(ApiStatusError, UnreachableError):
            async with KubernetesApi.from_kubeconfig(self._kubelets_kubeconfig()) as api:
                for lease in await api.list(LEASES, LEASE_NAMESPACE):
                    await api.delete(LEASES, LEASE_NAMESPACE, lease["metadata"]["name"])

    async def _await_etcd(self) -> None:
        """Until it listens; a stale socket was removed before."""
        while True:
            if (self.directory / control_plane.ETCD_SOCKET).exists():
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _await_api(self, api: KubernetesApi) -> None:
        clock = asyncio.get_running_loop().time
        begun = clock()
        while (why := await _unwell(api)) is not None:
            if self._port_is_lost.is_set():
                raise _PortLostError
            if clock() - begun > SLOW_START_SECONDS:
                self._trouble = f"the API server of {self.name} is not ready after {clock() - begun:.0f} s: {why}"
            await asyncio.sleep(POLL_SECONDS)

    async def _watch(self, api: KubernetesApi) -> None:
        while True:
            self._look.clear()
            ended = [p.name for p in self.processes if p.name in ESSENTIAL and not p.is_running]
            why = f"{' and '.join(ended)} does not run" if ended else await _unwell(api)
            if self._port_is_lost.is_set():
                raise _PortLostError
            if why is None:
                if self.state is not PlaneState.READY:
                    LOG.info("the Kubernetes of %s is ready again", self.name)
                self._become(PlaneState.READY)
                self._trouble = None
                for process in self.processes:
                    process.trim_log()
                pause = WATCH_SECONDS
            else:
                self._become(PlaneState.TROUBLED)
                self._trouble = f"the API server of {self.name} is not well: {why}"
                pause = POLL_SECONDS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._look.wait()

    async def _follow_machines(self, kubelets: KubernetesApi) -> None:
        while True:
            self._changed.clear()
            try:
                await self._nodes.settle(kubelets, self._running)
            except (ApiStatusError, UnreachableError) as error:
                LOG.warning("the nodes of %s cannot be told now: %s", self.name, error)
                await asyncio.sleep(WATCH_SECONDS)
                continue
            await self._changed.wait()

    async def _make_lacking(self, api: KubernetesApi, lacking: list[tuple[Object, str]]) -> None:
        """Manifests whose kind or namespace comes with another one, or later."""
        while lacking:
            await asyncio.sleep(WATCH_SECONDS)
            with contextlib.suppress(UnreachableError):
                lacking = await _make(api, [manifest for manifest, _ in lacking])
            self._lacking = tuple(
                f"Talos cannot make {manifest['kind']} {manifest['metadata']['name']} of the machine configuration: "
                f"{why}"
                for manifest, why in lacking
            )

    @asynccontextmanager
    async def _guarded(self, started: Started) -> AsyncGenerator[None]:
        """What is entered when the plane is ready does not take the plane with it when it fails."""
        entered = started(self)
        try:
            await entered.__aenter__()
        except Exception as error:
            LOG.exception("what runs in the Kubernetes of %s did not start", self.name)
            self._failed = (*self._failed, f"what runs in {self.name} did not start: {error}")
            yield
            return
        try:
            yield
        finally:
            try:
                await entered.__aexit__(None, None, None)
            except Exception:
                LOG.exception("what runs in the Kubernetes of %s did not end well", self.name)

    def _explained(self, process: Process) -> str:
        problem = process.problem or ""
        if _is_damaged(process):
            data = self.directory / control_plane.ETCD_DATA
            problem += (
                f". The data of etcd in {data} is damaged, and nothing of it was changed: put a copy back, or move the "
                f"folder away to begin with an empty cluster, and then `./lab refresh {self.name}` and "
                f"`./lab up {self.name}` make its objects anew"
            )
        return problem


class _PortLostError(Exception):
    """Another program has the API server's port: everything begins anew with another."""


def is_free(port: int) -> bool:
    """Whether a server may listen at the port of loopback."""
    try:
        socket.create_server((str(LOOPBACK), port)).close()
    except OSError:
        return False
    return True


async def _unwell(api: KubernetesApi) -> str | None:
    """Why the API server does not serve, None when it does."""
    try:
        async with asyncio.timeout(SLOW_SECONDS):
            await api.read("/readyz")
    except TimeoutError:
        return f"it did not answer within {SLOW_SECONDS:g} s"
    except ApiStatusError as error:
        # It lists every check; those that failed are marked.
        failed = [line.removeprefix("[-]") for line in error.message.splitlines() if line.startswith("[-]")]
        return "; ".join(failed) or error.message
    except UnreachableError as error:
        return str(error)
    return None


async def _apply(api: KubernetesApi, manifest: Object) -> None:
    kind = await api.resource_type(manifest["apiVersion"], manifest["kind"])
    if kind is None:
        raise ApiStatusError(HTTPStatus.NOT_FOUND, "NotFound", f"there is no kind {manifest['kind']}")
    metadata = manifest["metadata"]
    await api.apply(kind, metadata.get("namespace"), metadata["name"], manifest, field_manager=OWN_USER, force=True)


async def _make(api: KubernetesApi, manifests: Iterable[Object]) -> list[tuple[Object, str]]:
    """Create what is not there, as Talos does, which never changes what is. Returns what was refused, and why."""
    lacking: list[tuple[Object, str]] = []
    for manifest in manifests:
        kind = await api.resource_type(manifest["apiVersion"], manifest["kind"])
        if kind is None:
            lacking.append((manifest, f"the API server has no {manifest['kind']} of {manifest['apiVersion']}"))
            continue
        namespace = manifest["metadata"].get("namespace", "default") if kind.namespaced else None
        try:
            await api.create(kind, namespace, manifest, field_manager=TALOS)
        except ApiStatusError as error:
            if error.reason != "AlreadyExists":
                lacking.append((manifest, error.message))
    return lacking


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _is_damaged(process: Process) -> bool:
    """Whether it is etcd and ends each time because of what it reads."""
    end = process.last_end
    if process.name != Part.ETCD or process.is_running or end is None or process.restarts == 0:
        return False
    return NO_SPACE not in end.reason and (end.is_panic or _DAMAGE.search(end.reason) is not None)


def _disk_trouble(error: Exception, directory: Path) -> str:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"{NO_SPACE} on the disk of {directory}; make room, and it goes on"
    return str(error)
