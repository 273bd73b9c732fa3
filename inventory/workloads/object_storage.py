"""The S3 endpoint inside each cluster."""

from model.secrets import SecretReference
from model.units import GiB
from model.workloads.platform import BackupBucket, ObjectStorage, S3Keys


def _bucket(name: str, path: str) -> BackupBucket:
    """A bucket, and where Vault has the keys that open it alone."""
    return BackupBucket(
        name=name,
        keys=S3Keys(
            access_key=SecretReference(path=path, property="access-key"),
            secret_key=SecretReference(path=path, property="secret-key"),
        ),
    )


OBJECT_STORAGE = ObjectStorage(
    namespace="seaweedfs",
    service="seaweedfs-s3",
    port=8333,
    volume_size=GiB(1000),
    volume_servers=2,
    metadata_size=GiB(10),
    buckets=("argo-artifacts", "loki-data", "tofu-state", "cnpg-backups", "k8up-backups"),
    snapshots=_bucket("k8up-backups", "core/k8up"),
    archives=_bucket("cnpg-backups", "core/cnpg"),
)
