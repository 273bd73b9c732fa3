"""PostgreSQL for one application, archived under a name that no other incarnation has."""

from dataclasses import dataclass

import pulumi

from components.kubernetes.objects import CustomResource, Metadata
from components.kubernetes.operators import Operated
from components.kubernetes.provided import Definitions, Provided
from components.options import child_options
from model.lineage import Lineage
from model.workloads.annotations import keeping_annotations
from model.workloads.custom.cloudnative_pg import (
    Bootstrap,
    Cluster,
    ClusterSpec,
    Database,
    DatabaseSpec,
    EnvironmentVariable,
    ExternalCluster,
    InitialDatabase,
    InstanceSidecar,
    Managed,
    ManagedRole,
    Monitoring,
    ObjectStore,
    ObjectStoreConfiguration,
    ObjectStoreSpec,
    Parameters,
    Plugin,
    Recovery,
    ResourceRequirements,
    S3Credentials,
    ScheduledBackup,
    ScheduledBackupSpec,
    Storage,
)
from model.workloads.custom.selectors import ObjectReference, SecretKey
from model.workloads.databases import ArchiveNames, PostgresDatabase, archive_names
from model.workloads.images import Image
from model.workloads.keeping import BackedUp
from model.workloads.namespaces import Namespace
from model.workloads.platform import ObjectStorage
from model.workloads.quantities import storage_quantity
from model.workloads.retention import Days
from model.workloads.schedules import Cron, with_seconds
from model.workloads.storage import StorageClass

SOURCE = "source"
"""Name of the archive that is recovered from, within the cluster's own spec."""
ACCESS_KEY, SECRET_KEY = "access-key", "secret-key"

# The S3 client's newer checksums are refused by every server but Amazon's.
_CLIENT_SETTINGS = InstanceSidecar(
    env=tuple(
        EnvironmentVariable(name=name, value="when_required")
        for name in ("AWS_REQUEST_CHECKSUM_CALCULATION", "AWS_RESPONSE_CHECKSUM_VALIDATION")
    )
)


@dataclass(frozen=True)
class Archive:
    """Where a database is archived and recovered from, and when."""

    storage: Provided[ObjectStorage]
    credentials: Provided[str]
    """Secret with the bucket's keys."""
    lineage: Lineage
    writes: bool
    """Whether this colour writes archives at all."""
    schedule: Cron
    retention: Days


