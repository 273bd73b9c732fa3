"""A checkout of its own with its own twin and states, and the operations on it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from engine.events import Event
from engine.operation import Operation, Outcome, run
from engine.repair import repair
from engine.secrets import DevelopmentSecrets
from engine.state import State
from engine.twin import daemon_environment
from engine.workspace import PROJECT_DIRECTORY, Target, Workspace, engine_environment
from inventory import LAB
from model.configuration import PROJECT
from tools.build import Tool, cache_directory
from twin.client import Twin

LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".lab", "__pycache__", ".*_cache", ".hypothesis", "docs", "tests")


@dataclass
class Laboratory:
    """Everything that one engine test works on."""

    project: Path
    tools: tuple[Tool, ...]
    twin: Twin
    workspace: Workspace = field(init=False)

    def __post_init__(self) -> None:
        self.workspace = Workspace(project=self.project, local=self.project / ".lab")
        self.workspace.make()

    @property
    def environment(self) -> dict[str, str]:
        """Environment of the engine."""
        secrets = DevelopmentSecrets.of(self.workspace).environment()
        settings = engine_environment(self.workspace, Target.TWIN, self.tools, {**self.twin.environment(), **secrets})
        # The program of this checkout's copy, not of the one the tests run from.
        return {**settings, "PYTHONPATH": str(self.project)}

    @property
    def state(self) -> State:
        """The stacks."""
        return State(self.workspace, self.environment)

    def start(self) -> None:
        """The twin running, the stacks made."""
        self.twin.start()
        self.state.ensure_stacks()

    def do(
        self, operation: Operation, stack: str, *flags: str, on_event: Callable[[Event], None] = lambda _event: None
    ) -> Outcome:
        """Run one operation to its end, whatever that is."""
        return run(operation, stack, self.workspace, self.environment, on_event, flags)

    def succeed(self, operation: Operation, stack: str, *flags: str) -> Outcome:
        """Run one operation that must end well."""
        outcome = self.do(operation, stack, *flags)
        assert outcome.succeeded, f"{operation} {stack}:\n" + "\n".join([*outcome.errors, outcome.output])
        return outcome

    def repair(self, stack: str) -> list[str]:
        """What `./lab up` does first: locks and unfinished steps of a run that was cut off."""
        self.state.clear_stale_locks(stack)

        def created(pending: list[Any]) -> Mapping[str, str]:
            return {urn: entry["id"] for urn, entry in self.twin.created([entry.urn for entry in pending]).items()}

        found = repair(self.state, stack, created, lambda _line: None)
        return [entry.urn for entry in found]

    def configure(self, stack: str, changes: Mapping[str, Any]) -> None:
        """Change keys of a stack file."""
        path = self.project / f"Pulumi.{stack}.yaml"
        document = yaml.safe_load(path.read_text())
        for key, value in changes.items():
            document["config"][f"{PROJECT}:{key}"] = value
        path.write_text(yaml.safe_dump(document))

    def proxmox(self, method: str, path: str, data: Mapping[str, str] | None = None) -> Any:
        """Call the emulated Proxmox as a person at its console would."""
        import ssl

        environment = self.twin.environment()
        answer = httpx.request(
            method,
            environment["PROXMOX_VE_ENDPOINT"].rstrip("/") + "/api2/json" + path,
            data=dict(data or {}) or None,
            headers={"Authorization": f"PVEAPIToken={environment['PROXMOX_VE_API_TOKEN']}"},
            verify=ssl.create_default_context(cafile=environment["SSL_CERT_FILE"]),
            timeout=30,
        )
        answer.raise_for_status()
        return answer.json()["data"]

    def finish_task(self, task: str) -> None:
        """Wait for a Proxmox task that must end well."""
        node = task.split(":")[1]
        for _ in range(200):
            state = self.proxmox("GET", f"/nodes/{node}/tasks/{task}/status")
            if state["status"] == "stopped":
                assert state["exitstatus"] == "OK", state
                return
            time.sleep(0.05)
        raise AssertionError(f"{task} does not end")

    def command(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """`./lab ARGUMENTS` of this checkout."""
        return subprocess.run(
            [sys.executable, "-m", "cli", *arguments],
            cwd="/", env={**os.environ, "PYTHONPATH": str(self.project), **environment},
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )


def make(directory: Path, tools: tuple[Tool, ...]) -> Laboratory:
    """A copy of the checkout in `directory`, its twin not yet started."""
    project = directory / "project"
    shutil.copytree(PROJECT_DIRECTORY, project, ignore=LEFT_OUT)
    workspace = Workspace(project=project, local=project / ".lab")
    workspace.make()
    DevelopmentSecrets.of(workspace).make(LAB.secrets)
    return Laboratory(project, tools, Twin(workspace.twin, cache_directory(), daemon_environment(workspace)))


def kill_engine(process: int) -> None:
    """End the engine's whole session at once, as a power cut would."""
    os.killpg(process, signal.SIGKILL)
