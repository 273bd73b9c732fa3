# ruff: noqa: N802 - the protocol names its methods
"""A stand-in as a Pulumi resource provider over gRPC.

Written against the protocol's own messages and not on `pulumi.provider.experimental`: that puts tracebacks into what
people read, passes unknown values on as strings, and keeps the old inputs from `diff`.
"""

import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import grpc
import grpc.aio
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime import proto
from pulumi.runtime.proto import provider_pb2_grpc, status_pb2

from twin.faults import InjectedError
from twin.providers import wire
from twin.providers.differences import ChangeKind
from twin.providers.errors import (
    ApiError,
    CommandError,
    NotEmulatedError,
    NotReadyError,
    OutOfReachError,
    OverdueError,
)
from twin.providers.inputs import Violation
from twin.providers.operation import Operation
from twin.providers.stand_in import Difference, StandIn
from twin.providers.types_cache import SdkUnreadableError

LOG = logging.getLogger(__name__)

MAXIMUM_MESSAGE_BYTES = 400 * 1024 * 1024
"""What the engine itself allows."""

SERVER_OPTIONS = (
    ("grpc.max_receive_message_length", MAXIMUM_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAXIMUM_MESSAGE_BYTES),
    # Without this a second daemon could serve the same port beside the first, and the engine talk to either.
    ("grpc.so_reuseport", 0),
)

REFUSALS = {
    ApiError: grpc.StatusCode.FAILED_PRECONDITION,
    InjectedError: grpc.StatusCode.UNAVAILABLE,
    CommandError: grpc.StatusCode.UNKNOWN,
    OutOfReachError: grpc.StatusCode.UNAVAILABLE,
    OverdueError: grpc.StatusCode.DEADLINE_EXCEEDED,
    NotEmulatedError: grpc.StatusCode.UNIMPLEMENTED,
    SdkUnreadableError: grpc.StatusCode.FAILED_PRECONDITION,
}

KINDS = {
    (ChangeKind.ADD, False): proto.PropertyDiff.ADD,
    (ChangeKind.ADD, True): proto.PropertyDiff.ADD_REPLACE,
    (ChangeKind.UPDATE, False): proto.PropertyDiff.UPDATE,
    (ChangeKind.UPDATE, True): proto.PropertyDiff.UPDATE_REPLACE,
    (ChangeKind.DELETE, False): proto.PropertyDiff.DELETE,
    (ChangeKind.DELETE, True): proto.PropertyDiff.DELETE_REPLACE,
}

_Answer = TypeVar("_Answer")
_Arguments = ParamSpec("_Arguments")
_Handler = Callable[Concatenate["StandInServicer", _Arguments], Awaitable[_Answer]]


