"""When the lab's data is backed up, and how long backups are kept."""

from model.secrets import ApplicationName, SecretReference
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
)
