"""The alerts of the lab. What they watch is taken from the model; nothing of it is written down again here."""

import re
from collections.abc import Iterable, Sequence

from model.base import Value
from model.cluster import NodePlan
from model.exclusive import Colour
from model.units import DAY, Seconds
from model.workloads.observability.objectives import Objectives
from model.workloads.observability.rules import Alert, Expression, Recorded, Rules, Severity, matching, minutes
from model.workloads.observability.scraping import CEPH_JOB, NODE_JOB

AGE, OBJECTIVE = "lab:backup_age:seconds", "lab:recovery_point_objective:seconds"
CANARY_AGE = "lab:canary_age:seconds"
ACTIVE = "lab:colour:active"
"""1 for a colour that takes itself for the one that serves."""

COLOURS_JOB = "colours"
"""Job that asks each colour for `ACTIVE`; of a colour that does not run it gets no answer, which is no fault."""
VAULT_JOB = "vault"
HEARTBEAT = "Heartbeat"
"""Alert that always is; its silence says that nobody watches."""

HOT = 95
"""Degrees Celsius at which AMD's cards are about to slow down."""
_MEMORY_FILE_SYSTEMS = "tmpfs|ramfs|overlay|squashfs|fuse.*"


class Canary(Value):
    """Tasks that write the time, and when their silence means something."""

    namespace: str
    tasks: tuple[str, ...]
    stale_after: Seconds


def backups(objectives: Objectives) -> Rules:
    """The newest copy of each data set against its objective."""
    longest = max(one.within for one in objectives.values())
    recorded: list[Recorded] = []
    for name, one in objectives.items():
        labels = {"data_set": str(name)}
        recorded.append(Recorded(name=AGE, expression=f"time() - {one.written}", labels=labels))
        recorded.append(Recorded(name=OBJECTIVE, expression=f"vector({one.within})", labels=labels))
    return Rules(
        subject="backups",
        recorded=tuple(recorded),
        alerts=(
            Alert(
                name="BackupTooOld",
                expression=f"{AGE} > on (data_set) {OBJECTIVE}",
                lasting=minutes(10),
                severity=Severity.CRITICAL,
                summary="The newest copy of {{ $labels.data_set }} is {{ $value | humanizeDuration }} old.",
                action="Look at the schedule's last job in that namespace; until it is right, no cut-over is safe.",
            ),
            Alert(
                name="BackupMissing",
                expression=f"{OBJECTIVE} unless on (data_set) {AGE}",
                lasting=longest,
                severity=Severity.CRITICAL,
                summary="Nobody knows of any copy of {{ $labels.data_set }}.",
                action="Has it ever run? Does it still tell the Pushgateway, or the database its archive's state?",
            ),
            Alert(
                name="BackupIncomplete",
                expression="k8up_backup_restic_last_errors > 0",
                lasting=minutes(0),
                severity=Severity.WARNING,
                summary="The last backup in {{ $labels.instance }} left out files it could not read.",
                action="Look into the log of the backup pod in that namespace.",
            ),
        ),
    )


def canary(one: Canary) -> Rules:
    """The canary's timestamps: without them a restore cannot be seen to have worked."""
    silent = " or ".join(f"absent({CANARY_AGE}{matching(task=task)})" for task in one.tasks)
    return Rules(
        subject="canary",
        recorded=tuple(
            Recorded(
                name=CANARY_AGE,
                expression="time() - max(kube_cronjob_status_last_successful_time"
                f"{matching(namespace=one.namespace, cronjob=task)})",
                labels={"task": task},
            )
            for task in one.tasks
        ),
        alerts=(
            Alert(
                name="CanaryStale",
                expression=f"{CANARY_AGE} > {one.stale_after}",
                lasting=minutes(10),
                severity=Severity.CRITICAL,
                summary="{{ $labels.task }} has written no time for {{ $value | humanizeDuration }}.",
                action="Look at its last jobs: is the volume mounted, does the database take writes?",
            ),
            Alert(
                name="CanarySilent",
                expression=silent,
                lasting=one.stale_after,
                severity=Severity.CRITICAL,
                summary="{{ $labels.task }} has never written a time on this cluster.",
                action="Look whether its CronJob is there and not suspended.",
            ),
        ),
    )


