"""The measurements as a table for people and as a document for scripts."""

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from benchmarks.measurement import Measurement, Unit, Verdict

DIGITS = {Unit.SECONDS: 2, Unit.RATIO: 2, Unit.RESOURCES_PER_SECOND: 0}


@dataclass(frozen=True)
class Machine:
    """What the numbers were measured on, and how busy it was."""

    processors: int
    python: str
    load: tuple[float, ...]
    """Processes that wanted to run, averaged over a minute, before and after."""

    def __str__(self) -> str:
        loads = ", ".join(f"{load:.1f}" for load in self.load)
        return f"{self.processors} processors, Python {self.python}, load {loads}"


def machine(load: Iterable[float]) -> Machine:
    """This machine; `load` was read at the beginning and the end."""
    return Machine(os.cpu_count() or 1, platform.python_version(), tuple(load))


def number(value: float, unit: Unit) -> str:
    """The value as it is shown, with as many digits as mean something."""
    return f"{value:.{DIGITS[unit]}f} {unit}" if unit is not Unit.RATIO else f"{value:.{DIGITS[unit]}f}{unit}"


def table(title: str, measurements: Iterable[Measurement]) -> Table:
    """One row per measurement."""
    made = Table(title=title, title_justify="left")
    made.add_column("what")
    for column in ("median", "min", "max", "rounds", "target"):
        made.add_column(column, justify="right")
    made.add_column("")
    for one in measurements:
        made.add_row(
            one.name,
            number(one.median, one.unit),
            number(one.minimum, one.unit),
            number(one.maximum, one.unit),
            str(len(one.rounds)),
            "" if one.limit is None else f"≤ {number(one.limit, one.unit)}",
            str(one.verdict),
            style="red" if one.verdict is Verdict.MISSED else None,
        )
    return made


def document(measurements: Iterable[Measurement], measured_on: Machine) -> dict[str, Any]:
    """Everything that was measured, every round of it."""
    return {
        "machine": {
            "processors": measured_on.processors, "python": measured_on.python, "load": list(measured_on.load),
        },
        "measurements": [
            {
                "name": one.name,
                "unit": str(one.unit),
                "median": one.median,
                "minimum": one.minimum,
                "maximum": one.maximum,
                "rounds": list(one.rounds),
                "limit": one.limit,
                "verdict": str(one.verdict),
            }
            for one in measurements
        ],
    }  # fmt: skip
