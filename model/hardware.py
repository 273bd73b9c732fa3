"""Hosts, their disks and PCI devices, accelerators."""

from decimal import Decimal
from enum import StrEnum, unique
from ipaddress import IPv4Address
from typing import Annotated, NewType

from pydantic import Field, StringConstraints

from model.base import Value
from model.network import NetworkName
from model.units import GB, GiB, MiB, gb_to_gib

HostName = NewType("HostName", str)
AcceleratorName = NewType("AcceleratorName", str)
MappingName = NewType("MappingName", str)

PciAddress = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}(\.[0-7])?$")]
"""domain:bus:device with the function, or without it for all functions of the device."""

PciId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{4}:[0-9a-f]{4}$")]
"""vendor:device."""


@unique
class HostRole(StrEnum):
    """What a server boots."""

    PROXMOX = "proxmox"
    """Proxmox VE on Debian, member of the Ceph cluster."""
    TALOS_METAL = "talos-metal"
    """Talos Linux on the bare machine; a worker of the colour that leases it."""


@unique
class DiskBus(StrEnum):
    """How a disk is attached."""

    NVME = "nvme"
    SATA = "sata"


@unique
class DiskUse(StrEnum):
    """What a disk holds."""

    SYSTEM = "system"
    """Boot and, on a Proxmox host, the volume group of the VM disks."""
    CEPH_DATABASE = "ceph-database"
    CEPH_OSD = "ceph-osd"
    PASSTHROUGH = "passthrough"
    """Behind a controller that is given to a VM."""
    MODEL_CACHE = "model-cache"


class Disk(Value):
    """One physical disk."""

    size: GB
    bus: DiskBus
    use: DiskUse


class PciDevice(Value):
    """A PCI device that is given to VMs, under the name of its Proxmox resource mapping."""

    mapping: MappingName
    address: PciAddress
    id: PciId
    iommu_group: int | None = None


class Processor(Value):
    """A host's processor."""

    model: str
    cores: int = Field(ge=1)
    threads: int = Field(ge=1)


class Host(Value):
    """A server of the lab."""

    name: HostName
    role: HostRole
    board: str
    processor: Processor
    memory: MiB
    memory_factor: Decimal | None = None
    """What a VM's base memory is multiplied by on this host (Proxmox hosts)."""
    addresses: dict[NetworkName, IPv4Address]
    disks: tuple[Disk, ...]
    passthrough: tuple[PciDevice, ...] = ()
    """PCI devices that have no accelerator entry of their own (controllers)."""
    install_interface: str | None = None
    """Name of the network interface as Talos sees it (metal hosts)."""

    @property
    def osd_count(self) -> int:
        """How many Ceph OSD daemons run here."""
        return sum(1 for disk in self.disks if disk.use is DiskUse.CEPH_OSD)

    @property
    def volume_group_size(self) -> GiB:
        """Room of the volume group for VM disks."""
        return GiB(sum(gb_to_gib(disk.size) for disk in self.disks if disk.use is DiskUse.SYSTEM))


@unique
class Vendor(StrEnum):
    """Whose device plugin and kernel modules an accelerator needs."""

    INTEL = "intel"
    AMD = "amd"


class Accelerator(Value):
    """A GPU. `host` is where it is plugged in; a passthrough card has PCI devices, an integrated one has none."""

    name: AcceleratorName
    model: str
    vendor: Vendor
    host: HostName
    memory: GiB
    """Memory the GPU can use, in GiB."""
    resource: str
    """Extended resource that its device plugin announces, e.g. `amd.com/gpu`."""
    shares: int = Field(default=1, ge=1)
    """How many pods may hold the card at once (`shared-dev-num` of the plugin)."""
    devices: tuple[PciDevice, ...] = ()
