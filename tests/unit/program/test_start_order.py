"""The order in which a colour starts, drawn from what it registers: `docs/start-order.md` is kept current here."""

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.harness.lab_stacks import PROJECT_DIRECTORY
from tests.harness.recording import Recording
from tests.unit.program.conftest import Recorded

PAGE = PROJECT_DIRECTORY / "docs" / "start-order.md"
COLOUR = "green"
CLUSTER = "lab:kubernetes:"
"""Begins the types of the components that are made on a cluster that is up."""

HEAD = f"""\
# Start order

What waits for what on a cluster that is up, from the dependencies of the {COLOUR} stack, the fuller of the two. Nobody
wrote this order down: it follows from what components are handed, and there are no sync waves. An arrow leads from what
is made first to what waits for it; what follows from other arrows is left out. Components of one step are made at the
same time.

Written by `python -m pytest tests/unit/program --update-golden`; a test fails while it is not current. That it is
complete is shown by another: each producer is taken away in turn, and whoever needs it is told
(`tests/graph/policy/test_producers.py`).

"""


def units(recording: Recording) -> Mapping[str, frozenset[str]]:
    """Components of the cluster by name, each with those that it waits for."""
    owner: dict[str, str] = {}
    for one in recording.registrations:
        above = [one, *recording.ancestors(one)]
        components = [found for found in above if found.type.startswith(CLUSTER)]
        if components:
            owner[one.urn] = components[-1].name
    found: dict[str, set[str]] = {name: set() for name in owner.values()}
    for one in recording.registrations:
        if one.urn in owner:
            found[owner[one.urn]] |= {owner[urn] for urn in one.dependencies if urn in owner}
    return together({name: frozenset(before - {name}) for name, before in found.items()})


def together(waits: Mapping[str, frozenset[str]]) -> Mapping[str, frozenset[str]]:
    """The same, with those as one that wait for parts of each other: their resources have an order, they have none."""
    try:
        TopologicalSorter(waits).prepare()
    except CycleError as error:
        circle = frozenset[str](error.args[1])
    else:
        return waits
    whole = " + ".join(sorted(circle))
    joined: dict[str, frozenset[str]] = {}
    for name, before in waits.items():
        unit = whole if name in circle else name
        joined[unit] = joined.get(unit, frozenset()) | {whole if one in circle else one for one in before} - {unit}
    return together(joined)


def steps(waits: Mapping[str, frozenset[str]]) -> list[list[str]]:
    """Components that can be made at the same time, step after step."""
    sorter = TopologicalSorter(waits)
    sorter.prepare()
    found: list[list[str]] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        found.append(ready)
        sorter.done(*ready)
    return found


def everything_before(waits: Mapping[str, frozenset[str]]) -> Mapping[str, frozenset[str]]:
    """Of each component: all that must be there first."""
    found: dict[str, frozenset[str]] = {}
    for name in TopologicalSorter(waits).static_order():
        found[name] = waits[name].union(*(found[one] for one in waits[name]))
    return found


def direct(waits: Mapping[str, frozenset[str]]) -> list[tuple[str, str]]:
    """What waits for what, without what follows from the rest."""
    earlier = everything_before(waits)
    return sorted(
        (before, name)
        for name, needed in waits.items()
        for before in needed
        if not any(before in earlier[other] for other in needed - {before})
    )


def page(recording: Recording) -> str:
    waits = units(recording)
    order = steps(waits)
    arrows = "\n".join(f"    {_box(before)} --> {_box(name)}" for before, name in direct(waits))
    listed = "\n".join(f"{number}. {', '.join(names)}" for number, names in enumerate(order, start=1))
    return f"{HEAD}```mermaid\nflowchart TD\n{arrows}\n```\n\n{listed}\n"


def _box(name: str) -> str:
    """A name as Mermaid takes it; several in one box need a label."""
    return f'{name.replace(" + ", "_")}["{name}"]' if " + " in name else name


@pytest.fixture
def drawn(recorded: Recorded) -> str:
    return page(recorded(COLOUR, False))


def test_the_page_is_current(drawn: str, request: pytest.FixtureRequest):
    if request.config.getoption("--update-golden"):
        PAGE.write_text(drawn)
    told = "write it anew with `python -m pytest tests/unit/program --update-golden`"
    assert PAGE.exists(), told
    assert PAGE.read_text() == drawn, told


def test_what_is_left_out_follows_from_what_is_drawn(recorded: Recorded):
    waits = units(recorded(COLOUR, False))
    drawn: dict[str, frozenset[str]] = {name: frozenset() for name in waits}
    for before, name in direct(waits):
        drawn[name] |= {before}
    assert everything_before(drawn) == everything_before(waits)


def test_components_that_wait_for_parts_of_each_other_are_drawn_as_one():
    waits = {"a": frozenset({"b"}), "b": frozenset({"a", "c"}), "c": frozenset[str](), "d": frozenset({"a"})}
    assert together(waits) == {"a + b": {"c"}, "c": frozenset(), "d": {"a + b"}}
    assert steps(together(waits)) == [["c"], ["a + b"], ["d"]]


def test_the_storage_comes_before_the_applications(recorded: Recorded):
    order = steps(units(recorded(COLOUR, False)))
    at = {name: step for step, names in enumerate(order) for name in names}
    assert at["network"] < at["argo-cd"] < at["ceph-storage"] < at["vault"] < at["secret-sync"] < at["test"]
    assert at["node-features"] < at["graphics-cards"]
