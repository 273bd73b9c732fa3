"""What the program changes in Pulumi's Python SDK, because a stack of hundreds of resources pays for it."""

import asyncio
import os
import threading
from typing import Protocol, cast

import pulumi
import pulumi.runtime.stack
from pulumi.runtime.rpc_manager import RPCManager
from pulumi.runtime.settings import SETTINGS

SDK_VERSION = "3.272.0"
"""The version whose internals `quicken` knows; a test compares it with the installed one."""

_WANTS_DEBUG = "PULUMI_EXCESSIVE_DEBUG_OUTPUT"
"""The SDK's own switch for more of its debug output."""


def quicken() -> None:
    """Take out what costs most while resources are registered. Doing it twice does no harm.

    - Five debug messages for each resource, each a round trip to the engine during which the program stands still.
    - A wait that looks at all pending outputs whenever one of them is there: quadratic in the number of resources.
    """
    if not os.environ.get(_WANTS_DEBUG):
        pulumi.log.debug = _say_nothing
    pulumi.runtime.stack.wait_for_rpcs = wait_for_rpcs


class Pending(Protocol):
    """What a program still waits for, of the SDK's settings."""

    @property
    def rpc_manager(self) -> RPCManager:
        """Of registrations under way."""
        ...

    @property
    def lock(self) -> threading.Lock:
        """Of `outputs`."""
        ...

    @property
    def outputs(self) -> "set[asyncio.Task[object]]":
        """Values that are not there yet."""
        ...


PENDING = cast("Pending", SETTINGS)
"""Of the program that runs in this context."""


async def wait_for_rpcs(await_all_outstanding_tasks: bool = True) -> None:
    """Wait until nothing is being registered and, if asked, all outputs have values; raises what went wrong first."""
    registrations = PENDING.rpc_manager
    while True:
        while registrations.rpcs:
            # Others may append while this one is awaited, so each is taken off on its own.
            await registrations.rpcs.pop()
        if registrations.unhandled_exception is not None:
            raise registrations.unhandled_exception.with_traceback(registrations.exception_traceback)
        if await_all_outstanding_tasks:
            await _wait_for_outputs()
        if not registrations.rpcs:
            return


async def _wait_for_outputs() -> None:
    while True:
        with PENDING.lock:
            outputs = list(PENDING.outputs)
            PENDING.outputs.clear()
        if not outputs:
            return
        done, unfinished = await asyncio.wait(outputs, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            await task
        with PENDING.lock:
            PENDING.outputs.update(unfinished)


def _say_nothing(
    msg: str,
    resource: pulumi.Resource | None = None,
    stream_id: int | None = None,
    ephemeral: bool | None = None,
) -> None:
    """In the place of `pulumi.log.debug`."""
    del msg, resource, stream_id, ephemeral
