"""What every command needs before it can begin: configuration, tools, the twin, the engine's environment."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import typer

from cli.console import complain, say
from cli.exit_code import ExitCode
from engine.secrets import DevelopmentSecrets
from engine.state import EngineError, State
from engine.twin import daemon_environment
from engine.workspace import Target, Workspace, engine_environment
from model.configuration import Configuration
from model.lab import Lab
from stacks.configuration import ConfigurationError, load, read_inventory
from stacks.secrets_file import SecretsError, SopsMissingError
from tools.build import Tool, ToolError, cache_directory, ensure
from tools.recipe import CONTROL_PLANE, ENGINE
from tools.recipe import TWIN as TWIN_TOOLS
from twin.client import Twin, TwinError


@dataclass(frozen=True)
class Session:
    """Everything is ready to run the engine."""

    workspace: Workspace
    target: Target
    twin: Twin | None
    """The emulated lab, where it is the target."""
    environment: dict[str, str]
    state: State


def leave(code: ExitCode) -> NoReturn:
    """End the command."""
    raise typer.Exit(int(code))


def read_lab() -> Lab:
    """The inventory, checked; every mistake in it is shown and the command ends when there is one."""
    try:
        return read_inventory()
    except ConfigurationError as error:
        complain("The inventory cannot work; nothing was touched.", [str(error)])
        leave(ExitCode.USER_ERROR)


def read_configuration(workspace: Workspace) -> tuple[Lab, Configuration]:
    """Inventory and stack files, checked; every violation is shown and the command ends when there is one."""
    try:
        lab = read_inventory()
        return lab, load(workspace.project, lab=lab)
    except ConfigurationError as error:
        complain("The configuration cannot work; nothing was touched.", [str(error)])
        leave(ExitCode.USER_ERROR)


def read_tools(target: Target, *, clusters: bool = False) -> tuple[Tool, ...]:
    """The engine's tools, and the twin's where it is the target; built when they are missing.

    `clusters` adds what the twin's clusters run on: Kubernetes, and the kinds that it is taught.
    """
    recipes = (*ENGINE, *TWIN_TOOLS) if target is Target.TWIN else ENGINE
    if clusters and target is Target.TWIN:
        recipes = (*recipes, *CONTROL_PLANE)
    try:
        return ensure(recipes, say)
    except ToolError as error:
        complain("A tool is missing.", [str(error)])
        leave(ExitCode.TOOL_MISSING)
    except KeyboardInterrupt:
        complain("Interrupted; what was fetched is kept, run the same command again to go on.")
        leave(ExitCode.INTERRUPTED)


def twin_of(workspace: Workspace) -> Twin:
    """The twin of this checkout."""
    return Twin(workspace.twin, cache_directory(), daemon_environment(workspace))


def development_secrets(workspace: Workspace) -> DevelopmentSecrets:
    """The made-up secrets of the twin's clusters, made when there are none yet."""
    development = DevelopmentSecrets.of(workspace)
    if not development.file.exists():
        try:
            development.make(read_lab().secrets)
        except SopsMissingError as error:
            complain("A tool is missing.", [str(error)])
            leave(ExitCode.TOOL_MISSING)
        except SecretsError as error:
            complain("The development secrets cannot be made.", [str(error)])
            leave(ExitCode.USER_ERROR)
    return development


def start_twin(twin: Twin) -> None:
    """Have the daemon running."""
    try:
        twin.start(say)
    except TwinError as error:
        complain("The twin does not start.", [str(error)])
        leave(ExitCode.TWIN_UNAVAILABLE)


def prepare(target: Target, *, clusters: bool = False) -> Session:
    """Tools, twin, stacks: ready for the engine; with `clusters` also for what is on a cluster."""
    workspace = Workspace()
    workspace.make()
    tools = read_tools(target, clusters=clusters)
    twin: Twin | None = None
    twin_environment: dict[str, str] = {}
    if target is Target.TWIN:
        secrets = development_secrets(workspace)
        twin = twin_of(workspace)
        start_twin(twin)
        twin_environment = {**twin.environment(), **secrets.environment()}
    environment = engine_environment(workspace, target, tools, twin_environment)
    state = State(workspace, environment)
    if target is Target.TWIN:
        try:
            state.ensure_stacks()
        except EngineError as error:
            complain("The engine cannot make the stacks.", [str(error)])
            leave(ExitCode.FAILED)
    return Session(workspace, target, twin, environment, state)


def from_any_folder() -> None:
    """Commands work from every folder: relative paths of the project are taken from its root."""
    root = str(Workspace().project)
    if root not in sys.path:
        sys.path.insert(0, root)
    os.chdir(Path(root))
