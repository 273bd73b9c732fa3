"""What a first run costs: packages into a new virtual environment, every tool from source."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.laboratory import LEFT_OUT, BenchmarkError, Report
from benchmarks.measurement import Measurement, Unit
from engine.workspace import PROJECT_DIRECTORY
from tools.recipe import ALL, OPENTOFU, Recipe

BUILD = "import sys; from tools import build, recipe; build.ensure((getattr(recipe, sys.argv[1]),), print)"


def measure(report: Report) -> list[Measurement]:
    """The virtual environment and each tool by itself, once; sources already fetched are not fetched again."""
    found: list[Measurement] = []
    with tempfile.TemporaryDirectory(prefix="lab-setup-") as name:
        checkout = Path(name) / "project"
        shutil.copytree(PROJECT_DIRECTORY, checkout, ignore=LEFT_OUT)
        environment = {
            **os.environ,
            "LAB_CACHE": str(Path(name) / "cache"),
            "GOCACHE": str(Path(name) / "go-build"),
            "PYTHONPATH": str(checkout),
        }
        report("setting up: virtual environment and packages")
        seconds = _timed([str(checkout / "lab"), "--help"], checkout, environment)
        found.append(Measurement("set-up: virtual environment and packages", Unit.SECONDS, (seconds,)))
        # A Pulumi on PATH would be taken instead of built.
        environment["PATH"] = os.pathsep.join(
            folder for folder in environment["PATH"].split(os.pathsep) if not (Path(folder) / "pulumi").exists()
        )
        python = str(checkout / ".venv" / "bin" / "python")
        for recipe in (*ALL, OPENTOFU):
            report(f"setting up: {recipe.name}")
            seconds = _timed([python, "-c", BUILD, _constant(recipe)], checkout, environment)
            found.append(Measurement(f"set-up: {recipe.name}", Unit.SECONDS, (seconds,)))
    needed = sum(one.median for one in found[:-1])
    return [*found, Measurement("set-up: all that the lab needs", Unit.SECONDS, (needed,))]


def _constant(recipe: Recipe) -> str:
    from tools import recipe as recipes

    return next(name for name, value in vars(recipes).items() if value is recipe)


def _timed(command: list[str], directory: Path, environment: dict[str, str]) -> float:
    began = time.monotonic()
    answer = subprocess.run(
        command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if answer.returncode != 0:
        raise BenchmarkError(f"`{' '.join(command[:3])}` failed:\n{answer.stdout[-2000:]}{answer.stderr[-2000:]}")
    return time.monotonic() - began
