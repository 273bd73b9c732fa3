"""Users, tokens, roles and access control lists."""

import secrets
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeAlias

from pydantic import Field

from twin.proxmox.privileges import ALL, BUILT_IN_ROLES, Privilege
from twin.proxmox.records import Record, Records
from twin.proxmox.refusal import RefusalError, failed, wrong_parameters
from twin.store import Store

ADMINISTRATOR = "root@pam"
BOOTSTRAP_TOKEN = "twin"  # noqa: S105 - a name, not a secret
REALMS = ("pam", "pve")

PoolOf: TypeAlias = Callable[[str, str], str | None]
"""Name of the resource pool of a guest (`vms`, id) or a storage (`storage`, name), None when it is in none."""


class User(Record):
    """A user, by `name@realm`."""

    userid: str
    enable: bool = True
    expire: int = 0
    comment: str | None = None
    email: str | None = None
    firstname: str | None = None
    lastname: str | None = None
    keys: str | None = None


class Token(Record):
    """An API token of a user, by `user!name`."""

    userid: str
    name: str
    secret: str
    privsep: bool = True
    """The token has its own access control list; without, it may do whatever its user may."""
    expire: int = 0
    comment: str | None = None

    @property
    def full_id(self) -> str:
        """`user@realm!name`."""
        return f"{self.userid}!{self.name}"


class Role(Record):
    """A role of the administrator's own making."""

    roleid: str
    privileges: tuple[Privilege, ...] = Field(default=())


class AccessEntry(Record):
    """One line of the access control list."""

    path: str
    subject: str
    """`user@realm` or `user@realm!token`."""
    roleid: str
    propagate: bool = True

    @property
    def key(self) -> str:
        """Identity of the line."""
        return f"{self.path} {self.subject} {self.roleid}"

    @property
    def kind(self) -> str:
        """`token` or `user`, as the API names it."""
        return "token" if "!" in self.subject else "user"


@dataclass(frozen=True)
class Principal:
    """Who calls: a token of a user."""

    userid: str
    token: str
    separated: bool

    @property
    def name(self) -> str:
        """`user@realm!token`."""
        return f"{self.userid}!{self.token}"


