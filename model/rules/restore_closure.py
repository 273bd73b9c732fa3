"""I8: whatever is lost, there is a copy, and from every copy a way back."""

from collections.abc import Iterator, Sequence

from model.backups import BackupPlan, DataKind, DataSetName, Job, Origin, RestorePath, Store, duration_text
from model.configuration import Configuration
from model.lab import Lab
from model.rules.near_miss import near_miss
from model.rules.places import Part, place
from model.secrets import Access, SecretReference
from model.violation import Rule, Source, Violation


def restore_closure(lab: Lab, configuration: Configuration) -> list[Violation]:  # noqa: ARG001 (every rule is called alike)
    """Every data set has a copy at each tier of its kind, and from each a way back whose stores and keys exist."""
    plan = lab.backups
    return [
        *_stores(plan),
        *_copies(plan),
        *_ways(plan),
        *(violation for step in plan.restores for violation in _credentials(lab, step)),
        *_expiry(plan),
        *_cold(lab),
    ]


def job_place(job: Job) -> Source:
    """Where the job is written down."""
    if job.origin is Origin.COPY:
        return place(Part.COPIES, f"jobs[{job.name}]")
    if job.origin is Origin.PROXMOX:
        return place(Part.PROXMOX, f"backup_jobs[{job.name}]")
    return place(Part.BACKUPS, "times")


def _stores(plan: BackupPlan) -> Iterator[Violation]:
    names = [store.name for store in plan.stores]
    for job in plan.jobs:
        for name in sorted(job.stores - set(names)):
            yield _violation(
                f"{job.name} uses the store `{name}`, which does not exist", job_place(job), near_miss(name, names)
            )
    for step in plan.restores:
        for name in (step.reads, step.writes):
            if name is not None and name not in names:
                yield _violation(
                    f"the way back `{step.name}` uses the store `{name}`, which does not exist",
                    place(Part.COPIES),
                    near_miss(name, names),
                )


def _copies(plan: BackupPlan) -> Iterator[Violation]:
    for job in plan.jobs:
        lacking = [
            name
            for name in job.copies
            if job.reads is not None and plan.store(job.reads) is not None and plan.age(name, job.reads) is None
        ]
        if lacking:
            yield _violation(
                f"{job.name} copies from `{job.reads}` what nobody puts there: {_listed(lacking)}",
                job_place(job),
                f"add the job that copies it to `{job.reads}`, or copy from another store",
            )
    for kind, names in _by_kind(plan):
        for tier in kind.tiers:
            stores = [store for store in plan.stores if store.tier is tier]
            lacking = [name for name in names if not any(_writers(plan, name, store) for store in stores)]
            if lacking:
                yield _violation(
                    f"{kind} have no copy at the tier `{tier}`, because no job writes it there: {_listed(lacking)}",
                    _kind_place(kind),
                    f"add a job that copies them to a store of the tier `{tier}`",
                )


def _by_kind(plan: BackupPlan) -> Iterator[tuple[DataKind, list[DataSetName]]]:
    for kind in DataKind:
        yield kind, [one.name for one in plan.data_sets if one.kind is kind]


def _writers(plan: BackupPlan, data_set: DataSetName, store: Store) -> list[Job]:
    return [job for job in plan.jobs if job.writes == store.name and data_set in job.copies]


def _ways(plan: BackupPlan) -> Iterator[Violation]:
    for kind, names in _by_kind(plan):
        for store in plan.stores:
            copied = [name for name in names if _writers(plan, name, store)]
            if copied and plan.way_back(kind, store.name) is None:
                yield _violation(
                    f"{kind} are copied to `{store.name}`, but no way leads back from there: {_listed(copied)}",
                    _kind_place(kind),
                    f"add a way back from `{store.name}` for {kind}, or do not count on that copy",
                )


def _credentials(lab: Lab, step: RestorePath) -> Iterator[Violation]:
    where = place(Part.COPIES)
    for reference in step.credentials:
        key = lab.secrets.at(reference.place())
        if key is None:
            paths = [str(_reference(one.place.path, one.place.property)) for one in lab.secrets.keys]
            yield _violation(
                f"the way back `{step.name}` is opened with {reference}, which the secrets file does not have",
                where,
                near_miss(str(reference), paths),
                place(Part.SECRETS),
            )
            continue
        # Backup credentials are read with their path: the program gives each namespace the path of its buckets.
        shared = {one.name for one in key.consumers if one.access is Access.EXTERNAL_SECRET}
        blind = [name for name in step.readers if name not in shared]
        if blind:
            yield _violation(
                f"the way back `{step.name}` runs in {_listed(blind)}, which does not read {reference}: the copy could "
                "not be opened there",
                where,
                f"add {_listed(blind)} to the consumers of the key",
                place(Part.SECRETS),
            )


def _reference(path: str, name: str) -> SecretReference:
    return SecretReference(path=path, property=name)


def _expiry(plan: BackupPlan) -> Iterator[Violation]:
    """A store that deletes by age must be told in time what is still wanted, and must allow it."""
    for store in plan.stores:
        if store.expire_after is None:
            continue
        where = place(Part.COPIES, "renew_after")
        bounds = [
            job.interval + job.duration for job in plan.jobs if job.writes == store.name and job.interval is not None
        ]
        if store.renew_after is None or not bounds:
            yield _violation(
                f"`{store.name}` deletes objects after {duration_text(store.expire_after)}, but nobody renews those "
                "that are still part of a backup",
                where,
                "renew them well before",
            )
            continue
        latest = store.renew_after + 2 * max(bounds)
        if latest >= store.expire_after:
            yield _violation(
                f"`{store.name}` deletes objects after {duration_text(store.expire_after)}, but they are renewed only "
                f"after {duration_text(store.renew_after)}: with one run missed that is {duration_text(latest)}",
                where,
                "renew earlier, or let objects expire later",
            )
        if store.renew_after <= store.lock:
            yield _violation(
                f"`{store.name}` locks objects for {duration_text(store.lock)}, so they cannot be renewed after "
                f"{duration_text(store.renew_after)}",
                where,
                "renew after the lock has ended",
            )


def _cold(lab: Lab) -> Iterator[Violation]:
    guests = [guest.name for guest in lab.guests]
    if lab.cold.guest not in guests:
        yield _violation(
            f"the cold storage is on guest `{lab.cold.guest}`, which does not exist",
            place(Part.COLD, "guest"),
            near_miss(lab.cold.guest, guests),
        )


def _kind_place(kind: DataKind) -> Source:
    return place(Part.PROXMOX, "backup_jobs") if kind is DataKind.GUESTS else place(Part.COPIES, "jobs")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)


def _violation(message: str, where: Source, fix: str, *also: Source) -> Violation:
    return Violation(rule=Rule.RESTORE_CLOSURE, message=message, where=where, also=also, fix=fix)
