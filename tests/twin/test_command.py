"""Local commands run; remote ones need their machine."""

from ipaddress import IPv4Address
from pathlib import Path

import pytest
import pytest_asyncio

from tests.twin.conftest import Connect
from tests.twin.provider_client import ProviderClient, RefusedError
from tests.twin.refusals import refusal
from twin.faults import Fault, FaultKind
from twin.providers import wire
from twin.providers.command import REMOTE_COMMANDS, RUN, Command
from twin.providers.kinds import Surroundings

LOCAL = "command:local:Command"
REMOTE = "command:remote:Command"
NOSE = "10.0.30.78"


@pytest_asyncio.fixture
async def command(connect: Connect) -> ProviderClient:
    return await connect(Command)


async def test_life_of_a_local_command(command: ProviderClient, tmp_path: Path) -> None:
    log = tmp_path / "log"
    inputs: dict[str, wire.Value] = {
        "create": f"echo create $COLOUR >> {log}; cat",
        "update": f"echo update $COLOUR $PULUMI_COMMAND_STDOUT >> {log}; echo second",
        "delete": f"echo delete $PULUMI_COMMAND_STDOUT >> {log}",
        "environment": {"COLOUR": "green"},
        "stdin": "first\n",
    }
    made = await command.create(LOCAL, "c", inputs)
    assert (made.properties["stdout"], made.properties["stderr"]) == ("first", "")
    updated = await command.update(made, {**inputs, "environment": {"COLOUR": "blue"}})
    assert updated.properties["stdout"] == "second"
    await command.delete(updated)
    assert log.read_text().splitlines() == ["create green", "update blue first", "delete second"]


async def test_create_runs_again_without_an_update_command(command: ProviderClient) -> None:
    made = await command.create(LOCAL, "c", {"create": "echo one"})
    assert (await command.update(made, {"create": "echo two"})).properties["stdout"] == "two"


async def test_preview_runs_nothing(command: ProviderClient, tmp_path: Path) -> None:
    previewed = await command.preview(LOCAL, "c", {"create": f"touch {tmp_path}/ran"})
    assert previewed["stdout"] is wire.UNKNOWN
    assert not (tmp_path / "ran").exists()


async def test_failing_command_fails_with_what_it_printed(command: ProviderClient) -> None:
    answer = await refusal(command.create(LOCAL, "c", {"create": "echo why >&2; exit 7"}))
    assert "exit status 7" in answer
    assert "why" in answer


async def test_directory_must_exist(command: ProviderClient, tmp_path: Path) -> None:
    call = command.create(LOCAL, "c", {"create": "true", "dir": f"{tmp_path}/missing"})
    assert "missing of the command does not exist" in await refusal(call)


async def test_triggers_replace(command: ProviderClient) -> None:
    made = await command.create(LOCAL, "c", {"create": "true", "triggers": ["1"]})
    difference = await command.diff(made, {"create": "true", "triggers": ["2"]})
    assert list(difference.replaces) == ["triggers"]
    assert list(difference.detailedDiff) == ["triggers[0]"]


async def test_secret_environment_stays_secret(command: ProviderClient) -> None:
    environment: wire.Value = {"PASSWORD": wire.Secret("hunter2")}
    made = await command.create(LOCAL, "c", {"create": "test $PASSWORD = hunter2", "environment": environment})
    assert made.properties["environment"] == {"PASSWORD": wire.Secret("hunter2")}


async def test_function_runs_at_preview(command: ProviderClient) -> None:
    assert (await command.invoke(RUN, {"command": "echo $A", "environment": {"A": "b"}}))["stdout"] == "b"


async def test_remote_command_needs_a_machine_that_is_on(command: ProviderClient, surroundings: Surroundings) -> None:
    def at(host: str) -> dict[str, wire.Value]:
        return {"create": "uptime", "connection": {"host": host}}

    made = await command.create(REMOTE, "r", at(NOSE))
    assert made.properties["stdout"] == ""
    assert isinstance(made.properties["connection"], wire.Secret)
    (entry,) = [body for _, body in surroundings.store.items(REMOTE_COMMANDS)]
    machine = surroundings.world.at(IPv4Address(NOSE))
    assert machine is not None
    assert (entry["machine"], entry["command"]) == (machine.name, "uptime")
    surroundings.faults.set(Fault(kind=FaultKind.HOST_DOWN, target="nose"))
    assert f"dial tcp {NOSE}:22: connect: no route to host" in await refusal(command.create(REMOTE, "s", at(NOSE)))
    assert "no name service" in await refusal(command.create(REMOTE, "t", at("nose.example.org")))


async def test_wrong_inputs_fail_at_preview(command: ProviderClient) -> None:
    with pytest.raises(RefusedError, match="create: must be a string, not a list"):
        await command.check(LOCAL, "c", {"create": ["echo"]})
    with pytest.raises(RefusedError, match="logging: must be one of stdout, stderr, stdoutAndStderr, none"):
        await command.check(LOCAL, "c", {"create": "true", "logging": "stdot"})
    with pytest.raises(RefusedError, match=r"connection.host: is required and missing"):
        await command.check(REMOTE, "r", {"create": "true", "connection": {"user": "root"}})
    with pytest.raises(RefusedError, match="archivePaths: the twin does not emulate"):
        await command.check(LOCAL, "c", {"create": "true", "archivePaths": ["*"]})
