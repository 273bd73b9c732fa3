"""The lab's object stores, as far as operators of any cluster remember them: archives of PostgreSQL, repositories of
restic. They outlive the clusters. No data is in them, only that it is there, from whom and since when.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from model.base import Value
from twin.operators.cluster import NotReadyError, now
from twin.store import Collection, Store

ARCHIVES: Final = Collection("object-store/postgres-archives")
"""Key: endpoint, destination path and server name."""
REPOSITORIES: Final = Collection("object-store/restic-repositories")
"""Key: endpoint and bucket."""


class BaseBackup(Value):
    """A base backup of PostgreSQL."""

    id: str
    at: str


class Archive(Value):
    """Write-ahead log and base backups of one server."""

    writer: str
    """`COLOUR/NAMESPACE/NAME` of the cluster that writes, or wrote last."""
    system: str
    """Uid of that Cluster object: another one is another database, whatever its name."""
    since: str
    backups: tuple[BaseBackup, ...] = ()


class Archives:
    """The archives, kept in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, key: str) -> Archive | None:
        """None when nothing was ever written there."""
        body = self._store.get(ARCHIVES, key)
        return None if body is None else Archive.model_validate(body)

    def write(self, key: str, writer: str, system: str, *, check_empty: bool) -> None:
        """Begin or go on to write; NotReadyError when another database's data is there and that is looked at."""
        found = self.find(key)
        if found is not None and found.system == system:
            return
        if found is not None and check_empty:
            raise NotReadyError(
                "ExpectedEmptyArchive",
                f"WAL archive check failed for server {key.rpartition('/')[2]}: Expected empty archive, and {key} has "
                f"the data of {found.writer} since {found.since}; name another server, one for each incarnation",
            )
        kept = () if found is None else found.backups
        self._put(key, Archive(writer=writer, system=system, since=now(), backups=kept))

    def add_backup(self, key: str, backup: BaseBackup) -> None:
        """A base backup was made."""
        found = self.find(key)
        if found is not None and all(one.id != backup.id for one in found.backups):
            self._put(key, found.model_copy(update={"backups": (*found.backups, backup)}))

    def _put(self, key: str, archive: Archive) -> None:
        self._store.put(ARCHIVES, key, archive.model_dump(mode="json"))


class Snapshot(Value):
    """A snapshot in a restic repository."""

    id: str
    host: str
    """The namespace, with k8up."""
    paths: tuple[str, ...]
    at: str


class Repository(Value):
    """A restic repository."""

    password: str
    """Digest of it: a repository opens with the password that it was made with."""
    snapshots: tuple[Snapshot, ...] = ()


class Repositories:
    """The restic repositories, kept in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def open(self, key: str, password: str, *, create: bool) -> Repository:
        """The repository; NotReadyError when the password is wrong, or there is none and none shall be made."""
        digest = hashlib.sha256(f"{key} {password}".encode()).hexdigest()
        body = self._store.get(REPOSITORIES, key)
        if body is None and not create:
            raise NotReadyError("Failed", f"repository {key} does not exist: unable to open config file")
        found = Repository(password=digest) if body is None else Repository.model_validate(body)
        if found.password != digest:
            raise NotReadyError("Failed", f"repository {key}: wrong password or no key found")
        if body is None:
            self._put(key, found)
        return found

    def add(self, key: str, snapshots: Sequence[Snapshot]) -> None:
        """Snapshots were made."""
        found = Repository.model_validate(self._store.get(REPOSITORIES, key))
        self._put(key, found.model_copy(update={"snapshots": (*found.snapshots, *snapshots)}))

    def _put(self, key: str, repository: Repository) -> None:
        self._store.put(REPOSITORIES, key, repository.model_dump(mode="json"))
