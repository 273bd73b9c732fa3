"""Every secret of the lab by its place in the SOPS file: who owns it, who reads it, what it looks like."""

import json
import string
from collections.abc import Callable, Iterator
from enum import StrEnum, unique
from functools import cached_property
from typing import Annotated, NewType, TypeAlias

from pydantic import Field

from model.base import Value
from model.cloud import GoogleCloud

SECRETS_FILE = "secrets.enc.json"
"""Name of the SOPS file in the project's folder."""

ApplicationName = NewType("ApplicationName", str)
"""An application; inside a cluster also the name of its namespace."""

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SecretPath = Annotated[str, Field(pattern=rf"^{_LABEL}/{_LABEL}$")]
"""Two steps below a tree, e.g. `core/authelia`."""
SecretProperty = Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]+$")]
"""One value of a path, in characters that a key of a Kubernetes Secret may have."""


@unique
class Tree(StrEnum):
    """The two halves of the SOPS file."""

    INIT = "init"
    """`namespace/secret` to keys: plain Kubernetes Secrets, there before GitOps."""
    VAULT = "vault_secrets"
    """`folder/application` to properties: copied into Vault, read from there by External Secrets."""


class SecretPlace(Value):
    """Where a value stands in the SOPS file."""

    tree: Tree
    path: SecretPath
    property: SecretProperty

    def __str__(self) -> str:
        return ".".join((self.tree, *self.path.split("/"), self.property))

    def steps(self) -> tuple[str, ...]:
        """The keys from the top of the file down to the value."""
        return (self.tree, *self.path.split("/"), self.property)


class SecretReference(Value):
    """One property of one path in Vault, as components ask for it."""

    path: SecretPath
    property: SecretProperty

    def __str__(self) -> str:
        return f"{self.path}: {self.property}"

    def place(self) -> SecretPlace:
        """Where the SOPS file has the value."""
        return SecretPlace(tree=Tree.VAULT, path=self.path, property=self.property)


@unique
class SecretKind(StrEnum):
    """What a value is for those who use it."""

    PASSWORD = "password"  # noqa: S105 - the name of a kind
    TOKEN = "API token"  # noqa: S105
    CLIENT_SECRET = "OIDC client secret"  # noqa: S105
    S3_ACCESS_KEY = "S3 access key"
    S3_SECRET_KEY = "S3 secret key"  # noqa: S105
    ENCRYPTION_KEY = "encryption key"
    """Whoever loses it loses what was encrypted with it: it outlives a rebuild."""
    CEPH_KEY = "Ceph key"
    WIREGUARD_KEY = "WireGuard key"
    IDENTIFIER = "identifier"
    """A name that stands beside its secret; nothing is lost when it is seen."""
    DOCUMENT = "document"
    """JSON with secrets in it."""


@unique
class Alphabet(StrEnum):
    """The characters that a random text is drawn from."""

    ALPHANUMERIC = string.ascii_letters + string.digits
    UPPERCASE = string.ascii_uppercase + string.digits
    HEXADECIMAL = "0123456789abcdef"


class Characters(Value):
    """Random text: `prefix`, then `length` characters of the alphabet."""

    length: int = Field(ge=8)
    alphabet: Alphabet = Alphabet.ALPHANUMERIC
    prefix: str = ""


class Octets(Value):
    """`lead`, given in hexadecimal, then `count` random octets, all of it in base64."""

    count: int = Field(ge=16)
    lead: Annotated[str, Field(pattern=r"^([0-9a-f]{2})*$")] = ""


class PrivateKey(Value):
    """A new RSA key, PKCS #8 in PEM."""

    bits: int = Field(default=2048, ge=2048)


class Plain(Value):
    """No secret: the development file has it as it stands here."""

    text: str = Field(min_length=1)


class Copy(Value):
    """The value of another key again, because another reader looks for it here."""

    of: SecretReference


Leaf: TypeAlias = str | Characters | PrivateKey | SecretReference
"""A text as it is, a random one, or the value of another key."""


class Listing(Value):
    """A JSON array."""

    items: tuple["Leaf | Document", ...]


class Document(Value):
    """A JSON object as one text."""

    members: dict[str, "Leaf | Listing | Document"] = Field(min_length=1)


Shape: TypeAlias = Characters | Octets | Plain | Copy | Document
"""What a value looks like, and how one is made for development."""


@unique
class Access(StrEnum):
    """By which way a consumer comes to a value."""

    BOOTSTRAP = "bootstrap Secret"
    """A plain Kubernetes Secret that is there before GitOps; External Secrets may adopt it later."""
    EXTERNAL_SECRET = "ExternalSecret"  # noqa: S105 - the kind of an object
    """From Vault, in the application's namespace."""
    PROGRAM = "program"
    """The program puts it, or what it derives from it, into a resource."""
    OUTSIDE = "outside"
    """Whoever runs the program or configures a host: an environment variable, a form."""


class Consumer(Value):
    """Who reads a key, and by which way."""

    name: ApplicationName
    access: Access


