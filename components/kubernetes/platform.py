"""What applications stand on, as typed objects of the components that made it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi

from components.kubernetes.argo_cd import ArgoCd
from components.kubernetes.external_secrets import SecretStores
from components.kubernetes.ingress import Ingress
from components.kubernetes.namespaces import Namespaces
from components.kubernetes.operators import Operated
from components.kubernetes.provided import Definitions, Provided
from model.configuration import BackupRole
from model.lineage import Lineage
from model.workloads.custom.tunnels import TunnelReference
from model.workloads.names import NamespaceName
from model.workloads.platform import ObjectStorage, Workloads
from model.workloads.storage import StorageClass, StorageTier


@dataclass(frozen=True)
class Tunnel:
    """The tunnel to the Internet, in the one colour that holds it."""

    tunnel: Provided[TunnelReference]
    definitions: Definitions


@dataclass(frozen=True)
class OwnRegistry:
    """The colour's own Harbor."""

    host: str
    """As images name it."""
    own_host: str
    """The name that leads to this colour's Harbor from everywhere: to push to."""
    needs: tuple[pulumi.Resource, ...]
    """The lab's own images can be pulled once these are ready."""


@dataclass(frozen=True)
class Platform:
    """Everything that `LabApp` makes use of."""

    workloads: Workloads
    role: BackupRole
    lineage: Lineage
    argo_cd: ArgoCd
    namespaces: Namespaces
    storage: Mapping[StorageTier, Provided[StorageClass]]
    stores: SecretStores
    operated: Operated
    ingress: Ingress
    object_storage: Provided[ObjectStorage]
    cards: Mapping[str, pulumi.Resource] = field(default_factory=dict)
    """What announces each extended resource of a node, e.g. `amd.com/gpu`; empty where the colour holds no card."""
    tunnel: Tunnel | None = None
    """None where the colour does not hold the tunnel."""
    registry: OwnRegistry | None = None
    """None below the layer `core`: nothing there has an image of the lab's own."""
    scraping: Definitions | None = None
    """Prometheus' kinds; None where nothing watches."""
    installed: Mapping[NamespaceName, Sequence[pulumi.Resource]] = field(default_factory=dict)
    """What the platform has installed into a namespace that an application has its routes and secrets in."""

    @property
    def writes_backups(self) -> bool:
        """Whether this colour is the one that writes to the backup repositories."""
        return self.role is BackupRole.WRITER

    def storage_class(self, tier: StorageTier) -> Provided[StorageClass]:
        """The class of volumes of a tier; RunError when the colour has none, as without a node that has the disk."""
        if tier not in self.storage:
            raise pulumi.RunError(
                f"the colour has no storage of tier {tier}; it has {', '.join(self.storage)}.\n"
                "  fix: choose another tier, or give the colour the lease of a node with such a disk"
            )
        return self.storage[tier]

    def card(self, resource: str) -> pulumi.Resource:
        """What announces the extended resource; RunError when no node of the colour has such a card."""
        if resource not in self.cards:
            raise pulumi.RunError(
                f"no node of the colour has {resource}; it has {', '.join(self.cards) or 'no cards'}.\n"
                "  fix: give the colour the lease of a node with such a card, or leave the application out"
            )
        return self.cards[resource]
