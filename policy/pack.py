"""The rules as a policy pack of the engine: a program of its own, which reads of the lab in the file `SURROUNDINGS`."""

import os
from collections.abc import Callable
from pathlib import Path

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    StackValidationArgs,
    StackValidationPolicy,
)

from policy.rules import RULES, RuleFunction
from policy.stack_resources import told_by_engine
from policy.surroundings import Surroundings

NAME = "lab-rules"
SURROUNDINGS = "LAB_POLICY_SURROUNDINGS"
"""Environment variable: file with the JSON of `Surroundings`."""


def read_surroundings() -> Surroundings:
    """What the engine's caller wrote down of the lab; RuntimeError when it did not."""
    path = os.environ.get(SURROUNDINGS)
    if path is None:
        raise RuntimeError(f"{SURROUNDINGS} names no file; run the engine through ./lab")
    return Surroundings.model_validate_json(Path(path).read_text(encoding="utf-8"))


def demand(rule: RuleFunction) -> str:
    """What a rule demands: the first line of its docstring."""
    return (rule.__doc__ or "").strip().splitlines()[0]


def validation(rule: RuleFunction, lab: Surroundings) -> Callable[[StackValidationArgs, ReportViolation], None]:
    """The rule as the engine calls it."""

    def validate(given: StackValidationArgs, report: ReportViolation) -> None:
        for violation in rule(told_by_engine(given.resources), lab):
            report(str(violation), violation.where.file)

    return validate


def policies(lab: Surroundings) -> list[StackValidationPolicy]:
    """One mandatory policy for each rule."""
    return [
        StackValidationPolicy(
            name=f"{number.lower()}-{rule.__name__.replace('_', '-')}",
            description=f"{number}: {demand(rule)}",
            validate=validation(rule, lab),
            enforcement_level=EnforcementLevel.MANDATORY,
        )
        for number, rule in RULES.items()
    ]


if __name__ == "__main__":
    PolicyPack(name=NAME, policies=[*policies(read_surroundings())], enforcement_level=EnforcementLevel.MANDATORY)
