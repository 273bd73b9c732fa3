"""Starts the program in a process of its own beside the engine, so that it is ready when the engine is."""

import os
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.workspace import PROJECT_DIRECTORY, STACKS

END_SECONDS = 5.0
"""How long the process may take to end once nobody needs it."""


class ProgramError(Exception):
    """The process did not start; the message says what it printed."""


@dataclass(frozen=True)
class Program:
    """A running program that waits for its engine."""

    port: int
    lifeline: int
    """A file descriptor that the engine must inherit: the process lives for as long as anybody holds it."""

    @property
    def flags(self) -> tuple[str, ...]:
        """By which the engine finds it."""
        return (f"--client=127.0.0.1:{self.port}",)


def modules_of(stack: str) -> tuple[str, ...]:
    """What the program of a stack of the lab imports; nothing is known of others'."""
    if stack not in STACKS:
        return ()
    return "stacks.program", "stacks.shared" if stack == "shared" else "stacks.colour"


@contextmanager
def started(project: Path, modules: Sequence[str], environment: Mapping[str, str], log: Path) -> Generator[Program]:
    """The project's program with `modules` being imported; ended with the context, or with the engine if that is later.

    ProgramError when it does not come up.
    """
    reading, writing = os.pipe()
    # A project without this package is run by this checkout's.
    path = [environment.get("PYTHONPATH", os.environ.get("PYTHONPATH", "")), str(PROJECT_DIRECTORY)]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "engine.language_runtime", *modules],
            cwd=project, stdin=reading, stdout=subprocess.PIPE, stderr=errors,
            env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(part for part in path if part)},
            # An interrupt at the terminal is the engine's to answer, which then ends the program.
            start_new_session=True,
        )  # fmt: skip
    os.close(reading)
    try:
        yield Program(port=_port(process, log), lifeline=writing)
    finally:
        os.close(writing)
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _port(process: "subprocess.Popen[bytes]", log: Path) -> int:
    told = process.stdout.readline() if process.stdout is not None else b""
    if not told:
        process.wait()
        raise ProgramError(f"the program's process did not start:\n{log.read_text(errors='replace').strip()}")
    return int(told)
