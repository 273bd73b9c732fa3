"""Paths, expressions and quantities in themselves."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.providers.kubernetes import paths
from twin.providers.kubernetes.comparison import quantity
from twin.providers.kubernetes.conditions import read_expressions

PARTS = st.text(min_size=1).filter(lambda text: "\x00" not in text) | st.integers(0, 10**6)

BODY: dict[str, Any] = {
    "metadata": {"generation": 2, "annotations": {"lab.test/a": "x"}},
    "status": {
        "observedGeneration": 2,
        "phase": "Cluster in healthy state",
        "ready": True,
        "nodes": 3,
        "nothing": None,
        "items": [{"name": "a", "value": 1}, {"name": "b", "value": 2}],
        "conditions": [
            {"type": "Ready", "status": "True"},
            {"type": "Old", "status": "True", "observedGeneration": 1},
        ],
    },
}


@given(st.lists(PARTS, min_size=1).filter(lambda parts: isinstance(parts[0], str)))
def test_paths_are_read_as_they_are_written(parts: list[str | int]) -> None:
    assert paths.read(paths.written(tuple(parts))) == tuple(parts)


def test_patterns_cover_what_is_below_them() -> None:
    pattern = paths.read("spec.containers[*].image")
    assert paths.covers(pattern, ("spec", "containers", 3, "image"))
    assert paths.covers(paths.read(".spec"), ("spec", "containers", 3, "image"))
    assert not paths.covers(pattern, ("spec", "containers", "x", "image"))
    assert not paths.covers(pattern, ("spec", "containers"))


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("condition=Ready", True),
        ("condition=ready=true", True),
        ("condition=Ready=False", False),
        ("condition=Missing", False),
        ("condition=Old", False),
        ("jsonpath={.status.phase}=Cluster in healthy state", True),
        ("jsonpath={ $.status.phase }", True),
        ("jsonpath={.status.ready}=true", True),
        ("jsonpath={.status.nodes}=3", True),
        ("jsonpath={.status.nodes}=4", False),
        ("jsonpath={.status.nothing}", True),
        ("jsonpath={.status.absent}", False),
        ("jsonpath={.status.items[1].name}=b", True),
        ("jsonpath={.status.items[-1].name}=b", True),
        ("jsonpath={.status.items[7].name}", False),
        ("jsonpath={.status.items[*].name}=a", True),
        ("jsonpath={.status.items[*].name}=b", False),
        ("jsonpath={.status.items[?(@.name=='b')].value}=2", True),
        ('jsonpath={.status.items[?@.name == "b"].value}=2', True),
        ("jsonpath={.status.items[?(@.value==1)].name}=a", True),
        ('jsonpath={.metadata.annotations["lab.test/a"]}=x', True),
        ("jsonpath={.metadata.annotations.lab\\.test/a}=x", True),
        ('["condition=Ready", "jsonpath={.status.nodes}=4"]', False),
    ],
)
def test_expressions(expression: str, holds: bool) -> None:
    assert all(one.holds(BODY) for one in read_expressions(expression)) is holds


def test_what_is_found_instead_is_told() -> None:
    (condition,) = read_expressions("condition=Synced")
    assert condition.missing(BODY) == "waiting for condition Synced to be True; the object has no such condition"
    (path,) = read_expressions("jsonpath={.status.nodes}=4")
    assert path.missing(BODY) == "waiting for {.status.nodes}=4; it is `3`"


@pytest.mark.parametrize(
    ("one", "other"),
    [("1000m", 1), ("1Gi", "1024Mi"), ("0.5", "500m"), ("1e3", "1k"), ("2E", "2000P"), ("1.5Gi", 1610612736)],
)
def test_equal_quantities(one: Any, other: Any) -> None:
    assert quantity(one) == quantity(other) != Decimal(0)


def test_what_is_no_quantity() -> None:
    assert quantity("many") is None
    assert quantity("") is None
