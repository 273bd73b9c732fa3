"""A provider of the twin: its configuration and its resource types, in plain Python.

A configuration belongs to the provider resource it came from: two engines, two stacks and two provider resources of
one stack do not see each other's.
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from twin.providers import wire
from twin.providers.differences import Change, changes
from twin.providers.engines import Engines, PerStack
from twin.providers.errors import NotEmulatedError
from twin.providers.inputs import Property, ShapeKind, TypeInputs, Violation, violations
from twin.providers.kinds import Call, Found, ResourceKind, State, Surroundings
from twin.providers.operation import Operation
from twin.providers.types_cache import SdkTypes

Function = Callable[[State, Mapping[str, Any]], Awaitable[State]]
"""A provider function: arguments and configuration to result, in clear."""

ENGINE_CONFIGURATION: Final = frozenset({"version", "pluginDownloadURL"})
"""What the engine itself adds to a provider's configuration."""


@dataclass(frozen=True)
class Checked:
    """Inputs after `check`."""

    inputs: wire.Properties
    violations: tuple[Violation, ...]


@dataclass(frozen=True)
class Difference:
    """What an update would do."""

    changes: tuple[Change, ...]
    replaces: tuple[str, ...] = ()
    """Top-level properties, or paths of changes, that cannot be changed in place."""
    delete_first: bool = False

    def replaces_on(self, change: Change) -> bool:
        """Whether this change is one of those that cannot be made in place."""
        return change.property_name in self.replaces or change.path in self.replaces


@dataclass(frozen=True)
class Resource:
    """A resource as the engine keeps it."""

    resource_id: str
    properties: wire.Properties
    inputs: wire.Properties


