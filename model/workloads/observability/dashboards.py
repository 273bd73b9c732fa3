"""Dashboards as values: Grafana gets them as JSON, and nobody clicks them together."""

import json
from collections.abc import Sequence
from enum import StrEnum, unique
from typing import Any

from pydantic import Field

from model.base import Value
from model.workloads.names import DnsLabel
from model.workloads.observability.lab_rules import ACTIVE, AGE, CANARY_AGE, OBJECTIVE
from model.workloads.observability.rules import Expression

COLUMNS, WIDTH, HEIGHT = 2, 12, 8
"""Grafana's grid has 24 columns."""
SCHEMA_VERSION = 39


@unique
class Unit(StrEnum):
    """How a value is written, as Grafana calls it."""

    PLAIN = "none"
    SECONDS = "s"
    PERCENT = "percentunit"


@unique
class PanelKind(StrEnum):
    """How values are shown."""

    COURSE = "timeseries"
    NOW = "stat"


class Panel(Value):
    """One picture."""

    title: str
    expression: Expression
    legend: str
    """Name of a series, e.g. `{{instance}}`."""
    unit: Unit = Unit.PLAIN
    kind: PanelKind = PanelKind.COURSE


class Dashboard(Value):
    """Panels on one page."""

    name: DnsLabel
    """Also its id, so that links to it stay."""
    title: str
    panels: tuple[Panel, ...] = Field(min_length=1)

    @property
    def document(self) -> str:
        """As Grafana reads it."""
        body: dict[str, Any] = {
            "uid": self.name,
            "title": self.title,
            "schemaVersion": SCHEMA_VERSION,
            "editable": False,
            "refresh": "1m",
            "time": {"from": "now-24h", "to": "now"},
            "panels": list(_panels(self.panels)),
        }
        return json.dumps(body, indent=2, sort_keys=True)


class PublishedDashboard(Value):
    """A dashboard of others on grafana.com, at one revision."""

    name: DnsLabel
    number: int = Field(ge=1)
    revision: int = Field(ge=1)


def _panels(panels: Sequence[Panel]) -> Sequence[dict[str, Any]]:
    return [
        {
            "id": index + 1,
            "title": panel.title,
            "type": str(panel.kind),
            "datasource": {"type": "prometheus", "uid": "prometheus"},
            "gridPos": {
                "x": index % COLUMNS * WIDTH,
                "y": index // COLUMNS * HEIGHT,
                "w": WIDTH,
                "h": HEIGHT,
            },
            "fieldConfig": {"defaults": {"unit": str(panel.unit)}, "overrides": []},
            "targets": [{"refId": "A", "expr": panel.expression, "legendFormat": panel.legend}],
        }
        for index, panel in enumerate(panels)
    ]


RECOVERY = Dashboard(
    name="lab-recovery",
    title="Recovery: would a restore work now?",
    panels=(
        Panel(title="Age of the newest copy", expression=AGE, legend="{{data_set}}", unit=Unit.SECONDS),
        Panel(
            title="Part of the objective that is used up",
            expression=f"{AGE} / on (data_set) {OBJECTIVE}",
            legend="{{data_set}}",
            unit=Unit.PERCENT,
        ),
        Panel(title="Age of the canary's times", expression=CANARY_AGE, legend="{{task}}", unit=Unit.SECONDS),
        Panel(
            title="Colours that take themselves for the active one",
            expression=f"max by (colour) ({ACTIVE})",
            legend="{{colour}}",
            kind=PanelKind.NOW,
        ),
    ),
)
"""What the alerts about backups, canary and colours look at."""
