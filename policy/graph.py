"""Resources as a program registered them, and who needs whom."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from policy.installations import Installation, installations
from policy.objects import KubernetesObject, kubernetes_object
from policy.properties import NOTHING, SECRET, Properties, dotted, walk

STACK_TYPE = "pulumi:pulumi:Stack"
ENGINE_PREFIX = "pulumi:"
"""Types of the engine itself: stacks, references to stacks, providers."""


@dataclass(frozen=True, eq=False)
class RegisteredResource:
    """One resource as the engine knows it."""

    urn: str
    token: str
    name: str
    """Logical name."""
    properties: Properties = field(default_factory=lambda: NOTHING)
    dependencies: frozenset[str] = frozenset()
    """URNs."""
    property_dependencies: Mapping[str, frozenset[str]] = field(default_factory=dict)
    parent: str | None = None
    """URN; None for the stack itself."""
    provider: str | None = None
    """URN; None for components."""
    protect: bool = False
    retain_on_delete: bool | None = False
    """None where whoever tells of the resource does not say."""

    @property
    def stack(self) -> str:
        """Name of its stack."""
        parts = self.urn.split("::")
        return parts[0].rsplit(":", 1)[-1]

    @property
    def is_managed(self) -> bool:
        """Whether a provider makes it: neither component nor of the engine."""
        return self.provider is not None and not self.token.startswith(ENGINE_PREFIX)

    @property
    def secrets(self) -> frozenset[str]:
        """Paths of the properties that are secret, as far as it is known."""
        return frozenset(dotted(path) for path, value in walk(self.properties) if value is SECRET)

    @property
    def needs(self) -> frozenset[str]:
        """URNs of what it names itself: dependencies of all kinds, and its provider."""
        named = frozenset[str]().union(self.dependencies, *self.property_dependencies.values())
        return named if self.provider is None else named | {self.provider}

    def __str__(self) -> str:
        return f"{self.token} {self.name}"


class Graph:
    """The resources of one stack or of several; each looks for its like in its own stack."""

    def __init__(self, resources: Iterable[RegisteredResource]) -> None:
        self.resources = tuple(resources)
        self._before: dict[str, frozenset[str]] = {}

    def __or__(self, other: "Graph") -> "Graph":
        return Graph((*self.resources, *other.resources))

    @cached_property
    def by_urn(self) -> Mapping[str, RegisteredResource]:
        """Every resource by its URN."""
        return {resource.urn: resource for resource in self.resources}

    @cached_property
    def objects(self) -> tuple[KubernetesObject, ...]:
        """Every Kubernetes object that is a resource of its own."""
        found = (
            kubernetes_object(resource.urn, resource.token, resource.stack, resource.properties)
            for resource in self.resources
        )
        return tuple(one for one in found if one is not None)

    @cached_property
    def installations(self) -> tuple[Installation, ...]:
        """Everything that comes as a chart, a kustomization or a folder of manifests."""
        return tuple(
            found
            for resource in self.resources
            for found in installations(resource.urn, resource.token, resource.stack, resource.properties)
        )

    def of_kind(self, *kinds: str, group: str | None = None) -> tuple[KubernetesObject, ...]:
        """The Kubernetes objects of the kinds."""
        return tuple(one for kind in kinds for one in self._by_kind.get(kind, ()) if group in (None, one.group))

    def find(self, stack: str, kind: str, name: str, namespace: str | None = None) -> KubernetesObject | None:
        """The object of that kind and name; `namespace` is None where the kind belongs to the whole cluster."""
        for one in self._by_kind.get(kind, ()):
            if one.stack == stack and one.name == name and namespace in (None, one.namespace):
                return one
        return None

    def may_hide(self, stack: str, kind: str) -> bool:
        """Whether the stack has an object of the kind whose name or namespace is not known yet."""
        return any(one.is_hidden for one in self._by_kind.get(kind, ()) if one.stack == stack)

    def may_install(self, stack: str) -> bool:
        """Whether the stack installs something of which it is not known yet what or where."""
        return any(one.is_hidden for one in self.installations if one.stack == stack)

    def producers(self, urn: str) -> frozenset[str]:
        """URNs of what the resource names itself."""
        resource = self.by_urn.get(urn)
        return frozenset() if resource is None else resource.needs

    def consumers(self, urn: str) -> frozenset[str]:
        """URNs of what names the resource."""
        return frozenset(resource.urn for resource in self.resources if urn in resource.needs)

    def ancestors(self, urn: str) -> Iterator[RegisteredResource]:
        """Parent, its parent, and so on, without the stack itself."""
        seen: set[str] = set()
        resource = self.by_urn.get(urn)
        while resource is not None and resource.parent is not None and resource.parent not in seen:
            seen.add(resource.parent)
            resource = self.by_urn.get(resource.parent)
            if resource is not None and resource.token != STACK_TYPE:
                yield resource

    def directly_before(self, urn: str) -> frozenset[str]:
        """URNs of what is there when the resource is made, one step back.

        A child waits for what its parents wait for; who needs a component needs everything in it.
        """
        resource = self.by_urn.get(urn)
        if resource is None:
            return frozenset()
        above = tuple(self.ancestors(urn))
        named = resource.needs.union(*(one.needs for one in above))
        made = {one.urn for one in above if one.provider is not None}
        # A component may depend on what is inside itself only by mistake; its own children do not wait for each other.
        inside = {child for one in named for child in self._descendants(one)}
        return (named | made | inside) - {urn}

    def everything_before(self, urn: str) -> frozenset[str]:
        """URNs of everything that is there when the resource is made."""
        if urn not in self._before:
            found: set[str] = set()
            waiting = set(self.directly_before(urn))
            while waiting:
                one = waiting.pop()
                if one not in found:
                    found.add(one)
                    waiting |= self._before.get(one) or self.directly_before(one)
            self._before[urn] = frozenset(found)
        return self._before[urn]

    @cached_property
    def _by_kind(self) -> Mapping[str, tuple[KubernetesObject, ...]]:
        found: dict[str, list[KubernetesObject]] = {}
        for one in self.objects:
            found.setdefault(one.kind, []).append(one)
        return {kind: tuple(objects) for kind, objects in found.items()}

    @cached_property
    def _children(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for resource in self.resources:
            if resource.parent is not None:
                found.setdefault(resource.parent, []).append(resource.urn)
        return {parent: tuple(children) for parent, children in found.items()}

    def _descendants(self, urn: str) -> set[str]:
        """Everything inside a component; nothing for other resources and for the stack itself."""
        resource = self.by_urn.get(urn)
        if resource is None or resource.provider is not None or resource.token == STACK_TYPE:
            return set()
        found: set[str] = set()
        waiting = list(self._children.get(urn, ()))
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting.extend(self._children.get(one, ()))
        return found
