"""The program's process beside the engine: it comes up, says what is wrong, and never outlives who needs it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import language_pb2_grpc

from engine.language_runtime import required_packages
from engine.program import Program, ProgramError, modules_of, started
from engine.workspace import PROJECT_DIRECTORY, STACKS

DEADLINE_SECONDS = 10


def runtime(program: Program) -> language_pb2_grpc.LanguageRuntimeStub:
    return language_pb2_grpc.LanguageRuntimeStub(grpc.insecure_channel(f"127.0.0.1:{program.port}"))


def is_there(program: Program) -> bool:
    try:
        runtime(program).GetPluginInfo(empty_pb2.Empty(), timeout=1)
    except grpc.RpcError:
        return False
    return True


def is_gone_in_time(program: Program) -> bool:
    until = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < until:
        if not is_there(program):
            return True
        time.sleep(0.05)
    return False


def test_it_ends_with_who_started_it(tmp_path: Path):
    with started(PROJECT_DIRECTORY, (), {}, tmp_path / "log") as program:
        assert is_there(program)
    assert is_gone_in_time(program)


STARTER = """
import os, subprocess, sys
from pathlib import Path
from engine.program import started
with started(Path.cwd(), (), {}, Path(sys.argv[1])) as program:
    until_told = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    subprocess.Popen(until_told, pass_fds=(program.lifeline,), start_new_session=True, stdout=subprocess.DEVNULL)
    print(program.port, flush=True)
    os._exit(9)
"""
"""Starts a program and something in the engine's place, and then dies without another word."""


def test_it_stays_for_an_engine_that_outlives_who_started_it(tmp_path: Path):
    reading, writing = os.pipe()
    answer = subprocess.run(
        [sys.executable, "-c", STARTER, str(tmp_path / "log")],
        cwd=PROJECT_DIRECTORY, stdin=reading, stdout=subprocess.PIPE, text=True, check=False, timeout=60,
    )  # fmt: skip
    os.close(reading)
    program = Program(port=int(answer.stdout), lifeline=-1)
    assert is_there(program), "it went with its starter although the engine still needed it"
    os.close(writing)
    assert is_gone_in_time(program)


def test_one_that_cannot_start_says_why(tmp_path: Path):
    (tmp_path / "grpc.py").write_text("raise ImportError('no such wheel')\n")
    with (
        pytest.raises(ProgramError, match="no such wheel"),
        started(tmp_path, (), {"PYTHONPATH": str(tmp_path)}, tmp_path / "log"),
    ):
        raise AssertionError("it did start")


def test_a_module_that_fails_is_the_run_s_to_report(tmp_path: Path):
    (tmp_path / "broken.py").write_text("raise ValueError('not yet')\n")
    with started(tmp_path, ("broken",), {}, tmp_path / "log") as program:
        assert is_there(program)


@pytest.mark.parametrize("stack", STACKS)
def test_it_imports_what_the_program_does(stack: str):
    for module in modules_of(stack):
        assert (PROJECT_DIRECTORY / f"{module.replace('.', '/')}.py").is_file(), module


def test_the_engine_is_told_each_provider_of_the_installed_packages():
    found = {package.name: package for package in required_packages(sys.path)}
    assert {"kubernetes", "proxmoxve", "cloudflare", "gcp", "talos", "command", "random"} <= {*found}
    assert all(package.version and package.kind == "resource" for package in found.values())
