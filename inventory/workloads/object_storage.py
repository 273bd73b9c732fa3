"""The S3 endpoint inside each cluster."""

from inventory.buckets import ARCHIVES, HOT_BUCKETS, HOT_USERS, SNAPSHOTS, keys
from model.units import GiB
from model.workloads.platform import BackupBucket, ObjectStorage

OBJECT_STORAGE = ObjectStorage(
    namespace="seaweedfs",
    service="seaweedfs-s3",
    port=8333,
    # What the lab's chart says; its claims said twice as much, and those of two colours would fill Ceph.
    volume_size=GiB(500),
    volume_servers=2,
    metadata_size=GiB(10),
    buckets=HOT_BUCKETS,
    users=HOT_USERS,
    snapshots=BackupBucket(name=SNAPSHOTS, keys=keys("core/k8up")),
    archives=BackupBucket(name=ARCHIVES, keys=keys("core/cnpg")),
)
