"""A graph of what the engine tells a policy pack."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pulumi_policy import PolicyResource
from pulumi_policy.proxy import UnknownValueError

from policy.graph import Graph, RegisteredResource
from policy.properties import NOTHING, UNKNOWN, Properties, Property, freeze

NEVER_READ: Mapping[str, tuple[str, ...]] = {"kubernetes:core/v1:Secret": ("data", "stringData")}
"""Properties that are secret whatever the engine says of them: it does not say it to a pack."""


class _NotTold(Mapping[str, Property]):
    """Whatever is asked for is not known yet.

    At the preview of a provider whose configuration is not known (the cluster is still to be made), the engine asks
    nobody and tells no property at all of its resources, not even their inputs.
    """

    def __getitem__(self, name: str) -> Property:
        return UNKNOWN

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def told_by_engine(resources: Iterable[PolicyResource]) -> Graph:
    """The resources of a stack validation: their outputs, as far as they are known."""
    return Graph(_resource(resource) for resource in resources)


def _resource(resource: PolicyResource) -> RegisteredResource:
    secret = (*NEVER_READ.get(resource.resource_type, ()), *resource.opts.additional_secret_outputs)
    return RegisteredResource(
        urn=resource.urn,
        token=resource.resource_type,
        name=resource.name,
        properties=_properties(_read(resource.props), secret, has_provider=resource.provider is not None),
        dependencies=frozenset(one.urn for one in resource.dependencies),
        property_dependencies={
            name: frozenset(one.urn for one in needed) for name, needed in resource.property_dependencies.items()
        },
        parent=None if resource.parent is None else resource.parent.urn,
        provider=None if resource.provider is None else resource.provider.urn,
        protect=resource.opts.protect,
        # The engine does not tell a pack of it.
        retain_on_delete=None,
    )


def _properties(read: Any, secret: Sequence[str], *, has_provider: bool) -> Properties:
    if has_provider and not read:
        return _NotTold()
    frozen = freeze({name: freeze(value, secret=name in secret) for name, value in read.items()})
    return frozen if isinstance(frozen, Mapping) else NOTHING


def _read(value: Any) -> Any:
    """The value without the guards around it, which raise for what is not known yet."""
    if isinstance(value, Mapping):
        return {str(name): _item(value, name) for name in value}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_item(value, index) for index in range(len(value))]
    return value


def _item(container: Any, key: Any) -> Any:
    try:
        return _read(container[key])
    except UnknownValueError:
        return UNKNOWN
