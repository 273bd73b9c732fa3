"""Talks to a stand-in as the engine does: over gRPC, with the provider protocol's own messages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
from pulumi.runtime import proto
from pulumi.runtime.proto import provider_pb2_grpc

from twin.providers import wire

SEED = bytes(range(32))


class RefusedError(Exception):
    """`check` found violations; each as `path: reason`."""

    def __init__(self, failures: list[str]) -> None:
        super().__init__("; ".join(failures))
        self.failures = failures


@dataclass
class Known:
    """A resource as an engine would have it in its state."""

    token: str
    name: str
    resource_id: str
    inputs: wire.Properties
    properties: wire.Properties = field(default_factory=dict)

    @property
    def urn(self) -> str:
        return urn(self.token, self.name)

    def plain(self, name: str) -> Any:
        return wire.reveal(self.properties[name])


def urn(token: str, name: str) -> str:
    return f"urn:pulumi:dev::twin-test::lab:test:Component${token}::{name}"


class ProviderClient:
    def __init__(self, port: int) -> None:
        self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        self.stub: Any = provider_pb2_grpc.ResourceProviderStub(self._channel)

    async def close(self) -> None:
        await self._channel.close()

    async def configure(self, inputs: Mapping[str, wire.Value], package: str) -> None:
        checked = await self.stub.CheckConfig(
            proto.CheckRequest(urn=urn(f"pulumi:providers:{package}", "p"), news=wire.encode(inputs))
        )
        _raise_failures(checked)
        await self.stub.Configure(proto.ConfigureRequest(args=checked.inputs, acceptSecrets=True))

    async def check(
        self, token: str, name: str, inputs: Mapping[str, wire.Value], old: Mapping[str, wire.Value] | None = None
    ) -> wire.Properties:
        answer = await self.stub.Check(
            proto.CheckRequest(
                urn=urn(token, name), news=wire.encode(inputs), olds=wire.encode(old or {}), randomSeed=SEED
            )
        )
        _raise_failures(answer)
        return wire.decode(answer.inputs)

    async def preview(self, token: str, name: str, inputs: Mapping[str, wire.Value]) -> wire.Properties:
        checked = await self.check(token, name, inputs)
        request = proto.CreateRequest(urn=urn(token, name), properties=wire.encode(checked), preview=True)
        return wire.decode((await self.stub.Create(request)).properties)

    async def create(self, token: str, name: str, inputs: Mapping[str, wire.Value]) -> Known:
        checked = await self.check(token, name, inputs)
        answer = await self.stub.Create(proto.CreateRequest(urn=urn(token, name), properties=wire.encode(checked)))
        return Known(token, name, answer.id, checked, wire.decode(answer.properties))

    async def diff(self, known: Known, inputs: Mapping[str, wire.Value]) -> proto.DiffResponse:
        checked = await self.check(known.token, known.name, inputs, known.inputs)
        return await self.stub.Diff(
            proto.DiffRequest(
                id=known.resource_id, urn=known.urn, olds=wire.encode(known.properties),
                old_inputs=wire.encode(known.inputs), news=wire.encode(checked),
            )
        )  # fmt: skip

    async def update(self, known: Known, inputs: Mapping[str, wire.Value], *, preview: bool = False) -> Known:
        checked = await self.check(known.token, known.name, inputs, known.inputs)
        answer = await self.stub.Update(
            proto.UpdateRequest(
                id=known.resource_id, urn=known.urn, olds=wire.encode(known.properties),
                old_inputs=wire.encode(known.inputs), news=wire.encode(checked), preview=preview,
            )
        )  # fmt: skip
        return Known(known.token, known.name, known.resource_id, checked, wire.decode(answer.properties))

    async def read(self, known: Known) -> Known | None:
        answer = await self.stub.Read(
            proto.ReadRequest(
                id=known.resource_id, urn=known.urn,
                properties=wire.encode(known.properties), inputs=wire.encode(known.inputs),
            )
        )  # fmt: skip
        return _found(known.token, known.name, answer)

    async def import_(self, token: str, name: str, import_id: str) -> Known | None:
        return _found(token, name, await self.stub.Read(proto.ReadRequest(id=import_id, urn=urn(token, name))))

    async def delete(self, known: Known) -> None:
        await self.stub.Delete(
            proto.DeleteRequest(id=known.resource_id, urn=known.urn, properties=wire.encode(known.properties))
        )

    async def invoke(self, token: str, arguments: Mapping[str, wire.Value]) -> wire.Properties:
        answer = await self.stub.Invoke(proto.InvokeRequest(tok=token, args=wire.encode(arguments)))
        _raise_failures(answer)
        return wire.decode(getattr(answer, "return"))


def _found(token: str, name: str, answer: proto.ReadResponse) -> Known | None:
    if not answer.id:
        return None
    return Known(token, name, answer.id, wire.decode(answer.inputs), wire.decode(answer.properties))


def _raise_failures(answer: Any) -> None:
    if answer.failures:
        raise RefusedError([f"{failure.property}: {failure.reason}" for failure in answer.failures])