def _explained(handler: _Handler[_Arguments, _Answer]) -> _Handler[_Arguments, _Answer]:
    """Turn what a stand-in raises into a status with a sentence for people; a traceback only goes to the log."""

    @wraps(handler)
    async def answer(servicer: "StandInServicer", *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Answer:
        context: Any = kwargs.get("context", args[-1] if args else None)
        try:
            return await handler(servicer, *args, **kwargs)
        except tuple(REFUSALS) as error:
            code = next(code for kind, code in REFUSALS.items() if isinstance(error, kind))
            await context.abort(code, f"{servicer.name}: {error}")
        except NotReadyError as error:
            message = f"{servicer.name}: {error}"
            await context.abort(grpc.StatusCode.UNKNOWN, message, _details(message, error))
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            LOG.exception("%s of %s failed", handler.__name__, servicer.name)
            await context.abort(
                grpc.StatusCode.INTERNAL,
                f"{servicer.name}: the twin itself failed in {handler.__name__} ({type(error).__name__}: {error}); "
                "the details are in the daemon's log",
            )
        raise AssertionError("abort returned")

    return answer


class StandInServicer(proto.ResourceProviderServicer):
    """Translates between the provider protocol and a `StandIn`."""

    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in

    @property
    def name(self) -> str:
        """The provider's package name."""
        return self._stand_in.name

    async def Handshake(
        self, request: proto.ProviderHandshakeRequest, context: Any
    ) -> proto.ProviderHandshakeResponse:
        """Not spoken: the engine goes on with `Attach` and `Configure`, which say all that it wants to know."""
        del request
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{self.name}: the twin does not speak Handshake")
        raise AssertionError("abort returned")

    async def Attach(self, request: proto.PluginAttach, context: Any) -> empty_pb2.Empty:
        """The engine says hello to a provider that it did not start."""
        self._stand_in.engines.attach(context.peer(), request.address)
        return empty_pb2.Empty()

    async def Cancel(self, request: empty_pb2.Empty, context: Any) -> empty_pb2.Empty:
        """What the engine of this connection waits for ends; commands end with their own time limit."""
        del request
        self._stand_in.engines.stop(context.peer())
        return empty_pb2.Empty()

    @_explained
    async def GetPluginInfo(self, request: empty_pb2.Empty, context: Any) -> proto.PluginInfo:
        """The version that the SDK asks for: its own."""
        del request, context
        return proto.PluginInfo(version=self._stand_in.version)

    @_explained
    async def GetSchema(self, request: proto.GetSchemaRequest, context: Any) -> proto.GetSchemaResponse:
        """A schema without types: programs are in Python and bring theirs."""
        del request, context
        return proto.GetSchemaResponse(schema=json.dumps({"name": self.name, "version": self._stand_in.version}))

    @_explained
    async def CheckConfig(self, request: proto.CheckRequest, context: Any) -> proto.CheckResponse:
        """Refuse a configuration that the SDK's types or the API do not allow."""
        del context
        found = await self._stand_in.check_configuration(wire.decode(request.news))
        return proto.CheckResponse(inputs=request.news, failures=_failures(found))

    @_explained
    async def DiffConfig(self, request: proto.DiffRequest, context: Any) -> proto.DiffResponse:
        """What changed of the configuration, and whether the provider's resources belong to another one then."""
        del context
        old = request.old_inputs if request.HasField("old_inputs") else request.olds
        difference = await self._stand_in.diff_configuration(wire.decode(old), wire.decode(request.news))
        return proto.DiffResponse(
            changes=_changed(bool(difference.changes)),
            replaces=difference.replaces,
            diffs=dict.fromkeys(change.property_name for change in difference.changes),
        )

    @_explained
    async def Configure(self, request: proto.ConfigureRequest, context: Any) -> proto.ConfigureResponse:
        """Take the configuration."""
        await self._stand_in.configure(Operation(request.urn, context.peer()), wire.decode(request.args))
        return proto.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    @_explained
    async def Check(self, request: proto.CheckRequest, context: Any) -> proto.CheckResponse:
        """Refuse inputs that the SDK's types or the API do not allow."""
        old, new = wire.decode(request.olds), wire.decode(request.news)
        checked = await self._stand_in.check(Operation(request.urn, context.peer()), request.randomSeed, old, new)
        return proto.CheckResponse(inputs=wire.encode(checked.inputs), failures=_failures(checked.violations))

    @_explained
    async def Diff(self, request: proto.DiffRequest, context: Any) -> proto.DiffResponse:
        """What changed, and whether it can be changed in place."""
        operation = Operation(request.urn, context.peer(), ignored=tuple(request.ignoreChanges))
        outputs = wire.decode(request.olds)
        old = wire.decode(request.old_inputs) if request.HasField("old_inputs") else outputs
        difference = await self._stand_in.diff(operation, outputs, old, wire.decode(request.news))
        return proto.DiffResponse(
            changes=_changed(bool(difference.changes or difference.replaces)),
            replaces=difference.replaces,
            deleteBeforeReplace=difference.delete_first,
            diffs=dict.fromkeys(change.property_name for change in difference.changes),
            detailedDiff=_detailed(difference),
            hasDetailedDiff=True,
        )

    @_explained
    async def Create(self, request: proto.CreateRequest, context: Any) -> proto.CreateResponse:
        """Make a resource, or tell what is known of it at preview."""
        operation = Operation(request.urn, context.peer(), request.timeout)
        inputs = wire.decode(request.properties)
        if request.preview:
            return proto.CreateResponse(properties=wire.encode(await self._stand_in.preview_create(operation, inputs)))
        made = await self._stand_in.create(operation, inputs)
        return proto.CreateResponse(id=made.resource_id, properties=wire.encode(made.properties))

    @_explained
    async def Update(self, request: proto.UpdateRequest, context: Any) -> proto.UpdateResponse:
        """Change a resource in place, or tell what is known of it at preview."""
        operation = Operation(request.urn, context.peer(), request.timeout, tuple(request.ignoreChanges))
        inputs, old = wire.decode(request.news), wire.decode(request.olds)
        if request.preview:
            properties = await self._stand_in.preview_update(operation, inputs, old)
        else:
            properties = await self._stand_in.update(operation, request.id, inputs, old)
        return proto.UpdateResponse(properties=wire.encode(properties))

    @_explained
    async def Delete(self, request: proto.DeleteRequest, context: Any) -> empty_pb2.Empty:
        """Remove a resource."""
        operation = Operation(request.urn, context.peer(), request.timeout)
        await self._stand_in.delete(operation, request.id, wire.decode(request.properties))
        return empty_pb2.Empty()

    @_explained
    async def Read(self, request: proto.ReadRequest, context: Any) -> proto.ReadResponse:
        """The resource as it is now; an empty id says that it is gone."""
        operation = Operation(request.urn, context.peer())
        properties, inputs = wire.decode(request.properties), wire.decode(request.inputs)
        found = await self._stand_in.read(operation, request.id, properties, inputs)
        if found is None:
            return proto.ReadResponse()
        return proto.ReadResponse(
            id=found.resource_id, properties=wire.encode(found.properties), inputs=wire.encode(found.inputs)
        )

    @_explained
    async def Invoke(self, request: proto.InvokeRequest, context: Any) -> proto.InvokeResponse:
        """Call a function."""
        result = await self._stand_in.invoke(Operation("", context.peer()), request.tok, wire.decode(request.args))
        if isinstance(result, tuple):
            return proto.InvokeResponse(failures=_failures(result))
        answer = proto.InvokeResponse()
        # `return` is a keyword of Python, so the field has no other spelling.
        getattr(answer, "return").CopyFrom(wire.encode(result))
        return answer

    @_explained
    async def Construct(self, request: proto.ConstructRequest, context: Any) -> proto.ConstructResponse:
        """Components that live in a plugin are not emulated."""
        del context
        raise NotEmulatedError(f"the twin does not emulate the component {request.type}")


async def serve(stand_in: StandIn, port: int) -> tuple[grpc.aio.Server, int]:
    """Serve the stand-in on loopback; port 0 is any. Returns the server and its port, OSError when that is taken."""
    server = grpc.aio.server(options=SERVER_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(StandInServicer(stand_in), server)
    try:
        bound = server.add_insecure_port(f"127.0.0.1:{port}")
    except RuntimeError as error:
        raise OSError(f"port {port} of 127.0.0.1 is taken") from error
    await server.start()
    return server, bound


def _changed(changed: bool) -> Any:
    return proto.DiffResponse.DIFF_SOME if changed else proto.DiffResponse.DIFF_NONE


def _failures(violations: Iterable[Violation]) -> list[proto.CheckFailure]:
    return [proto.CheckFailure(property=violation.path, reason=violation.reason) for violation in violations]


def _detailed(difference: Difference) -> Mapping[str, proto.PropertyDiff]:
    return {
        change.path: proto.PropertyDiff(kind=KINDS[change.kind, difference.replaces_on(change)], inputDiff=True)
        for change in difference.changes
    }


def _details(message: str, error: NotReadyError) -> tuple[tuple[str, bytes], ...]:
    """The trailing metadata by which gRPC carries the resource beside an error."""
    failed = proto.ErrorResourceInitFailed(
        id=error.resource_id,
        properties=wire.encode(error.properties),
        reasons=error.reasons,
        inputs=None if error.inputs is None else wire.encode(error.inputs),
    )
    packed = any_pb2.Any()
    packed.Pack(failed)
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message, details=[packed])
    return (("grpc-status-details-bin", status.SerializeToString()),)
