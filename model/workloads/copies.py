"""Copies of backups: from the cluster's store to the cold one, and from there out of the house."""

from pydantic import Field, model_validator

from model.backups import DataKind, Means, StoreName, Tier
from model.base import Value
from model.object_storage import S3Keys
from model.secrets import ApplicationName
from model.units import DAY, MINUTE, Seconds
from model.workloads.names import DnsLabel
from model.workloads.schedules import Minutes


class CopyJob(Value):
    """One bucket's way from one store to the next, once a day."""

    name: DnsLabel
    bucket: DnsLabel
    """A bucket of the cluster's store; below that name it lies in the other stores."""
    source: Tier
    target: Tier
    begin: Minutes = Field(ge=0, lt=DAY // MINUTE)
    """After midnight UTC."""
    duration: Seconds = Field(ge=MINUTE)
    """It is ended after that."""

    @model_validator(mode="after")
    def _goes_on(self) -> "CopyJob":
        if (self.source, self.target) not in {(Tier.HOT, Tier.COLD), (Tier.COLD, Tier.OFFSITE)}:
            raise ValueError(f"copy job {self.name}: copies go from hot to cold and from cold to offsite")
        return self


class Copies(Value):
    """All copies of backups, who makes them with which keys, and how old they may get."""

    namespace: ApplicationName
    """Where they run, in the colour that holds the lease `mirror-job`."""
    jobs: tuple[CopyJob, ...]
    hot_reader: str
    """User of the cluster's store that copies from it."""
    hot_filler: str
    """User of the cluster's store that fills an empty one from a copy."""
    cold_writer: str
    """User of the cold store that copies into it."""
    cold_reader: str
    """User of the cold store that copies and restores from it."""
    offsite: S3Keys
    """Keys of the offsite bucket."""
    renew_after: Seconds
    """When a copy that is still wanted is written again, so that the store does not let it expire."""
    objectives: dict[DataKind, dict[Tier, Seconds]]
    """How old the data of a kind may be when a tier is all that is left."""
    slack: Seconds
    patience: Seconds
    pushgateway: str = Field(pattern=r"^https?://")
    """URL that is told how a copy went."""

    @model_validator(mode="after")
    def _are_told_apart(self) -> "Copies":
        names = [job.name for job in self.jobs]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)}: the name of a copy job is taken more than once")
        return self


HOT, COLD, OFFSITE = StoreName("hot"), StoreName("cold"), StoreName("offsite")
STORES = {Tier.HOT: HOT, Tier.COLD: COLD, Tier.OFFSITE: OFFSITE}
RESTORERS = {DataKind.VOLUMES: Means.RESTIC, DataKind.DATABASES: Means.BARMAN}
"""What brings data of a kind from the cluster's store into the live system."""