def machines(nodes: Sequence[NodePlan]) -> Rules:
    """Hosts, the cluster's nodes, and what feeds them."""
    absent = " or ".join(f"absent(kube_node_info{matching(node=node.name)})" for node in nodes)
    return Rules(
        subject="machines",
        alerts=(
            Alert(
                name="HostDown",
                expression=f"up{matching(job=NODE_JOB)} == 0",
                lasting=minutes(5),
                severity=Severity.CRITICAL,
                summary="{{ $labels.instance }} does not answer.",
                action="Look at its console; two Proxmox hosts away together stop Ceph.",
            ),
            Alert(
                name="NodeNotReady",
                expression=f"kube_node_status_condition{matching(condition='Ready', status='true')} == 0",
                lasting=minutes(10),
                severity=Severity.CRITICAL,
                summary="The node {{ $labels.node }} is not ready.",
                action="Ask `talosctl` for its services; is its host up?",
            ),
            Alert(
                name="NodeMissing",
                expression=absent,
                lasting=minutes(15),
                severity=Severity.CRITICAL,
                summary="The node {{ $labels.node }} is planned, but not in the cluster.",
                action="Was its machine deleted or never started? A preview shows what is missing.",
            ),
            Alert(
                name="PowerLost",
                expression='network_ups_tools_ups_status{flag="OB"} == 1',
                lasting=minutes(1),
                severity=Severity.CRITICAL,
                summary="The lab runs on battery.",
                action="Shut the hosts down in order before it is empty.",
            ),
        ),
    )


def certificates() -> Rules:
    """Certificates are renewed a month before they end; later than that something is stuck."""
    left = "certmanager_certificate_expiration_timestamp_seconds - time()"
    return Rules(
        subject="certificates",
        alerts=(
            Alert(
                name="CertificateExpiring",
                expression=f"{left} < {21 * DAY}",
                lasting=minutes(60),
                severity=Severity.WARNING,
                summary="{{ $labels.exported_namespace }}/{{ $labels.name }} ends in {{ $value | humanizeDuration }}.",
                action="Look at its CertificateRequest and Challenge; the issuer allows five of a kind a week.",
            ),
            Alert(
                name="CertificateEnds",
                expression=f"{left} < {3 * DAY}",
                lasting=minutes(0),
                severity=Severity.CRITICAL,
                summary="{{ $labels.exported_namespace }}/{{ $labels.name }} ends in {{ $value | humanizeDuration }}.",
                action="Every name of the lab ends with it: renew it by hand.",
            ),
        ),
    )


def colours(own: Colour, *, active: bool) -> Rules:
    """What this colour says of itself, and whether another says the same."""
    return Rules(
        subject="colours",
        recorded=(
            Recorded(name=ACTIVE, expression=f"vector({int(active)})", labels={"colour": str(own)}),
        ),
        alerts=(
            Alert(
                name="TwoColoursActive",
                expression=f"count(max by (colour) ({ACTIVE}) == 1) > 1",
                lasting=minutes(2),
                severity=Severity.CRITICAL,
                summary="{{ $value }} colours take themselves for the active one.",
                action="Stop the backups of the one that is not `active_colour` of `shared`, then bring its stack up.",
            ),
        ),
    )


def storage() -> Rules:
    """Ceph and everything that fills."""
    available = f'node_filesystem_avail_bytes{{fstype!~"{_MEMORY_FILE_SYSTEMS}"}}'
    return Rules(
        subject="storage",
        alerts=(
            Alert(
                name="CephUnwell",
                expression="ceph_health_status == 1",
                lasting=minutes(30),
                severity=Severity.WARNING,
                summary="Ceph has warned for half an hour.",
                action="`ceph health detail` on one of its hosts says of what.",
            ),
            Alert(
                name="CephBroken",
                expression=f"ceph_health_status == 2 or absent(up{matching(job=CEPH_JOB)} == 1)",
                lasting=minutes(5),
                severity=Severity.CRITICAL,
                summary="Ceph is in error, or none of its managers answers.",
                action="`ceph health detail` on one of its hosts; every volume of the lab is on it.",
            ),
            Alert(
                name="CephDaemonDown",
                expression="ceph_osd_up == 0",
                lasting=minutes(15),
                severity=Severity.WARNING,
                summary="{{ $labels.ceph_daemon }} is down; data has one copy less.",
                action="Look at its disk before another one fails.",
            ),
            Alert(
                name="CephFilling",
                expression="ceph_cluster_total_used_bytes / ceph_cluster_total_bytes > 0.75",
                lasting=minutes(60),
                severity=Severity.WARNING,
                summary="Ceph is {{ $value | humanizePercentage }} full; at 85 % one host away stops it.",
                action="Look for images that no volume has any more, then for what grew.",
            ),
            Alert(
                name="DiskFilling",
                expression=f"predict_linear({available}[6h], {DAY}) < 0 and "
                f"{available} / node_filesystem_size_bytes < 0.2",
                lasting=minutes(60),
                severity=Severity.WARNING,
                summary="{{ $labels.mountpoint }} of {{ $labels.instance }} will be full within a day.",
                action="Look for what grew in the last hours.",
            ),
            Alert(
                name="VolumeFilling",
                expression="kubelet_volume_stats_available_bytes / kubelet_volume_stats_capacity_bytes < 0.1",
                lasting=minutes(30),
                severity=Severity.WARNING,
                summary="{{ $labels.namespace }}/{{ $labels.persistentvolumeclaim }} is nearly full.",
                action="Raise its size in the inventory; Ceph volumes grow while they are used.",
            ),
            Alert(
                name="DiskFailing",
                expression="smartctl_device_smart_status == 0",
                lasting=minutes(0),
                severity=Severity.CRITICAL,
                summary="{{ $labels.device }} of {{ $labels.instance }} says that it fails.",
                action="Take it out of Ceph while it can still be read.",
            ),
        ),
    )


