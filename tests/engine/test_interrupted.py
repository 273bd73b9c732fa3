"""Whatever is killed at whatever moment: the next run goes on and ends clean."""

import os
import signal

import pytest

from engine.events import Event, Finished, Started
from engine.operation import Operation, Outcome
from tests.engine.laboratory import Laboratory
from tests.engine.test_life_of_a_stack import assert_nothing_to_do


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


@pytest.mark.parametrize("steps", [35, 50])
def test_the_twin_is_killed(laboratory: Laboratory, steps: int) -> None:
    laboratory.succeed(Operation.UP, "shared")
    assert not up_with_a_kill(laboratory, "blue", steps, daemon=True).succeeded
    laboratory.twin.start()
    laboratory.repair("blue")
    laboratory.succeed(Operation.UP, "blue")
    assert_nothing_to_do(laboratory, "blue")
