"""Whatever makes something that others need is taken away in turn, and somebody who needs it is told.

What is tried is found in the graph, so what is added to the lab is tried without a line here.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest

from model.exclusive import Colour
from model.violation import Rule
from policy.graph import Graph, RegisteredResource
from policy.objects import KubernetesObject
from policy.properties import walk
from policy.references import installed_in
from policy.rules import check
from policy.rules.order import BUILT_IN_GROUPS, order
from tests.graph.policy.changed_graph import lab
from tests.graph.policy.recorded import graph_of
from tests.harness.lab_stacks import read_configuration, record_stack

PRODUCERS = (
    "AppProject", "Certificate", "Cluster", "ClusterIssuer", "ClusterSecretStore", "ConfigMap", "DeviceConfig",
    "ExternalSecret", "GpuDevicePlugin", "Middleware", "Namespace", "NodeFeatureRule", "ObjectStore",
    "PersistentVolumeClaim", "Role", "Secret", "Service", "ServiceAccount", "StorageClass", "Vault",
)  # fmt: skip
"""Kinds of objects that others refer to by name."""

OF_CHARTS_TOO = frozenset({"ConfigMap", "PersistentVolumeClaim", "Role", "Service", "ServiceAccount"})
"""Kinds that a chart may make unseen: in a namespace with charts nothing can be said of them."""

INSIDE_CHARTS = {
    "vault-permissions": "its roles are for the operator's own accounts",
    "loki": "the routes and targets of its namespace come after all that runs there",
    "alloy": "as loki",
    "cloudflare-exporter": "as loki",
}
"""Charts that objects wait for because of what is inside, which no rule sees."""


@cache
def whole(colour: Colour) -> Graph:
    return graph_of(record_stack(str(colour), read_configuration()))


def without(graph: Graph, urn: str) -> Graph:
    return Graph(one for one in graph.resources if one.urn != urn)


def users(graph: Graph, made: KubernetesObject) -> frozenset[str]:
    """Who waits for the object and has its name among its properties."""
    name = made.name
    if not isinstance(name, str):
        return frozenset()
    services = f"//{name}."
    return frozenset(
        one.urn
        for one in graph.resources
        if one.urn != made.urn
        and made.urn in graph.everything_before(one.urn)
        and any(isinstance(value, str) and (value == name or services in value) for _, value in walk(one.properties))
    )


def has_successor(graph: Graph, made: KubernetesObject) -> bool:
    """Whether External Secrets makes the same Secret: readers find it without the one of the bootstrap, too."""
    targets = (
        (one.stack, one.place, one.text("spec", "target", "name") or one.name)
        for one in graph.of_kind("ExternalSecret")
    )
    return made.kind == "Secret" and (made.stack, made.place, made.name) in targets


def producers(graph: Graph) -> Iterator[tuple[KubernetesObject, frozenset[str]]]:
    """Every object that somebody needs, with who that is."""
    for made in graph.of_kind(*PRODUCERS):
        if has_successor(graph, made):
            continue
        if made.kind in OF_CHARTS_TOO and installed_in(graph, made.stack, made.place):
            continue
        found = users(graph, made)
        if found:
            yield made, found


@pytest.mark.parametrize("colour", Colour)
def test_each_object_that_is_taken_away_is_missed_by_who_needs_it(colour: Colour):
    graph = whole(colour)
    silent = [
        f"{made}, needed by {', '.join(sorted(urn.rsplit('::', 1)[-1] for urn in needing))}"
        for made, needing in producers(graph)
        if needing.isdisjoint(violation.where.file for violation in check(without(graph, made.urn), lab()))
    ]
    assert silent == []


@pytest.mark.parametrize("colour", Colour)
def test_each_chart_that_is_taken_away_is_missed_by_the_objects_that_wait_for_it(colour: Colour):
    graph = whole(colour)
    silent: list[str] = []
    for chart in graph.installations:
        waiting = {
            one.urn
            for one in graph.objects
            if chart.urn in graph.by_urn[one.urn].dependencies
            and (one.group not in BUILT_IN_GROUPS or one.kind == "StorageClass")
            and one.kind != "Application"
        }
        found = {violation.where.file for violation in order(without(graph, chart.urn), lab())}
        if waiting and chart.name not in INSIDE_CHARTS and waiting.isdisjoint(found):
            silent.append(f"{chart}, waited for by {', '.join(sorted(urn.rsplit('::', 1)[-1] for urn in waiting))}")
    assert silent == []


def test_most_kinds_of_producers_are_really_there():
    lacking = set(PRODUCERS) - {made.kind for made, _ in producers(whole(Colour.GREEN))}
    # Nobody claims a card yet, and the accounts with roles are all beside charts.
    assert lacking <= {"ConfigMap", "DeviceConfig", "GpuDevicePlugin", "Role"}


def test_nobody_waits_for_what_would_come_after_it():
    """The other way round: every producer made to come last is reported, not only one that is missing."""
    graph = whole(Colour.GREEN)
    for made in graph.of_kind("Namespace", "StorageClass", "ClusterIssuer", "AppProject"):
        needing = users(graph, made)
        if not needing:
            continue
        late = Graph(
            one if one.urn not in needing else _hurried(one, graph, made.urn) for one in graph.resources
        )
        told = [one for one in order(late, lab()) if made.urn in {str(other.file) for other in one.also}]
        assert any(one.rule is Rule.ORDER and "does not wait for" in one.message for one in told), str(made)


def _hurried(resource: RegisteredResource, graph: Graph, urn: str) -> RegisteredResource:
    kept = {one for one in resource.dependencies if one != urn and urn not in graph.everything_before(one)}
    return replace(resource, dependencies=frozenset(kept), property_dependencies={})
