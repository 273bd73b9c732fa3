"""Each colour sets up its own Harbor, and no other."""

import dataclasses
from collections.abc import Callable

from model.exclusive import Colour
from model.lineage import Incarnation, IncarnationNumber, Lineage
from model.violation import Rule, Violation
from policy.graph import Graph, RegisteredResource
from policy.rules import check
from tests.graph.policy.changed_graph import lab, moved, sound
from tests.graph.policy.recorded import graph_of
from tests.graph.workloads.layers import build

PROVIDER = "pulumi:providers:harbor"
OWN = "https://harbor-{}.bhamm-lab.com"


def both() -> Graph:
    """The two colours side by side, as their stacks are."""
    born = Lineage(own=Incarnation(colour=Colour.BLUE, number=IncarnationNumber(9)), source=None)
    return sound() | moved(graph_of(build(colour=Colour.BLUE, born=born)), "blue")


def found(graph: Graph) -> list[Violation]:
    """What is said about the provider of what is set in Harbor."""
    return [one for one in check(graph, lab()) if one.rule is Rule.ORDER and "Harbor" in str(one)]


def provider(graph: Graph, stack: str) -> RegisteredResource:
    (one,) = (one for one in graph.resources if one.token == PROVIDER and one.stack == stack)
    return one


def with_url(graph: Graph, stack: str, url: Callable[[str], str]) -> Graph:
    there = provider(graph, stack)
    text = there.properties["url"]
    assert isinstance(text, str)
    changed = dataclasses.replace(there, properties={**there.properties, "url": url(text)})
    return Graph(changed if one is there else one for one in graph.resources)


def test_each_colour_is_reached_by_a_name_of_its_own():
    graph = both()
    assert {stack: provider(graph, stack).properties["url"] for stack in ("green", "blue")} == {
        "green": OWN.format("green"), "blue": OWN.format("blue"),
    }  # fmt: skip
    assert found(graph) == []


def test_setting_up_the_other_colour_s_is_told_with_its_route():
    (told,) = found(with_url(both(), "green", lambda url: url.replace("green", "blue")))
    assert "of green sets up the Harbor at harbor-blue.bhamm-lab.com, which is that of blue" in str(told)
    assert "also: urn:pulumi:blue::" in str(told)
