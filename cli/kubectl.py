"""`./lab kubectl COLOUR …`: the real kubectl against a colour's cluster."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from cli.console import complain
from cli.exit_code import ExitCode
from cli.session import leave, read_configuration, read_tools, twin_of
from engine.state import EngineError, State
from engine.workspace import Target, Workspace, engine_environment
from model.exclusive import Colour

EXECUTABLE = "kubectl"


def run(colour: Colour, arguments: tuple[str, ...], target: Target) -> None:
    """Run kubectl with the colour's administrator credentials; ends with kubectl's own exit code."""
    workspace = Workspace()
    read_configuration(workspace)
    kubeconfig = _kubeconfig(workspace, colour, target)
    executable = shutil.which(EXECUTABLE, path=str(Path(sys.executable).parent)) or shutil.which(EXECUTABLE)
    if executable is None:
        complain("A tool is missing.", ["  kubectl: `./lab doctor` says where it should come from"])
        leave(ExitCode.TOOL_MISSING)
    with _readable(workspace, kubeconfig) as (path, descriptors):
        status = subprocess.run(
            [executable, "--kubeconfig", path, *arguments], pass_fds=descriptors, check=False
        ).returncode
    sys.exit(status)


def _kubeconfig(workspace: Workspace, colour: Colour, target: Target) -> str:
    tools = read_tools(target)
    if target is Target.TWIN and twin_of(workspace).running() is None:
        complain("The twin is not running, so no cluster answers.", ["  ./lab twin start"])
        leave(ExitCode.TWIN_UNAVAILABLE)
    state = State(workspace, engine_environment(workspace, target, tools, {}))
    try:
        kubeconfig = state.output(colour, "kubeconfig")
    except EngineError as error:
        complain("The engine refused.", [str(error)])
        leave(ExitCode.FAILED)
    if not isinstance(kubeconfig, str):
        complain(f"{colour} has no cluster.", [f"  ./lab up {colour}"])
        leave(ExitCode.USER_ERROR)
    return kubeconfig


@contextmanager
def _readable(workspace: Workspace, text: str) -> Generator[tuple[str, tuple[int, ...]]]:
    """A path at which a child can read the text; in memory where the system can, so that no key reaches the disk."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("kubeconfig")
        try:
            os.write(descriptor, text.encode())
            yield f"/proc/self/fd/{descriptor}", (descriptor,)
        finally:
            os.close(descriptor)
        return
    with tempfile.TemporaryDirectory(dir=workspace.local, prefix="run-") as scratch:
        path = Path(scratch) / "kubeconfig"
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        yield str(path), ()
