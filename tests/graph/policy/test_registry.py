"""Every rule over resources is listed, documented and becomes a policy of the pack."""

from pathlib import Path

import pytest
from pulumi_policy import EnforcementLevel

import policy.rules
from model.violation import Rule
from policy.pack import policies, validation
from policy.rules import RULES
from policy.stack_resources import told_by_engine
from tests.graph.policy.changed_graph import lab
from tests.harness.lab_stacks import PROJECT_DIRECTORY


def test_every_rule_has_a_module_of_its_own():
    modules = {path.stem for path in Path(policy.rules.__file__).parent.glob("*.py")} - {"__init__"}
    assert {rule.__module__.rsplit(".", 1)[-1] for rule in RULES.values()} == modules
    assert all(rule.__module__.endswith(f".{rule.__name__}") for rule in RULES.values())


@pytest.mark.parametrize("rule", list(RULES))
def test_every_rule_says_what_it_demands_and_the_docs_say_the_same(rule: Rule):
    demand = (RULES[rule].__doc__ or "").strip().splitlines()[0]
    module = RULES[rule].__module__.replace(".", "/") + ".py"
    rows = (PROJECT_DIRECTORY / "docs" / "rules.md").read_text(encoding="utf-8").splitlines()

    assert f"| {rule} | [`{module}`](../{module}) | {demand} |" in rows


def test_every_rule_is_a_mandatory_policy_that_says_what_it_demands():
    made = policies(lab())
    assert [one.name.split("-")[0] for one in made] == [number.lower() for number in RULES]
    assert {one.enforcement_level for one in made} == {EnforcementLevel.MANDATORY}
    for one, rule in zip(made, RULES.values(), strict=True):
        assert (rule.__doc__ or "").splitlines()[0] in one.description


def test_a_policy_tells_each_violation_in_full_at_its_resource():
    from pulumi_policy import PolicyResource, StackValidationArgs

    from tests.graph.policy.test_graph import options

    urn = "urn:pulumi:shared::bhamm-lab::cloudflare:index/r2Bucket:R2Bucket::copies"
    bucket = PolicyResource("cloudflare:index/r2Bucket:R2Bucket", {}, urn, "copies", options(), None, None, [], {})
    heard: list[tuple[str, str | None]] = []

    validation(RULES[Rule.STATEFUL], lab())(
        StackValidationArgs([bucket]), lambda message, urn=None: heard.append((message, urn))
    )

    (told,) = RULES[Rule.STATEFUL](told_by_engine([bucket]), lab())
    assert heard == [(str(told), urn)]


def test_what_the_rules_must_know_survives_the_way_to_the_pack():
    again = type(lab()).model_validate_json(lab().model_dump_json())
    assert again == lab()
