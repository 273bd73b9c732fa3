"""What differs per stack: the typed content of `Pulumi.*.yaml` under the project's namespace."""

from enum import StrEnum, unique
from ipaddress import IPv4Address

from pydantic import Field

from model.base import Value
from model.exclusive import Colour, LeaseName
from model.lineage import Incarnation, IncarnationNumber
from model.units import VmId
from model.violation import Source


@unique
class Layer(StrEnum):
    """How much of a colour is built; each layer needs the ones before it."""

    SUBSTRATE = "substrate"
    """Virtual machines, Talos, Kubernetes with addresses, volumes and Argo CD."""
    BASE = "base"
    """Operators, secrets, certificates, the way in, object storage, and the canary."""
    CORE = "core"
    APPS = "apps"


@unique
class BackupRole(StrEnum):
    """What a colour may do with the backup repositories."""

    WRITER = "writer"
    """Writes new backups; at most one colour."""
    RESTORER = "restorer"
    """Reads them to fill itself."""
    IDLE = "idle"


class AddressRange(Value):
    """Consecutive addresses, both ends included."""

    first: IPv4Address
    last: IPv4Address

    @property
    def addresses(self) -> tuple[IPv4Address, ...]:
        """Every address of the range; empty when `last` is before `first`."""
        return tuple(IPv4Address(number) for number in range(int(self.first), int(self.last) + 1))

    def __str__(self) -> str:
        return f"{self.first}–{self.last}"


class AddressPlan(Value):
    """Where a colour's ids and addresses begin; node `slot` takes the start plus its slot."""

    control_plane_vm_id_start: VmId = Field(ge=100)
    """Proxmox id of the first control-plane node."""
    worker_vm_id_start: VmId = Field(ge=100)
    """Proxmox id of the first worker; the GPU workers follow."""
    control_plane_address_start: IPv4Address
    """Address of the first control-plane node, in the cluster's VLAN."""
    worker_address_start: IPv4Address
    """Address of the first worker; the GPU workers follow."""
    virtual_ip: IPv4Address
    """Address of the Kubernetes API, held by one control-plane node at a time."""
    load_balancer_pool: AddressRange
    """Addresses of services of type LoadBalancer, announced by the workers."""


class ColourConfiguration(Value):
    """`Pulumi.blue.yaml` and `Pulumi.green.yaml`."""

    talos_version: str = Field(pattern=r"^v\d+\.\d+\.\d+$")
    """Talos release of every node; it brings its Kubernetes version."""
    address_plan: AddressPlan
    """Ids and addresses of the colour; nothing in it may meet the other colour's."""
    leases_wanted: tuple[LeaseName, ...]
    """Exclusive things that the colour is to use; it gets those that the lease table gives it."""
    layers: tuple[Layer, ...]
    """How much is built, from the ground up: substrate, base, core, apps."""
    backup_role: BackupRole
    """What the colour does with the backup repositories; the writer holds the lease `backup-writer`."""
    incarnation: IncarnationNumber = Field(ge=1)
    """Number of this build of the colour's cluster, counted over both colours; part of the names of its backups."""
    begins_with: Incarnation | None = None
    """The older build whose data this one begins with; left out for a cluster that begins empty."""
    replaceable: tuple[str, ...] = ()
    """Control-plane nodes of the live colour that may be replaced by the next `up`, by logical name."""


class SharedConfiguration(Value):
    """`Pulumi.shared.yaml`."""

    active_colour: Colour | None
    """The colour that serves the lab; null when none does."""
    leases: dict[LeaseName, Colour]
    """Who holds each exclusive thing; what is not listed is free."""
    adopt: bool = False
    """Import what already exists in the lab instead of creating it (first run on real hardware)."""
    adopted_ids: dict[str, str] = Field(default_factory=dict)
    """Ids that a service assigned, by logical name of the resource; needed while `adopt` is true."""


class Configuration(Value):
    """Every stack's configuration; rules look at all of it at once."""

    shared: SharedConfiguration
    colours: dict[Colour, ColourConfiguration]

    def holder(self, lease: LeaseName) -> Colour | None:
        """The colour that holds the lease."""
        return self.shared.leases.get(lease)

    def held_by(self, colour: Colour) -> tuple[LeaseName, ...]:
        """The leases a colour holds and wants: those it may use."""
        wanted = self.colours[colour].leases_wanted
        return tuple(lease for lease in wanted if self.holder(lease) is colour)


PROJECT = "bhamm-lab"
"""Pulumi project; part of every URN, so it never changes."""


def stack_file(stack: str) -> str:
    """Name of the file that configures a stack."""
    return f"Pulumi.{stack}.yaml"


def source(stack: str, *path: object) -> Source:
    """Where a configuration key stands, e.g. `Pulumi.green.yaml: bhamm-lab:address_plan.virtual_ip`."""
    return Source(file=stack_file(stack), key=f"{PROJECT}:" + ".".join(str(part) for part in path))
