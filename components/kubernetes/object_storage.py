"""SeaweedFS: the S3 endpoint inside the cluster, where backups go first."""

import pulumi

from components.kubernetes.chart_application import Delivery
from components.kubernetes.namespaces import BootstrapSecrets
from components.kubernetes.provided import Provided
from components.options import child_options
from model.workloads.camel_case import CamelCase
from model.workloads.charts import Chart, ChartValues
from model.workloads.platform import FILERS, ObjectStorage, Releases
from model.workloads.quantities import storage_quantity
from model.workloads.storage import StorageClass

SECRET = "seaweedfs-external-secret"  # noqa: S105 - the name of a Secret
NO_REPLICATION = "000"
"""Ceph below keeps three copies already."""


class Claim(CamelCase):
    """A volume that the chart claims for each replica."""

    type: str = "persistentVolumeClaim"
    size: str
    storage_class: str


class NamedClaim(Claim):
    """One of several volumes of a volume server."""

    name: str = "data"
    max_volumes: int = 0


class Master(CamelCase):
    """Knows where everything is."""

    replicas: int = 1
    default_replication: str = NO_REPLICATION
    data: Claim


class VolumeServer(CamelCase):
    """Keeps the objects themselves."""

    replicas: int
    data_dirs: tuple[NamedClaim, ...]
    idx: Claim


class Bucket(CamelCase):
    """A bucket that is there from the start."""

    name: str
    anonymous_read: bool = False


class S3Gateway(CamelCase):
    """S3 in front of the filer."""

    enabled: bool = True
    port: int
    enable_auth: bool = True
    existing_config_secret: str = SECRET
    create_buckets: tuple[Bucket, ...]


class Filer(CamelCase):
    """Names of the objects."""

    replicas: int = FILERS
    data: Claim
    s3: S3Gateway


class Standalone(CamelCase):
    """A gateway of its own beside the filer's."""

    enabled: bool = False


class SeaweedFsValues(ChartValues):
    """Values of the chart `seaweedfs`."""

    master: Master
    volume: VolumeServer
    filer: Filer
    s3: Standalone


class ObjectStore(pulumi.ComponentResource):
    """SeaweedFS with its buckets. Its users are in the bootstrap Secret, so that it works before Vault does."""

    storage: Provided[ObjectStorage]

    def __init__(
        self,
        name: str,
        *,
        storage: ObjectStorage,
        storage_class: Provided[StorageClass],
        releases: Releases,
        delivery: Delivery,
        secrets: BootstrapSecrets,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("lab:kubernetes:ObjectStore", name, None, opts)
        application = delivery.apply(
            Chart(
                name=storage.namespace,
                namespace=storage.namespace,
                source=releases.seaweedfs,
                values=seaweedfs_values(storage, storage_class.value),
            ),
            needs=[secrets.secret(storage.namespace, SECRET).by, storage_class.by],
            opts=child_options(self, opts),
        )
        self.storage = Provided(storage, by=application)
        self.register_outputs({"endpoint": storage.endpoint})


def seaweedfs_values(storage: ObjectStorage, storage_class: StorageClass) -> SeaweedFsValues:
    """Sizes and buckets of the lab; a size is written once, in the inventory."""
    metadata = Claim(size=storage_quantity(storage.metadata_size), storage_class=storage_class.name)
    data = NamedClaim(size=storage_quantity(storage.volume_size), storage_class=storage_class.name)
    return SeaweedFsValues(
        master=Master(data=metadata),
        volume=VolumeServer(replicas=storage.volume_servers, data_dirs=(data,), idx=metadata),
        filer=Filer(
            data=metadata,
            s3=S3Gateway(port=storage.port, create_buckets=tuple(Bucket(name=one.name) for one in storage.buckets)),
        ),
        s3=Standalone(),
    )
