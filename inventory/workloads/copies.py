"""When backups are copied on, and how old the lab's data may be when a copy is all that is left."""

from inventory.buckets import ARCHIVES, OFFSITE_KEYS, SNAPSHOTS
from model.backups import DataKind, Tier
from model.secrets import ApplicationName
from model.units import DAY, HOUR, MINUTE, Seconds
from model.workloads.copies import Copies, CopyJob
from model.workloads.schedules import Minutes


def _job(name: str, bucket: str, source: Tier, target: Tier, begin: tuple[int, int], minutes: int) -> CopyJob:
    hour, minute = begin
    return CopyJob(
        name=name,
        bucket=bucket,
        source=source,
        target=target,
        begin=Minutes(hour * MINUTE + minute),
        duration=Seconds(minutes * MINUTE),
    )


# The backups of a morning are made from 07:00 on, those of an evening from 19:00 on; all of this lies between them.
COPIES = Copies(
    namespace=ApplicationName("seaweedfs"),
    jobs=(
        _job("cold-archives", ARCHIVES, Tier.HOT, Tier.COLD, (12, 0), 30),
        _job("cold-snapshots", SNAPSHOTS, Tier.HOT, Tier.COLD, (12, 30), 120),
        _job("offsite-archives", ARCHIVES, Tier.COLD, Tier.OFFSITE, (14, 40), 60),
        _job("offsite-snapshots", SNAPSHOTS, Tier.COLD, Tier.OFFSITE, (15, 45), 180),
    ),
    hot_reader="mirror",
    hot_filler="filler",
    cold_writer="mirror-writer",
    cold_reader="mirror-reader",
    offsite=OFFSITE_KEYS,
    renew_after=Seconds(45 * DAY),
    objectives={
        DataKind.VOLUMES: {
            Tier.HOT: Seconds(13 * HOUR),
            Tier.COLD: Seconds(40 * HOUR),
            Tier.OFFSITE: Seconds(72 * HOUR),
        },
        DataKind.DATABASES: {
            Tier.HOT: Seconds(15 * MINUTE),
            Tier.COLD: Seconds(26 * HOUR),
            Tier.OFFSITE: Seconds(52 * HOUR),
        },
        DataKind.GUESTS: {Tier.INFRASTRUCTURE: Seconds(28 * HOUR)},
    },
    slack=Seconds(5 * MINUTE),
    patience=Seconds(6 * HOUR),
    pushgateway="http://prometheus-pushgateway.monitor.svc.cluster.local:9091",
)
