"""Whatever is killed at whatever moment: the next run goes on and ends clean."""

import json
import os
import signal
from enum import StrEnum, unique
from pathlib import Path

import pytest

from engine.events import Event, Finished, Started, Step
from engine.operation import Operation, Outcome
from engine.repair import CREATING, DERIVED_IDS
from model.configuration import PROJECT
from tests.engine.laboratory import Laboratory
from tests.engine.test_life_of_a_stack import assert_cluster_is_as_planned, assert_nothing_to_do
from twin.faults import Fault, FaultKind


@unique
class Victim(StrEnum):
    """Who is killed."""

    ENGINE = "engine"
    PROGRAM = "program"
    """The process that the program runs in, beside the engine."""
    DAEMON = "daemon"
    """The twin's, with all providers that it stands in for."""


class StrikeAfter:
    """Kills a process once so many steps have begun."""

    def __init__(self, steps: int, laboratory: Laboratory, stack: str, victim: Victim) -> None:
        self._left = steps
        self._laboratory = laboratory
        self._stack = stack
        self._victim = victim
        self.struck = False

    def __call__(self, event: Event) -> None:
        if not isinstance(event, Started | Finished) or self.struck:
            return
        self._left -= 1
        if self._left <= 0:
            self.struck = True
            os.kill(self._process(), signal.SIGKILL)

    def _process(self) -> int:
        if self._victim is Victim.ENGINE:
            return self._laboratory.state.locks(self._stack)[0].process
        if self._victim is Victim.PROGRAM:
            (process,) = programs_of(self._laboratory.project)
            return process
        running = self._laboratory.twin.running()
        assert running is not None
        return running.pid


def programs_of(project: Path) -> list[int]:
    """Processes that run the project's program."""
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
            if b"engine.language_runtime" in command and (folder / "cwd").readlink() == project:
                found.append(int(folder.name))
        except OSError:
            # It has ended meanwhile, or belongs to somebody else.
            continue
    return found


def up_with_a_kill(laboratory: Laboratory, stack: str, steps: int, victim: Victim = Victim.ENGINE) -> Outcome:
    strike = StrikeAfter(steps, laboratory, stack, victim)
    outcome = laboratory.do(Operation.UP, stack, on_event=strike)
    assert strike.struck, "the run ended before it could be struck"
    return outcome


@pytest.mark.parametrize("steps", [12, 30, 45, 58])
def test_the_engine_is_killed(laboratory: Laboratory, steps: int) -> None:
    laboratory.succeed(Operation.UP, "shared")
    assert not up_with_a_kill(laboratory, "blue", steps).succeeded
    laboratory.repair("blue")
    laboratory.succeed(Operation.UP, "blue")
    assert_nothing_to_do(laboratory, "blue")


@pytest.mark.parametrize("steps", [130, 200, 260])
def test_the_engine_is_killed_among_objects_of_the_cluster(whole: Laboratory, steps: int) -> None:
    whole.succeed(Operation.UP, "shared")
    assert not up_with_a_kill(whole, "blue", steps).succeeded
    whole.repair("blue")
    whole.succeed(Operation.UP, "blue")
    assert_nothing_to_do(whole, "blue")
    assert_cluster_is_as_planned(whole, "blue")


@pytest.mark.parametrize("steps", [10, 70])
def test_the_program_is_killed(laboratory: Laboratory, steps: int) -> None:
    laboratory.succeed(Operation.UP, "shared")
    assert not up_with_a_kill(laboratory, "blue", steps, Victim.PROGRAM).succeeded
    laboratory.repair("blue")
    laboratory.succeed(Operation.UP, "blue")
    assert_nothing_to_do(laboratory, "blue")
    assert programs_of(laboratory.project) == [], "a program outlives its engine"


@pytest.mark.parametrize("steps", [30, 60, 80])
def test_the_engine_is_killed_in_shared(laboratory: Laboratory, steps: int) -> None:
    assert not up_with_a_kill(laboratory, "shared", steps).succeeded
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


@pytest.mark.parametrize("steps", [50])
def test_the_twin_is_killed(laboratory: Laboratory, steps: int) -> None:
    laboratory.succeed(Operation.UP, "shared")
    assert not up_with_a_kill(laboratory, "blue", steps, Victim.DAEMON).succeeded
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
