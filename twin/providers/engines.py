"""The engines that are attached: what each of them configured, where it takes messages, whether it wants to stop."""

import asyncio
import logging
from collections import OrderedDict
from contextlib import suppress
from enum import Enum
from typing import Any, Final, Generic, TypeVar

import grpc
import grpc.aio
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from twin.providers.operation import Operation

LOG = logging.getLogger(__name__)

REMEMBERED: Final = 256
"""Connections of which something is kept; a run of the engine makes one per provider resource."""
MESSAGE_SECONDS: Final = 5.0

Kept = TypeVar("Kept")


class Severity(Enum):
    """How an engine shows a message."""

    INFO = engine_pb2.INFO
    WARNING = engine_pb2.WARNING


class PerStack(Generic[Kept]):
    """Something of which every provider resource of every stack has its own, such as its configuration.

    It is kept by the connection that set it and by the stack: a call finds it by its connection, and by its stack
    when the engine had to connect anew.
    """

    def __init__(self) -> None:
        self._by_connection: OrderedDict[str, Kept] = OrderedDict()
        self._by_stack: dict[str, Kept] = {}

    def set(self, operation: Operation, kept: Kept) -> None:
        """Keep it for every later call like this one."""
        _remember(self._by_connection, operation.connection, kept)
        if operation.stack:
            self._by_stack[operation.stack] = kept

    def get(self, operation: Operation) -> Kept | None:
        """What is kept for the call; None when nothing was ever set."""
        found = self._by_connection.get(operation.connection)
        return self._by_stack.get(operation.stack) if found is None else found


class Engines:
    """Knows the engines by their connections. Saying something to one that is gone does nothing."""

    def __init__(self) -> None:
        self._addresses: OrderedDict[str, str] = OrderedDict()
        self._channels: OrderedDict[str, grpc.aio.Channel] = OrderedDict()
        self._stops: OrderedDict[str, asyncio.Event] = OrderedDict()

    def attach(self, connection: str, address: str) -> None:
        """The engine of the connection takes messages at `address` (HOST:PORT)."""
        _remember(self._addresses, connection, address)
        self._stops.pop(connection, None)

    def stop(self, connection: str) -> None:
        """The engine wants what it still waits for to end."""
        self.stopping(connection).set()

    def stopping(self, connection: str) -> asyncio.Event:
        """Set once the engine wants to stop."""
        if connection not in self._stops:
            _remember(self._stops, connection, asyncio.Event())
        return self._stops[connection]

    async def say(self, operation: Operation, severity: Severity, message: str, *, passing: bool = False) -> None:
        """Show a message beside the resource; a `passing` one only until the next, while the engine works on it."""
        address = self._addresses.get(operation.connection)
        if address is None:
            return
        stub: Any = engine_pb2_grpc.EngineStub(self._channel(address))
        request = engine_pb2.LogRequest(
            severity=severity.value, message=message, urn=operation.urn, ephemeral=passing
        )  # fmt: skip
        try:
            await stub.Log(request, timeout=MESSAGE_SECONDS)
        except grpc.aio.AioRpcError as error:
            LOG.info("the engine at %s did not take a message: %s", address, error.code())

    async def close(self) -> None:
        """Let go of the connections to the engines."""
        while self._channels:
            _, channel = self._channels.popitem()
            with suppress(grpc.aio.UsageError):
                await channel.close()

    def _channel(self, address: str) -> grpc.aio.Channel:
        if address not in self._channels:
            _remember(self._channels, address, grpc.aio.insecure_channel(address))
        return self._channels[address]


def _remember(kept: "OrderedDict[str, Kept]", key: str, value: Kept) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > REMEMBERED:
        kept.popitem(last=False)