class Access:
    """Who may do what."""

    def __init__(self, store: Store, pool_of: PoolOf) -> None:
        """`pool_of` says which resource pool an object is in: whoever may use the pool may use its members."""
        self._pool_of = pool_of
        self.users = Records(store, "users", User)
        self.tokens = Records(store, "tokens", Token)
        self.roles = Records(store, "roles", Role)
        self.entries = Records(store, "access-entries", AccessEntry)

    def authenticate(self, authorization: str | None, now: int) -> Principal:
        """The caller named by the `Authorization` header; RefusalError 401 when there is none or it does not fit."""
        scheme, _, credentials = (authorization or "").partition("=")
        if scheme != "PVEAPIToken":
            raise RefusalError(HTTPStatus.UNAUTHORIZED, "No ticket")
        identity, _, secret = credentials.partition("=")
        token = self.tokens.get(identity)
        if token is None:
            raise RefusalError(HTTPStatus.UNAUTHORIZED, f"no such token '{identity.partition('!')[2]}' for user "
                               f"'{identity.partition('!')[0]}'")
        if not secrets.compare_digest(token.secret, secret):
            raise RefusalError(HTTPStatus.UNAUTHORIZED, "invalid token value!")
        user = self.user(token.userid)
        if user is None or not user.enable:
            raise RefusalError(HTTPStatus.UNAUTHORIZED, f"user '{token.userid}' is disabled")
        if _expired(token.expire, now) or _expired(user.expire, now):
            raise RefusalError(HTTPStatus.UNAUTHORIZED, f"token '{token.full_id}' access expired")
        return Principal(token.userid, token.name, token.privsep)

    def user(self, userid: str) -> User | None:
        """The user; the administrator always exists."""
        found = self.users.get(userid)
        if found is None and userid == ADMINISTRATOR:
            return User(userid=ADMINISTRATOR)
        return found

    def role(self, roleid: str) -> frozenset[Privilege] | None:
        """Privileges of the role, None when there is none of that name."""
        if roleid in BUILT_IN_ROLES:
            return BUILT_IN_ROLES[roleid]
        role = self.roles.get(roleid)
        return None if role is None else frozenset(role.privileges)

    def privileges(self, principal: Principal, path: str) -> frozenset[Privilege]:
        """What the caller may do on the path; a separated token never more than its user."""
        of_user = ALL if principal.userid == ADMINISTRATOR else self._granted(principal.userid, path)
        if not principal.separated:
            return of_user
        return of_user & self._granted(principal.name, path)

    def may(self, principal: Principal, path: str, privileges: Iterable[Privilege]) -> bool:
        """Whether the caller has one of the privileges on the path, or on the pool that the path's object is in."""
        wanted = frozenset(privileges)
        return any(wanted & self.privileges(principal, place) for place in self._places(path))

    def require(self, principal: Principal, path: str, privileges: Iterable[Privilege]) -> None:
        """RefusalError 403 naming the first privilege that the caller lacks."""
        for privilege in privileges:
            if not self.may(principal, path, (privilege,)):
                raise RefusalError(HTTPStatus.FORBIDDEN, f"Permission check failed ({path}, {privilege})")

    def require_any(self, principal: Principal, path: str, privileges: Iterable[Privilege]) -> None:
        """RefusalError 403 when the caller has none of the privileges."""
        wanted = tuple(privileges)
        if not self.may(principal, path, wanted):
            raise RefusalError(HTTPStatus.FORBIDDEN, f"Permission check failed ({path}, {'|'.join(wanted)})")

    def grant(self, entry: AccessEntry) -> None:
        """Add a line; RefusalError when its role or subject does not exist."""
        if self.role(entry.roleid) is None:
            raise wrong_parameters({"roles": f"role '{entry.roleid}' does not exist"})
        known = self.tokens.get(entry.subject) if entry.kind == "token" else self.user(entry.subject)
        if known is None:
            raise wrong_parameters({f"{entry.kind}s": f"{entry.kind} '{entry.subject}' does not exist"})
        self.entries.put(entry.key, entry)

    def forget_subject(self, subject: str) -> None:
        """Remove the lines of a user with its tokens, or of one token."""
        for key, entry in self.entries.items():
            if entry.subject == subject or entry.subject.startswith(f"{subject}!"):
                self.entries.delete(key)

    def remove_role(self, roleid: str) -> None:
        """Remove an own role and its lines."""
        if not self.roles.delete(roleid):
            raise failed(f"role '{roleid}' does not exist")
        for key, entry in self.entries.items():
            if entry.roleid == roleid:
                self.entries.delete(key)

    def _places(self, path: str) -> list[str]:
        places = [path]
        parts = path.strip("/").split("/")
        if len(parts) == 2 and (pool := self._pool_of(parts[0], parts[1])) is not None:
            places.append(f"/pool/{pool}")
        return places

    def _granted(self, subject: str, path: str) -> frozenset[Privilege]:
        granted: frozenset[Privilege] = frozenset()
        entries = [entry for entry in self.entries.all() if entry.subject == subject]
        for place in _ancestry(path):
            here = [e for e in entries if e.path == place and (e.propagate or place == path)]
            if here:
                # The entries of the deepest path replace those above it.
                granted = frozenset(p for e in here for p in self.role(e.roleid) or frozenset())
        return granted


def bootstrap_token(store: Store) -> str:
    """`root@pam!twin=SECRET`: may do everything; made the first time and the same ever after."""
    tokens = Records(store, "tokens", Token)
    key = f"{ADMINISTRATOR}!{BOOTSTRAP_TOKEN}"
    with store.transaction():
        token = tokens.get(key)
        if token is None:
            token = Token(userid=ADMINISTRATOR, name=BOOTSTRAP_TOKEN, secret=new_secret(), privsep=False)
            tokens.put(key, token)
    return f"{token.full_id}={token.secret}"


def new_secret() -> str:
    """A random token secret in the form Proxmox VE gives it."""
    return str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))


def _expired(moment: int, now: int) -> bool:
    return moment != 0 and moment < now


def _ancestry(path: str) -> list[str]:
    parts = [part for part in path.split("/") if part]
    return ["/", *("/" + "/".join(parts[: length + 1]) for length in range(len(parts)))]
