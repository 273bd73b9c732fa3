"""Runs the engine once: preview, up, refresh or destroy of one stack."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from enum import StrEnum, unique
from pathlib import Path

from engine.events import Diagnostic, Event, Finished, PolicyViolation, ResourceStep, Started, Step, Summary, parse
from engine.program import Program, ProgramError, modules_of, started
from engine.workspace import Workspace

POLL_SECONDS = 0.05
PROGRAM_ENDED = "an unhandled error occurred: program exited with non-zero exit code"


@unique
class Operation(StrEnum):
    """What the engine is asked for."""

    PREVIEW = "preview"
    UP = "up"
    REFRESH = "refresh"
    DESTROY = "destroy"


@dataclass
class Outcome:
    """How an operation ended."""

    operation: Operation
    stack: str
    exit_code: int = 0
    interrupted: bool = False
    steps: list[ResourceStep] = field(default_factory=list)
    """Every resource that was not left as it was."""
    changes: dict[str, int] = field(default_factory=dict)
    """Resources by what was (or would be) done with them."""
    diagnostics: list[Diagnostic] = field(default_factory=list)
    violations: list[PolicyViolation] = field(default_factory=list)
    """Of the rules of an attached policy pack."""
    output: str = ""
    """The end of what the engine printed, for failures without events."""
    seconds: float = 0.0

    @property
    def succeeded(self) -> bool:
        """Whether the engine ended well."""
        return self.exit_code == 0 and not self.interrupted

    @property
    def errors(self) -> list[str]:
        """What went wrong, in the words of whoever said it."""
        refused = [violation.message.strip() for violation in self.violations if violation.is_refusal]
        told = [*refused, *(d.message.strip() for d in self.diagnostics if d.severity == "error")]
        # That the program ended is no news where it said why.
        reasons = [message for message in told if not message.startswith(PROGRAM_ENDED)]
        return reasons or told


_FLAGS: Mapping[Operation, tuple[str, ...]] = {
    Operation.PREVIEW: (),
    Operation.UP: ("--yes", "--skip-preview"),
    Operation.REFRESH: ("--yes", "--skip-preview"),
    Operation.DESTROY: ("--yes", "--skip-preview"),
}


_RUN_THE_PROGRAM = (Operation.PREVIEW, Operation.UP)
"""What the program is needed for; the others look at the state alone."""


def run(
    operation: Operation,
    stack: str,
    workspace: Workspace,
    environment: Mapping[str, str],
    on_event: Callable[[Event], None],
    flags: tuple[str, ...] = (),
    *,
    beside: bool = True,
) -> Outcome:
    """Run the engine to its end, reporting each event as it comes.

    The program is started `beside` the engine, or else by the engine's own host for Python, which takes longer. The
    first interrupt is passed on to the engine, which finishes the steps under way and records them.
    """
    outcome = Outcome(operation=operation, stack=stack)
    began = time.monotonic()
    workspace.make()
    try:
        with _program(operation, stack, workspace, environment, beside=beside) as program:
            _run(outcome, workspace, environment, on_event, flags, program)
    except ProgramError as error:
        outcome.exit_code, outcome.output = 1, str(error)
    outcome.seconds = time.monotonic() - began
    return outcome


def _program(
    operation: Operation, stack: str, workspace: Workspace, environment: Mapping[str, str], *, beside: bool
) -> AbstractContextManager[Program | None]:
    if not beside or operation not in _RUN_THE_PROGRAM:
        return nullcontext()
    log = workspace.logs / f"{operation}-{stack}-program.log"
    return started(workspace.project, modules_of(stack), environment, log)


def _run(
    outcome: Outcome,
    workspace: Workspace,
    environment: Mapping[str, str],
    on_event: Callable[[Event], None],
    flags: tuple[str, ...],
    program: Program | None,
) -> None:
    operation = outcome.operation
    log = workspace.logs / f"{operation}-{outcome.stack}.log"
    with tempfile.TemporaryDirectory(dir=workspace.local, prefix="run-") as scratch:
        events = Path(scratch) / "events.jsonl"
        command = [
            "pulumi", operation, "--stack", outcome.stack, "--non-interactive", "--color", "never",
            "--cwd", str(workspace.project), "--event-log", str(events), *_FLAGS[operation], *flags,
            *(() if program is None else program.flags),
        ]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env={**os.environ, **environment, "PULUMI_DEBUG_COMMANDS": "true"},
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
                pass_fds=() if program is None else (program.lifeline,),
            )
            with _interrupts_go_to(process, outcome):
                for event in _follow(events, process):
                    if _is_only_planned(event, operation):
                        continue
                    _note(event, outcome)
                    on_event(event)
                outcome.exit_code = process.wait()
    outcome.output = log.read_text(errors="replace")[-4000:]


def _note(event: Event, outcome: Outcome) -> None:
    if isinstance(event, Finished) and event.metadata.op is not Step.SAME:
        outcome.steps.append(event.metadata)
    elif isinstance(event, Diagnostic) and event.severity in ("error", "warning") and not event.ephemeral:
        outcome.diagnostics.append(event)
    elif isinstance(event, PolicyViolation):
        # The preview that comes before a judged `up` tells the same as the `up` itself.
        if event not in outcome.violations:
            outcome.violations.append(event)
    elif isinstance(event, Summary):
        outcome.changes = event.changes


def _follow(path: Path, process: "subprocess.Popen[bytes]") -> Iterator[Event]:
    """Events as the engine appends them, until it has ended and the file is read to its end."""
    pending = ""
    while not path.exists():
        if process.poll() is not None and not path.exists():
            return
        time.sleep(POLL_SECONDS)
    with path.open() as log:
        while True:
            ended = process.poll() is not None
            text = log.read()
            if not text:
                if ended:
                    return
                time.sleep(POLL_SECONDS)
                continue
            *lines, pending = (pending + text).split("\n")
            for line in lines:
                event = parse(line)
                if event is not None and not _is_about_our_path(event):
                    yield event


def _is_only_planned(event: Event, operation: Operation) -> bool:
    """The steps of the preview with which a judged `up` begins: nothing is done yet."""
    return operation is not Operation.PREVIEW and isinstance(event, Started | Finished) and event.planning


def _is_about_our_path(event: Event) -> bool:
    """The engine warns that a plugin comes from PATH; that is where ./lab has put it."""
    return isinstance(event, Diagnostic) and event.message.startswith("using pulumi-") and "$PATH" in event.message


@contextmanager
def _interrupts_go_to(process: "subprocess.Popen[bytes]", outcome: Outcome) -> Generator[None]:
    def pass_on(number: int, _frame: object) -> None:
        outcome.interrupted = True
        # The engine runs in its own session, so a terminal's interrupt reaches it through here alone, once.
        process.send_signal(signal.SIGINT if number == signal.SIGINT else signal.SIGTERM)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
