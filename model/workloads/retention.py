"""How long backups are kept: one table for the whole lab."""

from typing import NewType

from pydantic import Field

from model.base import Value
from model.workloads.names import ApplicationName

Days = NewType("Days", int)


class SnapshotRetention(Value):
    """How many restic snapshots of each volume are kept."""

    last: int = Field(ge=1)
    daily: int = Field(ge=0)
    weekly: int = Field(ge=0)
    monthly: int = Field(ge=0)
    yearly: int = Field(ge=0)


class Retention(Value):
    """Every retention of the lab."""

    volumes: SnapshotRetention
    databases: Days = Field(ge=1)
    """How far back a database can be recovered."""
    exceptions: dict[ApplicationName, Days] = Field(default_factory=dict)
    """Databases that are kept for another time, by application."""

    def database(self, application: ApplicationName) -> Days:
        """How far back the application's databases can be recovered."""
        return self.exceptions.get(application, self.databases)
