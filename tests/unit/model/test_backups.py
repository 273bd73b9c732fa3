"""The table of every copy: its numbers, and the guide that shows them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory import LAB
from inventory.workloads import WORKLOADS
from model.backups import Job, Origin, Tier, clock_text, duration_text
from model.hardware import DiskUse
from model.units import DAY, MINUTE, Seconds, gb_to_gib
from tests.unit.configuration.changed_copy import PROJECT_DIRECTORY

GUIDE = PROJECT_DIRECTORY / "docs" / "guide" / "backups.md"
_TABLE = re.compile(r"(<!-- ages: [^>]*-->\n).*?(<!-- /ages -->)", re.DOTALL)


def table() -> str:
    lines = ["| data | " + " | ".join(Tier) + " |", "|---|" + "---|" * len(Tier)]
    for data_set, ages in LAB.backups.worst_case_ages().items():
        cells = [duration_text(ages[tier]) if tier in ages else "" for tier in Tier]
        lines.append(f"| {data_set} | " + " | ".join(cells) + " |")
    lines += ["", "| job | begins | longest |", "|---|---|---|"]
    for job in LAB.backups.jobs:
        zone = f" {LAB.timezone}" if job.is_local else " UTC"
        begins = (
            f"every {duration_text(job.every)}"
            if job.every is not None
            else ", ".join(clock_text(start) for start in job.starts) + zone
        )
        lines.append(f"| {job.name} | {begins} | {duration_text(job.duration)} |")
    return "\n".join(lines) + "\n"


def test_the_guide_has_the_ages_of_today(pytestconfig: pytest.Config):
    text = GUIDE.read_text(encoding="utf-8")
    wanted = _TABLE.sub(lambda found: found[1] + table() + found[2], text)
    if pytestconfig.getoption("--update-golden"):
        GUIDE.write_text(wanted, encoding="utf-8")
    else:
        assert text == wanted


def test_ages_add_up_along_the_chain():
    ages = LAB.backups.worst_case_ages()["volumes of test"]  # pyright: ignore[reportArgumentType]
    assert ages == {
        Tier.HOT: 12 * 3600 + 600,
        Tier.COLD: 12 * 3600 + 600 + DAY + 2 * 3600,
        Tier.OFFSITE: 12 * 3600 + 600 + DAY + 2 * 3600 + DAY + 3 * 3600,
    }


@given(st.lists(st.integers(0, DAY // MINUTE - 1), min_size=1, max_size=8, unique=True))
def test_no_moment_is_further_from_the_next_run_than_the_interval(starts: list[int]):
    job = Job(name="any", origin=Origin.COPY, starts=tuple(starts), duration=Seconds(60))
    waits = [min((start - moment) % (DAY // MINUTE) for start in starts) for moment in range(DAY // MINUTE)]
    assert job.interval is not None
    assert max(waits) * MINUTE < job.interval <= DAY


def test_both_colours_claims_fit_on_ceph():
    raw = sum(gb_to_gib(disk.size) for host in LAB.hosts for disk in host.disks if disk.use is DiskUse.CEPH_OSD)
    (pool,) = [pool for pool in LAB.ceph.pools if pool.name == LAB.ceph.block_pool]
    assert 2 * WORKLOADS.object_storage.claimed * pool.size <= raw / 2
