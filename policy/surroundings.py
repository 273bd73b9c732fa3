"""What the rules must know of the lab and no registered resource shows."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from pydantic import Field

from model.base import Value
from model.cluster import NodePlan, Taint
from model.colour import plan_nodes
from model.configuration import BackupRole, Configuration
from model.hardware import Vendor
from model.lab import Lab
from model.secrets import SecretReference, SecretSchema, Tree
from model.units import MiB
from model.workloads.quantities import Millicores
from model.workloads.routes import OpenRoute

CONTROL_PLANE_LABEL = "node-role.kubernetes.io/control-plane"
CONTROL_PLANE_TAINT = Taint(key=CONTROL_PLANE_LABEL, value="")
FEATURE_LABELS: Mapping[Vendor, str] = {
    Vendor.AMD: "feature.node.kubernetes.io/amd-gpu",
    Vendor.INTEL: "intel.feature.node.kubernetes.io/gpu",
}
"""Labels that Node Feature Discovery gives a node by what is in it."""


class Node(Value):
    """A node as the scheduler sees it."""

    name: str
    labels: dict[str, str]
    taints: tuple[Taint, ...] = ()
    cpu: Millicores
    memory: MiB
    devices: dict[str, int] = Field(default_factory=dict)
    """Extended resources by name, e.g. `amd.com/gpu`."""


class Surroundings(Value):
    """Everything that the rules over registered resources are told."""

    domain: str
    registry: str
    """Host name of the lab's own images, which each colour has a Harbor of its own for."""
    ceph: UUID
    """FSID of the one Ceph cluster."""
    nodes: dict[str, tuple[Node, ...]]
    """By stack; a stack without an entry has no cluster."""
    backup_roles: dict[str, BackupRole]
    """By stack."""
    vault: tuple[SecretReference, ...]
    """Every property that is in Vault once it is filled."""
    open_routes: tuple[OpenRoute, ...] = ()
    public_names: tuple[str, ...] = ()
    """Host names that the Internet may reach."""

    def role(self, stack: str) -> BackupRole:
        """What a stack may do with the backup repositories; nothing where it does not say."""
        return self.backup_roles.get(stack, BackupRole.IDLE)


def surroundings(
    lab: Lab, configuration: Configuration, secrets: SecretSchema, open_routes: Iterable[OpenRoute]
) -> Surroundings:
    """What the inventory and the configuration say."""
    places = (key.place for key in secrets.keys if key.place.tree is Tree.VAULT)
    return Surroundings(
        domain=lab.domain,
        registry=lab.cluster.harbor_host,
        ceph=lab.ceph.fsid,
        nodes={
            str(colour): tuple(_node(plan) for plan in plan_nodes(lab, configuration, colour))
            for colour in configuration.colours
        },
        backup_roles={str(colour): settings.backup_role for colour, settings in configuration.colours.items()},
        vault=tuple(SecretReference(path=place.path, property=place.property) for place in places),
        open_routes=tuple(open_routes),
        public_names=tuple(f"{name.label}.{lab.domain}" for name in lab.cloud.cloudflare.tunnel.names),
    )


def _node(plan: NodePlan) -> Node:
    card = plan.accelerator
    labels = {**{name: str(value) for name, value in plan.labels.items()}, "kubernetes.io/hostname": plan.name}
    if card is not None:
        labels[FEATURE_LABELS[card.vendor]] = "true"
    if plan.is_control_plane:
        labels[CONTROL_PLANE_LABEL] = ""
    return Node(
        name=plan.name,
        labels=labels,
        taints=(*plan.shape.taints, *((CONTROL_PLANE_TAINT,) if plan.is_control_plane else ())),
        cpu=Millicores(plan.virtual_cpus * 1000),
        memory=plan.memory,
        devices={} if card is None else {card.resource: card.shares},
    )
