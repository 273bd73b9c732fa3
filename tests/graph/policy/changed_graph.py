"""The graph of the lab's own cluster, and changed copies of it."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from inventory import LAB
from inventory.secrets import SCHEMA
from inventory.workloads import OPEN_ROUTES
from policy.graph import Graph, RegisteredResource
from policy.properties import Path, Property, freeze
from policy.surroundings import Surroundings, surroundings
from tests.graph.policy.recorded import graph_of
from tests.graph.workloads.layers import everything
from tests.harness.lab_stacks import read_configuration

Change = Callable[[Graph], Graph]

STACK = "green"


@cache
def lab() -> Surroundings:
    return surroundings(LAB, read_configuration(), SCHEMA, OPEN_ROUTES)


@cache
def sound() -> Graph:
    """Green with its substrate, its base and the canary."""
    return graph_of(everything())


def named(graph: Graph, name: str) -> RegisteredResource:
    """The Kubernetes object as people call it: `Deployment test/test`, `StorageClass csi-rbd-sc`."""
    found = [graph.by_urn[one.urn] for one in graph.objects if str(one) == name]
    assert len(found) == 1, f"{len(found)} are called {name}; there are {sorted(str(one) for one in graph.objects)}"
    return found[0]


def put(name: str, path: Path, value: Any) -> Change:
    """A property of an object set to a value."""
    return lambda graph: edited(graph, name, lambda root: set_at(root, path, value))


def taken(name: str, path: Path) -> Change:
    """A property of an object taken away."""
    return lambda graph: edited(graph, name, lambda root: take_at(root, path))


def without(*names: str) -> Change:
    """Objects taken away."""

    def change(graph: Graph) -> Graph:
        gone = {named(graph, name).urn for name in names}
        return Graph(one for one in graph.resources if one.urn not in gone)

    return change


def hurried(name: str, *needed: str) -> Change:
    """An object that no longer waits for others, nor for what waits for them."""

    def change(graph: Graph) -> Graph:
        urns = {named(graph, one).urn for one in needed}
        resource = named(graph, name)
        kept = {
            urn for urn in resource.dependencies if urn not in urns and urns.isdisjoint(graph.everything_before(urn))
        }
        return replaced(graph, dataclasses.replace(resource, dependencies=frozenset(kept), property_dependencies={}))

    return change


def waiting(name: str, *needed: str) -> Change:
    """An object that waits for others too."""

    def change(graph: Graph) -> Graph:
        resource = named(graph, name)
        urns = {named(graph, one).urn for one in needed}
        return replaced(graph, dataclasses.replace(resource, dependencies=resource.dependencies | urns))

    return change


def copied(name: str, resource_name: str, *changes: tuple[Path, Any]) -> Change:
    """One more object like another, with another logical name."""

    def change(graph: Graph) -> Graph:
        like = named(graph, name)
        root: Any = thaw(like.properties)
        for path, value in changes:
            set_at(root, path, value)
        urn = like.urn.rsplit("::", 1)[0] + f"::{resource_name}"
        frozen = freeze(root)
        assert isinstance(frozen, Mapping)
        return with_resources(dataclasses.replace(like, urn=urn, name=resource_name, properties=frozen))(graph)

    return change


def with_resources(*resources: RegisteredResource) -> Change:
    return lambda graph: Graph((*graph.resources, *resources))


def registered(
    token: str,
    name: str,
    properties: Mapping[str, Any],
    *,
    stack: str = STACK,
    component: bool = False,
    parent: str | None = None,
    protect: bool = False,
    retain_on_delete: bool | None = False,
    dependencies: frozenset[str] = frozenset(),
) -> RegisteredResource:
    """A resource outside every component, of a provider unless it is a component itself."""
    frozen = freeze(properties)
    assert isinstance(frozen, Mapping)
    package = token.split(":", maxsplit=1)[0]
    provider = f"urn:pulumi:{stack}::bhamm-lab::pulumi:providers:{package}::{package}"
    return RegisteredResource(
        urn=f"urn:pulumi:{stack}::bhamm-lab::{token}::{name}",
        token=token,
        name=name,
        properties=frozen,
        dependencies=dependencies,
        parent=parent,
        provider=None if component else provider,
        protect=protect,
        retain_on_delete=retain_on_delete,
    )


def edited(graph: Graph, name: str, edit: Callable[[Any], None]) -> Graph:
    resource = named(graph, name)
    root: Any = thaw(resource.properties)
    edit(root)
    frozen = freeze(root)
    assert isinstance(frozen, Mapping)
    return replaced(graph, dataclasses.replace(resource, properties=frozen))


def replaced(graph: Graph, resource: RegisteredResource) -> Graph:
    return Graph(resource if one.urn == resource.urn else one for one in graph.resources)


def all_of(*changes: Change) -> Change:
    def change(graph: Graph) -> Graph:
        for one in changes:
            graph = one(graph)
        return graph

    return change


def moved(graph: Graph, stack: str) -> Graph:
    """The same resources in another stack."""

    def other(urn: str) -> str:
        return urn.replace(f"urn:pulumi:{STACK}::", f"urn:pulumi:{stack}::")

    def others(urns: Iterable[str]) -> frozenset[str]:
        return frozenset(other(urn) for urn in urns)

    return Graph(
        dataclasses.replace(
            one,
            urn=other(one.urn),
            dependencies=others(one.dependencies),
            property_dependencies={name: others(urns) for name, urns in one.property_dependencies.items()},
            parent=None if one.parent is None else other(one.parent),
            provider=None if one.provider is None else other(one.provider),
        )
        for one in graph.resources
    )


def thaw(value: Property) -> Any:
    """The value as data that can be changed."""
    if isinstance(value, Mapping):
        return {name: thaw(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [thaw(item) for item in value]
    return value


def set_at(root: Any, path: Path, value: Any) -> None:
    """Put a value there, with what is missing on the way; an index after the last one adds to a list."""
    for index, step in enumerate(path[:-1]):
        if isinstance(root, dict) and step not in root:
            root[step] = [] if isinstance(path[index + 1], int) else {}
        root = root[step]
    if isinstance(root, list) and path[-1] == len(root):  # pyright: ignore[reportUnknownArgumentType]
        root.append(value)
        return
    there: Any = root
    there[path[-1]] = value


def take_at(root: Any, path: Path) -> None:
    """Take away what stands there."""
    for step in path[:-1]:
        root = root[step]
    del root[path[-1]]
