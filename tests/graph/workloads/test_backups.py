"""Times of backups, names of archives, and what a new build begins with."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from model.exclusive import Colour
from model.lineage import Incarnation, IncarnationNumber, Lineage
from model.secrets import ApplicationName
from model.workloads.databases import ArchiveNames, archive_names
from model.workloads.keeping import Disposable
from model.workloads.names import NamespaceName
from model.workloads.retention import Days, Retention, SnapshotRetention
from model.workloads.schedules import BackupJob, Hours, Minutes, Slot, Timetable, timetable, with_seconds

UPKEEP = NamespaceName("k8up")
PERIODS = (1, 2, 3, 4, 6, 8, 12, 24)

slots = st.lists(
    st.builds(
        Slot,
        namespace=st.from_regex(r"[a-z]{1,8}", fullmatch=True).map(NamespaceName),
        job=st.sampled_from((BackupJob.VOLUMES, BackupJob.DATABASES)),
    ),
    unique=True,
    max_size=40,
)


@st.composite
def timetables(draw: st.DrawFn) -> Timetable:
    jobs = draw(slots)
    period = draw(st.sampled_from(PERIODS))
    spacing = draw(st.integers(1, max(1, period * 60 // (len(jobs) + 2))))
    begin = draw(st.integers(0, period * 60 - 1))
    if (len(jobs) + 2) * spacing > period * 60:
        jobs, spacing = jobs[: period * 60 - 2], 1
    return timetable(jobs, UPKEEP, begin=Minutes(begin), period=Hours(period), spacing=Minutes(spacing))


def times(cron: str) -> set[int]:
    minute, hours, *rest = cron.split()
    assert rest == ["*", "*", "*"]
    return {int(hour) * 60 + int(minute) for hour in hours.split(",")}


@given(timetables())
def test_no_two_jobs_begin_in_the_same_minute(table: Timetable):
    taken: dict[int, Slot] = {}
    for slot in table.slots:
        for minute in table.minutes(slot):
            assert minute not in taken, f"{slot} and {taken[minute]}"
            taken[minute] = slot
    assert all(0 <= minute < 24 * 60 for minute in taken)


@given(timetables())
def test_jobs_are_as_far_apart_as_the_table_says(table: Timetable):
    starts = sorted(minute for slot in table.slots for minute in table.minutes(slot))
    around = [*starts, starts[0] + 24 * 60]
    assert all(after - before >= table.spacing for before, after in pairwise(around))


@given(timetables())
def test_cron_says_the_same_as_the_table(table: Timetable):
    for slot in table.slots:
        assert times(table.cron(slot)) == set(table.minutes(slot))


@given(timetables(), st.from_regex(r"[a-z]{9}", fullmatch=True))
def test_who_is_added_moves_nobody(table: Timetable, namespace: str):
    new = Slot(namespace=NamespaceName(namespace), job=BackupJob.VOLUMES)
    jobs = (*table.slots[2:], new)
    if (len(jobs) + 2) * table.spacing > table.period * 60:
        return
    longer = timetable(jobs, UPKEEP, begin=table.begin, period=table.period, spacing=table.spacing)
    assert all(longer.minutes(slot) == table.minutes(slot) for slot in table.slots)


def test_a_table_that_is_too_full_is_refused():
    jobs = [Slot(namespace=NamespaceName(f"n{number}"), job=BackupJob.VOLUMES) for number in range(71)]
    with pytest.raises(ValidationError, match="73 slots of 10 min need 730 min but the period has 720"):
        timetable(jobs, UPKEEP, begin=Minutes(0), period=Hours(12), spacing=Minutes(10))


def test_a_period_that_drifts_through_the_day_is_refused():
    with pytest.raises(ValidationError, match="a period of 5 h does not repeat every day"):
        timetable((), UPKEEP, begin=Minutes(0), period=Hours(5), spacing=Minutes(10))


def test_a_job_that_is_listed_twice_is_refused():
    slot = Slot(namespace=NamespaceName("git"), job=BackupJob.DATABASES)
    with pytest.raises(ValidationError, match="databases of git: has more than one slot"):
        timetable((slot, slot), UPKEEP, begin=Minutes(0), period=Hours(12), spacing=Minutes(10))


def test_a_job_without_a_slot_has_no_time():
    table = timetable((), UPKEEP, begin=Minutes(0), period=Hours(12), spacing=Minutes(10))
    with pytest.raises(KeyError, match="no slot for volumes of git"):
        table.minutes(Slot(namespace=NamespaceName("git"), job=BackupJob.VOLUMES))


def test_the_postgres_operator_gets_seconds_first():
    table = timetable((), UPKEEP, begin=Minutes(425), period=Hours(12), spacing=Minutes(10))
    cron = table.cron(Slot(namespace=UPKEEP, job=BackupJob.CHECK))
    assert cron == "5 7,19 * * *"
    assert with_seconds(cron) == "0 5 7,19 * * *"


incarnations = st.builds(
    Incarnation, colour=st.sampled_from(Colour), number=st.integers(1, 500).map(IncarnationNumber)
)
databases = st.from_regex(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)


@given(databases, incarnations, st.none() | incarnations, st.integers(0, 500).map(IncarnationNumber))
def test_an_archive_is_never_read_and_written_under_one_name(
    database: str, own: Incarnation, source: Incarnation | None, since: IncarnationNumber
):
    if source is not None and source.number >= own.number:
        with pytest.raises(ValidationError, match="which is not older"):
            Lineage(own=own, source=source)
        return
    names = archive_names(database, Lineage(own=own, source=source), since)
    assert names.own != names.source


@given(databases, st.lists(st.sampled_from(Colour), min_size=2, max_size=12))
def test_every_build_recovers_what_the_one_before_wrote(database: str, colours: list[Colour]):
    """A chain of builds, whatever their colours: each reads the name that the last wrote, and no name comes again."""
    written: list[str] = []
    older: Incarnation | None = None
    for number, colour in enumerate(colours, start=1):
        own = Incarnation(colour=colour, number=IncarnationNumber(number))
        names = archive_names(database, Lineage(own=own, source=older), IncarnationNumber(0))
        assert names.source == (written[-1] if written else None)
        assert names.own not in written
        written.append(names.own)
        older = own


@given(st.lists(st.tuples(databases, incarnations), min_size=2, max_size=20, unique=True))
def test_two_databases_never_share_an_archive(owners: list[tuple[str, Incarnation]]):
    clusters = {(f"{name}-postgresql", own) for name, own in owners}
    names = [archive_names(cluster, Lineage(own=own), IncarnationNumber(0)).own for cluster, own in clusters]
    assert len(set(names)) == len(clusters)


def test_what_is_newer_than_the_source_begins_empty():
    built = Lineage(
        own=Incarnation(colour=Colour.GREEN, number=IncarnationNumber(8)),
        source=Incarnation(colour=Colour.BLUE, number=IncarnationNumber(7)),
    )
    assert built.restores(IncarnationNumber(0)) == built.source
    assert built.restores(IncarnationNumber(7)) == built.source
    assert built.restores(IncarnationNumber(8)) is None


def test_one_name_for_reading_and_writing_cannot_be_written_down():
    with pytest.raises(ValidationError, match="would be recovered from and written to at once"):
        ArchiveNames(own="git-postgresql-green-8", source="git-postgresql-green-8")


def test_what_is_disposable_says_why():
    with pytest.raises(ValidationError, match="reason"):
        Disposable(reason="cache")


def test_retention_has_exceptions_by_application():
    retention = Retention(
        volumes=SnapshotRetention(last=5, daily=2, weekly=1, monthly=1, yearly=1),
        databases=Days(30),
        exceptions={ApplicationName("test"): Days(3)},
    )
    assert retention.database(ApplicationName("test")) == 3
    assert retention.database(ApplicationName("git")) == 30
