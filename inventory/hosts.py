"""The five servers and their accelerators."""

from decimal import Decimal
from ipaddress import IPv4Address

from inventory.names import (
    ARC_A310,
    CEPH,
    INDY,
    K8S,
    MANAGEMENT,
    METAL,
    METHOD,
    NOSE,
    R9700,
    STALE,
    STRIX_HALO_NOSE,
    STRIX_HALO_TAIL,
    TAIL,
    TRUENAS_SATA,
)
from model.hardware import (
    Accelerator,
    AcceleratorName,
    Disk,
    DiskBus,
    DiskUse,
    Host,
    HostName,
    HostRole,
    MappingName,
    PciDevice,
    Processor,
    Vendor,
)
from model.units import GB, GiB, gib_to_mib

_SYSTEM = Disk(size=GB(1000), bus=DiskBus.NVME, use=DiskUse.SYSTEM)
_CEPH_DATABASE = Disk(size=GB(1000), bus=DiskBus.NVME, use=DiskUse.CEPH_DATABASE)
_OSDS = (
    Disk(size=GB(1000), bus=DiskBus.SATA, use=DiskUse.CEPH_OSD),
    Disk(size=GB(3840), bus=DiskBus.SATA, use=DiskUse.CEPH_OSD),
)
_COLD = (
    Disk(size=GB(2000), bus=DiskBus.SATA, use=DiskUse.PASSTHROUGH),
    Disk(size=GB(2000), bus=DiskBus.SATA, use=DiskUse.PASSTHROUGH),
    Disk(size=GB(1000), bus=DiskBus.SATA, use=DiskUse.PASSTHROUGH),
)


def _strix_halo_host(name: HostName, address: str) -> Host:
    return Host(
        name=name,
        role=HostRole.TALOS_METAL,
        board="Framework mainboard",
        processor=Processor(model="AMD Ryzen AI MAX+ 395", cores=16, threads=32),
        memory=gib_to_mib(GiB(128)),
        addresses={K8S: IPv4Address(address)},
        disks=(
            Disk(size=GB(500), bus=DiskBus.NVME, use=DiskUse.SYSTEM),
            # The lab's docs say 1 TB; its machine configuration demands 1500 to 2000 GB, so that is what is there.
            Disk(size=GB(2000), bus=DiskBus.NVME, use=DiskUse.MODEL_CACHE),
        ),
        install_interface="enp191s0",
    )


HOSTS = (
    Host(
        name=INDY,
        role=HostRole.PROXMOX,
        board="Supermicro D-2146NT",
        processor=Processor(model="Intel Xeon D-2146NT", cores=8, threads=16),
        memory=gib_to_mib(GiB(128)),
        memory_factor=Decimal("1.5"),
        addresses={
            METAL: IPv4Address("10.0.20.12"),
            K8S: IPv4Address("10.0.30.12"),
            CEPH: IPv4Address("10.0.50.12"),
            MANAGEMENT: IPv4Address("10.0.10.22"),
        },
        disks=(_SYSTEM, _CEPH_DATABASE, *_OSDS),
    ),
    Host(
        name=METHOD,
        role=HostRole.PROXMOX,
        board="Supermicro H12SSL-i",
        processor=Processor(model="AMD EPYC 7502", cores=32, threads=64),
        memory=gib_to_mib(GiB(128)),
        memory_factor=Decimal("1.4"),
        addresses={
            METAL: IPv4Address("10.0.20.11"),
            K8S: IPv4Address("10.0.30.11"),
            CEPH: IPv4Address("10.0.50.11"),
            MANAGEMENT: IPv4Address("10.0.10.21"),
        },
        disks=(_SYSTEM, _CEPH_DATABASE, *_OSDS, *_COLD),
        passthrough=(PciDevice(mapping=TRUENAS_SATA, address="0000:c1:00.0", id="1b21:1064"),),
    ),
    Host(
        name=STALE,
        role=HostRole.PROXMOX,
        board="Supermicro X10SDV-4C-TLN4F",
        processor=Processor(model="Intel Xeon D-1518", cores=4, threads=8),
        memory=gib_to_mib(GiB(64)),
        memory_factor=Decimal("1.0"),
        addresses={
            METAL: IPv4Address("10.0.20.13"),
            K8S: IPv4Address("10.0.30.13"),
            CEPH: IPv4Address("10.0.50.13"),
        },
        disks=(_SYSTEM, _CEPH_DATABASE, *_OSDS),
    ),
    _strix_halo_host(NOSE, "10.0.30.78"),
    _strix_halo_host(TAIL, "10.0.30.79"),
)


def _strix_halo(name: AcceleratorName, host: HostName) -> Accelerator:
    return Accelerator(
        name=name,
        model="AMD Ryzen AI MAX+ 395 (gfx1151)",
        vendor=Vendor.AMD,
        host=host,
        memory=GiB(120),
        resource="amd.com/gpu",
    )


ACCELERATORS = (
    Accelerator(
        name=ARC_A310,
        model="Intel Arc A310",
        vendor=Vendor.INTEL,
        host=METHOD,
        memory=GiB(4),
        resource="gpu.intel.com/i915",
        shares=4,
        devices=(
            PciDevice(mapping=MappingName("arc-a310"), address="0000:86:00.0", id="8086:56a6"),
            PciDevice(mapping=MappingName("arc-a310-audio"), address="0000:87:00.0", id="8086:4f92"),
        ),
    ),
    Accelerator(
        name=R9700,
        model="AMD Radeon AI Pro R9700",
        vendor=Vendor.AMD,
        host=METHOD,
        memory=GiB(32),
        resource="amd.com/gpu",
        devices=(PciDevice(mapping=MappingName("r9700"), address="0000:83:00", id="1002:7551"),),
    ),
    _strix_halo(STRIX_HALO_NOSE, NOSE),
    _strix_halo(STRIX_HALO_TAIL, TAIL),
)
