"""`python -m benchmarks`: every comparison in one run."""

import json
import os
import sys
from collections.abc import Collection
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.comparisons import ALONE, ON_THE_TWIN, ORDINARY, Section
from benchmarks.laboratory import BenchmarkError, Report, laboratory
from benchmarks.measurement import Measurement
from benchmarks.report import document, machine, table
from tools.build import ToolError
from twin.client import TwinError

DEFAULT_ROUNDS = 5
notice = Console(stderr=True, highlight=False)


def main(
    rounds: Annotated[int, typer.Option(min=1, help="How often each contender is measured.")] = DEFAULT_ROUNDS,
    only: Annotated[list[Section] | None, typer.Option(help="One part; may be given more than once.")] = None,
    setup: Annotated[bool, typer.Option("--setup", help="Also the first-run set-up; takes minutes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Measure the program as ratios to a floor, both on the same twin, alternating within one run.

    A missed target is shown and does not fail the command: on a busy machine seconds mean little, ratios a bit more.
    """
    sections = tuple(only or ORDINARY) + ((Section.SETUP,) if setup else ())
    load = [os.getloadavg()[0]]
    try:
        measurements = measure(sections, rounds, lambda line: notice.print(line, style="dim", markup=False))
    except (BenchmarkError, ToolError, TwinError) as error:
        notice.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from None
    load.append(os.getloadavg()[0])
    measured_on = machine(load)
    if as_json:
        json.dump(document(measurements, measured_on), sys.stdout, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
        return
    # Wide enough for its longest row even where there is no terminal to ask.
    width = None if sys.stdout.isatty() else 160
    Console(width=width).print(table(f"Benchmarks ({measured_on})", measurements))


def measure(sections: Collection[Section], rounds: int, report: Report) -> list[Measurement]:
    """The sections in their order; those on the twin have one laboratory together."""
    found: list[Measurement] = []
    on_the_twin = [section for section in ON_THE_TWIN if section in sections]
    if on_the_twin:
        with laboratory(report) as lab:
            for section in on_the_twin:
                found += ON_THE_TWIN[section](lab, rounds, report)
    for section in ALONE:
        if section in sections:
            found += ALONE[section](rounds, report)
    return found


if __name__ == "__main__":
    typer.run(main)
