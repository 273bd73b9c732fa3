"""The development secrets: an age key and a SOPS file with random values, below `.lab/`, for this machine alone."""

import base64
import fcntl
import json
import os
import secrets
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyrage import x25519  # pyright: ignore[reportAttributeAccessIssue]

from engine.workspace import Workspace
from model.cloud import GoogleCloud
from model.secret_rules import RULE, schema_violations, stray_values, value_violations
from model.secrets import (
    SECRETS_FILE,
    Characters,
    Octets,
    PrivateKey,
    SecretKey,
    SecretPlace,
    SecretReference,
    SecretSchema,
    compose,
    encryption_key_id,
    is_derived,
)
from model.violation import Source, Violation
from stacks.secrets_file import (
    FILE_VARIABLE,
    KEY_FILE_VARIABLE,
    METADATA,
    SecretsError,
    SecretsFile,
    SopsMissingError,
    key_violations,
    noted_public_keys,
    run_sops,
    shown,
)

_PRIVATE = 0o600


@dataclass(frozen=True)
class Made:
    """What `DevelopmentSecrets.make` changed."""

    key: bool = False
    """Whether the age key is new."""
    added: tuple[SecretPlace, ...] = ()
    aligned: tuple[SecretPlace, ...] = ()
    """Copies and documents that did not agree with the keys that they are made of."""
    removed: tuple[SecretPlace, ...] = ()
    extra: tuple[SecretPlace, ...] = ()
    """Keys that the schema does not have; they were kept."""

    @property
    def anything(self) -> bool:
        """Whether something is another than before."""
        return bool(self.key or self.added or self.aligned or self.removed)


@dataclass(frozen=True)
class DevelopmentSecrets:
    """The folder with the key and the file."""

    directory: Path

    @classmethod
    def of(cls, workspace: Workspace) -> "DevelopmentSecrets":
        """The development secrets of a checkout."""
        return cls(workspace.local / "secrets")

    @property
    def key_file(self) -> Path:
        """The age key; only its owner can read it."""
        return self.directory / "age.key"

    @property
    def file(self) -> Path:
        """The SOPS file."""
        return self.directory / SECRETS_FILE

    def environment(self) -> dict[str, str]:
        """What the program needs to read these secrets and no others."""
        return {FILE_VARIABLE: str(self.file), KEY_FILE_VARIABLE: str(self.key_file)}

    def make(self, schema: SecretSchema, *, prune: bool = False) -> Made:
        """Have a key, and a file with every key of the schema. What is there stays; `prune` drops what is no key.

        SecretsError when the schema cannot work, when the file is of another key, when `sops` refuses, and when the
        folder cannot be written.
        """
        if found := schema_violations(schema):
            raise SecretsError.of(found)
        try:
            with self._only_one():
                is_new = self._have_key()
                planned = _Plan(schema, self._read(), prune=prune)
                made = Made(is_new, planned.added, planned.aligned, planned.removed, planned.extra)
                if made.anything:
                    self._write(planned.values)
                return made
        except OSError as error:
            raise SecretsError(
                f"the development secrets cannot be written: {error.strerror}\n"
                f"    at:   {error.filename or self.directory}\n"
                "    fix:  make room or give yourself access; what was there is still there"
            ) from None

    def public_key(self) -> str:
        """The recipient that the key belongs to; SecretsError when there is no such key."""
        try:
            lines = self.key_file.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise SecretsError(
                f"the development key cannot be read: {error.strerror}\n"
                f"    at:   {self.key_file}\n    fix:  ./lab secrets init"
            ) from None
        noted = noted_public_keys(lines)
        if len(noted) != 1:
            raise SecretsError(
                "the development key is damaged: it does not note its public half\n"
                f"    at:   {self.key_file}\n    fix:  {self._begin_anew}"
            )
        return noted[0]

    @property
    def _begin_anew(self) -> str:
        return f"the values are made up: rm -r {self.directory}, then ./lab secrets init makes new ones"

    @contextmanager
    def _only_one(self) -> Generator[None]:
        """Two commands at once must not make two keys: the file of one would be lost to the other."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.directory.chmod(0o700)
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _have_key(self) -> bool:
        """Whether the key had to be made."""
        if self.key_file.exists():
            self.key_file.chmod(_PRIVATE)
            return False
        if self.file.exists():
            raise SecretsError(
                f"the key of {self.file.name} is gone, and nobody can read the file any more\n"
                f"    at:   {self.key_file}\n    fix:  {self._begin_anew}"
            )
        identity = x25519.Identity.generate()
        text = f"# development key of this checkout\n# public key: {identity.to_public()}\n{identity}\n"
        _write_private(self.key_file, text.encode())
        return True

    def _read(self) -> dict[SecretPlace, object]:
        if not self.file.exists():
            return {}
        file = SecretsFile.read(self.file)
        own = self.public_key()
        if own not in file.recipients.age or file.recipients.google or file.recipients.others:
            raise SecretsError(
                f"{self.file.name} is not the development file: it is for {file.recipients}, the key for {own}\n"
                f"    at:   {self.file}\n"
                f"    fix:  move it to where {FILE_VARIABLE} names it, and run ./lab secrets init again"
            )
        if strays := stray_values(file.content):
            raise SecretsError(
                f"{self.file.name} has values where no key can stand: {', '.join(strays)}\n"
                f"    at:   {self.file}\n    fix:  {self._begin_anew}"
            )
        try:
            return file.decrypt(self.sops_environment())
        except SopsMissingError:
            raise
        except SecretsError as error:
            problem = str(error)
        raise SecretsError(f"{problem}\n    or:   {self._begin_anew}")

    def _write(self, values: Mapping[SecretPlace, object]) -> None:
        content: dict[str, object] = {}
        for place, value in values.items():
            inner: dict[str, object] = content
            *above, last = place.steps()
            for step in above:
                inner = inner.setdefault(step, {})  # pyright: ignore[reportAssignmentType]
            inner[last] = value
        recipients = SecretsFile.read(self.file).recipients.age if self.file.exists() else (self.public_key(),)
        answer = run_sops(
            [
                "encrypt", "--input-type", "json", "--output-type", "json", "--age", ",".join(recipients),
                "--filename-override", self.file.name,
            ],
            self.sops_environment(),
            json.dumps(content).encode(),
        )  # fmt: skip
        if answer.status != 0:
            raise SecretsError(
                f"sops cannot encrypt the development secrets: it ended with exit code {answer.status}\n"
                f"    at:   {self.file}\n    fix:  {self._begin_anew}"
            )
        _write_private(self.file, answer.output)

    def sops_environment(self) -> dict[str, str]:
        """The caller's environment without what it tells `sops`: real keys have no business here."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("SOPS_")}
        return {**own, KEY_FILE_VARIABLE: str(self.key_file)}


