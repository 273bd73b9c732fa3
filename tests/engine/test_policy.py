"""The rules as a policy pack of the real engine: a program that breaks them is refused before anything is touched."""

from pathlib import Path

import pytest

from engine.operation import Operation, Outcome, run
from engine.policy import PolicyPack, policy_pack
from inventory import LAB
from inventory.secrets import SCHEMA
from policy.deployment import exported
from policy.rules import check
from policy.surroundings import Surroundings, surroundings
from stacks.configuration import load
from tests.engine.laboratory import Laboratory

STACK = "shared"

PROGRAM = """\
import pulumi
import pulumi_cloudflare as cloudflare
import pulumi_random as random


class Edge(pulumi.ComponentResource):
    def __init__(self) -> None:
        super().__init__("lab:cloudflare:Edge", "edge", None, pulumi.ResourceOptions(providers=[
            cloudflare.Provider("cloudflare"), random.Provider("random"),
        ]))
        kept = pulumi.ResourceOptions(parent=self, protect=@PROTECT@, retain_on_delete=True)
        password = random.RandomPassword("password", length=24, opts=kept)
        cloudflare.R2Bucket("copies", account_id="0" * 31 + "1", name="copies", opts=kept)
        cloudflare.DnsRecord(
            "public-crm", zone_id="0" * 31 + "2", name="@NAME@.bhamm-lab.com", type="CNAME", proxied=True, ttl=1,
            content=password.id.apply(lambda _: "tunnel.cfargotunnel.com"), opts=kept,
        )
        self.register_outputs({})


Edge()
"""


def write_program(laboratory: Laboratory, *, protect: bool, name: str) -> None:
    text = PROGRAM.replace("@PROTECT@", str(protect)).replace("@NAME@", name)
    (laboratory.project / "__main__.py").write_text(text)


def rules_know(laboratory: Laboratory) -> Surroundings:
    return surroundings(LAB, load(laboratory.project), SCHEMA, ())


def attached(laboratory: Laboratory) -> PolicyPack:
    return policy_pack(laboratory.workspace, rules_know(laboratory))


def judged(laboratory: Laboratory, operation: Operation) -> tuple[Outcome, str]:
    """The operation under the rules, and everything that the engine printed."""
    pack = attached(laboratory)
    environment = pack.environment(laboratory.environment)
    outcome = run(
        operation, STACK, laboratory.workspace, environment, lambda _event: None, pack.flags(operation)
    )
    return outcome, (laboratory.workspace.logs / f"{operation}-{STACK}.log").read_text()


@pytest.mark.parametrize("operation", [Operation.PREVIEW, Operation.UP])
def test_a_program_that_breaks_rules_is_refused_with_each_violation(laboratory: Laboratory, operation: Operation):
    write_program(laboratory, protect=False, name="crm")

    outcome, printed = judged(laboratory, operation)

    assert not outcome.succeeded
    assert "[mandatory]" in printed, printed
    assert "I6 cloudflare:index/r2Bucket:R2Bucket copies holds the offsite copies" in printed, printed
    assert "I13 the DNS record public-crm offers crm.bhamm-lab.com to the Internet" in printed, printed
    assert "fix:  pass protect=True" in printed, printed
    assert "Traceback" not in printed, printed
    assert any("I6 " in error for error in outcome.errors), outcome.errors
    assert outcome.steps == [] or operation is Operation.PREVIEW, "a step that was only planned counts as done"
    assert laboratory.state.resources(STACK) == [], "something was made although the rules refuse it"


def test_a_program_that_keeps_the_rules_is_applied(laboratory: Laboratory):
    write_program(laboratory, protect=True, name="docs")

    outcome, printed = judged(laboratory, Operation.UP)

    assert outcome.succeeded, printed
    assert "lab-rules" in printed, printed
    assert "Traceback" not in printed, printed
    state = exported(laboratory.state.export(STACK))
    assert len([one for one in state.resources if one.is_managed and one.protect and one.retain_on_delete]) == 3
    assert [str(violation) for violation in check(state, rules_know(laboratory))] == []


def test_the_lab_s_own_shared_stack_keeps_the_rules(laboratory: Laboratory):
    outcome, printed = judged(laboratory, Operation.PREVIEW)
    assert outcome.succeeded, printed
    assert "lab-rules" in printed, printed


@pytest.mark.parametrize("stack", ["shared"])
def test_the_command_attaches_the_rules_where_it_is_asked_to(laboratory: Laboratory, stack: str):
    log = laboratory.workspace.logs / f"preview-{stack}.log"
    assert laboratory.command("preview", stack).returncode == 0
    assert "lab-rules" not in log.read_text(), "nobody asked for the rules"
    answer = laboratory.command("preview", stack, "--policy")
    assert answer.returncode == 0, answer.stderr
    assert "refused" not in answer.stderr
    assert "lab-rules" in log.read_text(), "the rules were not asked"


def test_the_lab_s_own_green_stack_keeps_the_rules(applied: Laboratory):
    answer = applied.command("preview", "green", "--policy")
    assert answer.returncode == 0, answer.stderr
    assert "refused" not in answer.stderr
    assert "lab-rules" in (applied.workspace.logs / "preview-green.log").read_text(), "the rules were not asked"


def test_the_analyzer_is_for_its_owner_alone_and_says_what_it_reads(laboratory: Laboratory):
    pack = attached(laboratory)

    analyzer = pack.analyzer / "pulumi-analyzer-policy-lab"
    assert analyzer.stat().st_mode & 0o777 == 0o700
    facts = Path(pack.analyzer / "surroundings.json")
    assert facts.stat().st_mode & 0o777 == 0o600
    assert str(facts) in analyzer.read_text()
    assert not list(pack.analyzer.glob(".*")), "a half-written file was left"


@pytest.mark.parametrize("operation", [Operation.REFRESH, Operation.DESTROY])
def test_what_only_reads_or_takes_down_is_not_judged(laboratory: Laboratory, operation: Operation):
    assert attached(laboratory).flags(operation) == ()
