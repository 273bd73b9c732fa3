# ruff: noqa: S105 - a type token is no password
"""Stand-in of the `command` provider: local commands run, remote ones are written down."""

import asyncio
import os
import secrets
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Any, Final

from twin.providers.errors import ApiError, CommandError, NotEmulatedError
from twin.providers.inputs import Violation
from twin.providers.kinds import Call, Created, Found, ResourceKind, State, Surroundings, now
from twin.providers.stand_in import Function, StandIn
from twin.store import Collection

REMOTE_COMMANDS: Final = Collection("command/remote")
"""Key: running number; body: `host`, `machine`, `incarnation`, `command`, `at`."""

DEFAULT_INTERPRETER: Final = ("/bin/sh", "-c")
RUN: Final = "command:local:run"
PREVIOUS_OUTPUT: Final = {"stdout": "PULUMI_COMMAND_STDOUT", "stderr": "PULUMI_COMMAND_STDERR"}
NOT_EMULATED: Final = ("assetPaths", "archivePaths")


class _Command(ResourceKind):
    """A command per step of a resource's life: `create`, `update` (else `create` again) and `delete`."""

    replace_on = frozenset({"triggers"})
    renewed_on_update = frozenset({"stdout", "stderr"})

    async def run(self, command: str, properties: State, previous: State) -> State:
        """Run it with what the resource says; returns `stdout` and `stderr`, raises CommandError when it fails."""
        raise NotImplementedError

    async def create(self, call: Call) -> Created:
        """Run `create`, if there is one."""
        return Created(secrets.token_hex(4), await self._step(call.inputs.get("create"), call.inputs, {}))

    async def read(self, resource_id: str, inputs: State, outputs: State) -> Found | None:
        """A command that was run was run: nothing can be looked up."""
        return Found(resource_id, inputs, {name: value for name, value in outputs.items() if name not in inputs})

    async def update(self, resource_id: str, call: Call, outputs: State) -> State:
        """Run `update`, else `create` once more."""
        del resource_id
        return await self._step(call.inputs.get("update") or call.inputs.get("create"), call.inputs, outputs)

    async def delete(self, resource_id: str, call: Call, outputs: State) -> None:
        """Run `delete`, if there is one."""
        del resource_id, call
        await self._step(outputs.get("delete"), outputs, outputs)

    async def _step(self, command: str | None, properties: State, previous: State) -> State:
        if command is None:
            return {"stdout": "", "stderr": ""}
        wanted = properties.get("addPreviousOutputInEnv", True)
        return await self.run(command, properties, previous if wanted else {})


class LocalCommand(_Command):
    """A command on this machine. It really runs: in the checkout, with the environment of the daemon."""

    token = "command:local:Command"

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """Outputs as assets are not emulated."""
        del configuration
        for name in NOT_EMULATED:
            if inputs.get(name):
                yield Violation(name, "the twin does not emulate the collection of files")

    async def run(self, command: str, properties: State, previous: State) -> State:
        """In the resource's directory and environment."""
        return await run_locally(command, properties, previous)


class RemoteCommand(_Command):
    """A command on an emulated machine: it must be there; then the command is written down, not executed."""

    token = "command:remote:Command"
    replace_on = frozenset({"triggers"})
    secret_outputs = frozenset({"connection"})

    async def run(self, command: str, properties: State, previous: State) -> State:
        """Nothing is executed, so nothing is printed."""
        del previous
        connection = properties["connection"]
        host, port = connection["host"], int(connection.get("port", 22))
        machine = self.world.at(_address(host))
        if machine is None:
            raise CommandError(f"dial tcp {host}:{port}: connect: no route to host")
        number = self.store.next_number(REMOTE_COMMANDS)
        body = {"host": host, "machine": machine.name, "incarnation": machine.incarnation, "command": command}
        self.store.put(REMOTE_COMMANDS, f"{number:08}", {**body, "at": now()})
        return {"stdout": "", "stderr": ""}


class Command(StandIn):
    """The `command` provider."""

    name = "command"
    sdk = "pulumi_command"

    def kinds(self, surroundings: Surroundings) -> Iterable[ResourceKind]:
        """Commands; copying files to machines is not emulated."""
        return [LocalCommand(surroundings), RemoteCommand(surroundings)]

    def functions(self, surroundings: Surroundings) -> Mapping[str, Function]:
        """`local.run` runs at every preview, too."""
        del surroundings

        async def run(arguments: State, configuration: Mapping[str, Any]) -> State:
            del configuration
            unsupported = [name for name in NOT_EMULATED if arguments.get(name)]
            if unsupported:
                raise NotEmulatedError(f"the twin does not emulate `{unsupported[0]}` of {RUN}")
            return {**arguments, **await run_locally(arguments["command"], arguments, {})}

        return {RUN: run}


async def run_locally(command: str, properties: State, previous: State) -> State:
    """Run a command on this machine; CommandError with what it printed when it does not end with 0."""
    directory = _existing(properties.get("dir") or ".")
    injected = {variable: str(previous[name]) for name, variable in PREVIOUS_OUTPUT.items() if name in previous}
    environment = {**os.environ, **injected, **properties.get("environment", {})}
    interpreter = properties.get("interpreter") or DEFAULT_INTERPRETER
    stdin = properties.get("stdin")
    try:
        process = await asyncio.create_subprocess_exec(
            *interpreter, command, cwd=directory, env=environment,
            stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise CommandError(f"the interpreter {interpreter[0]} is not there") from error
    try:
        output, errors = await process.communicate(None if stdin is None else str(stdin).encode())
    except asyncio.CancelledError:
        process.kill()
        raise
    stdout, stderr = (text.decode(errors="replace").removesuffix("\n") for text in (output, errors))
    if process.returncode:
        raise CommandError(f"exit status {process.returncode}: running {command!r}:\n{stderr}\n{stdout}".rstrip())
    return {"stdout": stdout, "stderr": stderr}


def _existing(directory: str) -> Path:
    if not Path(directory).is_dir():
        raise CommandError(f"the directory {directory} of the command does not exist")
    return Path(directory)


def _address(host: str) -> IPv4Address:
    try:
        return IPv4Address(host)
    except AddressValueError as error:
        raise ApiError(
            HTTPStatus.BAD_REQUEST, f"the twin has no name service: give the machine's address instead of {host}"
        ) from error
