"""Every copy of the lab's data by one table: what is copied when, from where to where, how old it can get, and back.

Ages are worst cases: what was written just after a job looked is in the copy only when the next run of that job has
ended. Along a chain of copies periods and durations add up, however the jobs lie within the day.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum, unique
from typing import NewType

from pydantic import Field

from model.base import Value
from model.secrets import ApplicationName, SecretReference
from model.units import DAY, HOUR, MINUTE, Seconds

StoreName = NewType("StoreName", str)
DataSetName = NewType("DataSetName", str)


@unique
class Tier(StrEnum):
    """How far a copy is from the data, and what loses both."""

    HOT = "hot"
    """The S3 store of the cluster; lost with the cluster or with Ceph."""
    COLD = "cold"
    """MinIO on other disks; lost with the house."""
    OFFSITE = "offsite"
    """R2, in nobody's reach until its lock ends."""
    INFRASTRUCTURE = "infrastructure"
    """The Proxmox Backup Server, for guests that no cluster holds."""


@unique
class DataKind(StrEnum):
    """What is copied by one way, and so has the same ages."""

    VOLUMES = "volumes"
    DATABASES = "databases"
    GUESTS = "guests"

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """Where there must be a copy."""
        return (Tier.INFRASTRUCTURE,) if self is DataKind.GUESTS else (Tier.HOT, Tier.COLD, Tier.OFFSITE)


@unique
class Means(StrEnum):
    """The program that brings data back."""

    RESTIC = "restic"
    BARMAN = "barman-cloud"
    RCLONE = "rclone"
    PROXMOX = "Proxmox VE"


@unique
class Origin(StrEnum):
    """Where a job is written down."""

    TIMETABLE = "timetable"
    """A slot of the timetable, by the order of the applications."""
    COPY = "copy"
    PROXMOX = "proxmox"


class Store(Value):
    """One place of copies."""

    name: StoreName
    tier: Tier
    location: str
    """For people: URL with bucket, or storage."""
    lock: Seconds = Seconds(0)
    """How long nobody can delete or overwrite an object."""
    expire_after: Seconds | None = None
    """When the store itself deletes an object; None where it never does."""
    renew_after: Seconds | None = None
    """When an object that is still wanted is written again, so that it does not expire."""


class DataSet(Value):
    """What is lost, or comes back, together."""

    name: DataSetName
    kind: DataKind
    objectives: dict[Tier, Seconds]
    """How old its copy may be at each tier when it is needed."""


class Job(Value):
    """Something that runs at fixed times and uses a store."""

    name: str
    origin: Origin
    copies: tuple[DataSetName, ...] = ()
    """Empty for upkeep."""
    reads: StoreName | None = None
    """None where it copies live data."""
    writes: StoreName | None = None
    starts: tuple[int, ...] = ()
    """Minutes after midnight, in UTC unless `is_local`."""
    is_local: bool = False
    """Whether the times are of the lab's time zone, where one day in the year has 25 hours."""
    every: Seconds | None = None
    """Of what goes on all the time, a little at a time."""
    duration: Seconds = Field(gt=0)
    """The longest that it may take."""

    @property
    def stores(self) -> frozenset[StoreName]:
        """What it uses."""
        return frozenset(store for store in (self.reads, self.writes) if store is not None)

    @property
    def gaps(self) -> tuple[int, ...]:
        """Minutes from each start of a day to the next one; empty when it never starts."""
        turns = sorted(self.starts)
        later = [*turns[1:], *(start + DAY // MINUTE for start in turns[:1])]
        return tuple(after - before for before, after in zip(turns, later, strict=True))

    @property
    def interval(self) -> Seconds | None:
        """The longest time between two starts; None when it never starts."""
        if self.every is not None:
            return self.every
        if not self.starts:
            return None
        return Seconds(max(self.gaps) * MINUTE + (HOUR if self.is_local else 0))


class RestorePath(Value):
    """One step on the way back: from a store to a nearer one, or into the live system."""

    name: str
    reads: StoreName
    writes: StoreName | None
    """None where it fills the live system."""
    kinds: tuple[DataKind, ...]
    means: Means
    readers: tuple[ApplicationName, ...] = ()
    """Namespaces in which it runs; empty where it runs outside every cluster."""
    credentials: tuple[SecretReference, ...] = ()
    """All that it is opened with."""


class BackupPlan(Value):
    """The whole table; `inventory.LAB.backups` is the one of this checkout."""

    stores: tuple[Store, ...]
    data_sets: tuple[DataSet, ...]
    jobs: tuple[Job, ...]
    restores: tuple[RestorePath, ...]
    slack: Seconds
    """Between the end of a job and the start of one that copies what it made."""
    patience: Seconds
    """The longest that what was made may wait until the next tier copies it."""

    def store(self, name: StoreName) -> Store | None:
        """The named store; None when there is none."""
        return next((store for store in self.stores if store.name == name), None)

    def chain(
        self, data_set: DataSetName, store: StoreName, seen: frozenset[StoreName] = frozenset()
    ) -> tuple[Job, ...] | None:
        """The jobs by which the data comes to a store soonest, the first one first; None where there is no copy."""
        chains: list[tuple[Job, ...]] = []
        for job in self.jobs:
            if job.writes != store or data_set not in job.copies or job.interval is None or store in seen:
                continue
            before = () if job.reads is None else self.chain(data_set, job.reads, seen | {store})
            if before is not None:
                chains.append((*before, job))
        return min(chains, key=worst_case, default=None)

    def age(self, data_set: DataSetName, store: StoreName) -> Seconds | None:
        """How old the copy in a store can get before the next one is complete; None where there is no copy."""
        chain = self.chain(data_set, store)
        return None if chain is None else worst_case(chain)

    def worst_case_ages(self) -> Mapping[DataSetName, Mapping[Tier, Seconds]]:
        """Seconds by data set and tier; an alert that waits longer than that comes too late."""
        return {
            data_set.name: {
                store.tier: age for store in self.stores if (age := self.age(data_set.name, store.name)) is not None
            }
            for data_set in self.data_sets
        }

    def way_back(self, kind: DataKind, store: StoreName) -> tuple[RestorePath, ...] | None:
        """The steps from a store into the live system, the fewest there are; None when no way leads there."""
        ways: list[tuple[RestorePath, ...]] = [
            (step,) for step in self.restores if step.reads == store and kind in step.kinds
        ]
        seen = {store}
        while ways:
            way = ways.pop(0)
            reached = way[-1].writes
            if reached is None:
                return way
            if reached not in seen:
                seen.add(reached)
                ways += [(*way, step) for step in self.restores if step.reads == reached and kind in step.kinds]
        return None


def worst_case(chain: Iterable[Job]) -> Seconds:
    """How old the copy at the end of a chain can get before the next one is complete."""
    return Seconds(sum((job.interval or 0) + job.duration for job in chain))


def duration_text(seconds: int) -> str:
    """A time as people say it, e.g. `1 d 14 h 10 min`."""
    days, rest = divmod(seconds, DAY)
    hours, rest = divmod(rest, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    parts = ((days, "d"), (hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"


def clock_text(minute: int) -> str:
    """A minute of the day as a clock shows it, e.g. `07:10`."""
    hours, minutes = divmod(minute % (DAY // MINUTE), MINUTE)
    return f"{hours:02}:{minutes:02}"
