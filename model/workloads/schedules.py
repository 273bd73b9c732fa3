"""When things run: every recurring backup has a minute of its own.

All namespaces share one restic repository and one object store, so backups that begin together wait for each other's
locks and starve the disks. The table gives each job its own slot, in the order in which they are listed.
"""

from collections.abc import Iterable
from enum import StrEnum, unique
from typing import NewType

from pydantic import Field, model_validator

from model.base import Value
from model.workloads.names import NamespaceName

Minutes = NewType("Minutes", int)
Hours = NewType("Hours", int)

MINUTES_PER_HOUR = 60
HOURS_PER_DAY = 24

Cron = NewType("Cron", str)
"""Five fields: minute, hour, day, month, weekday; in UTC."""


@unique
class BackupJob(StrEnum):
    """What a slot is for."""

    VOLUMES = "volumes"
    DATABASES = "databases"
    CHECK = "check"
    """The whole restic repository is read over."""
    PRUNE = "prune"
    """Old snapshots are removed; nobody else may write meanwhile."""


UPKEEP = (BackupJob.CHECK, BackupJob.PRUNE)
"""What concerns the repository and not one namespace."""


class Slot(Value):
    """A job of one namespace."""

    namespace: NamespaceName
    job: BackupJob

    def __str__(self) -> str:
        return f"{self.job} of {self.namespace}"


class Timetable(Value):
    """Slots one after the other, repeated every `period`."""

    begin: Minutes = Field(ge=0)
    """Of the first slot, in minutes after midnight UTC."""
    period: Hours
    spacing: Minutes = Field(ge=1)
    slots: tuple[Slot, ...]

    @model_validator(mode="after")
    def _is_sound(self) -> "Timetable":
        if not 0 < self.period <= HOURS_PER_DAY or HOURS_PER_DAY % self.period:
            raise ValueError(f"a period of {self.period} h does not repeat every day; use 1, 2, 3, 4, 6, 8, 12 or 24")
        if self.begin >= self.period * MINUTES_PER_HOUR:
            raise ValueError(f"begins at minute {self.begin}, which is after its period of {self.period} h")
        twice = [str(slot) for slot in dict.fromkeys(self.slots) if self.slots.count(slot) > 1]
        if twice:
            raise ValueError(f"{', '.join(twice)}: has more than one slot; list it once")
        needed, there = len(self.slots) * self.spacing, self.period * MINUTES_PER_HOUR
        if needed > there:
            raise ValueError(
                f"{len(self.slots)} slots of {self.spacing} min need {needed} min but the period has {there}; "
                "shorten the spacing or lengthen the period"
            )
        return self

    def minutes(self, slot: Slot) -> tuple[Minutes, ...]:
        """Every start of the slot within a day, in minutes after midnight UTC; KeyError without such a slot."""
        if slot not in self.slots:
            raise KeyError(f"the timetable has no slot for {slot}")
        period = self.period * MINUTES_PER_HOUR
        first = (self.begin + self.slots.index(slot) * self.spacing) % period
        return tuple(Minutes(first + period * turn) for turn in range(HOURS_PER_DAY // self.period))

    def cron(self, slot: Slot) -> Cron:
        """The slot as cron has it; KeyError without such a slot."""
        starts = self.minutes(slot)
        hours = ",".join(str(start // MINUTES_PER_HOUR) for start in starts)
        return Cron(f"{starts[0] % MINUTES_PER_HOUR} {hours} * * *")


def with_seconds(cron: Cron) -> str:
    """The same time for operators whose cron begins with seconds."""
    return f"0 {cron}"


def timetable(
    slots: Iterable[Slot], upkeep: NamespaceName, *, begin: Minutes, period: Hours, spacing: Minutes
) -> Timetable:
    """The upkeep of the repository, then a slot for each job in the order given.

    Who is added goes to the end, so that nobody else's minute changes.
    """
    first = tuple(Slot(namespace=upkeep, job=job) for job in UPKEEP)
    return Timetable(begin=begin, period=period, spacing=spacing, slots=(*first, *slots))
