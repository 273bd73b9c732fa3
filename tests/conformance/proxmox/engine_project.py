"""A small Pulumi project run by the real engine with the bridged provider."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pulumi_proxmoxve as proxmoxve
from pulumi import automation

from tests.conformance.proxmox.cluster import EmulatedCluster

ROOT = Path(__file__).resolve().parents[3]

MAIN = """\
import os
import pickle
from pathlib import Path

import pulumi
import pulumi_proxmoxve

program = pickle.loads((Path(__file__).parent / "program").read_bytes())
program(pulumi_proxmoxve.Provider(
    "cluster", endpoint=os.environ["CLUSTER_ENDPOINT"], api_token=pulumi.Output.secret(os.environ["CLUSTER_TOKEN"])
))
"""


class Program(Protocol):
    """Declares resources; must be a value that can be pickled."""

    def __call__(self, provider: proxmoxve.Provider) -> None: ...


@dataclass(frozen=True)
class Outcome:
    """What the engine did: operation by resource name, and what it printed."""

    operations: dict[str, str]
    output: str

    @property
    def changed(self) -> dict[str, str]:
        """Every resource that was not left alone."""
        return {name: operation for name, operation in self.operations.items() if operation != "same"}


class EngineProject:
    """One stack, whose program may be exchanged. The engine and the provider must be on PATH."""

    def __init__(self, folder: Path, cluster: EmulatedCluster, token: str | None = None) -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        (folder / "__main__.py").write_text(MAIN)
        backend = f"file://{folder}"
        settings = automation.ProjectSettings(
            name="proxmox", runtime="python", backend=automation.ProjectBackend(url=backend)
        )
        self._stack = automation.create_stack(
            "conformance",
            work_dir=str(folder),
            opts=automation.LocalWorkspaceOptions(
                pulumi_home=str(folder / "home"),
                env_vars={
                    "CLUSTER_ENDPOINT": cluster.endpoint,
                    "CLUSTER_TOKEN": token or cluster.token,
                    "PULUMI_BACKEND_URL": backend,
                    "PULUMI_CONFIG_PASSPHRASE": "conformance",
                    "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
                    "PULUMI_ERROR_OUTPUT_STRING": "1",
                    "PULUMI_SKIP_UPDATE_CHECK": "true",
                    "PYTHONPATH": str(ROOT),
                    "SSL_CERT_FILE": str(cluster.authority),
                },
                project_settings=settings,
            ),
        )

    def up(self, program: Program | None = None) -> Outcome:
        """Apply the program, or the last one; automation.CommandError when the engine fails."""
        self._write(program)
        return _record(lambda on_event: self._stack.up(on_event=on_event).stdout)

    def preview(self, program: Program | None = None) -> Outcome:
        """Preview the program, or the last one."""
        self._write(program)
        return _record(lambda on_event: self._stack.preview(diff=True, on_event=on_event).stdout)

    def refresh(self) -> Outcome:
        """Read every resource."""
        return _record(lambda on_event: self._stack.refresh(on_event=on_event).stdout)

    def destroy(self) -> Outcome:
        """Delete every resource."""
        return _record(lambda on_event: self._stack.destroy(on_event=on_event).stdout)

    def state(self) -> dict[str, dict[str, Any]]:
        """Every resource of the state by name."""
        deployment: dict[str, Any] = dict(self._stack.export_stack().deployment or {})
        return {r["urn"].rsplit("::", 1)[-1]: r for r in deployment.get("resources", [])}

    def outputs(self, name: str) -> dict[str, Any]:
        """Outputs of the named resource as they are in the state."""
        outputs: dict[str, Any] = self.state()[name]["outputs"]
        return outputs

    def _write(self, program: Program | None) -> None:
        if program is not None:
            (self._folder / "program").write_bytes(pickle.dumps(program))


def _record(run: Callable[[Callable[[automation.EngineEvent], None]], str]) -> Outcome:
    operations: dict[str, str] = {}

    def on_event(event: automation.EngineEvent) -> None:
        done = event.res_outputs_event or event.resource_pre_event
        if done is None or "::pulumi:" in done.metadata.urn:
            return
        name, operation = done.metadata.urn.rsplit("::", 1)[-1], str(done.metadata.op.value)
        # A replacement and an import are told in steps; these name them.
        if operations.get(name) not in ("replace", "import"):
            operations[name] = operation

    output = run(on_event)
    return Outcome(operations, output)
