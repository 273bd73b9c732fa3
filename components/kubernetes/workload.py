"""The lab's own workloads as objects of Kubernetes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes import apps, batch, core, meta

from model.cluster import Taint
from model.configuration import Layer
from model.secrets import target_secret_name
from model.workloads.applications import Application
from model.workloads.containers import FromDatabase, FromSecret, PeriodicTask, Process, Setting, Text, Workload
from model.workloads.images import BuiltImage
from model.workloads.quantities import Resources
from model.workloads.storage import AccessMode

NAME_LABEL = "app.kubernetes.io/name"
PART_LABEL = "app.kubernetes.io/part-of"
VOLUME_LABEL = "lab/volume-"
"""Label of pods that mount a volume which more than one process of the application mounts."""
HOST = "kubernetes.io/hostname"
PROBE_PERIOD = 5
HISTORY = 1


@dataclass(frozen=True)
class Ground:
    """What an application's pods find: the account they run as, and where their settings come from."""

    application: Application
    account: str
    database_secret: str | None
    permitted: bool
    """Whether pods may talk to the Kubernetes API at all."""
    registry: str | None = None
    """Host name of the lab's own images; None where there is no Harbor yet."""

    @property
    def namespace(self) -> str:
        """Where the pods are."""
        return self.application.namespace.name

    @property
    def tied_volumes(self) -> frozenset[str]:
        """Volumes of one node that more than one process mounts: these must all be on that node."""
        processes = (*self.application.workloads, *self.application.tasks)
        mounted = Counter(volume for process in processes for volume in {mount.volume for mount in process.mounts})
        single = {one.name for one in self.application.volumes if one.access is AccessMode.ONE_NODE}
        return frozenset(volume for volume, times in mounted.items() if times > 1 and volume in single)


def image_reference(process: Process, ground: Ground) -> str:
    """The image as the node pulls it; RunError for one of the lab's own where there is no Harbor."""
    if not isinstance(process.image, BuiltImage):
        return process.image
    if ground.registry is None:
        raise pulumi.RunError(
            f"{process.name} of {ground.application.name} runs the lab's own image {process.image.folder}, but the "
            f"colour has no Harbor below the layer {Layer.CORE}.\n"
            "  fix: put the application into a layer above, or take an image of somebody else"
        )
    return process.image.reference(ground.registry)


def make_workload(workload: Workload, ground: Ground, opts: pulumi.ResourceOptions) -> Sequence[pulumi.Resource]:
    """Its Deployment, and a service of its name where it has ports."""
    labels = pod_labels(workload, ground)
    single = {volume.name for volume in ground.application.volumes if volume.access is AccessMode.ONE_NODE}
    exclusive = any(mount.volume in single for mount in workload.mounts)
    deployment = apps.v1.Deployment(
        f"{ground.application.name}-{workload.name}",
        metadata=meta.v1.ObjectMetaArgs(name=workload.name, namespace=ground.namespace, labels=_selector(workload)),
        spec=apps.v1.DeploymentSpecArgs(
            replicas=workload.replicas,
            # The new pod could not have the volume while the old one still has it.
            strategy=apps.v1.DeploymentStrategyArgs(type="Recreate" if exclusive else "RollingUpdate"),
            selector=meta.v1.LabelSelectorArgs(match_labels=_selector(workload)),
            template=core.v1.PodTemplateSpecArgs(
                metadata=meta.v1.ObjectMetaArgs(labels=labels), spec=pod(workload, ground, _probes(workload))
            ),
        ),
        opts=opts,
    )
    if not workload.ports:
        return (deployment,)
    service = core.v1.Service(
        f"{ground.application.name}-{workload.name}",
        metadata=meta.v1.ObjectMetaArgs(name=workload.name, namespace=ground.namespace, labels=_selector(workload)),
        spec=core.v1.ServiceSpecArgs(
            selector=_selector(workload),
            ports=[core.v1.ServicePortArgs(name=f"port-{port}", port=port) for port in workload.ports],
        ),
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[deployment])),
    )
    return (deployment, service)


def make_task(task: PeriodicTask, ground: Ground, opts: pulumi.ResourceOptions) -> pulumi.Resource:
    """Its CronJob. A run that is late by more than its deadline waits for the next time."""
    return batch.v1.CronJob(
        f"{ground.application.name}-{task.name}",
        metadata=meta.v1.ObjectMetaArgs(name=task.name, namespace=ground.namespace, labels=_selector(task)),
        spec=batch.v1.CronJobSpecArgs(
            schedule=task.schedule,
            time_zone="Etc/UTC",
            concurrency_policy="Forbid",
            starting_deadline_seconds=task.deadline_seconds,
            successful_jobs_history_limit=HISTORY,
            failed_jobs_history_limit=HISTORY,
            job_template=batch.v1.JobTemplateSpecArgs(
                spec=batch.v1.JobSpecArgs(
                    active_deadline_seconds=task.deadline_seconds,
                    backoff_limit=2,
                    template=core.v1.PodTemplateSpecArgs(
                        metadata=meta.v1.ObjectMetaArgs(labels=pod_labels(task, ground)),
                        spec=pod(task, ground, None, restart="Never"),
                    ),
                )
            ),
        ),
        opts=opts,
    )


