"""The inputs of an SDK's types, read once per SDK version and kept on disk."""

import asyncio
import json
import sys
from collections.abc import Iterable
from functools import cache, cached_property
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

from twin.providers.inputs import TypeInputs

REPOSITORY = Path(__file__).parents[2]
READERS = (Path(__file__).with_name("sdk.py"), Path(__file__).with_name("inputs.py"))


class SdkUnreadableError(Exception):
    """The installed SDK is missing, or does not have the types that the stand-in serves."""


class SdkTypes:
    """The declared inputs of the types that one stand-in serves.

    The first request for any of them reads all of them (one child process, up to two seconds for the largest SDK) and
    leaves them in `directory`; from then on they come from there.
    """

    def __init__(self, directory: Path, module: str, tokens: Iterable[str]) -> None:
        self._directory = directory
        self._module = module
        self._tokens = tuple(sorted(tokens))
        self._raw: dict[str, Any] | None = None
        self._types: dict[str, TypeInputs] = {}
        self._reading = asyncio.Lock()

    async def get(self, token: str) -> TypeInputs:
        """The inputs of `token`, one of the tokens given at construction; SdkUnreadableError when the SDK lacks it."""
        if token not in self._types:
            async with self._reading:
                if self._raw is None:
                    self._raw = self._stored() or await self._read()
            self._types[token] = TypeInputs.model_validate(self._raw[token])
        return self._types[token]

    @cached_property
    def version(self) -> str:
        """Version of the installed SDK; SdkUnreadableError when there is none."""
        try:
            return metadata.version(self._module)
        except metadata.PackageNotFoundError as error:
            raise SdkUnreadableError(
                f"the Python package {self._module} is not installed; `./lab doctor` installs what is missing"
            ) from error

    @property
    def path(self) -> Path:
        """Where the types are kept: a name that changes with the SDK, the tokens and the reader."""
        digest = sha256(_reader_digest() + "\n".join(self._tokens).encode()).hexdigest()[:12]
        return self._directory / f"{self._module}-{self.version}-{digest}.json"

    def _stored(self) -> dict[str, Any] | None:
        try:
            return json.loads(self.path.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    async def _read(self) -> dict[str, Any]:
        path = self.path
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "twin.providers.sdk", self._module, *self._tokens,
            cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, errors = await child.communicate()
        if child.returncode != 0:
            lines = errors.decode(errors="replace").strip().splitlines() or ["no output"]
            raise SdkUnreadableError(f"the inputs of {self._module} could not be read: {lines[-1]}")
        raw = {read["token"]: read for read in json.loads(output)}
        self._directory.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{child.pid}")
        unfinished.write_text(json.dumps(raw))
        unfinished.replace(path)
        return raw


@cache
def _reader_digest() -> bytes:
    return sha256(b"".join(path.read_bytes() for path in READERS)).digest()
