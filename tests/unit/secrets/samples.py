"""A small schema, and SOPS files of it made by the real `sops`."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from pyrage import x25519  # pyright: ignore[reportAttributeAccessIssue]

from model.secrets import (
    Access,
    ApplicationName,
    Characters,
    Consumer,
    Copy,
    Document,
    Plain,
    SecretKey,
    SecretKind,
    SecretPlace,
    SecretReference,
    SecretSchema,
    Shape,
    Tree,
)
from stacks.secrets_file import find_sops

SENTINEL = "sentinel-secret"

FORGE, CHAT = ApplicationName("forge"), ApplicationName("chat")


def place(path: str, name: str, tree: Tree = Tree.VAULT) -> SecretPlace:
    return SecretPlace(tree=tree, path=path, property=name)


def reads(*applications: str, access: Access = Access.EXTERNAL_SECRET) -> tuple[Consumer, ...]:
    return tuple(Consumer(name=ApplicationName(name), access=access) for name in applications)


def key(
    where: SecretPlace,
    owner: str,
    consumers: tuple[Consumer, ...],
    kind: SecretKind = SecretKind.TOKEN,
    shape: Shape | None = None,
    *,
    client: str | None = None,
    unread: str | None = None,
    issuer: str | None = None,
) -> SecretKey:
    return SecretKey(
        place=where,
        owner=ApplicationName(owner),
        kind=kind,
        shape=shape or Characters(length=32),
        consumers=consumers,
        client=client,
        unread=unread,
        issuer=issuer,
    )


PASSWORD = place("core/forge", "password")
CLIENT_SECRET = place("core/forge", "client-secret")
USER = place("core/forge", "user")
TOKEN = place("core/chat", "forge-token")
CONFIGURATION = place("core/chat", "configuration")
BOOTSTRAP = place("forge/forge-external-secret", "client-secret", Tree.INIT)

PASSWORD_REFERENCE = SecretReference(path=PASSWORD.path, property=PASSWORD.property)

SCHEMA = SecretSchema(
    keys=(
        key(
            BOOTSTRAP,
            "forge",
            reads("forge", access=Access.BOOTSTRAP),
            SecretKind.CLIENT_SECRET,
            Copy(of=SecretReference(path="core/forge", property="client-secret")),
        ),
        key(PASSWORD, "forge", reads("forge"), SecretKind.PASSWORD, issuer="the forge"),
        key(CLIENT_SECRET, "forge", reads("forge"), SecretKind.CLIENT_SECRET, client="forge"),
        key(USER, "forge", reads("forge"), SecretKind.IDENTIFIER, Plain(text="admin")),
        key(TOKEN, "forge", reads("chat"), shape=Copy(of=PASSWORD_REFERENCE)),
        key(
            CONFIGURATION,
            "chat",
            reads("chat"),
            SecretKind.DOCUMENT,
            Document(members={"forge": Document(members={"user": "chat", "password": PASSWORD_REFERENCE})}),
        ),
    )
)
"""A forge with a bootstrap Secret, and a chat that has the forge's password in a copy and in a document."""


def sentinel(where: SecretPlace) -> str:
    """A made-up secret; wherever the text turns up, a secret is in clear."""
    return f"{SENTINEL}({where})"


def sound_values() -> dict[SecretPlace, str]:
    """Values that the schema takes."""
    values = {one.place: sentinel(one.place) for one in SCHEMA.keys}
    return {
        **values,
        BOOTSTRAP: values[CLIENT_SECRET],
        TOKEN: values[PASSWORD],
        CONFIGURATION: json.dumps({"forge": {"user": "chat", "password": values[PASSWORD]}}),
    }


def nested(values: Mapping[SecretPlace, object]) -> dict[str, object]:
    """The values as the file has them."""
    content: dict[str, object] = {}
    for where, value in values.items():
        put(content, where.steps(), value)
    return content


def put(content: dict[str, object], steps: tuple[str, ...], value: object) -> None:
    inner = content
    for step in steps[:-1]:
        found = inner.setdefault(step, {})
        assert isinstance(found, dict)
        inner = found  # pyright: ignore[reportUnknownVariableType]
    inner[steps[-1]] = value


@dataclass(frozen=True)
class AgeKey:
    """A key pair, its private half in a file."""

    file: Path
    public: str

    @classmethod
    def make(cls, file: Path) -> "AgeKey":
        identity = x25519.Identity.generate()
        file.write_text(f"# public key: {identity.to_public()}\n{identity}\n", encoding="utf-8")
        return cls(file, str(identity.to_public()))

    @property
    def environment(self) -> dict[str, str]:
        """A caller who has this key and no other."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.file.parent), "SOPS_AGE_KEY_FILE": str(self.file)}


def encrypt(file: Path, content: Mapping[str, object], *recipients: AgeKey) -> Path:
    """Write a SOPS file, with `sops` itself."""
    command = [
        find_sops(os.environ), "--config", os.devnull, "encrypt", "--input-type", "json", "--output-type", "json",
        "--age", ",".join(one.public for one in recipients), "--filename-override", file.name,
    ]  # fmt: skip
    answer = subprocess.run(command, input=json.dumps(content).encode(), capture_output=True, check=True, timeout=60)
    file.write_bytes(answer.stdout)
    return file


def texts_in(error: BaseException) -> Iterator[str]:
    """Everything that an exception and those before it hold, but the variables of their frames."""
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield from (str(one), repr(one))
        held = (*one.args, *vars(one).values(), *(getattr(one, name, None) for name in ("doc", "object", "output")))
        yield from (repr(value) for value in held if not isinstance(value, TracebackType))
        waiting += [linked for linked in (one.__cause__, one.__context__) if linked is not None]
