"""What a program registered with the engine, as data to ask questions of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from twin.providers import wire

STACK_TYPE = "pulumi:pulumi:Stack"
STACK_REFERENCE_TYPE = "pulumi:pulumi:StackReference"
PROVIDER_PREFIX = "pulumi:providers:"


@dataclass(frozen=True)
class Registration:
    """One resource as the engine was asked for it."""

    order: int
    """When the engine heard of it, counted over registrations and invocations together."""
    urn: str
    """With the types of all ancestors, as the engine builds it."""
    type: str
    name: str
    parent: str | None
    """URN; None for the stack itself."""
    custom: bool
    """Whether a provider manages it; a component is not custom."""
    is_read: bool
    """Whether it is only looked up (a stack reference)."""
    inputs: wire.Properties
    state: wire.Properties
    """What the engine would keep as its outputs: secret where the engine would encrypt."""
    provider: str | None
    """URN of the provider it names or inherits."""
    providers: Mapping[str, str]
    """Of a component: URNs of the providers that its children inherit, by package."""
    dependencies: frozenset[str]
    property_dependencies: Mapping[str, frozenset[str]]
    protect: bool
    retain_on_delete: bool
    ignore_changes: tuple[str, ...]
    replace_with: frozenset[str]
    replacement_trigger: wire.Value
    """Whatever value it has, the resource is replaced when it becomes another; None without one."""
    import_id: str | None
    additional_secret_outputs: frozenset[str]

    @property
    def clear_inputs(self) -> dict[str, Any]:
        """The inputs as plain data, secrets in clear."""
        return {name: wire.reveal(value) for name, value in self.inputs.items()}

    @property
    def is_provider(self) -> bool:
        """Whether it is a provider of other resources."""
        return self.type.startswith(PROVIDER_PREFIX)

    @property
    def is_managed(self) -> bool:
        """Whether a provider creates it: neither component, provider nor looked up."""
        return self.custom and not self.is_provider and not self.is_read

    @property
    def package(self) -> str:
        """Name of the provider package, e.g. `proxmoxve`."""
        return self.type.removeprefix(PROVIDER_PREFIX).split(":")[0]

    @property
    def key(self) -> tuple[str, str]:
        """Type token and logical name."""
        return self.type, self.name

    def __str__(self) -> str:
        return f"{self.type} {self.name}"


@dataclass(frozen=True)
class Invocation:
    """One call of a provider function."""

    order: int
    token: str
    arguments: dict[str, Any]
    """As plain data: the engine sends no secrets as such to a function."""
    provider: str | None
    """URN of the provider it names or inherits."""
    depends_on: frozenset[str]
    """URNs that must exist before the call."""


@dataclass(frozen=True)
class Recording:
    """Everything that one run of a program asked of the engine."""

    stack: str
    preview: bool
    registrations: tuple[Registration, ...]
    invocations: tuple[Invocation, ...]
    registered_outputs: Mapping[str, wire.Properties] = field(default_factory=dict)
    """What components registered as their outputs, by URN."""

    @property
    def root(self) -> Registration:
        """The stack itself."""
        return next(one for one in self.registrations if one.type == STACK_TYPE)

    @property
    def outputs(self) -> wire.Properties:
        """The outputs of the stack."""
        return self.registered_outputs[self.root.urn]

    @property
    def clear_outputs(self) -> dict[str, Any]:
        """The outputs of the stack as plain data, secrets in clear."""
        return {name: wire.reveal(value) for name, value in self.outputs.items()}

    @property
    def managed(self) -> tuple[Registration, ...]:
        """What providers create."""
        return tuple(one for one in self.registrations if one.is_managed)

    @property
    def components(self) -> tuple[Registration, ...]:
        """Component resources without the stack itself."""
        return tuple(one for one in self.registrations if not one.custom and one.type != STACK_TYPE)

    def of_type(self, token: str) -> tuple[Registration, ...]:
        """Every resource of the type."""
        return tuple(one for one in self.registrations if one.type == token)

    def one(self, token: str, name: str) -> Registration:
        """The resource of that type and logical name; LookupError when there is not exactly one."""
        found = [one for one in self.of_type(token) if one.name == name]
        if len(found) != 1:
            names = ", ".join(sorted(one.name for one in self.of_type(token)))
            raise LookupError(f"{len(found)} resources {token} named {name}; of that type there are: {names or 'none'}")
        return found[0]

    def named(self, urn: str) -> Registration:
        """The resource with that URN; LookupError when there is none."""
        for one in self.registrations:
            if one.urn == urn:
                return one
        raise LookupError(f"nothing is registered as {urn}")

    def ancestors(self, registration: Registration) -> Iterator[Registration]:
        """Parent, its parent, and so on, to the stack."""
        parent = registration.parent
        while parent is not None:
            found = self.named(parent)
            yield found
            parent = found.parent

    def invoked(self, token: str) -> tuple[Invocation, ...]:
        """Every call of the function."""
        return tuple(one for one in self.invocations if one.token == token)

    def everything_before(self, registration: Registration) -> frozenset[str]:
        """URNs that must exist before the resource, directly or not."""
        found: set[str] = set()
        waiting = set(registration.dependencies)
        while waiting:
            urn = waiting.pop()
            if urn not in found:
                found.add(urn)
                waiting |= self.named(urn).dependencies
        return frozenset(found)
