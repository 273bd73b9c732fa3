"""Volume claims of an application: filled from the backup of an older incarnation, then backed up themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes import batch, core, meta

from components.kubernetes.objects import CustomResource, Metadata
from components.kubernetes.provided import Definitions, Provided
from components.options import child_options
from model.lineage import Incarnation, Lineage
from model.workloads.annotations import keeping_annotations
from model.workloads.custom.k8up import (
    BACKUP_ANNOTATION,
    S3,
    Backend,
    Backup,
    Check,
    Prune,
    RetentionPolicy,
    Schedule,
    ScheduleSpec,
)
from model.workloads.custom.selectors import SecretKey
from model.workloads.images import Image
from model.workloads.keeping import BackedUp
from model.workloads.namespaces import Namespace
from model.workloads.platform import ObjectStorage
from model.workloads.quantities import storage_quantity
from model.workloads.retention import SnapshotRetention
from model.workloads.schedules import Cron
from model.workloads.storage import StorageClass, Volume

ACCESS_KEY, SECRET_KEY, PASSWORD = "access-key", "secret-key", "repo-password"
DATA = "/data"
"""K8up mounts each claim below this folder, and restic remembers the path."""

RESTORE = """\
set -eu
done="$VOLUME/.restored-into-$INCARNATION"
begun="$VOLUME/.restoring-into-$INCARNATION"
if [ -e "$done" ]; then
  echo "the volume was restored already"
  exit 0
fi
if [ ! -e "$begun" ] && [ -n "$(ls -A "$VOLUME" | grep -v '^lost+found$' || true)" ]; then
  echo "the volume has content that no restore put there; nothing is written over it" >&2
  exit 1
