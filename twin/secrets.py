"""The lab's secrets as a cluster's workflows see them: the SOPS file that the twin was started with."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from model.secret_rules import values_in
from model.secrets import Tree

FILE_VARIABLE: Final = "LAB_SECRETS_FILE"
"""Names the file, as for the program; `SOPS_AGE_KEY_FILE` names the key, as for `sops` itself."""
TIMEOUT_SECONDS: Final = 20.0


class UnreadableSecretsError(Exception):
    """The file cannot be had in clear; the message holds nothing of what `sops` said, which may be a secret."""


class VaultTree:
    """The tree `vault_secrets`: properties by path. Decrypted again when the file has changed."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._seen: tuple[int, int] | None = None
        self._values: dict[str, dict[str, str]] = {}

    def __call__(self) -> Mapping[str, Mapping[str, str]]:
        """The values; UnreadableSecretsError when there are none to be had."""
        name = self._environment.get(FILE_VARIABLE)
        if not name:
            raise UnreadableSecretsError(f"the twin was started without {FILE_VARIABLE}; `./lab twin stop`, then again")
        path = Path(name)
        try:
            status = path.stat()
        except OSError as error:
            raise UnreadableSecretsError(f"{path.name}: {error.strerror}; ./lab secrets init makes one") from None
        state = (status.st_mtime_ns, status.st_size)
        if state != self._seen:
            self._values = _decrypted(path, self._environment)
            self._seen = state
        return self._values


def _decrypted(path: Path, environment: Mapping[str, str]) -> dict[str, dict[str, str]]:
    executable = shutil.which("sops", path=str(Path(sys.executable).parent)) or shutil.which("sops")
    if executable is None:
        raise UnreadableSecretsError("there is no `sops`; `./lab doctor` says where it should come from")
    answer = subprocess.run(
        [
            executable, "--config", os.devnull, "decrypt", "--input-type", "json", "--output-type", "json", str(path),
        ],
        env=dict(environment), capture_output=True, check=False, timeout=TIMEOUT_SECONDS, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if answer.returncode != 0:
        raise UnreadableSecretsError(f"sops cannot decrypt {path.name} (exit code {answer.returncode})")
    found: dict[str, dict[str, str]] = {}
    for place, value in values_in(json.loads(answer.stdout)).items():
        if place.tree is Tree.VAULT:
            found.setdefault(place.path, {})[place.property] = str(value)
    return found