def pod(
    process: Process, ground: Ground, probes: "Probes | None", *, restart: str | None = None
) -> core.v1.PodSpecArgs:
    """One container with its settings, volumes and place."""
    return core.v1.PodSpecArgs(
        service_account_name=ground.account,
        automount_service_account_token=ground.permitted,
        restart_policy=restart,
        node_selector=process.placement.labels or None,
        tolerations=_tolerations(process),
        affinity=_affinity(process, ground),
        security_context=_pod_security(process),
        containers=[
            core.v1.ContainerArgs(
                name=process.name,
                image=image_reference(process, ground),
                command=list(process.command) or None,
                args=list(process.arguments) or None,
                env=[_variable(name, setting, ground) for name, setting in process.environment.items()] or None,
                ports=[core.v1.ContainerPortArgs(container_port=port) for port in _ports(process)] or None,
                resources=resource_requirements(process.resources),
                startup_probe=None if probes is None else probes.startup,
                readiness_probe=None if probes is None else probes.readiness,
                liveness_probe=None if probes is None else probes.liveness,
                security_context=_container_security(process),
                volume_mounts=[
                    core.v1.VolumeMountArgs(
                        name=mount.volume, mount_path=mount.path, sub_path=mount.sub_path, read_only=mount.read_only
                    )
                    for mount in process.mounts
                ]
                or None,
            )
        ],
        volumes=[
            core.v1.VolumeArgs(
                name=volume,
                persistent_volume_claim=core.v1.PersistentVolumeClaimVolumeSourceArgs(claim_name=volume),
            )
            for volume in dict.fromkeys(mount.volume for mount in process.mounts)
        ]
        or None,
    )


def resource_requirements(resources: Resources) -> core.v1.ResourceRequirementsArgs:
    """Requests and limits; devices are in both."""
    devices = {} if resources.gpu is None else {resources.gpu.resource: str(resources.gpu.count)}
    return core.v1.ResourceRequirementsArgs(
        requests={**resources.requests.quantities, **devices},
        limits={**resources.limits.quantities, **devices} or None,
    )


def pod_labels(process: Process, ground: Ground) -> dict[str, str]:
    """What the process is of, and the volumes that tie it to others."""
    mounted = {mount.volume for mount in process.mounts}
    tied = {f"{VOLUME_LABEL}{volume}": "true" for volume in sorted(ground.tied_volumes & mounted)}
    return {**_selector(process), PART_LABEL: ground.application.name, **tied}


@dataclass(frozen=True)
class Probes:
    """When a container has started, may get requests, and must be started anew."""

    startup: core.v1.ProbeArgs
    readiness: core.v1.ProbeArgs
    liveness: core.v1.ProbeArgs


def _probes(workload: Workload) -> Probes | None:
    if workload.probe is None:
        return None
    request = core.v1.HTTPGetActionArgs(path=workload.probe.path, port=workload.probe.port)
    tries = -(-workload.probe.startup_seconds // PROBE_PERIOD)
    return Probes(
        startup=core.v1.ProbeArgs(http_get=request, period_seconds=PROBE_PERIOD, failure_threshold=tries),
        readiness=core.v1.ProbeArgs(http_get=request, period_seconds=2 * PROBE_PERIOD),
        liveness=core.v1.ProbeArgs(http_get=request, period_seconds=6 * PROBE_PERIOD, failure_threshold=4),
    )


def _selector(process: Process) -> dict[str, str]:
    return {NAME_LABEL: process.name}


def _ports(process: Process) -> tuple[int, ...]:
    return process.ports if isinstance(process, Workload) else ()


def _variable(name: str, setting: Setting, ground: Ground) -> core.v1.EnvVarArgs:
    if isinstance(setting, Text):
        return core.v1.EnvVarArgs(name=name, value=setting.value)
    secret, key = _secret_key(setting, ground)
    reference = core.v1.SecretKeySelectorArgs(name=secret, key=key)
    return core.v1.EnvVarArgs(name=name, value_from=core.v1.EnvVarSourceArgs(secret_key_ref=reference))


def _secret_key(setting: FromSecret | FromDatabase, ground: Ground) -> tuple[str, str]:
    if isinstance(setting, FromSecret):
        return target_secret_name(ground.application.key), setting.key
    if ground.database_secret is None:
        raise pulumi.RunError(f"{ground.application.name} has no database to read {setting.key} from")
    return ground.database_secret, setting.key


def _tolerations(process: Process) -> list[core.v1.TolerationArgs] | None:
    gpu = process.resources.gpu
    taints: list[Taint] = [*process.placement.tolerates, *(() if gpu is None else (gpu.tolerates,))]
    found = dict.fromkeys((taint.key, str(taint.effect)) for taint in taints)
    return [core.v1.TolerationArgs(key=key, operator="Exists", effect=effect) for key, effect in found] or None


def _affinity(process: Process, ground: Ground) -> core.v1.AffinityArgs | None:
    """Beside the other pods that mount the same volume. The first of them is where it likes."""
    terms = [
        core.v1.PodAffinityTermArgs(
            topology_key=HOST, label_selector=meta.v1.LabelSelectorArgs(match_labels={label: "true"})
        )
        for label in pod_labels(process, ground)
        if label.startswith(VOLUME_LABEL)
    ]
    if not terms:
        return None
    return core.v1.AffinityArgs(
        pod_affinity=core.v1.PodAffinityArgs(required_during_scheduling_ignored_during_execution=terms)
    )


def _pod_security(process: Process) -> core.v1.PodSecurityContextArgs:
    who = process.identity
    return core.v1.PodSecurityContextArgs(
        run_as_non_root=None if who is None else True,
        run_as_user=None if who is None else who.user,
        run_as_group=None if who is None else who.group,
        fs_group=None if who is None else who.group,
        seccomp_profile=core.v1.SeccompProfileArgs(type="RuntimeDefault"),
    )


def _container_security(process: Process) -> core.v1.SecurityContextArgs:
    if process.identity is None:
        return core.v1.SecurityContextArgs(allow_privilege_escalation=False)
    return core.v1.SecurityContextArgs(
        allow_privilege_escalation=False, capabilities=core.v1.CapabilitiesArgs(drop=["ALL"])
    )
