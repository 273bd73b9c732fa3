"""The hardware the twin pretends to have, and the machines that run on it.

The Proxmox emulation says which guests run; metal hosts are here from the start. Whoever needs a machine at an
address (Talos, remote commands) asks the world, never the Proxmox emulation.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from model.hardware import HostRole
from model.lab import Lab
from twin.faults import Faults


@dataclass(frozen=True)
class BlockDevice:
    """A disk as the guest sees it, e.g. `/dev/sda`."""

    path: str
    size_bytes: int
    transport: str
    """`virtio-scsi`, `nvme`, …"""


@dataclass(frozen=True)
class Machine:
    """A machine that is switched on and answers at `address`."""

    name: str
    host: str
    address: IPv4Address
    incarnation: str
    """Changes when the machine is created anew or its system disk is wiped: what was installed is gone then."""
    image: str | None
    """File name of the image its system disk was made from; None for bare metal booted from the factory ISO."""
    block_devices: tuple[BlockDevice, ...] = ()
    pci_mappings: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)


class World:
    """Machines that are switched on, from every source."""

    def __init__(self, lab: Lab, faults: Faults) -> None:
        self.lab = lab
        self.faults = faults
        self._sources: list[Callable[[], Iterable[Machine]]] = [self._metal]

    def add_source(self, source: Callable[[], Iterable[Machine]]) -> None:
        """Have the machines of `source` (called each time) in the world, too."""
        self._sources.append(source)

    def machines(self) -> list[Machine]:
        """Every machine that is switched on and whose host has power."""
        found = [machine for source in self._sources for machine in source()]
        return [machine for machine in found if not self.faults.host_is_down(machine.host)]

    def at(self, address: IPv4Address | str) -> Machine | None:
        """The machine that answers at the address, None when none does."""
        wanted = IPv4Address(address)
        return next((machine for machine in self.machines() if machine.address == wanted), None)

    def _metal(self) -> Iterable[Machine]:
        for host in self.lab.hosts:
            if host.role is not HostRole.TALOS_METAL:
                continue
            disks = tuple(
                BlockDevice(f"/dev/nvme{index}n1", disk.size * 10**9, disk.bus) for index, disk in enumerate(host.disks)
            )
            for address in host.addresses.values():
                yield Machine(
                    name=host.name, host=host.name, address=address, incarnation=f"metal-{host.name}",
                    image=None, block_devices=disks,
                )
