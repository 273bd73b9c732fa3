"""Every rule is listed, documented and has a broken fixture; every place that a message names exists."""

import ast
import re
from pathlib import Path

import pytest

import model.rules
from inventory import LAB
from model.rules import RULES, check
from model.rules.places import Part, place
from model.violation import Rule
from policy.rules import RULES as OVER_RESOURCES
from tests.unit.configuration.changed_copy import PROJECT_DIRECTORY, fixtures
from tests.unit.model.lab_copies import configuration

_HELD_BY_NOBODY = configuration()
_INFRASTRUCTURE = {"__init__", "places", "near_miss", "planning", "intervals"}


def test_the_registry_has_every_rule_but_the_one_about_text():
    assert {Rule.SCHEMA, *RULES, *OVER_RESOURCES} == set(Rule)
    assert Rule.SCHEMA not in RULES


def test_every_rule_has_a_module_of_its_own():
    modules = {path.stem for path in Path(model.rules.__file__).parent.glob("*.py")} - _INFRASTRUCTURE
    assert {rule.__module__.rsplit(".", 1)[-1] for rule in RULES.values()} == modules
    assert all(rule.__module__.endswith(f".{rule.__name__}") for rule in RULES.values())


@pytest.mark.parametrize("rule", [Rule.SCHEMA, *RULES])
def test_every_rule_has_a_broken_fixture(rule: Rule):
    assert [fixture.name for fixture in fixtures() if any(expected.rule == rule for expected in fixture.expected)]


@pytest.mark.parametrize("rule", list(RULES))
def test_every_rule_says_what_it_demands_and_the_docs_say_the_same(rule: Rule):
    demand = (RULES[rule].__doc__ or "").strip().splitlines()[0]
    module = RULES[rule].__module__.replace(".", "/") + ".py"

    assert f"| {rule} | [`{module}`](../{module}) | {demand} |" in documented_rows()


def test_the_docs_have_no_rule_that_does_not_exist():
    numbers = [row.split("|")[1].strip() for row in documented_rows()]
    assert sorted(numbers) == sorted([Rule.SCHEMA, *RULES, *OVER_RESOURCES])


def documented_rows() -> list[str]:
    text = (PROJECT_DIRECTORY / "docs" / "rules.md").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if re.match(r"\| [A-Z]\d+ \|", line)]


@pytest.mark.parametrize("part", list(Part))
def test_a_place_in_the_inventory_exists(part: Part):
    where = place(part)
    names = {
        target.id
        for node in ast.parse((PROJECT_DIRECTORY / where.file).read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert where.key in names


def test_the_lab_keeps_every_rule_when_nobody_holds_anything():
    assert [str(violation) for violation in check(LAB, _HELD_BY_NOBODY)] == []


def test_a_check_tells_what_every_rule_tells():
    broken = LAB.model_copy(
        update={
            "mtu": LAB.mtu.model_copy(update={"pod": 9000}),
            "ceph": LAB.ceph.model_copy(update={"monitors": LAB.ceph.monitors[:2]}),
        }
    )
    assert [violation.rule for violation in check(broken, _HELD_BY_NOBODY)] == [Rule.STATEFUL, Rule.MTU]
