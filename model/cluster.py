"""The shape of a colour's cluster, and the nodes that a colour really gets."""

from enum import StrEnum, unique
from ipaddress import IPv4Address
from typing import NewType
from uuid import UUID

from pydantic import Field

from model.base import Value
from model.exclusive import Colour, LeaseName
from model.guests import Firmware
from model.hardware import Accelerator, AcceleratorName, HostName, MappingName
from model.network import NetworkName
from model.registries import RegistryMirror
from model.units import GB, GiB, MiB, Mtu, Seconds, VmId

SchematicName = NewType("SchematicName", str)


@unique
class NodeRole(StrEnum):
    """What a node is for; decides its schematic and its machine configuration."""

    CONTROL_PLANE = "control-plane"
    WORKER = "worker"
    INTEL_GPU = "intel-gpu"
    AMD_GPU = "amd-gpu"
    STRIX_HALO = "strix-halo"

    @property
    def is_metal(self) -> bool:
        """Whether the node is a bare machine, not a VM."""
        return self is NodeRole.STRIX_HALO


@unique
class MachineTier(StrEnum):
    """Node label `machine_tier`."""

    STANDARD = "standard"
    ACCELERATED = "accelerated"


@unique
class MachineType(StrEnum):
    """Node label `machine_type`."""

    VM = "vm"
    METAL = "metal"


@unique
class TaintEffect(StrEnum):
    """What a taint does to a pod without the toleration."""

    NO_SCHEDULE = "NoSchedule"


class Taint(Value):
    """A Kubernetes taint."""

    key: str
    value: str = "present"
    effect: TaintEffect = TaintEffect.NO_SCHEDULE


class KernelModule(Value):
    """A kernel module that Talos loads, with its parameters."""

    name: str
    parameters: tuple[str, ...] = ()


class VolumeBounds(Value):
    """Smallest and largest size of a Talos volume; the disk is chosen by `selector` (CEL)."""

    selector: str
    minimum: GB
    maximum: GB


class Schematic(Value):
    """What the Talos image factory builds into an image."""

    name: SchematicName
    extensions: tuple[str, ...]
    """System extensions by their official name without `siderolabs/`."""
    kernel_arguments: tuple[str, ...] = ()


class NodeShape(Value):
    """A kind of node before it is placed."""

    role: NodeRole
    schematic: SchematicName
    virtual_cpus: int | None = None
    """None on metal: all threads of the host."""
    base_memory: MiB | None = None
    """Multiplied by the host's memory factor."""
    fixed_memory: MiB | None = None
    """Overrides the computed memory."""
    disk: GiB | None = None
    user_disk: GiB | None = None
    """Second disk, for local-path volumes."""
    firmware: Firmware = Firmware.OVMF
    tier: MachineTier = MachineTier.STANDARD
    taints: tuple[Taint, ...] = ()
    kernel_modules: tuple[KernelModule, ...] = ()
    install_disk: str = "/dev/sda"
    ephemeral_volume: VolumeBounds | None = None
    local_volume: VolumeBounds | None = None
    """User volume `local-path-provisioner`."""

    @property
    def machine_type(self) -> MachineType:
        """VM or bare machine."""
        return MachineType.METAL if self.role.is_metal else MachineType.VM


class Placement(Value):
    """A node of every colour that leases what it needs: name, shape, host."""

    suffix: str
    """Physical name without the colour: `master-0`, `worker-intel-gpu`, …"""
    role: NodeRole
    host: HostName
    slot: int = Field(ge=0)
    """Index in the role's ranges of VM ids and addresses; metal nodes keep the host's own address."""
    accelerator: AcceleratorName | None = None
    lease: LeaseName | None = None
    """What the colour must hold to have this node."""


class TalosRelease(Value):
    """A Talos version with the Kubernetes version that it brings."""

    talos: str = Field(pattern=r"^v\d+\.\d+\.\d+$")
    kubernetes: str = Field(pattern=r"^\d+\.\d+\.\d+$")


class CiliumRelease(Value):
    """Cilium and the command that installs it."""

    version: str
    installer_image: str
    """Pinned by tag or digest, never `latest`."""


class ClusterLayout(Value):
    """What the clusters of both colours have in common."""

    network: NetworkName
    node_interface: str
    """Name of a VM's network interface as Talos sees it."""
    node_mtu: Mtu
    pod_subnet: str
    service_subnet: str
    api_port: int
    talos_port: int
    kubeprism_port: int
    releases: tuple[TalosRelease, ...]
    """Releases that a colour may run; a colour names the Talos version."""
    cilium: CiliumRelease
    schematics: tuple[Schematic, ...]
    shapes: tuple[NodeShape, ...]
    placements: tuple[Placement, ...]
    mirrors: tuple[RegistryMirror, ...]
    harbor_host: str
    etcd_heartbeat: Seconds = Seconds(1)
    etcd_election: Seconds = Seconds(10)
    csi_cluster_id: UUID
    """Ceph FSID as the CSI drivers are told it; equal to the cluster's."""

    def shape(self, role: NodeRole) -> NodeShape:
        """The shape of the role; KeyError when the layout has none."""
        for shape in self.shapes:
            if shape.role is role:
                return shape
        raise KeyError(role)

    def schematic(self, name: SchematicName) -> Schematic:
        """The named schematic; KeyError when there is none."""
        for schematic in self.schematics:
            if schematic.name == name:
                return schematic
        raise KeyError(name)

    def release(self, talos: str) -> TalosRelease:
        """The release of that Talos version; KeyError when the layout has none."""
        for release in self.releases:
            if release.talos == talos:
                return release
        raise KeyError(talos)


class NodePlan(Value):
    """A node of one colour, placed: everything about it is known."""

    logical_name: str
    """Without the colour, e.g. `worker-intel-gpu`; the resource name."""
    name: str
    """Host name with the colour, e.g. `green-talos-worker-intel-gpu`."""
    colour: Colour
    role: NodeRole
    shape: NodeShape
    host: HostName
    address: IPv4Address
    interface: str
    vm_id: VmId | None
    """None on metal."""
    virtual_cpus: int
    memory: MiB
    disk: GiB | None
    user_disk: GiB | None
    firmware: Firmware
    schematic: Schematic
    accelerator: Accelerator | None = None
    mappings: tuple[MappingName, ...] = ()
    """PCI mappings given to the VM, in order of `hostpci0`, `hostpci1`, …"""
    tags: tuple[str, ...] = ()

    @property
    def is_control_plane(self) -> bool:
        """Whether etcd and the API server run here."""
        return self.role is NodeRole.CONTROL_PLANE

    @property
    def labels(self) -> dict[str, str]:
        """Node labels."""
        return {
            "topology.kubernetes.io/region": self.colour,
            "topology.kubernetes.io/zone": self.host,
            "machine_tier": self.shape.tier,
            "machine_type": self.shape.machine_type,
        }