fi
touch "$begun"
restic restore latest --host "$NAMESPACE" --path "$VOLUME" --tag "$SOURCE" --target /
mv "$begun" "$done"
"""
"""Restores once. A run that was cut off goes on; a volume that is in use is never written over."""


@dataclass(frozen=True)
class Repository:
    """The restic repository, and the Secret that opens it in one namespace."""

    storage: Provided[ObjectStorage]
    credentials: Provided[str]
    definitions: Definitions

    @property
    def backend(self) -> Backend:
        """As K8up takes it."""
        secret, storage = self.credentials.value, self.storage.value
        return Backend(
            repository_password=SecretKey(name=secret, key=PASSWORD),
            s3=S3(
                endpoint=storage.endpoint,
                bucket=storage.snapshots.name,
                access_key_id=SecretKey(name=secret, key=ACCESS_KEY),
                secret_access_key=SecretKey(name=secret, key=SECRET_KEY),
            ),
        )

    @property
    def url(self) -> str:
        """As restic takes it."""
        return f"s3:{self.storage.value.endpoint}/{self.storage.value.snapshots.name}"


class VolumeClaims(pulumi.ComponentResource):
    """The claims of an application. Each says whether it is backed up, so that nothing is by accident."""

    made: Mapping[str, Provided[Volume]]
    """By the volume's name; there once it has what it should begin with."""

    def __init__(
        self,
        name: str,
        *,
        volumes: Sequence[tuple[Volume, Provided[StorageClass]]],
        namespace: Provided[Namespace],
        lineage: Lineage,
        repository: Repository | None,
        image: Image,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`image` has restic. A volume that is kept needs a repository."""
        super().__init__("lab:kubernetes:VolumeClaims", name, None, opts)
        self.made = {}
        for volume, storage_class in volumes:
            claim = _claim(
                name,
                volume,
                storage_class,
                namespace.value.name,
                child_options(self, opts, pulumi.ResourceOptions(depends_on=[namespace.by, storage_class.by])),
            )
            self.made[volume.name] = Provided(volume, by=claim)
            source = lineage.restores(volume.keeping.since) if isinstance(volume.keeping, BackedUp) else None
            if source is None:
                continue
            if repository is None:
                raise pulumi.RunError(f"volume {volume.name} of {name} is to be restored, but without a repository")
            restored = batch.v1.Job(
                f"{name}-{volume.name}-restore",
                metadata=meta.v1.ObjectMetaArgs(
                    name=f"{volume.name}-restore-{lineage.own}", namespace=namespace.value.name
                ),
                spec=_restore(volume, namespace.value.name, lineage.own, source, repository, image),
                opts=child_options(
                    self,
                    opts,
                    pulumi.ResourceOptions(
                        depends_on=[claim, repository.credentials.by, repository.storage.by],
                        # A Job cannot change, only run again: a newer restic must not be a reason for that.
                        ignore_changes=["spec"],
                    ),
                ),
            )
            self.made[volume.name] = Provided(volume, by=restored)
        self.register_outputs({"claims": list(self.made)})


class VolumeBackup(pulumi.ComponentResource):
    """Backups of the volumes of one namespace, at the minute that the timetable gives it."""

    def __init__(
        self,
        name: str,
        *,
        volumes: Sequence[Provided[Volume]],
        namespace: Provided[Namespace],
        repository: Repository,
        incarnation: Incarnation,
        schedule: Cron,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`volumes` are those that are kept; the first backup must not be of what is still being restored."""
        super().__init__("lab:kubernetes:VolumeBackup", name, None, opts)
        CustomResource(
            name,
            metadata=Metadata(name="backup", namespace=namespace.value.name),
            content=Schedule(
                spec=ScheduleSpec(
                    backend=repository.backend, backup=Backup(schedule=schedule, tags=(str(incarnation),))
                )
            ),
            definitions=repository.definitions,
            opts=child_options(
                self,
                opts,
                pulumi.ResourceOptions(
                    depends_on=[
                        namespace.by, repository.credentials.by, repository.storage.by,
                        *(volume.by for volume in volumes),
                    ]
                ),
            ),
        )  # fmt: skip
        self.register_outputs({"schedule": schedule})


class RepositoryUpkeep(pulumi.ComponentResource):
    """Checks and prunes the one repository for every namespace, by one retention."""

    def __init__(
        self,
        name: str,
        *,
        namespace: Provided[Namespace],
        repository: Repository,
        retention: SnapshotRetention,
        check: Cron,
        prune: Cron,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("lab:kubernetes:RepositoryUpkeep", name, None, opts)
        policy = RetentionPolicy(
            keep_last=retention.last,
            keep_daily=retention.daily,
            keep_weekly=retention.weekly,
            keep_monthly=retention.monthly,
            keep_yearly=retention.yearly,
        )
        CustomResource(
            name,
            metadata=Metadata(name="upkeep", namespace=namespace.value.name),
            content=Schedule(
                spec=ScheduleSpec(
                    backend=repository.backend,
                    check=Check(schedule=check),
                    prune=Prune(schedule=prune, retention=policy),
                )
            ),
            definitions=repository.definitions,
            opts=child_options(
                self,
                opts,
                pulumi.ResourceOptions(depends_on=[namespace.by, repository.credentials.by, repository.storage.by]),
            ),
        )
        self.register_outputs({"check": check, "prune": prune})


def _claim(
    application: str,
    volume: Volume,
    storage_class: Provided[StorageClass],
    namespace: str,
    opts: pulumi.ResourceOptions,
) -> core.v1.PersistentVolumeClaim:
    if volume.access not in storage_class.value.access_modes:
        raise pulumi.RunError(
            f"volume {volume.name} of {application} is for many nodes, which the class {storage_class.value.name} "
            "does not offer"
        )
    kept = isinstance(volume.keeping, BackedUp)
    annotations = {BACKUP_ANNOTATION: "true" if kept else "false", **keeping_annotations(volume.keeping)}
    return core.v1.PersistentVolumeClaim(
        f"{application}-{volume.name}",
        metadata=meta.v1.ObjectMetaArgs(
            name=volume.name, namespace=namespace, annotations=annotations
        ),
        spec=core.v1.PersistentVolumeClaimSpecArgs(
            access_modes=[str(volume.access)],
            storage_class_name=storage_class.value.name,
            resources=core.v1.VolumeResourceRequirementsArgs(requests={"storage": storage_quantity(volume.size)}),
        ),
        opts=opts,
    )


def _restore(
    volume: Volume, namespace: str, own: Incarnation, source: Incarnation, repository: Repository, image: Image
) -> batch.v1.JobSpecArgs:
    path = f"{DATA}/{volume.name}"
    secret = repository.credentials.value
    settings = {
        "VOLUME": path,
        "NAMESPACE": namespace,
        "INCARNATION": str(own),
        "SOURCE": str(source),
        "RESTIC_REPOSITORY": repository.url,
    }
    secrets = {"RESTIC_PASSWORD": PASSWORD, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    environment = [
        *(core.v1.EnvVarArgs(name=name, value=value) for name, value in settings.items()),
        *(
            core.v1.EnvVarArgs(
                name=name,
                value_from=core.v1.EnvVarSourceArgs(
                    secret_key_ref=core.v1.SecretKeySelectorArgs(name=secret, key=key)
                ),
            )
            for name, key in secrets.items()
        ),
    ]
    return batch.v1.JobSpecArgs(
        backoff_limit=3,
        template=core.v1.PodTemplateSpecArgs(
            spec=core.v1.PodSpecArgs(
                restart_policy="Never",
                automount_service_account_token=False,
                containers=[
                    core.v1.ContainerArgs(
                        name="restic",
                        image=image,
                        command=["sh", "-c", RESTORE],
                        env=environment,
                        volume_mounts=[core.v1.VolumeMountArgs(name="volume", mount_path=path)],
                    )
                ],
                volumes=[
                    core.v1.VolumeArgs(
                        name="volume",
                        persistent_volume_claim=core.v1.PersistentVolumeClaimVolumeSourceArgs(
                            claim_name=volume.name
                        ),
                    )
                ],
            )
        ),
    )
