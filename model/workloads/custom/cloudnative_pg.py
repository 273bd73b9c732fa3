"""CloudNativePG and its Barman plugin: PostgreSQL clusters and their archives."""

from pydantic import Field

from model.workloads.camel_case import CamelCase
from model.workloads.custom.selectors import ObjectReference, SecretKey
from model.workloads.objects import CustomObject, Kind

GROUP, VERSION = "postgresql.cnpg.io", "v1"
BARMAN_GROUP, BARMAN_VERSION = "barmancloud.cnpg.io", "v1"
BARMAN_PLUGIN = "barman-cloud.cloudnative-pg.io"


class Storage(CamelCase):
    """The volume of each instance."""

    storage_class: str
    size: str


class Parameters(CamelCase):
    """Settings of the server itself."""

    shared_preload_libraries: tuple[str, ...] | None = Field(
        default=None, serialization_alias="shared_preload_libraries"
    )
    parameters: dict[str, str] | None = None


class InitialDatabase(CamelCase):
    """A database that begins empty."""

    database: str
    owner: str
    post_init_sql: tuple[str, ...] | None = Field(default=None, serialization_alias="postInitSQL")
    post_init_application_sql: tuple[str, ...] | None = Field(
        default=None, serialization_alias="postInitApplicationSQL"
    )


class Recovery(CamelCase):
    """A database that begins as an archive ends."""

    source: str
    """Name of one of the external clusters."""
    database: str
    owner: str


class Bootstrap(CamelCase):
    """How the first instance comes to its data; read once, when the cluster is made."""

    initdb: InitialDatabase | None = None
    recovery: Recovery | None = None


class Plugin(CamelCase):
    """A plugin of the cluster with its settings."""

    name: str = BARMAN_PLUGIN
    enabled: bool | None = None
    is_wal_archiver: bool | None = Field(default=None, serialization_alias="isWALArchiver")
    parameters: dict[str, str]


class ExternalCluster(CamelCase):
    """Another cluster, reached through its archive."""

    name: str
    plugin: Plugin


class ManagedRole(CamelCase):
    """A database role that the operator keeps."""

    name: str
    ensure: str = "present"
    login: bool = True
    superuser: bool = False


class Managed(CamelCase):
    """What the operator keeps inside the database."""

    roles: tuple[ManagedRole, ...]


class ResourceRequirements(CamelCase):
    """Processor time and memory of each instance."""

    requests: dict[str, str] | None = None
    limits: dict[str, str] | None = None


class Monitoring(CamelCase):
    """Whether Prometheus scrapes the instances."""

    enable_pod_monitor: bool


class ClusterSpec(CamelCase):
    """Spec of a Cluster."""

    instances: int
    image_name: str
    storage: Storage
    postgresql: Parameters | None = None
    bootstrap: Bootstrap
    external_clusters: tuple[ExternalCluster, ...] | None = None
    plugins: tuple[Plugin, ...] | None = None
    managed: Managed | None = None
    resources: ResourceRequirements | None = None
    monitoring: Monitoring | None = None


class Cluster(CustomObject):
    """A PostgreSQL cluster."""

    OF = Kind(group=GROUP, version=VERSION, name="Cluster")
    READY = "condition=Ready"
    spec: ClusterSpec


class PluginMethod(CamelCase):
    """The plugin that makes a backup."""

    name: str = BARMAN_PLUGIN


class ScheduledBackupSpec(CamelCase):
    """Spec of a ScheduledBackup."""

    schedule: str
    """Cron with a leading field of seconds, in UTC."""
    cluster: ObjectReference
    method: str = "plugin"
    plugin_configuration: PluginMethod = PluginMethod()
    backup_owner_reference: str = "self"
    immediate: bool
    """Whether the first backup does not wait for the schedule."""


class ScheduledBackup(CustomObject):
    """Base backups at fixed times."""

    OF = Kind(group=GROUP, version=VERSION, name="ScheduledBackup")
    spec: ScheduledBackupSpec


class DatabaseSpec(CamelCase):
    """Spec of a Database."""

    name: str
    owner: str
    cluster: ObjectReference


class Database(CustomObject):
    """One more database in a cluster."""

    OF = Kind(group=GROUP, version=VERSION, name="Database")
    READY = "jsonpath={.status.applied}=true"
    spec: DatabaseSpec


class S3Credentials(CamelCase):
    """Keys of the object store."""

    access_key_id: SecretKey
    secret_access_key: SecretKey


class WalArchive(CamelCase):
    """How write-ahead log is stored."""

    compression: str = "gzip"
    max_parallel: int = 2


class BaseBackup(CamelCase):
    """How base backups are stored."""

    compression: str = "gzip"


class ObjectStoreConfiguration(CamelCase):
    """Where the archive is and how it is written.

    Without `serverName`: whoever uses the store says which server of it is meant.
    """

    destination_path: str
    endpoint_url: str = Field(serialization_alias="endpointURL")
    s3_credentials: S3Credentials = Field(serialization_alias="s3Credentials")
    wal: WalArchive = WalArchive()
    data: BaseBackup = BaseBackup()


class EnvironmentVariable(CamelCase):
    """A variable of a container."""

    name: str
    value: str


class InstanceSidecar(CamelCase):
    """The plugin's container beside each instance."""

    env: tuple[EnvironmentVariable, ...]


class ObjectStoreSpec(CamelCase):
    """Spec of an ObjectStore."""

    configuration: ObjectStoreConfiguration
    retention_policy: str | None = None
    """How long backups stay restorable, e.g. `30d`; None where this cluster only reads."""
    instance_sidecar_configuration: InstanceSidecar | None = None


class ObjectStore(CustomObject):
    """An archive of PostgreSQL clusters in an S3 bucket."""

    OF = Kind(group=BARMAN_GROUP, version=BARMAN_VERSION, name="ObjectStore")
    spec: ObjectStoreSpec
