"""Talos' own library, in a process of its own (`tools/talos-machinery`)."""

import asyncio
import json
import shutil
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

from twin.providers.errors import ApiError
from twin.world import BlockDevice

EXECUTABLE = "talos-machinery"
LONGEST_LINE_BYTES = 16 * 1024 * 1024
"""Of an answer; a machine configuration is about 30 kB."""


class MachineryError(Exception):
    """The library refused; the message is its own."""


class MachineryMissingError(ApiError):
    """The library cannot be asked."""

    def __init__(self, message: str) -> None:
        super().__init__(HTTPStatus.SERVICE_UNAVAILABLE, message)


def find_executable() -> Path:
    """The helper on PATH; MachineryMissingError when it is not there."""
    found = shutil.which(EXECUTABLE)
    if found is None:
        raise MachineryMissingError(
            f"{EXECUTABLE} is not on PATH, so the twin cannot make Talos secrets and configurations; "
            "`./lab doctor` builds it"
        )
    return Path(found)


class Machinery:
    """Asks the library. The process starts with the first question, and again when it has died."""

    def __init__(self, executable: Path | None = None) -> None:
        """`executable` is the built helper; None: the one on PATH when it is first needed."""
        self._executable = executable
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def close(self) -> None:
        """End the process; it ends by itself when this one does."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            await process.wait()

    async def secrets(self, talos_version: str) -> Mapping[str, Any]:
        """A new cluster's `machineSecrets` and the `clientConfiguration` of its administrator."""
        return await self._ask("secrets", {"talosVersion": talos_version})

    async def configuration(self, arguments: Mapping[str, Any]) -> str:
        """A machine configuration from the arguments of the provider's function; MachineryError names what is wrong."""
        return (await self._ask("configuration", arguments))["machineConfiguration"]

    async def patch(self, configuration: str, patches: Sequence[str]) -> str:
        """The configuration with the patches applied in order."""
        answer = await self._ask("patch", {"machineConfiguration": configuration, "configPatches": list(patches)})
        return answer["machineConfiguration"]

    async def inspect(self, configuration: str) -> Sequence[Mapping[str, Any]]:
        """The documents of a configuration that a bare machine would take; MachineryError when it would refuse."""
        return (await self._ask("inspect", {"machineConfiguration": configuration}))["documents"]

    async def volume_problems(
        self, configuration: str, disks: Sequence[BlockDevice], system_disk: str
    ) -> Mapping[str, str]:
        """Why volumes of the configuration find no disk, by volume."""
        answer = await self._ask(
            "volumes",
            {
                "machineConfiguration": configuration,
                "disks": [{"path": d.path, "size": d.size_bytes, "transport": d.transport} for d in disks],
                "systemDisk": system_disk,
            },
        )
        return {volume["name"]: volume["problem"] for volume in answer["volumes"] if "problem" in volume}

    async def talosconfig(
        self, cluster_name: str, credentials: Mapping[str, str], endpoints: Sequence[str], nodes: Sequence[str]
    ) -> str:
        """The file that talosctl reads."""
        answer = await self._ask(
            "client-configuration",
            {
                "clusterName": cluster_name,
                "clientConfiguration": dict(credentials),
                "endpoints": list(endpoints),
                "nodes": list(nodes),
            },
        )
        return answer["talosConfig"]

    async def kubeconfig(self, configuration: str) -> Mapping[str, Any]:
        """A kubeconfig signed with the key that a control-plane node's configuration holds."""
        return await self._ask("kubeconfig", {"machineConfiguration": configuration})

    async def schematic(self, text: str) -> Mapping[str, Any]:
        """`id`, `extensions` and `kernelArguments` of an image schematic."""
        return await self._ask("schematic", {"schematic": text})

    async def library(self) -> Mapping[str, str]:
        """`version` and `kubernetesVersion` of the library."""
        return await self._ask("library", {})

    async def _ask(self, operation: str, arguments: Mapping[str, Any]) -> Any:
        question = json.dumps({"operation": operation, "arguments": arguments}).encode() + b"\n"
        async with self._turn:
            # The process may have died since the last question; its answers depend on nothing but the question.
            answer = await self._exchange(question) or await self._exchange(question)
        if not answer:
            raise MachineryMissingError(f"{EXECUTABLE} ended without an answer to `{operation}`")
        document = json.loads(answer)
        if "error" in document:
            raise MachineryError(str(document["error"]).strip())
        return document["result"]

    async def _exchange(self, question: bytes) -> bytes:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                str(self._executable or find_executable()),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=LONGEST_LINE_BYTES,
            )
        process = self._process
        if process.stdin is None or process.stdout is None:
            raise MachineryMissingError(f"{EXECUTABLE} was started without pipes")
        try:
            process.stdin.write(question)
            await process.stdin.drain()
            answer = await process.stdout.readline()
        except (BrokenPipeError, ConnectionResetError):
            answer = b""
        except asyncio.CancelledError:
            # Nobody reads this question's answer any more: the next one must not get it.
            process.kill()
            self._process = None
            raise
        if not answer:
            await process.wait()
            self._process = None
        return answer
