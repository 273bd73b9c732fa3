"""The state of the stacks as the backend keeps it: what exists, what was left unfinished, who holds the lock."""

import json
import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from engine.workspace import STACKS, Workspace
from model.configuration import PROJECT


class EngineError(Exception):
    """The engine refused a command; the message is its own."""


class PendingOperation(BaseModel):
    """A step that had begun when the engine was killed."""

    model_config = ConfigDict(frozen=True)

    urn: str
    type: str
    kind: str
    """`creating`, `updating`, `deleting`, …"""
    inputs: dict[str, Any]


class Lock(BaseModel):
    """A lock of the file backend."""

    model_config = ConfigDict(frozen=True)

    path: Path
    process: int
    user: str
    host: str

    @property
    def is_stale(self) -> bool:
        """Whether its owner ran on this machine and is gone."""
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False


class State:
    """The stacks of one backend."""

    def __init__(self, workspace: Workspace, environment: Mapping[str, str]) -> None:
        self._workspace = workspace
        self._environment = {**os.environ, **environment}

    def ensure_stacks(self) -> None:
        """Create the stacks that do not exist, empty; a colour can then refer to `shared` before its first `up`."""
        missing = [stack for stack in STACKS if not self._checkpoint(stack).exists()]
        for stack in missing:
            self._pulumi("stack", "init", stack, "--no-select")

    def export(self, stack: str) -> dict[str, Any]:
        """The stack's deployment with secrets still encrypted."""
        return json.loads(self._pulumi("stack", "export", "--stack", stack))

    def resources(self, stack: str) -> list[dict[str, Any]]:
        """Resources the stack holds, without the stack itself and its references."""
        deployment = self.export(stack).get("deployment") or {}
        found: list[dict[str, Any]] = deployment.get("resources") or []
        return [r for r in found if not str(r["type"]).startswith("pulumi:pulumi:")]

    def output(self, stack: str, name: str) -> Any:
        """One output of the stack, in clear; None when it has no such output."""
        return json.loads(self._pulumi("stack", "output", "--json", "--show-secrets", "--stack", stack)).get(name)

    def pending(self, stack: str) -> list[PendingOperation]:
        """Steps that a killed engine left unfinished."""
        deployment = self.export(stack).get("deployment") or {}
        return [
            PendingOperation(
                urn=entry["resource"]["urn"],
                type=entry["resource"]["type"],
                kind=entry["type"],
                inputs=entry["resource"].get("inputs") or {},
            )
            for entry in deployment.get("pending_operations") or []
        ]

    def settle(self, stack: str, created: Mapping[str, str]) -> None:
        """Take the unfinished creations under their ids (by URN) into the state, and forget every unfinished step.

        The engine's own `--import-pending-creates` does not do it on a file backend: it marks the step and goes on.
        """
        exported = self.export(stack)
        deployment = exported["deployment"]
        pending: list[dict[str, Any]] = deployment.get("pending_operations") or []
        resources: list[dict[str, Any]] = deployment.setdefault("resources", [])
        known = {resource["urn"] for resource in resources}
        for entry in pending:
            resource = entry["resource"]
            identity = created.get(resource["urn"])
            if identity is not None and resource["urn"] not in known:
                # The provider reads a resource by its id and what it was last known to be, of which the id is a part:
                # without it there the bridged provider forgets the name, and the next run would replace the resource.
                known_outputs = {**(resource.get("inputs") or {}), "id": identity}
                resources.append({**resource, "id": identity, "outputs": known_outputs})
        deployment["pending_operations"] = []
        self._pulumi("stack", "import", "--stack", stack, text=json.dumps(exported))

    def refresh(self, stack: str) -> None:
        """Compare the state with what exists."""
        self._pulumi("refresh", "--stack", stack, "--yes", "--skip-preview")

    def unprotect(self, stack: str) -> None:
        """Take the protection off every resource of the stack's state."""
        self._pulumi("state", "unprotect", "--all", "--yes", "--stack", stack)

    def locks(self, stack: str) -> list[Lock]:
        """Locks on the stack; empty on backends that are not files."""
        folder = self._workspace.state / ".pulumi" / "locks" / "organization" / PROJECT / stack
        found: list[Lock] = []
        for path in sorted(folder.glob("*.json")):
            content = json.loads(path.read_text())
            found.append(
                Lock(path=path, process=content["pid"], user=content["username"], host=content["hostname"])
            )
        return found

    def clear_stale_locks(self, stack: str) -> list[Lock]:
        """Remove the locks whose owner is gone; returns them."""
        stale = [lock for lock in self.locks(stack) if lock.is_stale]
        for lock in stale:
            lock.path.unlink(missing_ok=True)
        return stale

    def _checkpoint(self, stack: str) -> Path:
        return self._workspace.state / ".pulumi" / "stacks" / PROJECT / f"{stack}.json"

    def _pulumi(self, *arguments: str, text: str = "") -> str:
        answer = subprocess.run(
            ["pulumi", *arguments, "--non-interactive", "--color", "never", "--cwd", str(self._workspace.project)],
            env=self._environment, capture_output=True, text=True, check=False, input=text,
        )
        if answer.returncode != 0:
            raise EngineError(answer.stderr.strip() or answer.stdout.strip())
        return answer.stdout
