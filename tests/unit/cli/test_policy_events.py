"""Broken rules as the engine's event log tells them."""

import json

from cli.console import violation_line
from engine.events import PolicyViolation, parse
from engine.operation import Operation, Outcome


def a_violation(level: str, message: str) -> PolicyViolation:
    document = {
        "resourceUrn": "urn:pulumi:green::bhamm-lab::a:b:C::copies",
        "message": message,
        "policyName": "i6",
        "enforcementLevel": level,
    }
    event = parse(json.dumps({"sequence": 1, "policyEvent": document}))
    assert isinstance(event, PolicyViolation)
    return event


def test_only_what_is_mandatory_is_an_error() -> None:
    violations = [a_violation("mandatory", "it [must] be protected\n"), a_violation("warning", "it is large")]
    outcome = Outcome(Operation.PREVIEW, "green", exit_code=1, violations=violations)
    assert outcome.errors == ["it [must] be protected"]


def test_a_violation_names_its_resource_and_keeps_its_brackets() -> None:
    refused = violation_line(a_violation("mandatory", "it [must] be protected"))
    assert "refused" in refused
    assert r"copies: it \[must] be protected" in refused
    assert "warning" in violation_line(a_violation("warning", "it is large"))
