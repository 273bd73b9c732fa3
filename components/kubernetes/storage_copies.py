"""Copies of backups: from the cluster's store to the cold one, out of the house, and back."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import pulumi
from pulumi_kubernetes import core, meta

from components.kubernetes import copy_scripts as scripts
from components.kubernetes.external_secrets import NamespaceSecrets
from components.kubernetes.external_secrets import SecretStores as Stores
from components.kubernetes.objects import CustomResource, Metadata
from components.kubernetes.provided import Definitions, Provided
from components.kubernetes.runs import locked, run_account
from components.options import child_options
from model.backups import Tier
from model.lab import Lab
from model.lineage import Lineage
from model.object_storage import Bucket, ColdStorage, S3Keys, WriteOnce, policy
from model.secrets import SecretReference
from model.units import DAY, MINUTE
from model.workloads.backup_plan import cold_endpoint
from model.workloads.copies import Copies, CopyJob
from model.workloads.custom.argo_workflows import (
    Container,
    CronWorkflow,
    CronWorkflowSpec,
    RetryStrategy,
    Template,
    Workflow,
    WorkflowSpec,
    WorkflowTemplate,
)
from model.workloads.namespaces import Namespace
from model.workloads.platform import ObjectStorage, Releases, Workloads
from model.workloads.remotes import Provider, Remote

ACCOUNT = "storage-copies"
COPY_SECRET, ROOT_SECRET = "storage-copies", "cold-administrator"
PLAN = "cold-storage"
WORK = "/work"
FILL_DEADLINE = DAY
"""Seconds: terabytes over the lab's one Internet line."""
PROVISION_DEADLINE = 10 * MINUTE
MANIFESTS = "manifests"

_MOUNTS = ({"name": "work", "mountPath": WORK},)


@dataclass(frozen=True)
class CopyGround:
    """The stores, and what is to be copied between them."""

    copies: Copies
    cold: ColdStorage
    cold_endpoint: str
    offsite_bucket: str
    offsite_endpoint: str
    releases: Releases
    lineage: Lineage


def copy_ground(lab: Lab, workloads: Workloads, lineage: Lineage) -> CopyGround:
    """What the lab and its workloads say about copies."""
    cloudflare = lab.cloud.cloudflare
    return CopyGround(
        copies=workloads.backups.copies,
        cold=lab.cold,
        cold_endpoint=cold_endpoint(lab.cold, lab.guests),
        offsite_bucket=cloudflare.bucket.name,
        offsite_endpoint=cloudflare.s3_endpoint,
        releases=workloads.releases,
        lineage=lineage,
    )


