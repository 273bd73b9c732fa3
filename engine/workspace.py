"""Where things lie on this machine, and what every run of the engine needs in its environment."""

import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from pathlib import Path

from tools.build import Tool

PROJECT_DIRECTORY = Path(__file__).resolve().parent.parent

STACKS = ("shared", "blue", "green")
"""Every stack of the project."""

TWIN_PASSPHRASE = "twin"  # noqa: S105 - guards made-up secrets only
"""Passphrase of the states on the twin; the salts in `Pulumi.*.yaml` belong to it."""


@unique
class Target(StrEnum):
    """What the providers talk to."""

    TWIN = "twin"
    """The emulated lab on this machine."""
    HARDWARE = "hardware"
    """The real lab, with the backend, providers and credentials of the caller's environment."""


@dataclass(frozen=True)
class Workspace:
    """The checkout, and the folder of what it makes on this machine (`.lab/`, never committed)."""

    project: Path = PROJECT_DIRECTORY
    local: Path = PROJECT_DIRECTORY / ".lab"

    @property
    def state(self) -> Path:
        """Folder of the twin's Pulumi states."""
        return self.local / "state"

    @property
    def twin(self) -> Path:
        """Folder of the twin's daemon."""
        return self.local / "twin"

    @property
    def logs(self) -> Path:
        """What the engine printed, one file per operation."""
        return self.local / "log"

    @property
    def engine(self) -> Path:
        """Folder of the engine's own files while it works on the twin."""
        return self.local / "pulumi"

    def make(self) -> None:
        """Create the folders, readable by their owner alone."""
        self.local.mkdir(mode=0o700, exist_ok=True)
        for folder in (self.state, self.logs, self.engine):
            folder.mkdir(exist_ok=True)
        self._keep_no_second_log()

    def _keep_no_second_log(self) -> None:
        """Have the engine not log every property of every resource, which it does whatever it is told.

        It takes half of the engine's time and megabytes a run. There is no switch; without a folder it does without.
        """
        logs = self.engine / "logs"
        if logs.is_dir():
            shutil.rmtree(logs, ignore_errors=True)
        logs.touch()

    def forget_state(self) -> None:
        """Remove the twin's Pulumi states."""
        shutil.rmtree(self.state, ignore_errors=True)


def search_path(tools: Iterable[Tool], base: str) -> str:
    """PATH with the virtual environment first, then the built tools, then what was there."""
    # The Python host of the engine takes the interpreter from PATH, so the virtual environment must win.
    folders = [str(Path(sys.executable).parent), *(str(tool.directory) for tool in tools if tool.origin == "built")]
    return os.pathsep.join(dict.fromkeys([*folders, *base.split(os.pathsep)]))


def engine_environment(
    workspace: Workspace, target: Target, tools: Iterable[Tool], twin: Mapping[str, str]
) -> dict[str, str]:
    """What must be set beyond the caller's environment for `pulumi` to work on the target.

    `twin` is the twin's own part (provider addresses, endpoint, token); ignored on hardware.
    """
    settings = {
        "PATH": search_path(tools, os.environ.get("PATH", "")),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # An Output formatted into a string is an error, not a text that says so.
        "PULUMI_ERROR_OUTPUT_STRING": "1",
        "PULUMI_PARALLEL_DIFF": "true",
        # The engine and its providers are short-lived Go processes with memory to spare.
        "GOGC": "400",
    }
    if target is Target.HARDWARE:
        return settings
    return {
        **settings,
        "PULUMI_HOME": str(workspace.engine),
        # Without metadata files: they are not written atomically, and a torn one makes the whole stack unreadable.
        "PULUMI_BACKEND_URL": workspace.state.as_uri() + "?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE": TWIN_PASSPHRASE,
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "true",
        **twin,
    }
