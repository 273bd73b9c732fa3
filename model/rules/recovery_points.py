"""I14: copies are young enough, and the jobs that make them are not in each other's way."""

from collections.abc import Iterable, Iterator
from itertools import combinations

from model.backups import BackupPlan, Job, clock_text, duration_text, worst_case
from model.configuration import Configuration
from model.lab import Lab
from model.rules.places import Part, place
from model.rules.restore_closure import job_place
from model.units import DAY, MINUTE
from model.violation import Rule, Source, Violation

_MINUTES_PER_DAY = DAY // MINUTE


def recovery_points(lab: Lab, configuration: Configuration) -> list[Violation]:  # noqa: ARG001 (every rule is called alike)
    """No copy gets older than its data allows, jobs of one store never overlap, and each copies what was just made."""
    plan = lab.backups
    return [*_times(plan), *_ages(plan), *_overlaps(plan), *_order(plan)]


def _times(plan: BackupPlan) -> Iterator[Violation]:
    for job in plan.jobs:
        if job.interval is None:
            yield _violation(
                f"{job.name} has no time of the day that the table understands: nobody can say how old its copies get",
                job_place(job),
                "write its time as hours and minutes, e.g. `03:30`",
            )


def _ages(plan: BackupPlan) -> Iterator[Violation]:
    for data_set in plan.data_sets:
        for store in plan.stores:
            chain = plan.chain(data_set.name, store.name)
            if chain is None:
                continue
            age = worst_case(chain)
            objective = data_set.objectives.get(store.tier)
            where = place(Part.COPIES, "objectives", data_set.kind.value)
            if objective is None:
                yield _violation(
                    f"{data_set.name} is copied to `{store.name}`, but nobody said how old it may be at the tier "
                    f"`{store.tier}`",
                    where,
                    f"write down how much of it may be lost when only the tier `{store.tier}` is left",
                )
            elif age > objective:
                yield _violation(
                    f"the copy of {data_set.name} at the tier `{store.tier}` can be {duration_text(age)} old, but may "
                    f"be {duration_text(objective)} old at most: {_sum(chain)}",
                    where,
                    "shorten a period or a duration on the way, or agree to lose more",
                    *(job_place(job) for job in chain),
                )


def _sum(chain: Iterable[Job]) -> str:
    return ", then ".join(
        f"{job.name} every {duration_text(job.interval or 0)} for {duration_text(job.duration)}" for job in chain
    )


def _overlaps(plan: BackupPlan) -> Iterator[Violation]:
    timed = [job for job in plan.jobs if job.starts]
    for job in timed:
        if job.interval is not None and job.duration >= min(job.gaps) * MINUTE:
            yield _violation(
                f"{job.name} may take {duration_text(job.duration)} and begins again after "
                f"{duration_text(min(job.gaps) * MINUTE)}",
                job_place(job),
                "give it less time, or run it less often",
            )
    for first, second in combinations(timed, 2):
        shared = sorted(first.stores & second.stores)
        meeting = _meeting(first, second)
        if not shared or meeting is None or first.is_local is not second.is_local:
            continue
        yield _violation(
            f"{second.name} and {first.name} both use `{shared[0]}` at {clock_text(meeting)}: {_run(first)}, "
            f"{_run(second)}",
            job_place(second),
            "move one of them so that it begins after the other has ended",
            job_place(first),
        )


def _meeting(first: Job, second: Job) -> int | None:
    """A minute of the day in which both may run."""
    for one in first.starts:
        for other in second.starts:
            if (other - one) % _MINUTES_PER_DAY * MINUTE < first.duration:
                return other
            if (one - other) % _MINUTES_PER_DAY * MINUTE < second.duration:
                return one
    return None


def _run(job: Job) -> str:
    begins = " and ".join(clock_text(start) for start in sorted(job.starts))
    return f"{job.name} begins at {begins} and may take {duration_text(job.duration)}"


def _order(plan: BackupPlan) -> Iterator[Violation]:
    for job in plan.jobs:
        for source in plan.jobs:
            if source.writes is None or source.writes != job.reads or not source.starts or not job.starts:
                continue
            if not set(source.copies) & set(job.copies) or _meeting(source, job) is not None:
                continue
            yield from _waits(plan, source, job)


def _waits(plan: BackupPlan, source: Job, job: Job) -> Iterator[Violation]:
    """What was made waits neither too long for the next tier nor too short to be complete."""
    for start in job.starts:
        waited = min((start - begin) % _MINUTES_PER_DAY * MINUTE - source.duration for begin in source.starts)
        if waited < plan.slack:
            yield _violation(
                f"{job.name} begins {duration_text(waited)} after {source.name} has to have ended; "
                f"{duration_text(plan.slack)} are wanted between them",
                job_place(job),
                "begin later",
                job_place(source),
            )
        elif waited > plan.patience:
            yield _violation(
                f"{job.name} begins at {clock_text(start)}, before its source is made: {source.name} has ended "
                f"{duration_text(waited)} earlier and runs again only afterwards, so what is copied is never new",
                job_place(job),
                f"begin within {duration_text(plan.patience)} after {source.name}",
                job_place(source),
            )


def _violation(message: str, where: Source, fix: str, *also: Source) -> Violation:
    return Violation(rule=Rule.RECOVERY_POINTS, message=message, where=where, also=also, fix=fix)
