"""Whatever is killed at whatever moment: the next run goes on and ends clean."""

import json
import os
import signal

import pytest

from engine.events import Event, Finished, Started, Step
from engine.operation import Operation, Outcome
from engine.repair import CREATING, DERIVED_IDS
from model.configuration import PROJECT
from tests.engine.laboratory import Laboratory
from tests.engine.test_life_of_a_stack import assert_nothing_to_do
from twin.faults import Fault, FaultKind


class StrikeAfter:
    """Kills a process once so many steps have begun."""

    def __init__(self, steps: int, laboratory: Laboratory, stack: str, *, daemon: bool) -> None:
        self._left = steps
        self._laboratory = laboratory
        self._stack = stack
        self._daemon = daemon
        self.struck = False

    def __call__(self, event: Event) -> None:
        if not isinstance(event, Started | Finished) or self.struck:
            return
        self._left -= 1
        if self._left <= 0:
            self.struck = True
            os.kill(self._victim(), signal.SIGKILL)

    def _victim(self) -> int:
        if not self._daemon:
            return self._laboratory.state.locks(self._stack)[0].process
        running = self._laboratory.twin.running()
        assert running is not None
        return running.pid


def up_with_a_kill(laboratory: Laboratory, stack: str, steps: int, *, daemon: bool) -> Outcome:
    strike = StrikeAfter(steps, laboratory, stack, daemon=daemon)
    outcome = laboratory.do(Operation.UP, stack, on_event=strike)
    assert strike.struck, "the run ended before it could be struck"
    return outcome


@pytest.mark.parametrize("steps", [12, 30, 45, 58])
def test_the_engine_is_killed(laboratory: Laboratory, steps: int) -> None:
    laboratory.succeed(Operation.UP, "shared")
    assert not up_with_a_kill(laboratory, "blue", steps, daemon=False).succeeded
    laboratory.repair("blue")
    laboratory.succeed(Operation.UP, "blue")
    assert_nothing_to_do(laboratory, "blue")


@pytest.mark.parametrize("steps", [30, 60, 80])
def test_the_engine_is_killed_in_shared(laboratory: Laboratory, steps: int) -> None:
    assert not up_with_a_kill(laboratory, "shared", steps, daemon=False).succeeded
    laboratory.repair("shared")
    laboratory.succeed(Operation.UP, "shared")
    assert_nothing_to_do(laboratory, "shared")


def test_every_creation_that_arrived_is_taken_up(laboratory: Laboratory) -> None:
    """As if the engine had died after the hosts made everything and before it wrote any of it down."""
    laboratory.succeed(Operation.UP, "shared")
    # The engine's own import drops unfinished steps, so they are written where it keeps them.
    checkpoint = laboratory.workspace.state / ".pulumi" / "stacks" / PROJECT / "shared.json"
    document = json.loads(checkpoint.read_text())
    latest = document["checkpoint"]["latest"]
    made = [entry for entry in latest["resources"] if str(entry["type"]).startswith("proxmoxve:")]
    assert {entry["type"] for entry in made} <= {*DERIVED_IDS}, "whatever Proxmox makes can be found again"
    latest["resources"] = [entry for entry in latest["resources"] if entry not in made]
    latest["pending_operations"] = [
        {"resource": {key: value for key, value in entry.items() if key not in ("id", "outputs")}, "type": CREATING}
        for entry in made
    ]
    checkpoint.write_text(json.dumps(document))
    assert set(laboratory.repair("shared")) == {entry["urn"] for entry in made}

    planned = laboratory.succeed(Operation.PREVIEW, "shared")
    made_anew = {step.name for step in planned.steps if step.op is not Step.UPDATE}
    # The hosts never tell the password of the backup storage, so its definition cannot be compared.
    assert made_anew <= {"storage-pbs", "infrastructure-nightly"}
    laboratory.succeed(Operation.UP, "shared")
    assert_nothing_to_do(laboratory, "shared")


@pytest.mark.parametrize("steps", [35, 50])
def test_the_twin_is_killed(laboratory: Laboratory, steps: int) -> None:
    laboratory.succeed(Operation.UP, "shared")
    assert not up_with_a_kill(laboratory, "blue", steps, daemon=True).succeeded
    laboratory.twin.start()
    laboratory.repair("blue")
    laboratory.succeed(Operation.UP, "blue")
    assert_nothing_to_do(laboratory, "blue")


@pytest.mark.parametrize(
    ("api", "calls"), [("cloudflare", "create cloudflare:*"), ("proxmox", "POST /nodes/*/qemu")]
)
def test_the_twin_dies_in_a_call_once(laboratory: Laboratory, api: str, calls: str) -> None:
    before = laboratory.twin.running()
    assert before is not None
    laboratory.twin.inject(Fault(kind=FaultKind.PROVIDER_KILLED, target=api, operation=calls))
    assert not laboratory.do(Operation.UP, "shared").succeeded
    assert laboratory.twin.running() is None, "the call was answered"

    laboratory.twin.start()
    assert laboratory.twin.faults() == [], "it would be killed again"
    laboratory.repair("shared")
    laboratory.succeed(Operation.UP, "shared")
    assert_nothing_to_do(laboratory, "shared")
