"""What people see: Rich on a terminal, plain lines elsewhere. Results go to stdout, everything else to stderr."""

import json
import sys
import time
from collections import Counter
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from engine.events import Diagnostic, Event, Failed, Finished, PolicyViolation, ResourceStep, Started, Step
from engine.operation import Operation, Outcome

result = Console(highlight=False, soft_wrap=True)
notice = Console(stderr=True, highlight=False, soft_wrap=True)

_SYMBOLS: dict[Step, tuple[str, str]] = {
    Step.CREATE: ("+", "green"),
    Step.UPDATE: ("~", "yellow"),
    Step.DELETE: ("-", "red"),
    Step.REPLACE: ("+-", "magenta"),
    Step.CREATE_REPLACEMENT: ("++", "magenta"),
    Step.DELETE_REPLACED: ("--", "magenta"),
    Step.IMPORT: ("=", "cyan"),
    Step.READ: (">", "cyan"),
    Step.DISCARD: ("<", "red"),
}

_SILENT = frozenset({Step.SAME, Step.REFRESH, Step.READ, Step.CREATE_REPLACEMENT, Step.DELETE_REPLACED})
"""Steps that are no news: nothing changes, or another line tells it already."""

STACK_TYPE = "pulumi:pulumi:Stack"


def say(text: str) -> None:
    """A line about what goes on."""
    notice.print(escape(text))


def complain(title: str, lines: list[str] | None = None) -> None:
    """What is wrong, then its details."""
    notice.print(f"[bold red]{escape(title)}[/]")
    for line in lines or []:
        notice.print(escape(line))


def print_json(value: Any) -> None:
    """A result for scripts."""
    sys.stdout.write(json.dumps(value, indent=2, sort_keys=True, default=str) + "\n")


def step_line(step: ResourceStep) -> str:
    """One line for a step, e.g. `+ create VmLegacy worker-0`."""
    symbol, colour = _SYMBOLS.get(step.op, (" ", "white"))
    kind = step.type.rsplit(":", 1)[-1]
    changed = f" [{', '.join(step.changed)}]" if step.op is Step.UPDATE and step.changed else ""
    return f"[{colour}]{symbol:>2} {step.op:<8}[/] {kind:<34} {escape(step.name)}{escape(changed)}"


def violation_line(violation: PolicyViolation) -> str:
    """A broken rule: what refuses the operation in red, what only warns in yellow."""
    colour, word = ("bold red", "refused") if violation.is_refusal else ("yellow", "warning")
    return f"[{colour}]{word}[/] {escape(_where(violation))}{escape(violation.message.strip())}"


class Progress:
    """Follows an operation: a line per change, and on a terminal what is under way right now."""

    def __init__(self, operation: Operation, *, quiet: bool) -> None:
        self._operation = operation
        self._quiet = quiet
        self._running: dict[str, float] = {}
        self._finished: set[str] = set()
        self._violations: set[PolicyViolation] = set()
        self._status: Status | None = None

    def __enter__(self) -> Self:
        if notice.is_terminal and not self._quiet:
            self._status = notice.status(f"{self._operation} …")
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def on_event(self, event: Event) -> None:
        """Show what the event says, where it is news."""
        if isinstance(event, Started):
            self._running[event.metadata.urn] = time.monotonic()
        elif isinstance(event, Finished | Failed):
            self._running.pop(event.metadata.urn, None)
            # A component ends twice: when it is registered, and when its outputs are.
            news = event.metadata.urn not in self._finished
            self._finished.add(event.metadata.urn)
            if news and isinstance(event, Finished):
                self._show(event.metadata)
        elif isinstance(event, PolicyViolation):
            # A judged `up` is judged twice: before it begins, and once the stack stands.
            if event not in self._violations and not self._quiet:
                notice.print(violation_line(event))
            self._violations.add(event)
        elif isinstance(event, Diagnostic) and event.severity == "error" and not self._quiet:
            notice.print(f"[bold red]error[/] {escape(_where(event))}{escape(for_people(event.message))}")
        elif isinstance(event, Diagnostic) and event.severity == "warning" and not self._quiet:
            notice.print(f"[yellow]warning[/] {escape(_where(event))}{escape(event.message.strip())}")
        if self._status is not None:
            names = ", ".join(urn.rsplit("::", 1)[-1] for urn in list(self._running)[:4])
            self._status.update(f"{self._operation}: {len(self._finished)} done, now {escape(names) or '…'}")


    def _show(self, step: ResourceStep) -> None:
        if not self._quiet and step.op not in _SILENT and step.type != STACK_TYPE:
            notice.print(step_line(step))


def for_people(message: str) -> str:
    """The message without the way the program took to it; the log of the operation has it whole."""
    before, traceback, after = message.strip().partition("Traceback (most recent call last):")
    if not traceback:
        return before
    lines = after.splitlines()
    # The exception stands at the left margin, after the last line of code.
    last = max((number for number, line in enumerate(lines) if line.startswith("  ")), default=-1)
    return "\n".join(lines[last + 1 :]).strip() or before


def _where(event: Diagnostic | PolicyViolation) -> str:
    name = event.urn.rsplit("::", 1)[-1]
    return f"{name}: " if name and STACK_TYPE not in event.urn else ""


def show_outcome(outcome: Outcome) -> None:
    """The last lines of an operation."""
    kinds = Counter(
        {op: count for op, count in outcome.changes.items() if count and op not in ("same", "read", "refresh")}
    )
    unchanged = outcome.changes.get("same", 0)
    planned = outcome.operation is Operation.PREVIEW
    parts = [f"{count} to {op}" if planned else f"{op} {count}" for op, count in kinds.items()]
    text = ", ".join(parts) or "nothing to change"
    result.print(
        f"{outcome.operation} {outcome.stack}: {_ending(outcome)} · {text} · {unchanged} unchanged · "
        f"{outcome.seconds:.1f} s"
    )


def _ending(outcome: Outcome) -> str:
    if outcome.interrupted:
        return "[yellow]interrupted[/]"
    return "[green]ok[/]" if outcome.succeeded else "[red]failed[/]"


def outcome_document(outcome: Outcome) -> dict[str, Any]:
    """An operation's end for scripts."""
    return {
        "operation": str(outcome.operation),
        "stack": outcome.stack,
        "succeeded": outcome.succeeded,
        "interrupted": outcome.interrupted,
        "seconds": round(outcome.seconds, 3),
        "changes": outcome.changes,
        "steps": [
            {"op": str(step.op), "type": step.type, "urn": step.urn, "changed": list(step.changed)}
            for step in outcome.steps
        ],
        "errors": [for_people(error) for error in outcome.errors],
    }


def table(title: str, *columns: str) -> Table:
    """An empty table in the house style."""
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column)
    return made
