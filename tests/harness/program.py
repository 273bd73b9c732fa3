"""Runs a Pulumi program in this process, without an engine and without a network."""

import asyncio
import contextvars
import gc
import os
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, NoReturn
from unittest import mock

from pulumi.runtime import settings
from pulumi.runtime.stack import run_in_stack

from model.configuration import PROJECT
from tests.harness.monitor import Answers, LoggingEngine, RecordingMonitor
from tests.harness.recording import Recording

ORGANIZATION = "organization"


class NetworkUsedError(Exception):
    """The program tried to reach the network while it was planning."""


def record(program: Callable[[], None], *, stack: str, answers: Answers, preview: bool = False) -> Recording:
    """Everything the program asks of the engine; raises what the program raises.

    Each run has an event loop and Pulumi settings of its own, so that runs cannot see each other.
    """
    monitor = RecordingMonitor(stack, PROJECT, answers, preview=preview)

    def run() -> None:
        settings.configure(
            settings.Settings(
                project=PROJECT,
                stack=stack,
                organization=ORGANIZATION,
                monitor=monitor,
                engine=LoggingEngine(),
                dry_run=preview,
            )
        )
        with asyncio.Runner() as runner:
            runner.get_loop().set_exception_handler(_keep_silent)
            runner.run(run_in_stack(program))

    with _strict_about_outputs(), no_network(), _no_collection():
        contextvars.copy_context().run(run)
    return monitor.recording()


def _keep_silent(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The first error is raised; what fails in its wake would only be printed when it is collected."""
    del loop, context


@contextmanager
def no_network() -> Generator[None, None, None]:
    """Refuse every connection and name look-up of Python's own sockets."""

    def refuse(*arguments: object, **_: object) -> NoReturn:
        raise NetworkUsedError(f"a plan must not need the network, but this one asked for {arguments!r}")

    with (
        mock.patch.object(socket.socket, "connect", refuse),
        mock.patch.object(socket.socket, "connect_ex", refuse),
        mock.patch.object(socket, "getaddrinfo", refuse),
    ):
        yield


@contextmanager
def _strict_about_outputs() -> Generator[None, None, None]:
    with mock.patch.dict(os.environ, {"PULUMI_ERROR_OUTPUT_STRING": "1"}):
        yield


@contextmanager
def _no_collection() -> Generator[None, None, None]:
    # As the real program runs.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
