"""A copy of the checkout with its own twin and states, thrown away afterwards, and the programs compared in it."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.shape import Shape, shape_of
from engine.operation import Operation, run
from engine.secrets import DevelopmentSecrets
from engine.state import State
from engine.twin import daemon_environment
from engine.workspace import PROJECT_DIRECTORY, Target, Workspace, engine_environment
from inventory import LAB
from tools.build import cache_directory, ensure
from tools.recipe import CONTROL_PLANE, ENGINE, TWIN
from twin.client import Twin

FLOOR_SOURCE = Path(__file__).resolve().parent / "floor"
FLOOR_PROJECT = "bhamm-lab-floor"
"""As `floor/Pulumi.yaml` names it."""

LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".lab", "__pycache__", ".*_cache", ".hypothesis", "docs", "tests", "benchmarks"
)

Report = Callable[[str], None]
"""Is told what goes on, a line at a time."""


class BenchmarkError(Exception):
    """Something that is to be measured does not work; the message says what it said."""


@dataclass(frozen=True)
class Contender:
    """A program with its stack, run by the real engine against the twin."""

    project: Path
    stack: str
    local: Path
    """Where the states and logs of all contenders lie."""
    environment: Mapping[str, str]
    beside: bool = True
    """Whether the program is started beside the engine, as `./lab` does, or by the engine's own host for Python."""

    @property
    def workspace(self) -> Workspace:
        """The project, and the one backend that all contenders share."""
        return Workspace(project=self.project, local=self.local)

    def seconds(self, operation: Operation, *flags: str) -> float:
        """Wall-clock time of an operation that must end well, from the engine's start to its end."""
        outcome = run(
            operation, self.stack, self.workspace, self.environment, lambda _event: None, flags, beside=self.beside
        )
        if not outcome.succeeded:
            said = "\n".join(outcome.errors) or outcome.output
            raise BenchmarkError(f"{operation} of {self.stack} failed; the engine said:\n{said}")
        return outcome.seconds


@dataclass(frozen=True)
class Laboratory:
    """A running twin with empty stacks."""

    directory: Path
    environment: Mapping[str, str]
    """Of the engine."""

    @property
    def project(self) -> Path:
        """The copy of the checkout."""
        return self.directory / "project"

    @property
    def workspace(self) -> Workspace:
        """Of the copy."""
        return Workspace(project=self.project, local=self.project / ".lab")

    def stack(self, name: str) -> Contender:
        """A stack of the lab."""
        return Contender(self.project, name, self.workspace.local, self.environment)

    def is_up(self, stack: str) -> bool:
        """Whether the stack of the lab holds anything."""
        return bool(State(self.workspace, self.environment).resources(stack))

    def destroy(self, contender: Contender) -> None:
        """Destroy a stack, protected or not; nothing is done where there is nothing."""
        state = State(contender.workspace, self.environment)
        if state.resources(contender.stack):
            state.unprotect(contender.stack)
            contender.seconds(Operation.DESTROY)

    def shape(self, stack: str) -> Shape:
        """What the applied stack of the lab holds."""
        return shape_of(State(self.workspace, self.environment).export(stack)["deployment"]["resources"])

    def floor(self, shape: Shape, name: str) -> Contender:
        """A program of that shape with nothing in it, run as Pulumi runs programs; its stack is made where it lacks."""
        project = self.directory / name
        if not project.exists():
            shutil.copytree(FLOOR_SOURCE, project, ignore=shutil.ignore_patterns("__pycache__"))
            settings = {f"{FLOOR_PROJECT}:{sort}": count for sort, count in shape.as_dict().items()}
            (project / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump({"config": settings}))
            self._call("pulumi", "stack", "init", name, "--no-select", "--non-interactive", "--cwd", str(project))
        return Contender(project, name, self.workspace.local, self.environment, beside=False)

    def command(self, *arguments: str) -> float:
        """Wall-clock time of `./lab ARGUMENTS` as a whole process; it must end well."""
        began = time.monotonic()
        self._call(sys.executable, "-m", "cli", *arguments)
        return time.monotonic() - began

    def _call(self, *command: str) -> None:
        answer = subprocess.run(
            command,
            cwd=self.project, env={**os.environ, **self.environment}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if answer.returncode != 0:
            raise BenchmarkError(f"`{' '.join(command)}` failed:\n{answer.stderr}{answer.stdout}")


@contextmanager
def laboratory(report: Report) -> Generator[Laboratory]:
    """A laboratory for as long as the context lasts; its tools are built when they are missing."""
    tools = ensure((*ENGINE, *TWIN, *CONTROL_PLANE), report)
    with tempfile.TemporaryDirectory(prefix="lab-benchmark-") as name:
        directory = Path(name)
        project = directory / "project"
        shutil.copytree(PROJECT_DIRECTORY, project, ignore=LEFT_OUT)
        workspace = Workspace(project=project, local=project / ".lab")
        workspace.make()
        secrets = DevelopmentSecrets.of(workspace)
        secrets.make(LAB.secrets)
        twin = Twin(workspace.twin, cache_directory(), daemon_environment(workspace))
        # The copy's own daemon, as its `./lab` would start it, so that `./lab` finds no reason to start another.
        _start(project)
        try:
            told = {**twin.environment(), **secrets.environment()}
            settings = engine_environment(workspace, Target.TWIN, tools, told)
            # The program of the copy, not of the checkout that the benchmark runs from.
            environment: dict[str, Any] = {**settings, "PYTHONPATH": str(project)}
            State(workspace, environment).ensure_stacks()
            yield Laboratory(directory, environment)
        finally:
            twin.stop()


def _start(project: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "cli", "twin", "start"],
        cwd=project, env={**os.environ, "PYTHONPATH": str(project)}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if answer.returncode != 0:
        raise BenchmarkError(f"the twin does not start:\n{answer.stderr}{answer.stdout}")
