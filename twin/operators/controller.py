"""Reconciling: every object of one kind is looked at when it changes, and again until it is as it should be."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import ClassVar, Final

from twin.faults import FaultKind
from twin.kubernetes.api import ApiStatusError, Object, ResourceType, UnreachableError
from twin.operators.cluster import Cluster, Kind, NotReadyError, Operator, key_of

LOG = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 4.0
RESYNC_SECONDS: Final = 120.0
"""After so long every object is looked at, whatever was told: what it depends on may have changed."""
RESTART_SECONDS: Final = 1.0
FAULTS_SECONDS: Final = 1.0
AT_ONCE: Final = 6
"""Objects of a kind that are worked on at the same time."""

Key = tuple[str, str]


class Controller(ABC):
    """What an operator does about one kind of object. It keeps nothing in memory that it could not find again."""

    operator: ClassVar[Operator]
    kind: ClassVar[Kind]
    wakes_on: ClassVar[tuple[Kind, ...]] = ()
    """A change of any object of these kinds has every object of `kind` looked at."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    @abstractmethod
    async def reconcile(self, found: Object) -> None:
        """Bring about what the object asks for. NotReadyError when it is not so yet: it is tried again."""

    async def refuse(self, found: Object, problem: NotReadyError) -> None:
        """Tell the object's owner why it is not ready, in the way of the real operator."""
        await self.tell(found, problem.reason, problem.message)

    async def release(self, found: Object) -> None:
        """The object is being deleted: undo what it brought, then take the operator's finalizer off it."""
        del found

    async def tell(self, about: Object, reason: str, message: str, *, warning: bool = True) -> None:
        """An event about the object, once for each message."""
        await self.cluster.tell(self.operator, about, reason, message, warning=warning)


@asynccontextmanager
async def running(cluster: Cluster, controllers: Iterable[Controller]) -> AsyncGenerator[None]:
    """Run the controllers until the end of the block."""
    loops = [_Loop(controller) for controller in controllers]
    works = [cluster.follow_definitions(), _follow_faults(cluster, loops), *(loop.run() for loop in loops)]
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _follow_faults(cluster: Cluster, loops: "list[_Loop]") -> None:
    """Have every operator look at its objects when its faults change."""
    before = cluster.around.faults.of_operators()
    while True:
        await asyncio.sleep(FAULTS_SECONDS)
        current = cluster.around.faults.of_operators()
        changed = {fault.target for fault in before ^ current}
        for loop in loops:
            if loop.operator in changed:
                loop.wake_all()
        before = current


class _Loop:
    """Follows the objects of one controller."""

    def __init__(self, controller: Controller) -> None:
        self.operator = controller.operator
        self._controller = controller
        self._cluster = controller.cluster
        self._known: dict[Key, Object] = {}
        self._workers: dict[Key, asyncio.Task[None]] = {}
        self._changed: dict[Key, asyncio.Event] = {}
        self._room = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """For ever, whatever becomes of the API server."""
        others = [asyncio.create_task(self._resync())]
        others += [asyncio.create_task(self._wake_on(kind)) for kind in self._controller.wakes_on]
        try:
            await self._for_ever(self._controller.kind, self._follow)
        finally:
            workers = [*self._workers.values(), *others]
            for task in workers:
                task.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _for_ever(self, kind: Kind, follow: Callable[[ResourceType], Awaitable[None]]) -> None:
        while True:
            resource = await self._cluster.served(kind)
            try:
                await follow(resource)
            except (ApiStatusError, UnreachableError) as error:
                LOG.debug("%s: watch of %s ended: %s", self._cluster.name, kind.kind, error)
            await asyncio.sleep(RESTART_SECONDS)

    async def _follow(self, resource: ResourceType) -> None:
        self._known.clear()
        async for event, item in self._cluster.api.watch(resource):
            key = key_of(item)
            if event == "DELETED":
                self._known.pop(key, None)
            else:
                self._known[key] = item
            self._wake(key)

    async def _wake_on(self, kind: Kind) -> None:
        async def follow(resource: ResourceType) -> None:
            async for _ in self._cluster.api.watch(resource):
                self.wake_all()

        await self._for_ever(kind, follow)

    async def _resync(self) -> None:
        while True:
            await asyncio.sleep(RESYNC_SECONDS)
            self.wake_all()

    def wake_all(self) -> None:
        """Have every object looked at."""
        for key in list(self._known):
            self._wake(key)

    def _wake(self, key: Key) -> None:
        self._changed.setdefault(key, asyncio.Event()).set()
        if key not in self._workers:
            self._workers[key] = asyncio.create_task(self._work(key))

    async def _work(self, key: Key) -> None:
        """Until the object is settled and has not changed meanwhile, or is gone."""
        changed = self._changed[key]
        pause = FIRST_PAUSE_SECONDS
        try:
            while key in self._known:
                changed.clear()
                settled = await self._look_at(self._known[key])
                if changed.is_set():
                    # Its own writes come back as changes, too: they must not keep it busy.
                    await asyncio.sleep(FIRST_PAUSE_SECONDS / 5)
                    continue
                if settled:
                    break
                try:
                    # Not `wait_for`: until Python 3.12 it may swallow the cancellation that ends the plane.
                    async with asyncio.timeout(pause):
                        await changed.wait()
                    pause = FIRST_PAUSE_SECONDS
                except TimeoutError:
                    pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        finally:
            # No await since the last look at `changed`: nothing is missed.
            del self._workers[key]
            if key not in self._known:
                self._changed.pop(key, None)

    async def _look_at(self, found: Object) -> bool:
        """Whether nothing is left to do for the object as it is."""
        controller = self._controller
        namespace, name = key_of(found)
        item = f"{namespace}/{name}"
        fault = self._cluster.around.faults.of_operator(controller.operator, item)
        if fault is not None and fault.kind is FaultKind.OPERATOR_HANGS:
            return False
        async with self._room:
            try:
                try:
                    if fault is not None:
                        message = f"{controller.operator} fails at {item} (injected fault)"
                        raise NotReadyError("InjectedFault", message)
                    if "deletionTimestamp" in found["metadata"]:
                        await controller.release(found)
                    else:
                        await controller.reconcile(found)
                    return True
                except NotReadyError as problem:
                    if "deletionTimestamp" not in found["metadata"]:
                        await controller.refuse(found, problem)
            except UnreachableError as error:
                LOG.debug("%s: %s %s: %s", self._cluster.name, controller.operator, item, error)
            except ApiStatusError as error:
                LOG.info("%s: %s %s: %s", self._cluster.name, controller.operator, item, error)
            except Exception:
                # One object that an operator cannot cope with must not end what it does for the others.
                LOG.exception("%s: %s failed at %s", self._cluster.name, controller.operator, item)
        return False
