"""How old the newest copy of each data set may be, and where its time is read."""

from collections.abc import Mapping
from typing import NewType

from pydantic import Field

from model.base import Value
from model.units import HOUR, Seconds
from model.workloads.observability.rules import Expression, matching
from model.workloads.schedules import UPKEEP, BackupJob, Slot, Timetable

DataSet = NewType("DataSet", str)
"""What is copied, and by whom: `test/volumes`."""

RESTIC_JOB = "restic_backup"
"""Job under which k8up pushes what it knows of a backup; the instance is the namespace."""


class Objective(Value):
    """The recovery point objective of a data set."""

    written: Expression
    """Unix time of the newest good copy."""
    within: Seconds = Field(gt=0)
    """A copy that is older is an alert."""


Objectives = Mapping[DataSet, Objective]
"""By data set; whoever has another table of copies joins it with `|`."""


def backup_objectives(timetable: Timetable, tolerance: Seconds) -> Objectives:
    """The backups of the timetable: one is too old when the next should have been done `tolerance` ago."""
    within = Seconds(timetable.period * HOUR + tolerance)
    return {
        DataSet(f"{slot.namespace}/{slot.job}"): Objective(written=_written(slot), within=within)
        for slot in timetable.slots
        if slot.job not in UPKEEP
    }


def pushed(job: str, instance: str) -> Expression:
    """Time at which a job last told the Pushgateway that it had succeeded."""
    return f"max(push_time_seconds{matching(job=job, instance=instance)})"


def _written(slot: Slot) -> Expression:
    if slot.job is BackupJob.VOLUMES:
        return pushed(RESTIC_JOB, slot.namespace)
    return f"max(barman_cloud_cloudnative_pg_io_last_available_backup_timestamp{matching(namespace=slot.namespace)})"