def accelerators(nodes: Sequence[NodePlan]) -> Rules:
    """Cards of this colour's nodes."""
    gone = list(_missing_cards(nodes))
    hot = Alert(
        name="AcceleratorHot",
        expression=f'max by (instance, gpu_id) ({{__name__=~"(amd_)?gpu_(junction|edge)_temperature"}}) > {HOT}',
        lasting=minutes(10),
        severity=Severity.WARNING,
        summary="The card {{ $labels.gpu_id }} of {{ $labels.instance }} has {{ $value }} °C.",
        action="Look at its fans, and at what runs on it.",
    )
    if not gone:
        return Rules(subject="accelerators", alerts=(hot,))
    missing = Alert(
        name="AcceleratorMissing",
        expression=" or ".join(gone),
        lasting=minutes(15),
        severity=Severity.CRITICAL,
        summary="{{ $labels.node }} offers less of {{ $labels.resource }} than its card has.",
        action="Is the device plugin running, is the card still passed to the machine?",
    )
    return Rules(subject="accelerators", alerts=(missing, hot))


def platform() -> Rules:
    """What everything else stands on."""
    return Rules(
        subject="platform",
        alerts=(
            Alert(
                name="TargetDown",
                expression=f'up{{job!~"{COLOURS_JOB}|{NODE_JOB}|{VAULT_JOB}"}} == 0',
                lasting=minutes(15),
                severity=Severity.WARNING,
                summary="{{ $labels.job }} of {{ $labels.instance }} cannot be read.",
                action="What it tells is not watched meanwhile: is it down, or was it moved?",
            ),
            Alert(
                name="VaultSealed",
                expression=f"up{matching(job=VAULT_JOB)} == 0 or vault_core_unsealed == 0 "
                f"or absent(up{matching(job=VAULT_JOB)})",
                lasting=minutes(5),
                severity=Severity.CRITICAL,
                summary="Vault is sealed or away: no new pod gets its secrets.",
                action="Look at the unsealer beside it and at the Secret `vault-unseal-keys`.",
            ),
            Alert(
                name="ApplicationDegraded",
                expression='argocd_app_info{health_status=~"Degraded|Missing"} == 1',
                lasting=minutes(15),
                severity=Severity.WARNING,
                summary="Argo CD calls {{ $labels.name }} {{ $labels.health_status }}.",
                action="Its page in Argo CD shows which of its objects it is.",
            ),
            Alert(
                name=HEARTBEAT,
                expression="vector(1)",
                lasting=minutes(0),
                severity=Severity.NONE,
                summary="Prometheus and Alertmanager work.",
                action="Nothing to do; who waits for it raises the alarm when it stays away.",
            ),
        ),
    )


def lab_rules(
    *,
    nodes: Sequence[NodePlan],
    objectives: Objectives,
    watched: Canary,
    own: Colour,
    active: bool,
) -> tuple[Rules, ...]:
    """Every rule of one colour; no objectives where it writes no backups."""
    return (
        *((backups(objectives),) if objectives else ()),
        canary(watched),
        machines(nodes),
        certificates(),
        colours(own, active=active),
        storage(),
        accelerators(nodes),
        platform(),
    )


def _missing_cards(nodes: Sequence[NodePlan]) -> Iterable[Expression]:
    for node in nodes:
        if node.accelerator is not None:
            # As kube-state-metrics spells `amd.com/gpu`.
            resource = re.sub(r"[^a-zA-Z0-9]", "_", node.accelerator.resource)
            series = f"kube_node_status_allocatable{matching(node=node.name, resource=resource)}"
            yield f"{series} < {node.accelerator.shares} or absent({series})"