class SecretKey(Value):
    """One key of the SOPS file."""

    place: SecretPlace
    owner: ApplicationName
    """Whose secret it is: who must be told when it changes."""
    kind: SecretKind
    shape: Shape
    consumers: tuple[Consumer, ...] = ()
    unread: str | None = None
    """Why the key is kept although nobody reads it, not even a copy of it."""
    issuer: str | None = None
    """Who makes the real value and where it is made anew; None when it may be any value of its shape."""
    client: str | None = None
    """The OIDC client whose secret it is, by its id."""

    @property
    def is_secret(self) -> bool:
        """Whether something is lost when a stranger sees the value."""
        return self.kind is not SecretKind.IDENTIFIER

    def is_read_in(self, namespace: str) -> bool:
        """Whether an ExternalSecret of the namespace reads it."""
        return any(one.name == namespace and one.access is Access.EXTERNAL_SECRET for one in self.consumers)


class InitSecret(Value):
    """A Kubernetes Secret that is there before GitOps."""

    namespace: str
    name: str
    keys: tuple[SecretKey, ...]


class SecretSchema(Value):
    """Every key that the SOPS file has, and no other."""

    keys: tuple[SecretKey, ...]

    @cached_property
    def _by_place(self) -> dict[SecretPlace, SecretKey]:
        return {key.place: key for key in self.keys}

    def at(self, place: SecretPlace) -> SecretKey | None:
        """The key of a place; None when there is none."""
        return self._by_place.get(place)

    def reference(self, path: str, name: str) -> SecretReference:
        """The reference to a key that is declared; KeyError when it is not."""
        reference = SecretReference(path=path, property=name)
        if self.at(reference.place()) is None:
            raise KeyError(str(reference))
        return reference

    def client_secret(self, client: str) -> SecretReference:
        """The one secret of an OIDC client; KeyError when the client has none."""
        for key in self.keys:
            if key.client == client:
                return SecretReference(path=key.place.path, property=key.place.property)
        raise KeyError(f"OIDC client {client}")

    def made_of(self, place: SecretPlace) -> tuple[SecretKey, ...]:
        """The keys whose value holds that of the given one: copies of it, documents with it."""
        return tuple(key for key in self.keys if any(one.place() == place for one in references(key.shape)))

    def init_secrets(self) -> tuple[InitSecret, ...]:
        """The Kubernetes Secrets of the tree `init`, in the order in which they are declared."""
        found: dict[str, list[SecretKey]] = {}
        for key in self.keys:
            if key.place.tree is Tree.INIT:
                found.setdefault(key.place.path, []).append(key)
        return tuple(
            InitSecret(namespace=path.split("/")[0], name=path.split("/")[1], keys=tuple(keys))
            for path, keys in found.items()
        )

    def paths_read_in(self, namespace: str) -> tuple[str, ...]:
        """The Vault paths that the ExternalSecrets of a namespace read: all that its role may see."""
        return tuple(dict.fromkeys(key.place.path for key in self.keys if key.is_read_in(namespace)))


def external_secret_name(application: ApplicationName) -> str:
    """Name of the ExternalSecret of an application."""
    return f"{application}-external-secrets"


def target_secret_name(application: ApplicationName) -> str:
    """Name of the Kubernetes Secret that the application's ExternalSecret fills, or adopts from the bootstrap."""
    return f"{application}-external-secret"


def references(shape: Shape | Listing | Leaf) -> Iterator[SecretReference]:
    """The other keys that a value is made of."""
    if isinstance(shape, SecretReference):
        yield shape
    elif isinstance(shape, Copy):
        yield shape.of
    elif isinstance(shape, Listing):
        for item in shape.items:
            yield from references(item)
    elif isinstance(shape, Document):
        for member in shape.members.values():
            yield from references(member)


def is_derived(shape: Shape | Listing | Leaf) -> bool:
    """Whether the value follows from other keys alone."""
    if isinstance(shape, Document):
        return all(is_derived(member) for member in shape.members.values())
    if isinstance(shape, Listing):
        return all(is_derived(item) for item in shape.items)
    return isinstance(shape, str | Copy | SecretReference)


Draw = Callable[[Characters | Octets | PrivateKey], str]
"""A new random text of the shape."""


def compose(shape: Shape, read: Callable[[SecretReference], str], draw: Draw) -> str:
    """A value of the shape: random parts by `draw`, those of other keys by `read`."""
    if isinstance(shape, Plain):
        return shape.text
    if isinstance(shape, Copy):
        return read(shape.of)
    if isinstance(shape, Document):
        return json.dumps(_json(shape, read, draw))
    return draw(shape)


def _json(node: Document | Listing | Leaf, read: Callable[[SecretReference], str], draw: Draw) -> object:
    if isinstance(node, Document):
        return {name: _json(member, read, draw) for name, member in node.members.items()}
    if isinstance(node, Listing):
        return [_json(item, read, draw) for item in node.items]
    if isinstance(node, str):
        return node
    return read(node) if isinstance(node, SecretReference) else draw(node)


def encryption_key_id(google: GoogleCloud) -> str:
    """The KMS key as SOPS names it among a file's recipients."""
    key = google.encryption_key
    return f"projects/{google.project}/locations/{google.region}/keyRings/{key.ring}/cryptoKeys/{key.name}"
