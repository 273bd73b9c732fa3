"""What the Python program alone costs: imports in a fresh interpreter, and building every stack under mocks."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.laboratory import BenchmarkError
from engine.workspace import PROJECT_DIRECTORY

MOCK_TESTS = "tests/unit/program"
"""Every test that builds a stack under mocks."""


@dataclass(frozen=True)
class Probed:
    """One answer of `benchmarks.program_probe`."""

    import_seconds: float
    first_build_seconds: float
    build_seconds: tuple[float, ...]
    resources: int
    imported: frozenset[str]

    @property
    def resources_per_second(self) -> float:
        """Under mocks, once everything is imported."""
        return self.resources / statistics.median(self.build_seconds)


def probe(stack: str) -> Probed:
    """Start a fresh interpreter for the stack's program."""
    answer = json.loads(_python("-m", "benchmarks.program_probe", stack))
    return Probed(
        import_seconds=answer["import_seconds"],
        first_build_seconds=answer["first_build_seconds"],
        build_seconds=tuple(answer["build_seconds"]),
        resources=answer["resources"],
        imported=frozenset(answer["imported"]),
    )


@dataclass
class Probe:
    """A contender that keeps all its answers: each round gives several numbers at once."""

    stack: str
    answers: list[Probed] = field(default_factory=list)

    def __call__(self) -> float:
        """One more round; returns the time of the import in seconds."""
        self.answers.append(probe(self.stack))
        return self.answers[-1].import_seconds

    def each(self, number: Callable[[Probed], float]) -> tuple[float, ...]:
        """That number of every round."""
        return tuple(number(answer) for answer in self.answers)


def mock_tests_seconds() -> float:
    """Wall-clock time of all tests that build stacks under mocks, as one process; they must pass."""
    began = time.monotonic()
    _python("-m", "pytest", MOCK_TESTS, "-q", "-p", "no:cacheprovider")
    return time.monotonic() - began


def _python(*arguments: str) -> str:
    answer = subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT_DIRECTORY, env={**os.environ, "PYTHONPATH": str(PROJECT_DIRECTORY)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if answer.returncode != 0:
        raise BenchmarkError(f"`python {' '.join(arguments)}` failed:\n{answer.stdout[-3000:]}{answer.stderr[-3000:]}")
    return answer.stdout
