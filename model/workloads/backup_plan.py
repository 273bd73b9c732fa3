"""The table of every copy, from what the inventory says about applications, stores and guests."""

import re
from collections.abc import Iterator, Sequence

from model.backups import (
    BackupPlan,
    DataKind,
    DataSet,
    DataSetName,
    Job,
    Means,
    Origin,
    RestorePath,
    Store,
    StoreName,
    Tier,
)
from model.cloud import Cloudflare
from model.guests import InfrastructureGuest
from model.object_storage import ColdStorage
from model.proxmox import BackupJob as GuestBackupJob
from model.secrets import ApplicationName
from model.units import DAY, MINUTE, Seconds
from model.workloads.copies import COLD, HOT, OFFSITE, RESTORERS, STORES, CopyJob
from model.workloads.platform import Workloads
from model.workloads.schedules import BackupJob, Slot

_KINDS = {BackupJob.VOLUMES: DataKind.VOLUMES, BackupJob.DATABASES: DataKind.DATABASES}
_CALENDAR = re.compile(r"^(?:\*-\*-\* )?(\d{2}):(\d{2})$")

_GUEST_BACKUP = Seconds(60 * MINUTE)
"""A nightly backup of the infrastructure guests is incremental and of system disks alone."""


def backup_plan(
    workloads: Workloads,
    *,
    cold: ColdStorage,
    cloudflare: Cloudflare,
    guests: Sequence[InfrastructureGuest],
    guest_jobs: Sequence[GuestBackupJob],
) -> BackupPlan:
    """Every store, data set, job and way back of the lab."""
    copies = workloads.backups.copies
    slots = [slot for slot in workloads.timetable.slots if slot.job in _KINDS]
    objectives = copies.objectives
    in_cluster = [
        DataSet(name=_data_set(slot), kind=_KINDS[slot.job], objectives=objectives.get(_KINDS[slot.job], {}))
        for slot in slots
    ]
    outside = [
        DataSet(name=_guest(name), kind=DataKind.GUESTS, objectives=objectives.get(DataKind.GUESTS, {}))
        for name in dict.fromkeys(name for job in guest_jobs for name in job.guests)
    ]
    return BackupPlan(
        stores=(*_stores(workloads, cold, cloudflare, guests), *_guest_stores(guest_jobs)),
        data_sets=(*in_cluster, *outside),
        jobs=(
            *_slots(workloads),
            *(_copy(job, workloads, in_cluster) for job in copies.jobs),
            *(_guest_job(job) for job in guest_jobs),
        ),
        restores=(*_restores(workloads, cold), *_guest_restores(guest_jobs)),
        slack=copies.slack,
        patience=copies.patience,
    )


def _stores(
    workloads: Workloads, cold: ColdStorage, cloudflare: Cloudflare, guests: Sequence[InfrastructureGuest]
) -> Iterator[Store]:
    copies, offsite = workloads.backups.copies, cloudflare.bucket
    yield Store(name=HOT, tier=Tier.HOT, location=workloads.object_storage.endpoint)
    yield Store(
        name=COLD,
        tier=Tier.COLD,
        location=f"{cold_endpoint(cold, guests)}/{cold.bucket}",
        expire_after=cold.expire_after,
        renew_after=copies.renew_after,
    )
    yield Store(
        name=OFFSITE,
        tier=Tier.OFFSITE,
        location=f"{cloudflare.s3_endpoint}/{offsite.name}",
        lock=offsite.lock,
        expire_after=offsite.expire_after,
        renew_after=copies.renew_after,
    )


def cold_endpoint(cold: ColdStorage, guests: Sequence[InfrastructureGuest]) -> str:
    """URL of the cold store; KeyError when its guest does not exist."""
    for guest in guests:
        if guest.name == cold.guest:
            return f"http://{guest.address}:{cold.port}"
    raise KeyError(f"guest {cold.guest}")


