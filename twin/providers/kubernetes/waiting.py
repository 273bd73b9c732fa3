"""Waits until an object is ready, or gone."""

import asyncio
from contextlib import suppress
from typing import Final

from twin.kubernetes.api import ApiStatusError, KubernetesApi, Object, ResourceType, UnreachableError
from twin.providers.engines import Engines, Severity
from twin.providers.kubernetes import annotations, objects
from twin.providers.kubernetes.conditions import read_expressions
from twin.providers.kubernetes.readiness import DEFAULT_SECONDS, READY, SECONDS, Status, rule_of
from twin.providers.operation import Operation

FIRST_LOOK_SECONDS: Final = 0.05
LONGEST_LOOK_SECONDS: Final = 1.0
"""Between two looks at an object that is waited for; the pause doubles from the first to the longest."""


class Waiting:
    """One operation that waits for one object. It goes on while the API server is out of reach."""

    def __init__(
        self, engines: Engines, operation: Operation, api: KubernetesApi, resource_type: ResourceType, live: Object
    ) -> None:
        self._engines = engines
        self._operation = operation
        self._api = api
        self._resource_type = resource_type
        self.live = live
        """The object as it was seen last."""

    async def until_ready(self) -> Status:
        """How it ended: ready, or why not (in time, ever, or before the engine wanted to stop)."""
        seconds = self._operation.timeout or annotations.timeout_seconds(self.live)
        if seconds is None:
            seconds = SECONDS.get((self.live["apiVersion"], self.live["kind"]), DEFAULT_SECONDS)
        pauses = _Pauses(self._engines.stopping(self._operation.connection), seconds)
        told = ""
        while True:
            status = await self._status()
            if status.ready or status.failed:
                return status
            if status.message != told:
                told = status.message
                await self._engines.say(self._operation, Severity.INFO, told, passing=True)
            if not await pauses.next():
                ended = "cancelled" if pauses.stopped else f"timed out after {seconds:g} s"
                return Status(False, f"{ended}: {status.message}")
            with suppress(UnreachableError):
                found = await self._get()
                if found is None:
                    return Status(False, "the object was deleted while it was waited for", failed=True)
                self.live = found

    async def until_gone(self, seconds: float) -> bool:
        """False when it is not gone in time, or before the engine wanted to stop."""
        uid = self.live["metadata"]["uid"]
        pauses = _Pauses(self._engines.stopping(self._operation.connection), seconds)
        while True:
            with suppress(UnreachableError):
                found = await self._get()
                # Something of the same name that came since is another object.
                if found is None or found["metadata"]["uid"] != uid:
                    return True
                self.live = found
            if not await pauses.next():
                return False

    async def _status(self) -> Status:
        try:
            return await status_of(self._api, self.live)
        except (ApiStatusError, UnreachableError) as error:
            return Status(False, f"the cluster does not tell: {error}")

    async def _get(self) -> Object | None:
        identity = objects.identity_of(self.live)
        return await self._api.get(self._resource_type, identity.namespace, identity.name)


async def status_of(api: KubernetesApi, live: Object) -> Status:
    """Whether the object is ready, by what its annotations say, else by the rules of its kind."""
    if annotations.is_true(live, annotations.SKIP_AWAIT):
        return READY
    wanted = annotations.annotation(live, annotations.WAIT_FOR)
    if wanted:
        unmet = [one.missing(live) for one in read_expressions(wanted) if not one.holds(live)]
        return Status(False, "; ".join(unmet)) if unmet else READY
    rule = rule_of(live)
    return READY if rule is None else await rule(api, live)


class _Pauses:
    """Pauses that double, until the time is over or someone wants to stop."""

    def __init__(self, stopping: asyncio.Event, seconds: float) -> None:
        self._stopping = stopping
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._pause = FIRST_LOOK_SECONDS

    @property
    def stopped(self) -> bool:
        """Whether someone wanted to stop."""
        return self._stopping.is_set()

    async def next(self) -> bool:
        """False when there is no time for another."""
        left = self._deadline - asyncio.get_running_loop().time()
        if left <= 0 or self.stopped:
            return False
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), min(self._pause, left))
        self._pause = min(self._pause * 2, LONGEST_LOOK_SECONDS)
        return not self.stopped
