"""K8up: backups of volumes with restic."""

from pydantic import Field

from model.workloads.camel_case import CamelCase
from model.workloads.custom.selectors import SecretKey
from model.workloads.objects import CustomObject, Kind

GROUP, VERSION = "k8up.io", "v1"

BACKUP_ANNOTATION = "k8up.io/backup"
"""On a volume claim: whether it is backed up."""


class S3(CamelCase):
    """A bucket and its keys."""

    endpoint: str
    bucket: str
    access_key_id: SecretKey = Field(serialization_alias="accessKeyIDSecretRef")
    secret_access_key: SecretKey = Field(serialization_alias="secretAccessKeySecretRef")


class Backend(CamelCase):
    """A restic repository."""

    repository_password: SecretKey = Field(serialization_alias="repoPasswordSecretRef")
    s3: S3


class Timed(CamelCase):
    """What happens at fixed times."""

    schedule: str
    """Cron, in the time zone of the operator, which the lab sets to UTC."""
    concurrent_runs_allowed: bool = False


class Backup(Timed):
    """When volumes are backed up, and how the snapshots are marked."""

    tags: tuple[str, ...]


class Check(Timed):
    """When the repository is checked."""


class RetentionPolicy(CamelCase):
    """How many snapshots are kept."""

    keep_last: int
    keep_daily: int
    keep_weekly: int
    keep_monthly: int
    keep_yearly: int


class Prune(Timed):
    """When snapshots are forgotten and their room is freed."""

    retention: RetentionPolicy


class ScheduleSpec(CamelCase):
    """Spec of a Schedule."""

    backend: Backend
    backup: Backup | None = None
    check: Check | None = None
    prune: Prune | None = None
    failed_jobs_history_limit: int = 3
    successful_jobs_history_limit: int = 1


class Schedule(CustomObject):
    """Backup jobs of one namespace, or upkeep of the repository."""

    OF = Kind(group=GROUP, version=VERSION, name="Schedule")
    READY = "condition=Ready"
    spec: ScheduleSpec