def _slots(workloads: Workloads) -> Iterator[Job]:
    table = workloads.timetable
    length = Seconds(table.spacing * MINUTE)
    for slot in table.slots:
        yield Job(
            name=str(slot),
            origin=Origin.TIMETABLE,
            copies=(_data_set(slot),) if slot.job in _KINDS else (),
            writes=HOT,
            starts=tuple(int(minute) for minute in table.minutes(slot)),
            duration=length,
        )
        if slot.job is BackupJob.DATABASES:
            # What the log has is safe long before the next base backup.
            yield Job(
                name=f"log of {slot.namespace}",
                origin=Origin.TIMETABLE,
                copies=(_data_set(slot),),
                writes=HOT,
                every=workloads.backups.log_every,
                duration=Seconds(MINUTE),
            )


def _copy(job: CopyJob, workloads: Workloads, data_sets: Sequence[DataSet]) -> Job:
    kind = bucket_kind(workloads, job.bucket)
    return Job(
        name=job.name,
        origin=Origin.COPY,
        copies=tuple(one.name for one in data_sets if one.kind is kind),
        reads=STORES[job.source],
        writes=STORES[job.target],
        starts=(int(job.begin),),
        duration=job.duration,
    )


def bucket_kind(workloads: Workloads, bucket: str) -> DataKind | None:
    """Whose backups a bucket of the cluster's store has; None for another bucket."""
    storage = workloads.object_storage
    kinds = {storage.snapshots.name: DataKind.VOLUMES, storage.archives.name: DataKind.DATABASES}
    return kinds.get(bucket)


def _restores(workloads: Workloads, cold: ColdStorage) -> Iterator[RestorePath]:
    copies, storage = workloads.backups.copies, workloads.object_storage
    slots = [slot for slot in workloads.timetable.slots if slot.job in _KINDS]
    for job, kind in _KINDS.items():
        bucket = storage.snapshots if kind is DataKind.VOLUMES else storage.archives
        password = (workloads.backups.repository_password,) if kind is DataKind.VOLUMES else ()
        yield RestorePath(
            name=f"{kind} from {HOT}",
            reads=HOT,
            writes=None,
            kinds=(kind,),
            means=RESTORERS[kind],
            readers=tuple(ApplicationName(slot.namespace) for slot in slots if slot.job is job),
            credentials=(*bucket.keys.both, *password),
        )
    filler = storage.user(copies.hot_filler)
    for source, keys in ((COLD, cold.user(copies.cold_reader).keys), (OFFSITE, copies.offsite)):
        yield RestorePath(
            name=f"{HOT} from {source}",
            reads=source,
            writes=HOT,
            kinds=tuple(kind for kind in _KINDS.values() if kind in _copied_to(workloads, source)),
            means=Means.RCLONE,
            readers=(copies.namespace,),
            credentials=(*keys.both, *filler.keys.both),
        )


def _copied_to(workloads: Workloads, store: StoreName) -> set[DataKind | None]:
    jobs = workloads.backups.copies.jobs
    return {bucket_kind(workloads, job.bucket) for job in jobs if STORES[job.target] == store}


def _guest_stores(jobs: Sequence[GuestBackupJob]) -> Iterator[Store]:
    for name in dict.fromkeys(job.storage for job in jobs):
        yield Store(name=StoreName(name), tier=Tier.INFRASTRUCTURE, location=f"Proxmox storage {name}")


def _guest_job(job: GuestBackupJob) -> Job:
    found = _CALENDAR.match(job.calendar)
    start = None if found is None else (int(found[1]) * MINUTE + int(found[2])) % (DAY // MINUTE)
    return Job(
        name=job.name,
        origin=Origin.PROXMOX,
        copies=tuple(_guest(name) for name in job.guests),
        writes=StoreName(job.storage),
        starts=() if start is None else (start,),
        is_local=True,
        duration=_GUEST_BACKUP,
    )


def _guest_restores(jobs: Sequence[GuestBackupJob]) -> Iterator[RestorePath]:
    for name in dict.fromkeys(job.storage for job in jobs):
        yield RestorePath(
            name=f"guests from {name}",
            reads=StoreName(name),
            writes=None,
            kinds=(DataKind.GUESTS,),
            means=Means.PROXMOX,
        )


def _data_set(slot: Slot) -> DataSetName:
    return DataSetName(f"{slot.job} of {slot.namespace}")


def _guest(name: str) -> DataSetName:
    return DataSetName(f"guest {name}")
