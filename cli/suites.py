"""`./lab test`."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from enum import StrEnum, unique

from cli.console import complain, result, say
from cli.exit_code import ExitCode
from cli.session import leave, read_tools
from engine.workspace import Target, Workspace, search_path


@unique
class Suite(StrEnum):
    """Parts of the tests, cheapest first."""

    UNIT = "unit"
    """Model, configuration, components under mocks: needs no engine."""
    GRAPH = "graph"
    """What runs on the clusters under mocks, and the rules over what was registered."""
    CHECKS = "checks"
    """Formatter, linter, strict type checker."""
    TWIN = "twin"
    """The stand-ins by themselves."""
    CONFORMANCE = "conformance"
    """Against real upstream software."""
    ENGINE = "engine"
    """Whole stacks under the real engine on the twin."""


@dataclass(frozen=True)
class _Command:
    title: str
    arguments: tuple[str, ...]


_CHECKS = (
    _Command("ruff", ("-m", "ruff", "check", ".")),
    _Command("types", ("-m", "basedpyright", "--level", "error")),
)

PARALLEL = frozenset({Suite.UNIT, Suite.GRAPH})
"""They start no processes that would be in each other's way."""
NEEDS_TOOLS = frozenset({Suite.TWIN, Suite.CONFORMANCE, Suite.ENGINE})


def run(suite: Suite | None, extra: tuple[str, ...]) -> None:
    """Run one suite or all; ends with exit code 1 when any failed, after all have run."""
    chosen = tuple(Suite) if suite is None else (suite,)
    workspace = Workspace()
    environment = dict(os.environ)
    if NEEDS_TOOLS & set(chosen):
        tools = read_tools(Target.TWIN, clusters=True)
        environment["PATH"] = search_path(tools, environment.get("PATH", ""))
    failed: list[str] = []
    for command in _commands(chosen, extra):
        say(f"── {command.title}")
        began = time.monotonic()
        status = subprocess.run(
            [sys.executable, *command.arguments], cwd=workspace.project, env=environment, check=False
        ).returncode
        say(f"── {command.title}: {'ok' if status == 0 else 'FAILED'} in {time.monotonic() - began:.0f} s")
        if status != 0:
            failed.append(command.title)
    if failed:
        complain(f"Failed: {', '.join(failed)}")
        leave(ExitCode.FAILED)
    result.print("all suites passed" if suite is None else f"{suite} passed")


def _commands(chosen: tuple[Suite, ...], extra: tuple[str, ...]) -> list[_Command]:
    commands: list[_Command] = []
    for suite in chosen:
        if suite is Suite.CHECKS:
            commands.extend(_CHECKS)
        else:
            workers = ("-n", "auto") if suite in PARALLEL else ()
            commands.append(_Command(f"tests/{suite}", ("-m", "pytest", f"tests/{suite}", *workers, *extra)))
    return commands