class StandIn:
    """One provider; subclasses name the SDK and bring the resource types."""

    name: ClassVar[str]
    """The package, e.g. `cloudflare`; also the API's name for faults."""
    sdk: ClassVar[str]
    """The Python package of the SDK."""

    def __init__(self, surroundings: Surroundings, cache: Path) -> None:
        self.surroundings = surroundings
        self.engines = Engines()
        self._configurations: PerStack[State] = PerStack()
        self._kinds = {kind.token: kind for kind in self.kinds(surroundings)}
        self._functions = dict(self.functions(surroundings))
        self._types = SdkTypes(cache, self.sdk, self.all_tokens)

    def kinds(self, surroundings: Surroundings) -> Iterable[ResourceKind]:
        """The resource types."""
        raise NotImplementedError

    def functions(self, surroundings: Surroundings) -> Mapping[str, Function]:
        """The functions, by token."""
        del surroundings
        return {}

    def configuration_violations(self, configuration: State) -> Iterable[Violation]:
        """What is wrong with a configuration of the right types, e.g. missing credentials."""
        del configuration
        return ()

    @property
    def version(self) -> str:
        """The SDK's version, which is also the plugin's; SdkUnreadableError when the SDK is not installed."""
        return self._types.version

    @property
    def provider_token(self) -> str:
        """The type of the provider resource itself."""
        return f"pulumi:providers:{self.name}"

    @property
    def tokens(self) -> tuple[str, ...]:
        """Every resource type that is emulated."""
        return tuple(sorted(self._kinds))

    @property
    def all_tokens(self) -> tuple[str, ...]:
        """Resource types, functions and the provider itself."""
        return (*self._kinds, *self._functions, self.provider_token)

    def kind(self, token: str) -> ResourceKind:
        """The resource type; NotEmulatedError when the twin has no such type."""
        if token not in self._kinds:
            raise NotEmulatedError(f"the twin does not emulate {token}; of {self.name} it has {', '.join(self.tokens)}")
        return self._kinds[token]

    async def check_configuration(self, given: wire.Properties) -> tuple[Violation, ...]:
        """What is wrong with the provider's configuration."""
        declared = await self._types.get(self.provider_token)
        configuration = self._parsed(declared, given)
        found = tuple(violations(declared, configuration))
        unknown = {name for name, value in configuration.items() if wire.has_unknown(value)}
        # What is not known yet is not missing: a preview before the first `up` has no kubeconfig to show.
        told = (one for one in self.configuration_violations(_known(configuration)) if one.path not in unknown)
        return found or tuple(told)

    async def diff_configuration(self, old: wire.Properties, new: wire.Properties) -> Difference:
        """What a change of the provider's configuration means: it is taken in place.

        A provider that is replaced has every resource it made replaced.
        """
        return Difference(tuple(changes(old, new)))

    async def configure(self, operation: Operation, given: wire.Properties) -> None:
        """Take the configuration of the provider resource that the operation is about."""
        declared = await self._types.get(self.provider_token)
        self._configurations.set(operation, _known(self._parsed(declared, given)))

    async def close(self) -> None:
        """Let go of every connection."""
        await self.engines.close()

    async def check(self, operation: Operation, seed: bytes, old: wire.Properties, new: wire.Properties) -> Checked:
        """The inputs as they will be used, and what is wrong with them."""
        kind = self.kind(operation.token)
        inputs: wire.Properties = {key: value for key, value in new.items() if value is not None}
        named = kind.generated_name
        if named is not None and named not in inputs:
            inputs[named] = old.get(named) or f"{operation.name}-{seed.hex()[:7]}"
        found = tuple(violations(await self._types.get(operation.token), inputs))
        return Checked(inputs, found or tuple(kind.violations(_known(inputs), self.configuration(operation))))

    async def diff(
        self, operation: Operation, outputs: wire.Properties, old: wire.Properties, new: wire.Properties
    ) -> Difference:
        """What a change of the inputs from `old` to `new` means."""
        kind = self.kind(operation.token)
        found = tuple(changes(old, new, operation.ignored))
        names = dict.fromkeys(change.property_name for change in found)
        replaces = tuple(name for name in names if name in kind.replace_on)
        future = {**kind.completed(_known(new), self.configuration(operation)), **_known(new)}
        return Difference(found, replaces, bool(replaces) and kind.clashes(_known(outputs), future))

    async def preview_create(self, operation: Operation, inputs: wire.Properties) -> wire.Properties:
        """The outputs as far as they are known before the API has been asked."""
        return await self._planned(operation, inputs, {})

    async def preview_update(
        self, operation: Operation, inputs: wire.Properties, old: wire.Properties
    ) -> wire.Properties:
        """The outputs as far as they are known before the API has been asked."""
        return await self._planned(operation, inputs, old)

    async def create(self, operation: Operation, inputs: wire.Properties) -> Resource:
        """Make the resource."""
        kind = self.kind(operation.token)
        await self._strike("create", operation)
        created = await kind.create(self._call(operation, inputs))
        return Resource(created.resource_id, self._properties(kind, inputs, created.outputs), inputs)

    async def update(
        self, operation: Operation, resource_id: str, inputs: wire.Properties, old: wire.Properties
    ) -> wire.Properties:
        """Change the resource in place and return its properties."""
        kind = self.kind(operation.token)
        await self._strike("update", operation)
        outputs = await kind.update(resource_id, self._call(operation, inputs), _known(old))
        return self._properties(kind, inputs, outputs)

    async def delete(self, operation: Operation, resource_id: str, old: wire.Properties) -> None:
        """Remove the resource."""
        kind = self.kind(operation.token)
        await self._strike("delete", operation)
        await kind.delete(resource_id, self._call(operation, old), _known(old))

    async def read(
        self, operation: Operation, resource_id: str, properties: wire.Properties, inputs: wire.Properties
    ) -> Resource | None:
        """The resource as it is now, None when it is gone.

        Without properties it is new to the engine: `resource_id` is its import id or, when inputs are known because
        the engine was killed before it learned how the create ended, the id itself.
        """
        kind = self.kind(operation.token)
        await self._strike("read", operation)
        known = {**_known(inputs), **_known(properties)}
        found = await kind.read(resource_id, _known(inputs), known) if known else None
        if found is None and not properties:
            target, told = kind.import_target(resource_id)
            found = _without(await kind.read(target, {}, told), kind.told_once)
        if found is None:
            return None
        kept = {name: value for name, value in known.items() if name in kind.told_once}
        told_inputs: wire.Properties = {}
        for name, value in found.inputs.items():
            concealed = wire.conceal_like(value, inputs.get(name))
            told_inputs[name] = _sealed(concealed) if name in kind.secret_outputs else concealed
        return Resource(found.resource_id, self._properties(kind, told_inputs, {**found.outputs, **kept}), told_inputs)

    async def invoke(
        self, operation: Operation, token: str, given: wire.Properties
    ) -> wire.Properties | tuple[Violation, ...]:
        """The function's result, or what is wrong with its arguments; the SDK makes it secret when an argument is.

        The operation tells only who calls: a function belongs to no resource.
        """
        if token not in self._functions:
            has = ", ".join(sorted(self._functions)) or "none"
            raise NotEmulatedError(f"the twin does not emulate the function {token}; of {self.name} it has {has}")
        found = tuple(violations(await self._types.get(token), given))
        if found:
            return found
        await self.surroundings.faults.strike(self.name, f"invoke {token}")
        return dict(await self._functions[token](_known(given), self.configuration(operation)))

    def configuration(self, operation: Operation) -> State:
        """The configuration in force for a call, empty when there is none."""
        return self._configurations.get(operation) or {}

    def _call(self, operation: Operation, inputs: wire.Properties) -> Call:
        return Call(operation.urn, _known(inputs), self.configuration(operation))

    async def _strike(self, verb: str, operation: Operation) -> None:
        await self.surroundings.faults.strike(self.name, f"{verb} {operation.token}")

    async def _planned(self, operation: Operation, inputs: wire.Properties, old: wire.Properties) -> wire.Properties:
        kind = self.kind(operation.token)
        declared = await self._types.get(operation.token)
        computed = [name for name in declared.outputs if name not in declared.inputs.properties]
        unknown: wire.Properties = dict.fromkeys(computed, wire.UNKNOWN)
        kept = {name: old[name] for name in computed if name in old and name not in kind.renewed_on_update}
        completed = kind.completed(_known(inputs), self.configuration(operation))
        return {**unknown, **kept, **self._properties(kind, inputs, completed)}

    def _properties(self, kind: ResourceKind, inputs: wire.Properties, outputs: State) -> wire.Properties:
        """Outputs over inputs; what was secret in the inputs stays secret."""
        merged = {**inputs, **{name: wire.conceal_like(value, inputs.get(name)) for name, value in outputs.items()}}
        merged.update({name: value for name, value in inputs.items() if wire.has_unknown(value)})
        return {name: _sealed(value) if name in kind.secret_outputs else value for name, value in merged.items()}

    def _parsed(self, declared: TypeInputs, given: wire.Properties) -> wire.Properties:
        """The provider's configuration: the engine hands over whatever is not a string as JSON text."""
        configuration: wire.Properties = {}
        for name, value in given.items():
            if name in ENGINE_CONFIGURATION or name.startswith("__"):
                continue
            declaration = declared.inputs.properties.get(name)
            configuration[name] = _parsed(declaration, value)
        return configuration


def _parsed(declaration: Property | None, value: wire.Value) -> wire.Value:
    if isinstance(value, wire.Secret):
        return wire.Secret(_parsed(declaration, value.value))
    if declaration is None or declaration.shape.kind is ShapeKind.STRING or not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _known(properties: Mapping[str, wire.Value]) -> State:
    return {name: wire.reveal(value) for name, value in properties.items() if not wire.has_unknown(value)}


def _sealed(value: wire.Value) -> wire.Value:
    return value if isinstance(value, wire.Secret) or value is None else wire.Secret(value)


def _without(found: Found | None, names: frozenset[str]) -> Found | None:
    if found is None:
        return None
    inputs = {name: value for name, value in found.inputs.items() if name not in names}
    return Found(found.resource_id, inputs, found.outputs)
