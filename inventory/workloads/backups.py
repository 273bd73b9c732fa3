"""When the lab's data is backed up, and how long backups are kept."""

from inventory.workloads.copies import COPIES
from model.secrets import ApplicationName, SecretReference
from model.units import Seconds
from model.workloads.names import NamespaceName
from model.workloads.platform import Backups, BackupTimes
from model.workloads.retention import Days, Retention, SnapshotRetention
from model.workloads.schedules import Hours, Minutes

BACKUPS = Backups(
    times=BackupTimes(
        # Midnight in Denver in winter, when nobody watches a film.
        begin=Minutes(7 * 60),
        period=Hours(12),
        spacing=Minutes(10),
        upkeep=NamespaceName("k8up"),
    ),
    retention=Retention(
        volumes=SnapshotRetention(last=5, daily=2, weekly=1, monthly=1, yearly=1),
        databases=Days(30),
        exceptions={ApplicationName("test"): Days(3)},
    ),
    repository_password=SecretReference(path="core/k8up", property="repo-password"),
    # CloudNativePG sets `archive_timeout` to five minutes where nobody says otherwise.
    log_every=Seconds(5 * 60),
    copies=COPIES,
)
