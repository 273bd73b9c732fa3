"""What the program changes in Pulumi's SDK."""

import asyncio
import importlib.metadata
import inspect
from collections.abc import Generator

import pulumi
import pytest
from pulumi.runtime import stack

from stacks.sdk import PENDING, SDK_VERSION, quicken, wait_for_rpcs


class RefusedError(Exception):
    """What a registration may raise."""


@pytest.fixture(autouse=True)
def nothing_pending() -> Generator[None]:
    PENDING.rpc_manager.clear()
    PENDING.outputs.clear()
    yield
    PENDING.rpc_manager.clear()
    PENDING.outputs.clear()


def test_the_sdk_is_the_one_whose_internals_are_known():
    assert importlib.metadata.version("pulumi") == SDK_VERSION, "look at stacks/sdk.py before the new version is used"


def test_what_is_replaced_is_still_there():
    original = inspect.getsource(stack)
    assert "await wait_for_rpcs()" in original, "the SDK waits some other way now"
    assert "async def wait_for_rpcs(await_all_outstanding_tasks=True)" in original


async def test_it_waits_for_what_comes_up_while_it_waits():
    done: list[str] = []

    async def output(name: str) -> None:
        await asyncio.sleep(0.01)
        done.append(name)

    async def registration() -> None:
        await asyncio.sleep(0.01)
        PENDING.outputs.add(asyncio.ensure_future(output("output")))
        PENDING.rpc_manager.rpcs.append(asyncio.ensure_future(later()))

    async def later() -> None:
        await asyncio.sleep(0.01)
        done.append("later")

    PENDING.rpc_manager.rpcs.append(asyncio.ensure_future(registration()))
    await asyncio.wait_for(wait_for_rpcs(), timeout=5)
    assert sorted(done) == ["later", "output"]


async def test_a_refused_registration_is_raised():
    async def registration() -> None:
        raise RefusedError("no such pool")

    PENDING.rpc_manager.rpcs.append(asyncio.ensure_future(registration()))
    with pytest.raises(RefusedError, match="no such pool"):
        await asyncio.wait_for(wait_for_rpcs(), timeout=5)


async def test_a_failed_output_is_raised_while_others_are_still_pending():
    async def fails() -> None:
        raise RefusedError("not a number")

    endless = asyncio.ensure_future(asyncio.sleep(3600))
    PENDING.outputs.update({asyncio.ensure_future(fails()), endless})
    with pytest.raises(RefusedError, match="not a number"):
        await asyncio.wait_for(wait_for_rpcs(), timeout=5)
    endless.cancel()


def test_debug_messages_stay_where_they_are_asked_for(monkeypatch: pytest.MonkeyPatch):
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "debug", said.append)
    monkeypatch.setenv("PULUMI_EXCESSIVE_DEBUG_OUTPUT", "true")
    quicken()
    pulumi.log.debug("heard")
    monkeypatch.delenv("PULUMI_EXCESSIVE_DEBUG_OUTPUT")
    quicken()
    pulumi.log.debug("not heard")
    assert said == ["heard"]
