"""Alerts and recorded values as typed entries."""

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum, unique
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from model.base import Value
from model.units import DAY, HOUR, MINUTE, Seconds
from model.workloads.custom.prometheus import PrometheusRuleSpec, RuleEntry, RuleGroup

_BRACKETS: Mapping[str, str] = {")": "(", "]": "[", "}": "{"}


@unique
class Severity(StrEnum):
    """How soon a person must look."""

    CRITICAL = "critical"
    """Now: data is at risk, or the lab does not serve."""
    WARNING = "warning"
    """Within days."""
    NONE = "none"
    """Never: it is for machines."""


def duration(seconds: Seconds) -> str:
    """The time as Prometheus writes it: `90s`, `15m`, `12h`."""
    for unit, letter in ((DAY, "d"), (HOUR, "h"), (MINUTE, "m")):
        if seconds and seconds % unit == 0:
            return f"{seconds // unit}{letter}"
    return f"{seconds}s"


def minutes(count: int) -> Seconds:
    """That many minutes."""
    return Seconds(count * MINUTE)


def hours(count: int) -> Seconds:
    """That many hours."""
    return Seconds(count * HOUR)


def matching(**labels: str) -> str:
    """A selector of series by the exact values of labels: `{job="node"}`."""
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"


def _balanced(text: str) -> str:
    """Every bracket is closed. What else an expression means is for Prometheus to say."""
    opened: list[str] = []
    quoted = False
    for letter in text:
        if letter == '"':
            quoted = not quoted
        elif not quoted and letter in _BRACKETS.values():
            opened.append(letter)
        elif not quoted and letter in _BRACKETS and (not opened or opened.pop() != _BRACKETS[letter]):
            raise ValueError(f"`{text}` closes `{letter}`, which is not open")
    if opened or quoted:
        raise ValueError(f"`{text}` does not close `{opened[-1] if opened else chr(34)}`")
    return text


Expression = Annotated[str, Field(min_length=1), AfterValidator(_balanced)]
"""PromQL."""


class Alert(Value):
    """Something that a person must know."""

    name: str = Field(pattern=r"^[A-Z][A-Za-z0-9]+$")
    expression: Expression
    """Has a series for each thing that is wrong."""
    lasting: Seconds = Field(ge=0)
    """It must be so for this long."""
    severity: Severity
    summary: str = Field(min_length=10)
    """One line; may name labels of the series as `{{ $labels.instance }}`."""
    action: str = Field(min_length=10)
    """What to look at first."""

    @property
    def entry(self) -> RuleEntry:
        """As Prometheus has it."""
        return RuleEntry(
            alert=self.name,
            expr=self.expression,
            for_=duration(self.lasting),
            labels={"severity": str(self.severity)},
            annotations={"summary": self.summary, "description": self.action},
        )


class Recorded(Value):
    """A value that is computed and kept, because several ask for it."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*:[a-z0-9_:]+$")
    """`level:metric`, as Prometheus advises for recorded values."""
    expression: Expression
    labels: dict[str, str] = Field(default_factory=dict)

    @property
    def entry(self) -> RuleEntry:
        """As Prometheus has it."""
        return RuleEntry(record=self.name, expr=self.expression, labels=self.labels or None)


class Rules(Value):
    """A group of rules about one subject; what is recorded comes before who asks for it."""

    subject: str = Field(pattern=r"^[a-z][-a-z0-9]*$")
    recorded: tuple[Recorded, ...] = ()
    alerts: tuple[Alert, ...] = ()

    @model_validator(mode="after")
    def _says_something_once(self) -> "Rules":
        if not self.recorded and not self.alerts:
            raise ValueError(f"the rules about {self.subject} are empty; leave them out")
        twice = [name for name, times in Counter(alert.name for alert in self.alerts).items() if times > 1]
        if twice:
            raise ValueError(f"{', '.join(twice)}: an alert of that name is there already; Alertmanager would mix them")
        return self

    @property
    def spec(self) -> PrometheusRuleSpec:
        """The group as an object of the operator has it."""
        entries = (*(one.entry for one in self.recorded), *(one.entry for one in self.alerts))
        return PrometheusRuleSpec(groups=(RuleGroup(name=self.subject, rules=entries),))
