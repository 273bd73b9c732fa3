"""Databases, and the names under which their archives outlive them.

A PostgreSQL cluster that is recovered from an archive must not write into that same archive: the operator refuses it
("Expected empty archive"), and where it does not, two histories mix. So each build of a colour's cluster is an
incarnation with a number of its own, and every archive carries it in its name.
"""

from pydantic import Field, model_validator

from model.base import Value
from model.lineage import IncarnationNumber, Lineage
from model.units import GiB
from model.workloads.images import Image
from model.workloads.keeping import Keeping
from model.workloads.names import DnsLabel
from model.workloads.quantities import Resources


class ArchiveNames(Value):
    """Under which name a database is archived, and from which it was recovered."""

    own: str
    source: str | None

    @model_validator(mode="after")
    def _differ(self) -> "ArchiveNames":
        if self.own == self.source:
            raise ValueError(f"archive {self.own} would be recovered from and written to at once")
        return self


def archive_names(cluster: str, lineage: Lineage, since: IncarnationNumber) -> ArchiveNames:
    """The server names of a database cluster in the archive: `<cluster>-<colour>-<number>`."""
    source = lineage.restores(since)
    return ArchiveNames(
        own=f"{cluster}-{lineage.own}", source=None if source is None else f"{cluster}-{source}"
    )


class DatabaseRole(Value):
    """A login inside the database besides its owner."""

    name: str = Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")
    superuser: bool = False


class PostgresDatabase(Value):
    """A PostgreSQL cluster of its own for one application."""

    database: str = Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")
    owner: str = Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")
    keeping: Keeping
    size: GiB = Field(default=GiB(2), gt=0)
    instances: int = Field(default=1, ge=1)
    image: Image | None = None
    """Another image than the lab's usual one, where an extension needs it."""
    preload: tuple[str, ...] = ()
    """Shared libraries that the server loads at its start."""
    statements: tuple[str, ...] = ()
    """SQL that a new database is begun with; not run after a recovery."""
    roles: tuple[DatabaseRole, ...] = ()
    additional_databases: tuple[DnsLabel, ...] = ()
    resources: Resources | None = None
