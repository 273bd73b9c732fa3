"""Whatever is unknown, missing or nonsense: no rule crashes, lies or tells a secret."""

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.kubernetes.layers import build_layers
from policy.graph import Graph, RegisteredResource
from policy.properties import SECRET, UNKNOWN, Path, freeze, walk
from policy.rules import check
from tests.graph.policy.changed_graph import lab, registered, replaced, set_at, sound, take_at, thaw, with_resources
from tests.graph.policy.recorded import graph_of
from tests.graph.workloads.layers import build, ground, on_kubernetes, run
from tests.harness.answers import SENTINEL

Place = tuple[str, Path]
"""URN of a resource and a path in it."""

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def places() -> tuple[Place, ...]:
    """Everything in the sound graph that may be unknown."""
    return tuple(
        (resource.urn, path) for resource in sound().resources for path, _ in walk(resource.properties) if path
    )


def edit(graph: Graph, place: Place, value: Any) -> Graph:
    """The graph with another value there; as it is where an earlier edit took the place away."""
    urn, path = place
    root: Any = thaw(graph.by_urn[urn].properties)
    try:
        set_at(root, path, value)
    except (KeyError, IndexError, TypeError, AttributeError):
        return graph
    return _with(graph, urn, root)


def remove(graph: Graph, place: Place) -> Graph:
    urn, path = place
    root: Any = thaw(graph.by_urn[urn].properties)
    try:
        take_at(root, path)
    except (KeyError, IndexError, TypeError):
        return graph
    return _with(graph, urn, root)


def _with(graph: Graph, urn: str, root: Any) -> Graph:
    frozen = freeze(root)
    assert isinstance(frozen, Mapping)
    return replaced(graph, dataclasses.replace(graph.by_urn[urn], properties=frozen))


def told(graph: Graph) -> list[str]:
    return [str(violation) for violation in check(graph, lab())]


SOME_PLACES = st.deferred(lambda: st.lists(st.sampled_from(places()), min_size=1, max_size=3))
NONSENSE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "test", "Host(`", "http://a.b.svc", "1Gi", "feature/crm", UNKNOWN, SECRET]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["name", "key", "spec", "image", "secretRef", "items"]), inner, max_size=3),
    max_leaves=6,
)


@SETTINGS
@given(SOME_PLACES)
def test_what_is_not_known_yet_is_held_against_nobody(unknown: list[Place]):
    graph = sound()
    for place in unknown:
        graph = edit(graph, place, UNKNOWN)
    assert told(graph) == []


@SETTINGS
@given(SOME_PLACES, NONSENSE)
def test_nonsense_crashes_no_rule(changed: list[Place], value: Any):
    graph = sound()
    for place in changed:
        graph = edit(graph, place, value)
    assert all(one for one in told(graph))


@SETTINGS
@given(SOME_PLACES)
def test_a_missing_field_crashes_no_rule(missing: list[Place]):
    graph = sound()
    for place in missing:
        graph = remove(graph, place)
    assert all(one for one in told(graph))


@SETTINGS
@given(st.deferred(lambda: st.sets(st.sampled_from([one.urn for one in sound().resources]), min_size=1, max_size=4)))
def test_a_missing_resource_crashes_no_rule(gone: set[str]):
    assert all(one for one in told(Graph(one for one in sound().resources if one.urn not in gone)))


@given(
    st.sampled_from(["kubernetes:apps/v1:Deployment", "kubernetes:", "kubernetes:core/v1:", "a:b:C", ""]),
    st.dictionaries(st.sampled_from(["metadata", "spec", "kind", "apiVersion"]), NONSENSE),
)
def test_a_resource_of_any_sort_crashes_no_rule(token: str, properties: dict[str, Any]):
    assert all(one for one in told(with_resources(registered(token, "odd", properties))(Graph(()))))


def test_urns_that_lead_nowhere_crash_no_rule():
    astray = RegisteredResource(
        urn="urn:pulumi:green::p::a::b", token="kubernetes:core/v1:Secret", name="b",
        dependencies=frozenset({"urn:nowhere"}), parent="urn:pulumi:green::p::a::b", provider="urn:nobody",
    )  # fmt: skip
    assert told(Graph((astray,))) == []


def test_a_preview_before_there_is_a_cluster_breaks_no_rule_that_the_finished_one_keeps():
    complaints = {str(one.where) for one in check(graph_of(build()), lab())}
    preview = run(lambda: build_layers(ground(), opts=on_kubernetes()), preview=True)
    unfinished = {str(one.where) for one in check(graph_of(preview), lab())}
    assert unfinished <= complaints


@SETTINGS
@given(SOME_PLACES)
def test_no_secret_is_ever_told(shown: list[Place]):
    graph = sound()
    for place in shown:
        graph = edit(graph, place, SECRET)
    assert not any(SENTINEL in one for one in told(graph))