class PostgresCluster(pulumi.ComponentResource):
    """A PostgreSQL cluster with its archive: recovered from an older incarnation, written as its own."""

    credentials: Provided[str]
    """Secret with host, database, user and password, there once the database answers."""
    archive: ArchiveNames | None
    """None for a database that nobody will miss."""

    def __init__(
        self,
        name: str,
        *,
        database: PostgresDatabase,
        namespace: Provided[Namespace],
        storage_class: Provided[StorageClass],
        image: Image,
        operated: Operated,
        archive: Archive | None,
        scraping: Definitions | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`name` is the cluster's own; `image` the lab's usual one. A database that is kept needs an archive."""
        super().__init__("lab:kubernetes:PostgresCluster", name, None, opts)
        kept = isinstance(database.keeping, BackedUp)
        if kept is not (archive is not None):
            raise pulumi.RunError(f"database {name}: it is archived exactly if it is kept, so pass an archive or none")
        needs: list[pulumi.Resource] = [namespace.by, storage_class.by]
        self.archive = None
        store_name = f"{name}-archive"
        if archive is not None and isinstance(database.keeping, BackedUp):
            self.archive = archive_names(name, archive.lineage, database.keeping.since)
            store = CustomResource(
                store_name,
                metadata=Metadata(name=store_name, namespace=namespace.value.name),
                content=ObjectStore(spec=_store(archive)),
                definitions=operated.archives,
                opts=child_options(
                    self,
                    opts,
                    pulumi.ResourceOptions(depends_on=[namespace.by, archive.storage.by, archive.credentials.by]),
                ),
            )
            needs.append(store)
        writes = archive is not None and archive.writes
        cluster = CustomResource(
            name,
            metadata=Metadata(
                name=name, namespace=namespace.value.name, annotations=keeping_annotations(database.keeping)
            ),
            content=Cluster(
                spec=ClusterSpec(
                    instances=database.instances,
                    image_name=database.image or image,
                    storage=Storage(
                        storage_class=storage_class.value.name, size=storage_quantity(database.size)
                    ),
                    postgresql=Parameters(shared_preload_libraries=database.preload) if database.preload else None,
                    bootstrap=_bootstrap(database, self.archive),
                    external_clusters=_sources(store_name, self.archive),
                    plugins=_archiver(store_name, self.archive) if writes else None,
                    managed=_managed(database),
                    resources=_resources(database),
                    monitoring=None if scraping is None else Monitoring(enable_pod_monitor=True),
                )
            ),
            definitions=operated.postgres,
            opts=child_options(
                self,
                opts,
                pulumi.ResourceOptions(depends_on=needs if scraping is None else [*needs, scraping.by]),
            ),
        )
        if writes and archive is not None:
            CustomResource(
                f"{name}-backup",
                metadata=Metadata(name=f"{name}-backup", namespace=namespace.value.name),
                content=ScheduledBackup(
                    spec=ScheduledBackupSpec(
                        schedule=with_seconds(archive.schedule),
                        cluster=ObjectReference(name=name),
                        # A new archive has log but nothing to apply it to, until there is a base backup.
                        immediate=True,
                    )
                ),
                definitions=operated.postgres,
                opts=child_options(self, opts, pulumi.ResourceOptions(depends_on=[cluster])),
            )
        for additional in database.additional_databases:
            CustomResource(
                f"{name}-{additional}",
                metadata=Metadata(name=f"{name}-{additional}", namespace=namespace.value.name),
                content=Database(
                    spec=DatabaseSpec(name=additional, owner=database.owner, cluster=ObjectReference(name=name))
                ),
                definitions=operated.postgres,
                opts=child_options(self, opts, pulumi.ResourceOptions(depends_on=[cluster])),
            )
        self.credentials = Provided(f"{name}-app", by=cluster)
        names = self.archive
        self.register_outputs({"archive": names and names.own, "recovered_from": names and names.source})


def _store(archive: Archive) -> ObjectStoreSpec:
    storage = archive.storage.value
    secret = archive.credentials.value
    return ObjectStoreSpec(
        configuration=ObjectStoreConfiguration(
            destination_path=f"s3://{storage.archives.name}/",
            endpoint_url=storage.endpoint,
            s3_credentials=S3Credentials(
                access_key_id=SecretKey(name=secret, key=ACCESS_KEY),
                secret_access_key=SecretKey(name=secret, key=SECRET_KEY),
            ),
        ),
        # Who only reads must not delete what another colour wrote.
        retention_policy=f"{archive.retention}d" if archive.writes else None,
        instance_sidecar_configuration=_CLIENT_SETTINGS,
    )


def _bootstrap(database: PostgresDatabase, names: ArchiveNames | None) -> Bootstrap:
    if names is not None and names.source is not None:
        return Bootstrap(recovery=Recovery(source=SOURCE, database=database.database, owner=database.owner))
    return Bootstrap(
        initdb=InitialDatabase(
            database=database.database, owner=database.owner, post_init_sql=database.statements or None
        )
    )


def _sources(store: str, names: ArchiveNames | None) -> tuple[ExternalCluster, ...] | None:
    if names is None or names.source is None:
        return None
    parameters = {"barmanObjectName": store, "serverName": names.source}
    return (ExternalCluster(name=SOURCE, plugin=Plugin(parameters=parameters)),)


def _archiver(store: str, names: ArchiveNames | None) -> tuple[Plugin, ...] | None:
    if names is None:
        return None
    parameters = {"barmanObjectName": store, "serverName": names.own}
    return (Plugin(enabled=True, is_wal_archiver=True, parameters=parameters),)


def _managed(database: PostgresDatabase) -> Managed | None:
    if not database.roles:
        return None
    return Managed(roles=tuple(ManagedRole(name=role.name, superuser=role.superuser) for role in database.roles))


def _resources(database: PostgresDatabase) -> ResourceRequirements | None:
    if database.resources is None:
        return None
    return ResourceRequirements(
        requests=database.resources.requests.quantities, limits=database.resources.limits.quantities or None
    )
