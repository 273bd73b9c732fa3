"""Rules of both colours as files, and the programs of Prometheus, Alertmanager and Alloy that judge such files."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components.kubernetes.layers import rules
from model.exclusive import Colour
from tests.graph.workloads.layers import ground
from tools.build import ensure
from tools.recipe import ALERTMANAGER, ALLOY_SYNTAX, PROMETHEUS, Recipe


@dataclass(frozen=True)
class Answer:
    """What a program said."""

    accepted: bool
    text: str


def _ask(recipe: Recipe, *arguments: str) -> Answer:
    (tool,) = ensure((recipe,), print)
    done = subprocess.run(
        [str(tool.directory / recipe.binaries[0].name), *arguments],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return Answer(done.returncode == 0, done.stdout + done.stderr)


def promtool(*arguments: str) -> Answer:
    return _ask(PROMETHEUS, *arguments)


def amtool(*arguments: str) -> Answer:
    return _ask(ALERTMANAGER, *arguments)


def alloy_syntax(*arguments: str) -> Answer:
    return _ask(ALLOY_SYNTAX, *arguments)


def document_of_rules(colour: Colour) -> dict[str, Any]:
    """Every group of a colour that writes backups, as one file has them."""
    return {"groups": [group for one in rules(ground(colour=colour)) for group in one.spec.document()["groups"]]}


@dataclass(frozen=True)
class Trial:
    """Measurements over time, and what is firing at a minute of it."""

    rules: Path
    folder: Path

    def firing(
        self, alert: str, minute: int, series: Mapping[str, str], *expected: Mapping[str, str], step: int = 1
    ) -> Answer:
        """Whether at that minute exactly the alerts with these labels fire.

        `series` have a value, and rules are evaluated, every `step` minutes.
        """
        test = {
            "rule_files": [str(self.rules)],
            "evaluation_interval": f"{step}m",
            "tests": [
                {
                    "interval": f"{step}m",
                    "input_series": [{"series": name, "values": values} for name, values in series.items()],
                    "promql_expr_test": [
                        {
                            "expr": f'count without (alertstate) (ALERTS{{alertname="{alert}",alertstate="firing"}})',
                            "eval_time": f"{minute}m",
                            "exp_samples": [{"labels": _selector(alert, labels), "value": 1} for labels in expected],
                        }
                    ],
                }
            ],
        }
        file = self.folder / "trial.json"
        file.write_text(json.dumps(test))
        return promtool("test", "rules", str(file))


def _selector(alert: str, labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in {"alertname": alert, **labels}.items()) + "}"


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    """Of green, which serves the lab and writes its backups."""
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(document_of_rules(Colour.GREEN)))
    return Trial(path, tmp_path)
