"""Attaches the rules over registered resources to a run of the engine."""

import os
import shlex
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.operation import Operation
from engine.workspace import Workspace
from model.base import Value

RUNTIME = "lab"
"""As `policy/PulumiPolicy.yaml` names it."""
SURROUNDINGS = "LAB_POLICY_SURROUNDINGS"
"""As `policy/pack.py` reads it; that module starts a server when it runs, so it is not imported here."""


@dataclass(frozen=True)
class PolicyPack:
    """A pack that is ready to be attached."""

    directory: Path
    """Of `PulumiPolicy.yaml`."""
    analyzer: Path
    """Folder of the executable that the engine starts."""

    def flags(self, operation: Operation) -> tuple[str, ...]:
        """Of an operation that the pack judges; none of the others."""
        attached = ("--policy-pack", str(self.directory))
        if operation is Operation.PREVIEW:
            return attached
        # The engine judges a stack once it stands. Only a preview before tells it while nothing is touched.
        return (*attached, "--skip-preview=false") if operation is Operation.UP else ()

    def environment(self, engine: Mapping[str, str]) -> dict[str, str]:
        """The engine's environment with the analyzer on PATH."""
        return {**engine, "PATH": os.pathsep.join([str(self.analyzer), engine.get("PATH", os.environ.get("PATH", ""))])}


def policy_pack(workspace: Workspace, lab: Value) -> PolicyPack:
    """Writes down what the rules must know, and what starts them, below the workspace's own folder.

    `lab` is what `policy.surroundings` makes of inventory and configuration: the engine's caller knows both.
    """
    folder = workspace.local / "policy"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = folder / "surroundings.json"
    _write(facts, lab.model_dump_json(), mode=0o600)
    _write(folder / f"pulumi-analyzer-policy-{RUNTIME}", _analyzer(workspace.project, facts), mode=0o700)
    return PolicyPack(directory=workspace.project / "policy", analyzer=folder)


def _analyzer(project: Path, facts: Path) -> str:
    """What the engine starts with its own address and the pack's folder."""
    # -P: the pack's folder, where this runs, must not be looked into for modules of the standard library.
    return "\n".join(
        [
            "#!/bin/sh",
            f"export PYTHONPATH={shlex.quote(str(project))}",
            f"export {SURROUNDINGS}={shlex.quote(str(facts))}",
            f'exec {shlex.quote(sys.executable)} -P -u -m pulumi.policy "$1" "$2/pack.py"',
            "",
        ]
    )


def _write(path: Path, content: str, *, mode: int) -> None:
    """As a whole or not at all: another engine may be starting from the same file."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(content)
    Path(name).chmod(mode)
    Path(name).replace(path)
