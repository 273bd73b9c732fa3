"""Programs that are kept running, and that end with whoever keeps them."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.twin.kubernetes.running_lab import is_alive, until
from twin.directory import REPOSITORY
from twin.kubernetes import processes
from twin.kubernetes.processes import MissingProgramError, Process, Program, find_programs

SHELL = Path("/bin/sh")


class Kept:
    """One program kept by the test."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._made: list[Process] = []
        self.ended: list[str] = []

    def start(self, script: str) -> Process:
        program = Program("a-program", SHELL, ("-c", script), self._directory, self._directory / "a-program.log")
        made = Process(program, on_end=lambda process: self.ended.append(str(process.last_end)))
        self._made.append(made)
        made.start()
        return made

    async def stop(self) -> None:
        for process in self._made:
            await process.stop(0.5)


@pytest_asyncio.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    made = Kept(tmp_path)
    yield made
    await made.stop()


async def test_a_killed_program_is_started_again(kept: Kept) -> None:
    process = kept.start("exec sleep 60")
    await until(lambda: process.pid is not None, "started", 5)
    first = process.pid
    assert first is not None
    assert process.problem is None
    os.kill(first, signal.SIGKILL)
    await until(lambda: process.pid not in (None, first), "started again", 5)
    assert process.restarts == 1
    assert kept.ended == ["it was killed by SIGKILL"]
    assert "a-program ended at" in (process.problem or "")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ('{"level":"fatal","msg":"no discovery","error":"disk \\"x\\" is gone"}', 'no discovery: disk "x" is gone'),
        ('E1125 01:02:03.456789   123 run.go:72] "command failed" err="bad flag"', '"command failed" err="bad flag"'),
        ("panic: this cannot be", "panic: this cannot be"),
    ],
)
async def test_the_reason_is_what_it_cried_last(kept: Kept, tmp_path: Path, said: str, reason: str) -> None:
    (tmp_path / "said").write_text(f"{said}\nI1125 01:02:03.456789   123 main.go:1] a line of no interest\n")
    process = kept.start("cat said; exit 3")
    await until(lambda: bool(kept.ended), "ended", 5)
    assert kept.ended[0] == f"it ended with status 3: {reason}"
    await until(lambda: not process.is_running, "ended again", 5)
    assert "does not run" in (process.problem or "")


async def test_a_full_disk_is_the_reason(kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil.disk_usage(tmp_path)._replace(free=4096)

    def usage(path: Path) -> object:
        return full

    monkeypatch.setattr(shutil, "disk_usage", usage)
    kept.start("exit 1")
    await until(lambda: bool(kept.ended), "ended", 5)
    reason = f"no space left on the disk of {tmp_path}; make room, and it goes on"
    assert kept.ended[0] == f"it ended with status 1: {reason}"


async def test_pauses_grow(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "SHORTEST_PAUSE_SECONDS", 0.1)
    process = kept.start("exit 1")
    await asyncio.sleep(1.2)
    # 0.1, 0.2, 0.4 and 0.8 s apart.
    assert 2 <= process.restarts <= 4


async def test_a_program_that_cannot_be_started_is_told(kept: Kept) -> None:
    process = kept.start("exit 0")
    await process.stop(0.1)
    process.program.log.unlink(missing_ok=True)
    process.program.log.mkdir()
    process.start()
    await until(lambda: "it cannot be started" in "".join(kept.ended), "told", 5)


async def test_stop_is_polite_then_not(kept: Kept, tmp_path: Path) -> None:
    polite = kept.start("trap 'echo bye > said; exit 0' TERM; while :; do sleep 0.05; done")
    await until(lambda: polite.pid is not None, "started", 5)
    await asyncio.sleep(0.3)
    await polite.stop(5)
    assert (tmp_path / "said").read_text() == "bye\n"
    stubborn = kept.start("trap '' TERM; touch ready; while :; do sleep 0.05; done")
    await until((tmp_path / "ready").exists, "started", 5)
    begun = time.monotonic()
    await stubborn.stop(0.3)
    assert time.monotonic() - begun < 3
    assert kept.ended == []


async def test_a_long_log_is_emptied_while_the_program_runs(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "LOG_MAXIMUM_BYTES", 1000)
    process = kept.start("i=0; while :; do echo line $i; i=$((i+1)); sleep 0.001; done")
    await until(lambda: process.program.log.exists() and process.program.log.stat().st_size > 1000, "much said", 10)
    process.trim_log()
    size = process.program.log.stat().st_size
    assert size < 1000
    await until(lambda: process.program.log.stat().st_size > size, "it goes on", 5)


KEEPER = """
import asyncio, sys
from pathlib import Path
from twin.kubernetes.processes import Process, Program

async def main():
    directory = Path(sys.argv[1])
    program = Program("sleep", Path("/bin/sh"), ("-c", "exec sleep 60"), directory, directory / "sleep.log")
    process = Process(program, on_end=print)
    process.start()
    while process.pid is None:
        await asyncio.sleep(0.01)
    print(process.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_a_program_ends_with_its_keeper_whatever_happens_to_it(tmp_path: Path) -> None:
    keeper = subprocess.Popen(  # noqa: ASYNC220 - it is to be killed, not awaited
        [sys.executable, "-c", KEEPER, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY,
    )  # fmt: skip
    try:
        assert keeper.stdout is not None
        pid = int(keeper.stdout.readline())
        await asyncio.sleep(0.3)
        assert is_alive(pid)
        keeper.kill()
        await until(lambda: not is_alive(pid), "ended", 2)
    finally:
        keeper.kill()
        keeper.wait()


def test_missing_programs_are_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingProgramError, match=r"etcd, kwok are not on PATH.*`\./lab up` builds what is missing"):
        find_programs(("etcd", "kwok"))
