"""What the lab's own accounts may do on the cluster."""

from collections.abc import Iterator

import pytest

from model.exclusive import Colour
from policy.graph import Graph
from policy.properties import entries, text
from tests.graph.policy.recorded import graph_of
from tests.harness.lab_stacks import read_configuration, record_stack

WRITING = frozenset({"create", "update", "patch", "delete", "deletecollection", "*"})


def writers_of(graph: Graph, group: str, resource: str) -> Iterator[str]:
    """Roles that may change the objects of a kind."""
    for role in graph.of_kind("Role", "ClusterRole"):
        for rule in entries(role.at("rules")):
            groups, resources, verbs = (
                set(map(str, entries(rule, key))) for key in ("apiGroups", "resources", "verbs")
            )
            if groups & {group, "*"} and resources & {resource, "*"} and verbs & WRITING:
                yield str(role)


@pytest.mark.parametrize("colour", Colour)
def test_no_account_of_the_lab_may_switch_argo_cd_off_or_is_an_administrator(colour: Colour):
    graph = graph_of(record_stack(str(colour), read_configuration()))
    assert graph.of_kind("Role")
    assert list(writers_of(graph, "argoproj.io", "applications")) == []
    bound = {text(one.at("roleRef"), "name") for one in graph.of_kind("ClusterRoleBinding", "RoleBinding")}
    assert "cluster-admin" not in bound
