"""The engine's side of a program's run: notes every request in full and answers as the engine would.

Pulumi's own mock monitor drops most of a request (parents above the first, providers, dependencies, options) and knows
no previews. This one speaks the same protocol, reads the requests themselves and is strict about neither: what is wrong
with a recording is for the checks to say.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import engine_pb2, resource_pb2

from tests.harness.recording import STACK_TYPE, Invocation, Recording, Registration
from twin.providers import wire


@dataclass(frozen=True)
class Made:
    """What a provider answers to the creation of a resource."""

    id: str
    outputs: Mapping[str, wire.Value]
    """Beyond the inputs, or different from them."""


@dataclass(frozen=True)
class Answers:
    """The providers of a run. Inputs and arguments come in clear and complete."""

    create: Callable[[str, str, Mapping[str, Any]], Made]
    """Type token, logical name, inputs."""
    invoke: Callable[[str, Mapping[str, Any]], Mapping[str, wire.Value]]
    """Function token, arguments."""
    read_stack: Callable[[str], Mapping[str, wire.Value] | None]
    """Full name of another stack; its outputs, None while it has never been applied."""


class RecordingMonitor:
    """Stands where the engine's resource monitor is; the Python SDK calls it from several threads."""

    def __init__(self, stack: str, project: str, answers: Answers, *, preview: bool) -> None:
        self._stack = stack
        self._project = project
        self._answers = answers
        self._preview = preview
        self._lock = threading.Lock()
        self._registrations: list[Registration] = []
        self._invocations: list[Invocation] = []
        self._outputs: dict[str, wire.Properties] = {}

    def recording(self) -> Recording:
        """What was asked so far."""
        with self._lock:
            return Recording(
                stack=self._stack,
                preview=self._preview,
                registrations=tuple(self._registrations),
                invocations=tuple(self._invocations),
                registered_outputs=dict(self._outputs),
            )

    # The names below are the protocol's.

    def GetDeploymentInfo(self, request: empty_pb2.Empty) -> resource_pb2.DeploymentInfo:  # noqa: N802
        """Everything the engine can do, except sending outputs as such: values are easier to ask questions of."""
        del request
        features = resource_pb2.ResourceMonitorFeature.values()
        left_out = {
            resource_pb2.RESOURCE_MONITOR_FEATURE_OUTPUT_VALUES,
            # Their callbacks run in the engine, which is not here.
            resource_pb2.RESOURCE_MONITOR_FEATURE_TRANSFORMS,
            resource_pb2.RESOURCE_MONITOR_FEATURE_INVOKE_TRANSFORMS,
        }
        return resource_pb2.DeploymentInfo(supportedFeatures=[one for one in features if one not in left_out])

    def RegisterResource(  # noqa: N802
        self, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceResponse:
        """Note the resource and make it up."""
        inputs = wire.decode(request.object)
        made = self._made(request, inputs)
        state = _state(inputs, made.outputs, request.additionalSecretOutputs)
        urn = self._note(
            lambda order, urn: Registration(
                order=order,
                urn=urn,
                type=request.type,
                name=request.name,
                parent=request.parent or None,
                custom=request.custom,
                is_read=False,
                inputs=inputs,
                state=state,
                provider=_provider(request.provider),
                providers={package: _provider(reference) or "" for package, reference in request.providers.items()},
                dependencies=frozenset(request.dependencies),
                property_dependencies={
                    name: frozenset(found.urns) for name, found in request.propertyDependencies.items()
                },
                protect=request.protect,
                retain_on_delete=request.retainOnDelete,
                ignore_changes=tuple(request.ignoreChanges),
                replace_with=frozenset(request.replace_with),
                replacement_trigger=_trigger(request),
                import_id=request.importId or None,
                additional_secret_outputs=frozenset(request.additionalSecretOutputs),
            ),
            request,
        )
        return resource_pb2.RegisterResourceResponse(urn=urn, id=made.id, object=wire.encode(state))

    def ReadResource(self, request: resource_pb2.ReadResourceRequest) -> resource_pb2.ReadResourceResponse:  # noqa: N802
        """Note a look-up; only other stacks can be looked up."""
        inputs = wire.decode(request.properties)
        found = self._answers.read_stack(request.id)
        state: wire.Properties = {
            "name": request.id,
            "outputs": dict(found or {}),
            "secretOutputNames": [name for name, value in (found or {}).items() if isinstance(value, wire.Secret)],
        }
        urn = self._note(
            lambda order, urn: Registration(
                order=order, urn=urn, type=request.type, name=request.name, parent=request.parent or None,
                custom=True, is_read=True, inputs=inputs, state=state, provider=_provider(request.provider),
                providers={}, dependencies=frozenset(request.dependencies), property_dependencies={}, protect=False,
                retain_on_delete=False, ignore_changes=(), replace_with=frozenset(), replacement_trigger=None,
                import_id=request.id,
                additional_secret_outputs=frozenset(request.additionalSecretOutputs),
            ),
            request,
        )  # fmt: skip
        return resource_pb2.ReadResourceResponse(urn=urn, properties=wire.encode(state))

    def Invoke(self, request: resource_pb2.ResourceInvokeRequest) -> resource_pb2.ResourceInvokeResponse:  # noqa: N802
        """Note the call; nothing is asked of what a preview has not made yet."""
        arguments: dict[str, Any] = wire.reveal_all(wire.decode(request.args))
        with self._lock:
            order = len(self._registrations) + len(self._invocations)
            self._invocations.append(
                Invocation(
                    order=order, token=request.tok, arguments=arguments, provider=_provider(request.provider),
                    depends_on=frozenset(request.dependsOn),
                )
            )  # fmt: skip
        if self._preview and request.dependsOn:
            return resource_pb2.ResourceInvokeResponse(unknown=True)
        answer = self._answers.invoke(request.tok, arguments)
        response = resource_pb2.ResourceInvokeResponse()
        # The field's name is a keyword of Python.
        getattr(response, "return").CopyFrom(wire.encode(answer))
        return response

    def RegisterResourceOutputs(  # noqa: N802
        self, request: resource_pb2.RegisterResourceOutputsRequest
    ) -> empty_pb2.Empty:
        """Note that a component is finished."""
        with self._lock:
            self._outputs[request.urn] = wire.decode(request.outputs)
        return empty_pb2.Empty()

    def RegisterPackage(  # noqa: N802
        self, request: resource_pb2.RegisterPackageRequest
    ) -> resource_pb2.RegisterPackageResponse:
        """A reference to a parameterized package."""
        return resource_pb2.RegisterPackageResponse(ref=request.name)

    def SignalAndWaitForShutdown(self, request: empty_pb2.Empty) -> empty_pb2.Empty:  # noqa: N802
        """Nothing to wait for."""
        return request

    def _made(self, request: resource_pb2.RegisterResourceRequest, inputs: wire.Properties) -> Made:
        if not request.custom:
            return Made("", {})
        if self._preview:
            return Made(request.importId, {})
        return self._answers.create(request.type, request.name, wire.reveal_all(inputs))

    def _note(
        self,
        registration: Callable[[int, str], Registration],
        request: "resource_pb2.RegisterResourceRequest | resource_pb2.ReadResourceRequest",
    ) -> str:
        urn = full_urn(self._stack, self._project, request.parent, request.type, request.name)
        with self._lock:
            self._registrations.append(registration(len(self._registrations) + len(self._invocations), urn))
        return urn


class LoggingEngine:
    """Stands where the engine's log is: a program's errors are raised anyway, the rest is kept."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def Log(self, request: engine_pb2.LogRequest) -> empty_pb2.Empty:  # noqa: N802
        """Keep a message."""
        self.messages.append(request.message)
        return empty_pb2.Empty()


def full_urn(stack: str, project: str, parent: str, token: str, name: str) -> str:
    """The URN as the engine builds it: the types of all ancestors below the stack, outermost first."""
    qualified = parent.split("::")[2] if parent else STACK_TYPE
    chain = token if qualified == STACK_TYPE else f"{qualified}${token}"
    return f"urn:pulumi:{stack}::{project}::{chain}::{name}"


def _provider(reference: str) -> str | None:
    """URN of a provider reference, which is the URN and the id."""
    return reference.rsplit("::", 1)[0] if reference else None


def _trigger(request: resource_pb2.RegisterResourceRequest) -> wire.Value:
    if not request.HasField("replacement_trigger"):
        return None
    return wire.decode(struct_pb2.Struct(fields={"trigger": request.replacement_trigger}))["trigger"]


def _state(
    inputs: wire.Properties, outputs: Mapping[str, wire.Value], additional_secrets: "list[str] | Any"
) -> wire.Properties:
    """As the engine stores it: an output is secret where the input of its name was, or where the program says so."""
    told = {**wire.reveal_all(inputs), **outputs}
    concealed = {name: wire.conceal_like(value, inputs.get(name)) for name, value in told.items()}
    sealed = {
        name: wire.Secret(wire.reveal(concealed[name])) for name in additional_secrets if name in concealed
    }
    return {**concealed, **sealed}
