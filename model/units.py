"""Quantities that carry their unit in the type."""

from typing import NewType

MiB = NewType("MiB", int)
"""Memory or cache in mebibytes (2**20 bytes), as Proxmox counts memory."""

GiB = NewType("GiB", int)
"""Memory or disk in gibibytes (2**30 bytes), as Proxmox counts VM disks."""

GB = NewType("GB", int)
"""Disk as its maker prints it (10**9 bytes)."""

Seconds = NewType("Seconds", int)

MINUTE, HOUR, DAY = Seconds(60), Seconds(60 * 60), Seconds(24 * 60 * 60)

Watts = NewType("Watts", int)

Mtu = NewType("Mtu", int)
"""Largest packet of a link in bytes, without the Ethernet header."""

VlanId = NewType("VlanId", int)
"""IEEE 802.1Q VLAN, 1 to 4094."""

VmId = NewType("VmId", int)
"""Proxmox VE guest id, 100 to 999999999; unique over the whole Proxmox cluster."""

MebibitsPerSecond = NewType("MebibitsPerSecond", int)

MIB_PER_GIB = 1024


def gib_to_mib(size: GiB) -> MiB:
    """The same size counted in mebibytes."""
    return MiB(size * MIB_PER_GIB)


def gb_to_gib(size: GB) -> GiB:
    """The whole gibibytes that fit on a disk of `size`."""
    return GiB(size * 10**9 // 2**30)
