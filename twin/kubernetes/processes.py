"""The programs of a control plane: found, started, ended, and started again when they die."""

import asyncio
import json
import logging
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from twin.kubernetes import launch

LOG = logging.getLogger(__name__)

SHORTEST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 10.0
STABLE_SECONDS: Final = 20.0
"""A program that ran so long begins its pauses anew, and its last end is history."""
LOG_MAXIMUM_BYTES: Final = 20 * 1024 * 1024
LOG_TAIL_BYTES: Final = 64 * 1024
REASON_CHARACTERS: Final = 400
ROOM_MINIMUM_BYTES: Final = 32 * 1024 * 1024
"""With less the disk counts as full."""

SENT_BY_OTHERS: Final = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
"""Signals that end a program whatever it was doing: its log does not tell why."""
GO_PANIC: Final = 2
NO_SPACE: Final = "no space left"
"""In what is told of a full disk."""

_CRY = re.compile(
    rb"^(?:[FE]\d{4} |Error: |error: |panic: |fatal error: )"
    rb"|\"level\":\"(?:fatal|panic|error)\""
    rb"|\blevel=ERROR"
)
"""How the programs begin, or mark, a line that tells of trouble: klog, cobra, Go itself, zap, slog."""
_KLOG_HEAD = re.compile(r"^[FEWI]\d{4} \S+ +\d+ \S+\] ")


class MissingProgramError(Exception):
    """A program of the control plane is not on PATH."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(
            f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} not on PATH, so the twin cannot run Kubernetes; "
            "`./lab up` builds what is missing"
        )
        self.names = names


def find_programs(names: tuple[str, ...]) -> Mapping[str, Path]:
    """Where each program is; MissingProgramError with all that are missing."""
    found = {name: shutil.which(name) for name in names}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise MissingProgramError(missing)
    return {name: Path(path) for name, path in found.items() if path is not None}


@dataclass(frozen=True)
class Program:
    """How one program is started."""

    name: str
    executable: Path
    arguments: tuple[str, ...]
    directory: Path
    """Working directory; the arguments name files below it."""
    log: Path

    @property
    def environment(self) -> dict[str, str]:
        """No more than it needs: no proxies, no kubeconfig, no home of the user."""
        return {"PATH": os.environ.get("PATH", ""), "HOME": str(self.directory), "TMPDIR": str(self.directory)}


@dataclass(frozen=True)
class End:
    """A program ended that should not have."""

    at: float
    """Seconds since the epoch."""
    status: int | None
    """Exit status, or a signal as a negative number; None when it could not even be started."""
    reason: str
    """What it said last, empty when it said nothing."""

    @property
    def is_panic(self) -> bool:
        """Whether it ended as programs in Go do that meet what cannot be."""
        return self.status == GO_PANIC

    def __str__(self) -> str:
        return f"{_how(self.status)}: {self.reason}" if self.reason else _how(self.status)


class Process:
    """One program that is kept running."""

    def __init__(
        self,
        program: Program,
        *,
        on_end: Callable[["Process"], None],
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`on_end` is called when it died; `before` before each start but the first."""
        self.program = program
        self.restarts = 0
        self.last_end: End | None = None
        self._on_end = on_end
        self._before = before
        self._running: asyncio.subprocess.Process | None = None
        self._started = 0.0
        self._task: asyncio.Task[None] | None = None
        self._said_before = 0

    @property
    def name(self) -> str:
        """The program's."""
        return self.program.name

    @property
    def pid(self) -> int | None:
        """None while it does not run."""
        return None if self._running is None else self._running.pid

    @property
    def is_running(self) -> bool:
        """Whether it runs now."""
        return self._running is not None

    @property
    def problem(self) -> str | None:
        """Why it does not run, or did not a moment ago; None when all is well."""
        if self.last_end is None:
            return None
        if self.is_running:
            if time.monotonic() - self._started > STABLE_SECONDS:
                return None
            at = time.strftime("%H:%M:%S", time.localtime(self.last_end.at))
            return f"{self.name} ended at {at} and was started again ({self.last_end})"
        return f"{self.name} does not run ({self.last_end}); it is started again, its log is {self.program.log}"

    def start(self) -> None:
        """Keep it running from now on."""
        self._task = asyncio.create_task(self._keep(), name=f"keep {self.name}")

    async def stop(self, grace_seconds: float) -> None:
        """End it: politely, then by force. It is not started again."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        running, self._running = self._running, None
        if running is None:
            return
        _signal(running, signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_seconds):
                await running.wait()
        except TimeoutError:
            _signal(running, signal.SIGKILL)
            await running.wait()

    def trim_log(self) -> None:
        """Empty a log that has become too long; the program appends, so it goes on at the beginning."""
        with suppress(OSError):
            if self.program.log.stat().st_size > LOG_MAXIMUM_BYTES:
                os.truncate(self.program.log, 0)

    async def _keep(self) -> None:
        pause = SHORTEST_PAUSE_SECONDS
        while True:
            try:
                running = await self._begin()
            except OSError as error:
                self.last_end = End(time.time(), None, str(error))
            else:
                status = await running.wait()
                self._running = None
                if time.monotonic() - self._started > STABLE_SECONDS:
                    pause = SHORTEST_PAUSE_SECONDS
                reason = "" if -status in SENT_BY_OTHERS else await asyncio.to_thread(self._reason)
                self.last_end = End(time.time(), status, reason)
            LOG.warning("%s (%s)", self.problem, self.program.directory.name)
            self._on_end(self)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            if self._before is not None:
                await self._before()
            self.restarts += 1

    async def _begin(self) -> asyncio.subprocess.Process:
        program = self.program
        descriptor = os.open(program.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._said_before = os.fstat(descriptor).st_size
            self._running = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), str(program.executable),
                *program.arguments,
                cwd=program.directory, env=program.environment, stdin=asyncio.subprocess.DEVNULL,
                stdout=descriptor, stderr=descriptor, start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(descriptor)
        self._started = time.monotonic()
        LOG.info("%s of %s is process %d", self.name, program.directory.name, self._running.pid)
        return self._running

    def _reason(self) -> str:
        """The last cry in what it said since it was started."""
        directory = self.program.directory
        with suppress(OSError):
            if shutil.disk_usage(directory).free < ROOM_MINIMUM_BYTES:
                return f"{NO_SPACE} on the disk of {directory}; make room, and it goes on"
        try:
            with self.program.log.open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                log.seek(max(min(self._said_before, size), size - LOG_TAIL_BYTES))
                lines = log.read().splitlines()
        except OSError as error:
            return f"its log cannot be read: {error}"
        cries = [line for line in lines if _CRY.search(line)]
        # Of a panic the logged one tells more than the runtime's.
        logged = [line for line in cries if line.startswith(b"{")]
        return _readable((logged or cries or lines or [b""])[-1])


def _readable(line: bytes) -> str:
    text = line.decode(errors="replace").strip()
    with suppress(ValueError):
        # etcd writes JSON.
        entry: Any = json.loads(text)
        text = ": ".join(str(entry[key]) for key in ("msg", "error") if entry.get(key))
    return _KLOG_HEAD.sub("", text)[:REASON_CHARACTERS]


def _how(status: int | None) -> str:
    if status is None:
        return "it cannot be started"
    if status >= 0:
        return f"it ended with status {status}"
    try:
        return f"it was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"it was killed by signal {-status}"


def _signal(running: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        running.send_signal(number)
