"""Tasks: durable, of one indivisible effect each.

A task is written together with whatever its call reserves. Its effect and its end are one transaction, so a daemon
killed at any moment finds the task either not begun, and does it at the next start, or done.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from pydantic import Field

from twin.proxmox.records import Record, Records
from twin.store import Store

LOGGER = logging.getLogger(__name__)

_KEPT = 1000
"""Ended tasks that are kept over a restart."""

Arguments: TypeAlias = dict[str, str | int | float | bool | None]


class TaskFailedError(Exception):
    """The task cannot be done; the message becomes its exit status."""


class Task(Record):
    """A task, by UPID."""

    upid: str
    node: str
    kind: str
    """`qmcreate`, `qmstart`, `download`, …"""
    subject: str
    """VM id, storage or file that the task is about; may be empty."""
    user: str
    started: int
    """Seconds since the epoch."""
    process: int
    arguments: Arguments = Field(default_factory=dict)
    ended: int | None = None
    exit_status: str | None = None
    log: tuple[str, ...] = ()

    @property
    def is_running(self) -> bool:
        """Whether the task has not ended."""
        return self.exit_status is None


@dataclass
class Journal:
    """Lines a task writes while it works."""

    lines: list[str] = field(default_factory=list)

    def write(self, line: str) -> None:
        """Append one line."""
        self.lines.append(line)


Effect: TypeAlias = Callable[[Task, Journal], None]
"""Does the task inside one transaction; TaskFailedError undoes everything it wrote."""
Preparation: TypeAlias = Callable[[Task, Journal], Awaitable[None]]
"""What must be waited for before the effect; changes nothing."""
Undo: TypeAlias = Callable[[Task], None]
"""Gives back what the call reserved when the effect failed."""


@dataclass(frozen=True)
class Work:
    """How one kind of task is done."""

    effect: Effect
    undo: Undo | None = None
    prepare: Preparation | None = None


class Tasks:
    """All tasks and the loop that does them."""

    def __init__(self, store: Store, clock: Callable[[], float], duration: float) -> None:
        """`duration`: seconds that every task takes at least."""
        self.records = Records(store, "tasks", Task)
        self._store = store
        self._clock = clock
        self._duration = duration
        self._work: dict[str, Work] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._new: list[Task] = []

    def register(self, kind: str, work: Work) -> None:
        """Say how tasks of the kind are done."""
        self._work[kind] = work

    def add(self, node: str, kind: str, subject: str, user: str, arguments: Arguments | None = None) -> str:
        """Write a task and return its UPID; it begins when the call's transaction is committed (`begin`)."""
        started = int(self._clock())
        process = self._store.next_number("proxmox-task")
        plain = re.sub(r"[^\w.+-]", "_", subject)
        upid = f"UPID:{node}:{process:08X}:{process:08X}:{started:08X}:{kind}:{plain}:{user}:"
        task = Task(
            upid=upid, node=node, kind=kind, subject=subject, user=user, started=started, process=process,
            arguments=arguments or {},
        )
        self.records.put(upid, task)
        self._new.append(task)
        return upid

    def begin(self) -> None:
        """Start the tasks added since the last time."""
        fresh, self._new = self._new, []
        for task in fresh:
            self._running[task.upid] = asyncio.create_task(self._run(task))

    def abandon(self) -> None:
        """Forget the tasks added since the last time: their transaction was rolled back."""
        self._new = []

    def resume(self) -> None:
        """Start every task that a former daemon left unfinished, oldest first; forget those long ended."""
        tasks = sorted(self.records.all(), key=lambda task: task.process)
        for task in [task for task in tasks if not task.is_running][:-_KEPT]:
            self.records.delete(task.upid)
        self._new = [task for task in tasks if task.is_running]
        self.begin()

    async def settle(self, upid: str, patience: float) -> None:
        """Wait until the task has ended, at most `patience` seconds."""
        running = self._running.get(upid)
        if running is not None:
            await asyncio.wait({running}, timeout=patience)

    async def stop(self) -> None:
        """Stop working; unfinished tasks are resumed by the next daemon."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _run(self, task: Task) -> None:
        work = self._work[task.kind]
        journal = Journal()
        try:
            await asyncio.sleep(self._duration)
            if work.prepare is not None:
                await work.prepare(task, journal)
            with self._store.transaction():
                work.effect(task, journal)
                self._end(task, "OK", [*journal.lines, "TASK OK"])
        except TaskFailedError as error:
            self._fail(task, work, journal, str(error))
        except Exception as error:
            # A client that polls this task must hear of its end, whatever went wrong here.
            LOGGER.exception("task %s", task.upid)
            self._fail(task, work, journal, f"the twin failed: {error!r}")
        finally:
            self._running.pop(task.upid, None)

    def _fail(self, task: Task, work: Work, journal: Journal, reason: str) -> None:
        with self._store.transaction():
            if work.undo is not None:
                work.undo(task)
            self._end(task, reason, [*journal.lines, f"TASK ERROR: {reason}"])

    def _end(self, task: Task, exit_status: str, log: list[str]) -> None:
        ended = task.model_copy(update={"ended": int(self._clock()), "exit_status": exit_status, "log": tuple(log)})
        self.records.put(task.upid, ended)