class StorageCopies(pulumi.ComponentResource):
    """The copy jobs of the one colour that mirrors, and in every colour the ways back.

    A cluster that begins with the data of an older one fills its empty store from the cold copy before anything reads
    it. Nothing here deletes or overwrites an object, so a way back that runs twice changes nothing.
    """

    storage: Provided[ObjectStorage]
    """The cluster's store with the backups that it should begin with."""

    def __init__(
        self,
        name: str,
        *,
        ground: CopyGround,
        storage: Provided[ObjectStorage],
        mirrors: bool,
        namespace: Provided[Namespace],
        stores: Stores,
        workflows: Definitions,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`mirrors` is whether the colour holds the lease of the mirror job."""
        super().__init__("lab:kubernetes:StorageCopies", name, None, opts)
        self._ground, self._namespace, self._workflows, self._opts = ground, namespace, workflows, opts
        tiers = Tiers(ground, storage.value)
        wanted = {COPY_SECRET: secret_keys(tiers.remotes)}
        if mirrors:
            wanted[ROOT_SECRET] = administrator_keys(ground.cold)
        secrets = NamespaceSecrets(
            "storage-secrets", namespace=namespace, wanted=wanted, stores=stores, opts=child_options(self, opts)
        ).made
        account = run_account(
            ACCOUNT, ACCOUNT, namespace.value.name, needs=[namespace.by], opts=child_options(self, opts)
        )
        needs = [account, secrets[COPY_SECRET].by, storage.by]
        for bucket in storage.value.copied:
            for source in (Tier.COLD, Tier.OFFSITE):
                self._object(
                    f"fill-{bucket.name}-from-{source}",
                    f"fill-{bucket.name}-from-{source}",
                    WorkflowTemplate(spec=tiers.fill(bucket, source)),
                    needs,
                )
        if mirrors:
            needs_cold = [*needs, self._provision(secrets[ROOT_SECRET], account)]
            for job in ground.copies.jobs:
                self._object(
                    job.name,
                    job.name,
                    CronWorkflow(
                        spec=CronWorkflowSpec(schedules=(cron(job),), timezone="Etc/UTC", workflow_spec=tiers.copy(job))
                    ),
                    needs_cold,
                )
        self.storage = self._filled(tiers, storage, needs)
        self.register_outputs({"mirrors": mirrors})

    def _filled(
        self, tiers: "Tiers", storage: Provided[ObjectStorage], needs: Sequence[pulumi.Resource]
    ) -> Provided[ObjectStorage]:
        """The store once it has what the build begins with; one bucket after the other."""
        if self._ground.lineage.source is None:
            return storage
        last: pulumi.Resource = storage.by
        for bucket in storage.value.copied:
            last = self._object(
                f"fill-{bucket.name}",
                f"fill-{bucket.name}-{self._ground.lineage.own}",
                Workflow(spec=tiers.fill(bucket, Tier.COLD)),
                [*needs, last],
                pulumi.ResourceOptions(
                    # It runs once for a build: a newer image must not be a reason to run it again.
                    ignore_changes=["spec"],
                    custom_timeouts=pulumi.CustomTimeouts(create=f"{FILL_DEADLINE}s"),
                ),
            )
        return Provided(storage.value, by=last)

    def _provision(self, root: Provided[str], account: pulumi.Resource) -> pulumi.Resource:
        """The bucket, users and policies of the cold store: one run for each content of the plan."""
        plan = cold_plan(self._ground.cold)
        content = core.v1.ConfigMap(
            PLAN,
            metadata=meta.v1.ObjectMetaArgs(name=PLAN, namespace=self._namespace.value.name),
            data=plan,
            opts=child_options(self, self._opts, pulumi.ResourceOptions(depends_on=[self._namespace.by])),
        )
        digest = sha256(json.dumps([plan, scripts.PROVISION], sort_keys=True).encode()).hexdigest()[:10]
        return self._object(
            PLAN, f"{PLAN}-{digest}", Workflow(spec=provisioning(self._ground)), [content, root.by, account]
        )

    def _object(
        self,
        logical: str,
        name: str,
        content: CronWorkflow | Workflow | WorkflowTemplate,
        needs: Sequence[pulumi.Resource],
        more: pulumi.ResourceOptions | None = None,
    ) -> pulumi.Resource:
        own = pulumi.ResourceOptions.merge(pulumi.ResourceOptions(depends_on=list(needs)), more)
        return CustomResource(
            logical,
            metadata=Metadata(name=name, namespace=self._namespace.value.name),
            content=content,
            definitions=self._workflows,
            opts=child_options(self, self._opts, own),
        )


@dataclass(frozen=True)
class Tiers:
    """The three stores above each other."""

    ground: CopyGround
    storage: ObjectStorage

    def hot(self, user: str, bucket: str) -> Remote:
        """A bucket of the cluster's store as one of its users sees it."""
        return Remote(
            provider=Provider.SEAWEEDFS,
            endpoint=self.storage.endpoint,
            region="us-east-1",
            keys=self.storage.user(user).keys,
            folder=bucket,
        )

    def cold(self, user: str, bucket: str) -> Remote:
        """The copy of a bucket in the cold store as one of its users sees it."""
        cold = self.ground.cold
        return Remote(
            provider=Provider.MINIO,
            endpoint=self.ground.cold_endpoint,
            region="us-east-1",
            keys=cold.user(user).keys,
            folder=f"{cold.bucket}/{bucket}",
            manifests=f"{cold.bucket}/{MANIFESTS}/{bucket}",
            renew_after=self.ground.copies.renew_after,
        )

    def offsite(self, bucket: str) -> Remote:
        """The copy of a bucket out of the house."""
        ground = self.ground
        return Remote(
            provider=Provider.CLOUDFLARE,
            endpoint=ground.offsite_endpoint,
            region="auto",
            keys=ground.copies.offsite,
            folder=f"{ground.offsite_bucket}/{bucket}",
            manifests=f"{ground.offsite_bucket}/{MANIFESTS}/{bucket}",
            renew_after=ground.copies.renew_after,
        )

    @property
    def remotes(self) -> tuple[Remote, ...]:
        """Every store by every user that copies need."""
        copies = self.ground.copies
        hot = (self.hot(user, "") for user in (copies.hot_reader, copies.hot_filler))
        cold = (self.cold(user, "") for user in (copies.cold_writer, copies.cold_reader))
        return (*hot, *cold, self.offsite(""))

    def ends(self, job: CopyJob) -> tuple[Remote, Remote]:
        """Where a job copies from and to."""
        copies = self.ground.copies
        if job.target is Tier.COLD:
            return self.hot(copies.hot_reader, job.bucket), self.cold(copies.cold_writer, job.bucket)
        return self.cold(copies.cold_reader, job.bucket), self.offsite(job.bucket)

    def copy(self, job: CopyJob) -> WorkflowSpec:
        """List, copy, verify, renew, write the manifest, tell."""
        bucket = next(one for one in self.storage.buckets if one.name == job.bucket)
        source, target = self.ends(job)
        report = {"COPY": job.name, "TIER": str(job.target), "PUSHGATEWAY": self.ground.copies.pushgateway}
        steps = (
            ("list", scripts.LIST),
            ("copy", scripts.COPY),
            ("verify", scripts.VERIFY),
            ("renew", scripts.RENEW),
            ("manifest", scripts.MANIFEST),
        )
        return self._run(bucket, source, target, steps, ("report", scripts.REPORT), report, job.duration)

    def fill(self, bucket: Bucket, source: Tier) -> WorkflowSpec:
        """List, copy and verify, into the cluster's store."""
        copies = self.ground.copies
        origin = self.cold(copies.cold_reader, bucket.name) if source is Tier.COLD else self.offsite(bucket.name)
        target = self.hot(copies.hot_filler, bucket.name)
        steps = (("list", scripts.LIST), ("copy", scripts.COPY))
        return self._run(bucket, origin, target, steps, ("verify", scripts.VERIFY), {}, FILL_DEADLINE)

    def _run(
        self,
        bucket: Bucket,
        source: Remote,
        target: Remote,
        steps: Sequence[tuple[str, str]],
        last: tuple[str, str],
        settings: Mapping[str, str],
        deadline: int,
    ) -> WorkflowSpec:
        environment = (
            *_settings({**copy_settings(bucket, source, target, str(self.ground.lineage.own)), **settings}),
            *_secrets({**source.secret_settings("source"), **target.secret_settings("target")}),
        )
        arguments = patterns(bucket)

        def container(name: str | None, script: str) -> Container:
            return Container(
                name=name,
                image=self.ground.releases.rclone,
                command=("sh", "-c", script, name or last[0]),
                args=arguments,
                env=environment,
                volume_mounts=_MOUNTS,
                security_context=locked(),
            )

        return WorkflowSpec(
            entrypoint="copy",
            service_account_name=ACCOUNT,
            retry_strategy=RetryStrategy(limit="2"),
            active_deadline_seconds=deadline,
            volumes=({"name": "work", "emptyDir": {"sizeLimit": "1Gi"}},),
            templates=(
                Template(
                    name="copy",
                    init_containers=tuple(container(name, script) for name, script in steps),
                    container=container(None, last[1]),
                ),
            ),
        )


def copy_settings(bucket: Bucket, source: Remote, target: Remote, build: str) -> dict[str, str]:
    """Everything that the scripts are told, but the keys."""
    content = bucket.content
    return {
        **source.settings("source"),
        **target.settings("target"),
        "RCLONE_CONFIG": f"{WORK}/rclone.conf",
        "RCLONE_CACHE_DIR": f"{WORK}/cache",
        "WORK": WORK,
        "BUILD": build,
        "PASSING": content.layout.passing if isinstance(content, WriteOnce) else "",
        "SOURCE": source.folder,
        "SOURCE_MANIFESTS": source.manifests or "",
        "TARGET": target.folder,
        "TARGET_MANIFESTS": target.manifests or "",
        "RENEW_AFTER": str(target.renew_after or 0),
    }


def patterns(bucket: Bucket) -> tuple[str, ...]:
    """What in the bucket names other objects."""
    return bucket.content.layout.pointers if isinstance(bucket.content, WriteOnce) else ()


def cron(job: CopyJob) -> str:
    """The job's minute as cron has it, in UTC."""
    hour, minute = divmod(job.begin, MINUTE)
    return f"{minute} {hour} * * *"


def secret_keys(remotes: Iterable[Remote]) -> dict[str, SecretReference]:
    """Keys of a Secret that opens the stores; each is named like the property that it comes from."""
    return {reference.property: reference for remote in remotes for reference in remote.keys.both}


def administrator_keys(cold: ColdStorage) -> dict[str, SecretReference]:
    """Keys of the Secret with which the cold store is set up."""
    users: dict[str, S3Keys] = {"root": cold.root, **{user.name: user.keys for user in cold.users}}
    found: dict[str, SecretReference] = {}
    for user, pair in users.items():
        found |= {f"{user}.access-key": pair.access_key, f"{user}.secret-key": pair.secret_key}
    return found


def cold_plan(cold: ColdStorage) -> dict[str, str]:
    """The policies and the lifecycle of the cold store as files."""
    lifecycle = {
        "Rules": [
            {
                "ID": "expire",
                "Status": "Enabled",
                "Expiration": {"Days": cold.expire_after // DAY},
                "NoncurrentVersionExpiration": {"NoncurrentDays": cold.keep_replaced // DAY},
            }
        ]
    }
    return {
        "lifecycle.json": json.dumps(lifecycle, indent=2),
        **{f"{user.name}.json": json.dumps(policy(user), indent=2) for user in cold.users},
    }


def provisioning(ground: CopyGround) -> WorkflowSpec:
    """One run that sets up the cold store."""
    return WorkflowSpec(
        entrypoint="provision",
        service_account_name=ACCOUNT,
        retry_strategy=RetryStrategy(limit="5"),
        active_deadline_seconds=PROVISION_DEADLINE,
        volumes=(
            {"name": "work", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
            {"name": "plan", "configMap": {"name": PLAN}},
            {"name": "keys", "secret": {"secretName": ROOT_SECRET}},
        ),
        templates=(
            Template(
                name="provision",
                container=Container(
                    image=ground.releases.minio_client,
                    command=("sh", "-c", scripts.PROVISION, "provision"),
                    args=tuple(user.name for user in ground.cold.users),
                    env=_settings(
                        {"ENDPOINT": ground.cold_endpoint, "BUCKET": ground.cold.bucket, "MC_CONFIG_DIR": WORK}
                    ),
                    volume_mounts=(
                        *_MOUNTS,
                        {"name": "plan", "mountPath": "/plan", "readOnly": True},
                        {"name": "keys", "mountPath": "/keys", "readOnly": True},
                    ),
                    security_context=locked(),
                ),
            ),
        ),
    )


def _settings(values: Mapping[str, str]) -> tuple[dict[str, object], ...]:
    return tuple({"name": name, "value": value} for name, value in values.items())


def _secrets(references: Mapping[str, SecretReference]) -> tuple[dict[str, object], ...]:
    return tuple(
        {"name": name, "valueFrom": {"secretKeyRef": {"name": COPY_SECRET, "key": reference.property}}}
        for name, reference in references.items()
    )