@dataclass(frozen=True)
class Findings:
    """What a look at a SOPS file gave."""

    file: SecretsFile
    violations: tuple[Violation, ...]
    unused: tuple[SecretKey, ...]
    """Keys that are declared and kept although nobody reads them."""


def inspect(
    path: Path,
    schema: SecretSchema,
    environment: Mapping[str, str],
    *,
    google: GoogleCloud | None,
    decrypt: bool = True,
) -> Findings:
    """Look at a SOPS file: its keys, its recipients, and, when it may be decrypted, its values.

    `google` has the KMS key that must be a recipient; None for a file that is for one machine alone. SecretsError when
    the file cannot be read, or not decrypted although it is sound as far as that can be seen from outside.
    """
    file = SecretsFile.read(path)
    found = key_violations(schema, file)
    if google is not None:
        found += recipient_violations(file, google)
    if decrypt and not found:
        found += value_violations(schema, file.decrypt(environment), shown(path))
    return Findings(file, tuple(found), tuple(key for key in schema.keys if key.unread))


def recipient_violations(file: SecretsFile, google: GoogleCloud) -> list[Violation]:
    """A person with an age key opens the file, and so does the cluster, by the KMS key of the inventory."""
    found: list[Violation] = []
    where = Source(file=shown(file.path), key=METADATA)
    if not file.recipients.age:
        found.append(
            Violation(
                rule=RULE,
                message="no age key is among the recipients: without the Internet and Google nobody can decrypt it",
                where=where,
                fix=f"put its public half into .sops.yaml, then: sops updatekeys {shown(file.path)}",
            )
        )
    key = encryption_key_id(google)
    if key not in file.recipients.google:
        found.append(
            Violation(
                rule=RULE,
                message="the KMS key is not among the recipients: no cluster can decrypt it",
                where=where,
                also=(
                    Source(file="inventory/cloud.py", key="CLOUD.google.encryption_key"),
                    *(Source(file=shown(file.path), key=other) for other in file.recipients.google),
                ),
                fix=f"put {key} into .sops.yaml, then: sops updatekeys {shown(file.path)}",
            )
        )
    return found


class _Plan:
    """What the file shall hold, and how that differs from what it holds."""

    def __init__(self, schema: SecretSchema, there: Mapping[SecretPlace, object], *, prune: bool) -> None:
        self._schema = schema
        strangers = tuple(place for place in there if schema.at(place) is None)
        self.extra = () if prune else strangers
        self.removed = strangers if prune else ()
        self.values = {place: value for place, value in there.items() if place not in self.removed}
        self.added = tuple(key.place for key in schema.keys if self.values.get(key.place) in (None, ""))
        for place in self.added:
            self.values.pop(place, None)
        for key in schema.keys:
            self._value(key)
        self.aligned = self._align()

    def _value(self, key: SecretKey) -> str:
        if key.place not in self.values:
            self.values[key.place] = compose(key.shape, self._read, draw)
        return str(self.values[key.place])

    def _read(self, reference: SecretReference) -> str:
        key = self._schema.at(reference.place())
        if key is None:
            raise KeyError(str(reference))
        return self._value(key)

    def _align(self) -> tuple[SecretPlace, ...]:
        """Make derived values anew that do not agree with the keys that they are made of."""
        derived = {key.place for key in self._schema.keys if is_derived(key.shape)}
        found: list[SecretPlace] = []
        # Documents before the copies of them.
        for _ in range(2):
            for place in self._disagreeing() & derived:
                self.values.pop(place)
                found.append(place)
            for key in self._schema.keys:
                self._value(key)
        return tuple(dict.fromkeys(found))

    def _disagreeing(self) -> set[SecretPlace]:
        keys = {str(key.place): key.place for key in self._schema.keys}
        return {keys[found.where.key] for found in value_violations(self._schema, self.values, "")}


def draw(shape: Characters | Octets | PrivateKey) -> str:
    """A new random text of the shape, from the operating system's generator."""
    if isinstance(shape, Characters):
        return shape.prefix + "".join(secrets.choice(shape.alphabet) for _ in range(shape.length))
    if isinstance(shape, Octets):
        return base64.b64encode(bytes.fromhex(shape.lead) + secrets.token_bytes(shape.count)).decode()
    key = rsa.generate_private_key(public_exponent=65537, key_size=shape.bits)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _write_private(path: Path, content: bytes) -> None:
    """Replace the file at once; nobody but its owner can ever read it."""
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
