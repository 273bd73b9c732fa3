"""Talks to the provider as an engine does that has several stacks, time limits and a cancel."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime import proto
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2_grpc, status_pb2

from tests.twin.provider_client import SEED, RefusedError
from twin.providers import wire

STACK = "urn:pulumi:green::lab"


@dataclass(frozen=True)
class Unready:
    """What an engine keeps of a resource that did not become ready."""

    resource_id: str
    properties: wire.Properties
    inputs: wire.Properties
    reasons: tuple[str, ...]


@dataclass
class Known:
    """A resource as an engine has it in its state."""

    token: str
    name: str
    resource_id: str
    inputs: wire.Properties
    properties: wire.Properties = field(default_factory=dict)

    def plain(self, name: str) -> Any:
        return wire.reveal(self.properties[name])


class Engine:
    """One engine with a connection of its own."""

    def __init__(self, port: int, stack: str = STACK) -> None:
        # gRPC would share one connection between all channels of a process.
        self._channel = grpc.aio.insecure_channel(
            f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)]
        )  # fmt: skip
        self.stub: Any = provider_pb2_grpc.ResourceProviderStub(self._channel)
        self.stack = stack

    async def close(self) -> None:
        await self._channel.close()

    def urn(self, token: str, name: str) -> str:
        return f"{self.stack}::lab:test:Component${token}::{name}"

    async def configure(self, inputs: Mapping[str, wire.Value]) -> None:
        urn = self.urn("pulumi:providers:kubernetes", "kubernetes")
        checked = await self.stub.CheckConfig(proto.CheckRequest(urn=urn, news=wire.encode(inputs)))
        _raise_failures(checked)
        await self.stub.Configure(proto.ConfigureRequest(urn=urn, args=checked.inputs, acceptSecrets=True))

    async def diff_configuration(
        self, old: Mapping[str, wire.Value], new: Mapping[str, wire.Value]
    ) -> proto.DiffResponse:
        urn = self.urn("pulumi:providers:kubernetes", "kubernetes")
        return await self.stub.DiffConfig(
            proto.DiffRequest(urn=urn, olds=wire.encode(old), old_inputs=wire.encode(old), news=wire.encode(new))
        )

    async def check(
        self, token: str, name: str, inputs: Mapping[str, wire.Value], old: Mapping[str, wire.Value] | None = None
    ) -> wire.Properties:
        request = proto.CheckRequest(
            urn=self.urn(token, name), news=wire.encode(inputs), olds=wire.encode(old or {}), randomSeed=SEED
        )
        answer = await self.stub.Check(request)
        _raise_failures(answer)
        return wire.decode(answer.inputs)

    async def preview(self, token: str, name: str, inputs: Mapping[str, wire.Value]) -> wire.Properties:
        checked = await self.check(token, name, inputs)
        request = proto.CreateRequest(urn=self.urn(token, name), properties=wire.encode(checked), preview=True)
        return wire.decode((await self.stub.Create(request)).properties)

    async def create(self, token: str, name: str, inputs: Mapping[str, wire.Value], seconds: float = 20.0) -> Known:
        checked = await self.check(token, name, inputs)
        request = proto.CreateRequest(urn=self.urn(token, name), properties=wire.encode(checked), timeout=seconds)
        answer = await self.stub.Create(request)
        return Known(token, name, answer.id, checked, wire.decode(answer.properties))

    async def diff(
        self, known: Known, inputs: Mapping[str, wire.Value], ignored: tuple[str, ...] = ()
    ) -> proto.DiffResponse:
        checked = await self.check(known.token, known.name, inputs, known.inputs)
        return await self.stub.Diff(
            proto.DiffRequest(
                id=known.resource_id, urn=self.urn(known.token, known.name), olds=wire.encode(known.properties),
                old_inputs=wire.encode(known.inputs), news=wire.encode(checked), ignoreChanges=ignored,
            )
        )  # fmt: skip

    async def update(
        self, known: Known, inputs: Mapping[str, wire.Value], *, preview: bool = False, seconds: float = 20.0,
        ignored: tuple[str, ...] = (),
    ) -> Known:  # fmt: skip
        checked = await self.check(known.token, known.name, inputs, known.inputs)
        answer = await self.stub.Update(
            proto.UpdateRequest(
                id=known.resource_id, urn=self.urn(known.token, known.name), olds=wire.encode(known.properties),
                old_inputs=wire.encode(known.inputs), news=wire.encode(checked), preview=preview, timeout=seconds,
                ignoreChanges=ignored,
            )
        )  # fmt: skip
        return Known(known.token, known.name, known.resource_id, checked, wire.decode(answer.properties))

    async def read(self, known: Known) -> Known | None:
        request = proto.ReadRequest(
            id=known.resource_id, urn=self.urn(known.token, known.name), properties=wire.encode(known.properties),
            inputs=wire.encode(known.inputs),
        )  # fmt: skip
        return _found(known.token, known.name, await self.stub.Read(request))

    async def import_(self, token: str, name: str, import_id: str) -> Known | None:
        request = proto.ReadRequest(id=import_id, urn=self.urn(token, name))
        return _found(token, name, await self.stub.Read(request))

    async def delete(self, known: Known, seconds: float = 20.0) -> None:
        await self.stub.Delete(
            proto.DeleteRequest(
                id=known.resource_id, urn=self.urn(known.token, known.name), properties=wire.encode(known.properties),
                old_inputs=wire.encode(known.inputs), timeout=seconds,
            )
        )  # fmt: skip


class Messages(engine_pb2_grpc.EngineServicer):
    """The part of an engine that takes messages."""

    def __init__(self) -> None:
        self.taken: list[Any] = []

    async def Log(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol names it
        self.taken.append(request)
        return empty_pb2.Empty()

    def texts(self, severity: int = engine_pb2.WARNING) -> list[str]:
        return [one.message for one in self.taken if one.severity == severity]


def unready(error: grpc.aio.AioRpcError) -> Unready:
    """What is packed into the error of a resource that is there and not ready."""
    packed = dict(error.trailing_metadata() or ())["grpc-status-details-bin"]
    assert isinstance(packed, bytes)
    status = status_pb2.Status.FromString(packed)
    failed = proto.ErrorResourceInitFailed()
    (detail,) = status.details
    assert isinstance(detail, any_pb2.Any)
    assert detail.Unpack(failed)
    return Unready(
        failed.id, wire.decode(failed.properties), wire.decode(failed.inputs), tuple(failed.reasons)
    )  # fmt: skip


def _found(token: str, name: str, answer: proto.ReadResponse) -> Known | None:
    if not answer.id:
        return None
    return Known(token, name, answer.id, wire.decode(answer.inputs), wire.decode(answer.properties))


def _raise_failures(answer: Any) -> None:
    if answer.failures:
        raise RefusedError([f"{failure.property}: {failure.reason}" for failure in answer.failures])
