"""The Proxmox hosts of the lab as the emulation sees them."""

from ipaddress import IPv4Address

from model.colour import reserve
from model.hardware import DiskUse, Host, PciDevice
from model.lab import Lab
from model.units import MIB_PER_GIB, MiB, VlanId
from twin.faults import Faults
from twin.proxmox.refusal import RefusalError, failed, unreachable


class Hosts:
    """The nodes of the cluster, their hardware and whether they have power."""

    def __init__(self, lab: Lab, faults: Faults) -> None:
        self.lab = lab
        self.faults = faults
        self._by_name: dict[str, Host] = {host.name: host for host in lab.hypervisors}

    @property
    def names(self) -> list[str]:
        """Every node, up or down, by name."""
        return sorted(self._by_name)

    def get(self, node: str) -> Host:
        """The host of a node; RefusalError when the cluster has no such node."""
        host = self._by_name.get(node)
        if host is None:
            raise failed(f"hostname lookup '{node}' failed - failed to get address info for: {node}: "
                         "Name or service not known")
        return host

    def reach(self, node: str) -> Host:
        """The host of a node that is up; RefusalError when it is down or unknown."""
        host = self.get(node)
        if self.faults.host_is_down(node):
            raise unreachable(node)
        return host

    def is_up(self, node: str) -> bool:
        """Whether the node has power."""
        return not self.faults.host_is_down(node)

    def check(self, node: str) -> RefusalError | None:
        """Why a call to the node cannot be served, None when it can."""
        try:
            self.reach(node)
        except RefusalError as refusal:
            return refusal
        return None

    def address(self, node: str) -> IPv4Address:
        """The node's address on Ceph's public network, where its API is."""
        return self.get(node).addresses[self.lab.ceph.public_network]

    def reserve(self, node: str) -> MiB:
        """Memory that no guest may have."""
        return reserve(self.lab, self.get(node))

    def memory_bytes(self, node: str) -> int:
        """Installed memory."""
        return self.get(node).memory * 1024 * 1024

    def volume_group_bytes(self, node: str) -> int:
        """Room of the volume group for guest disks."""
        return self.get(node).volume_group_size * MIB_PER_GIB * 1024 * 1024

    def ceph_bytes(self, size: int) -> int:
        """Room of a pool that keeps `size` copies, over all hosts."""
        raw = sum(d.size * 10**9 for h in self._by_name.values() for d in h.disks if d.use is DiskUse.CEPH_OSD)
        return raw // size

    def pci_devices(self, node: str) -> list[PciDevice]:
        """The devices of the node that can be given to guests."""
        return [device for host, device in self.lab.pci_devices if host == node]

    def carries(self, bridge: str, vlan: VlanId) -> bool:
        """Whether frames of the VLAN leave the bridge."""
        return bridge == self.lab.proxmox.bridge and vlan in self.lab.proxmox.vlan_ids

    def owner_of(self, address: IPv4Address) -> str | None:
        """The server or network device that has the address, None when none has."""
        for host in self.lab.hosts:
            if address in host.addresses.values():
                return f"host '{host.name}'"
        for network in self.lab.networks:
            if address in network.reserved_addresses:
                return f"network '{network.name}' (gateway, DNS or reserved)"
        return None
