"""What must be so for a guest to start: memory, processors, PCI devices, disks, network.

Every refusal is a `TaskFailedError` whose message names what is lacking, where, and who has it.
"""

from dataclasses import dataclass

from model.hardware import PciDevice
from model.units import MiB
from twin.proxmox import guests as guest_values
from twin.proxmox.guests import Guest, Guests
from twin.proxmox.hosts import Hosts
from twin.proxmox.mappings import Mappings
from twin.proxmox.parameters import Values
from twin.proxmox.refusal import RefusalError
from twin.proxmox.storages import Storages
from twin.proxmox.tasks import Journal, TaskFailedError


@dataclass(frozen=True)
class MemoryHolder:
    """A running guest and the memory it holds."""

    vmid: int
    name: str
    memory: MiB


@dataclass(frozen=True)
class HostMemory:
    """Memory of one host and who holds it."""

    host: str
    installed: MiB
    reserved: MiB
    """Kept back for Ceph and the host itself."""
    holders: tuple[MemoryHolder, ...]

    @property
    def free(self) -> MiB:
        """What one more guest could have; below zero when the host is overcommitted."""
        return MiB(self.installed - self.reserved - sum(holder.memory for holder in self.holders))


class Physics:
    """The hosts' limits, applied when a guest is switched on."""

    def __init__(self, hosts: Hosts, guests: Guests, storages: Storages, mappings: Mappings) -> None:
        self._hosts = hosts
        self._guests = guests
        self._storages = storages
        self._mappings = mappings

    def capacity(self) -> list[HostMemory]:
        """Memory of every host with its holders, by host."""
        return [self.host_memory(node) for node in self._hosts.names]

    def host_memory(self, node: str, besides: int | None = None) -> HostMemory:
        """Memory of one host, not counting the guest `besides`."""
        holders = tuple(
            MemoryHolder(guest.vmid, guest.name, guest_values.memory(guest.running))
            for guest in self._guests.running()
            if guest.node == node and guest.vmid != besides and guest.running is not None
        )
        return HostMemory(node, self._hosts.get(node).memory, self._hosts.reserve(node), holders)

    def check_start(self, guest: Guest, config: Values, journal: Journal) -> None:
        """TaskFailedError when the guest cannot start on its node with that configuration."""
        self._check_disks(guest, config)
        self._check_network(guest, config)
        self._check_processors(guest, config)
        self._check_devices(guest, config)
        self._check_address(guest, config)
        self._check_memory(guest, config, journal)

    def _check_disks(self, guest: Guest, config: Values) -> None:
        for name, drive in guest_values.drives(config):
            volume_id = drive.get("file") or ""
            if volume_id in ("none", "cdrom"):
                continue
            try:
                self._storages.available(volume_id.partition(":")[0], guest.node)
            except RefusalError as refusal:
                raise TaskFailedError(refusal.message) from refusal
            if self._storages.volume(volume_id, guest.node) is None:
                raise TaskFailedError(f"{name}: volume '{volume_id}' does not exist on node '{guest.node}'")

    def _check_network(self, guest: Guest, config: Values) -> None:
        for name, interface in guest_values.devices(config, "net"):
            bridge = interface.get("bridge")
            if bridge is not None and bridge != self._hosts.lab.proxmox.bridge:
                raise TaskFailedError(f"{name}: bridge '{bridge}' does not exist on node '{guest.node}'")

    def _check_processors(self, guest: Guest, config: Values) -> None:
        threads = self._hosts.get(guest.node).processor.threads
        wanted = guest_values.virtual_cpus(config)
        if wanted > threads:
            raise TaskFailedError(f"MAX {threads} vcpus allowed per VM on this node ('{guest.node}'), got {wanted}")

    def _check_devices(self, guest: Guest, config: Values) -> None:
        for slot, device in guest_values.devices(config, "hostpci"):
            if device.get("pcie") == "1" and not str(config.get("machine", "pc")).startswith(("q35", "pc-q35")):
                raise TaskFailedError(f"{slot}: q35 machine model is not enabled")
        for slot, mapping in guest_values.mappings(config):
            for found in self._mapped(guest, slot, mapping):
                self._check_unused(guest, found)

    def _mapped(self, guest: Guest, slot: str, mapping: str) -> list[PciDevice]:
        entries = self._mappings.on_node(mapping, guest.node)
        if not entries:
            elsewhere = ", ".join(f"'{node}'" for node in self._mappings.nodes(mapping))
            where = f"; it is mapped on {elsewhere}" if elsewhere else ""
            raise TaskFailedError(
                f"{slot}: PCI device mapping not found for '{mapping}' on node '{guest.node}'{where}"
            )
        found: list[PciDevice] = []
        for entry in entries:
            device = next((d for d in self._hosts.pci_devices(guest.node) if d.address == entry.path), None)
            if device is None:
                raise TaskFailedError(
                    f"{slot}: PCI device mapping invalid (hardware probably changed): "
                    f"pci device '{entry.path}' not found on node '{guest.node}'"
                )
            if device.id != entry.id:
                raise TaskFailedError(
                    f"{slot}: PCI device mapping invalid (hardware probably changed): "
                    f"'id' does not match for '{mapping}' ({device.id} != {entry.id})"
                )
            found.append(device)
        return found

    def _check_unused(self, guest: Guest, device: PciDevice) -> None:
        for other in self._guests.running():
            if other.node != guest.node or other.vmid == guest.vmid or other.running is None:
                continue
            for _, mapping in guest_values.mappings(other.running):
                if any(entry.path == device.address for entry in self._mappings.on_node(mapping, other.node)):
                    raise TaskFailedError(
                        f"PCI device '{device.address}' already in use by VMID '{other.vmid}' ({other.name})"
                    )

    def _check_address(self, guest: Guest, config: Values) -> None:
        wanted = guest_values.address(config)
        if wanted is None:
            return
        if (owner := self._hosts.owner_of(wanted)) is not None:
            raise TaskFailedError(f"address conflict: {wanted} of VM {guest.vmid} ({guest.name}) belongs to {owner}")
        for other in self._guests.running():
            if other.vmid == guest.vmid or other.running is None or not self._hosts.is_up(other.node):
                continue
            same_network = guest_values.vlan(other.running) == guest_values.vlan(config)
            if same_network and guest_values.address(other.running) == wanted:
                raise TaskFailedError(
                    f"address conflict: {wanted} on VLAN {guest_values.vlan(config)} is in use by VM {other.vmid} "
                    f"({other.name}) and wanted by VM {guest.vmid} ({guest.name})"
                )

    def _check_memory(self, guest: Guest, config: Values, journal: Journal) -> None:
        wanted = guest_values.memory(config)
        memory = self.host_memory(guest.node, besides=guest.vmid)
        lacking = wanted - memory.free
        if lacking <= 0:
            return
        held = sum(holder.memory for holder in memory.holders)
        journal.write(f"host '{guest.node}' has {memory.installed} MiB of memory")
        journal.write(f"  {memory.reserved} MiB are kept for Ceph and the host")
        for holder in sorted(memory.holders, key=lambda h: h.memory, reverse=True):
            journal.write(f"  {holder.memory} MiB are held by VM {holder.vmid} ({holder.name})")
        raise TaskFailedError(
            f"cannot allocate memory: host '{guest.node}' lacks {lacking} MiB for VM {guest.vmid} ({guest.name}), "
            f"which wants {wanted} MiB: {memory.installed} MiB installed, {memory.reserved} MiB kept for Ceph and the "
            f"host, {held} MiB held by "
            + (", ".join(f"{h.name} ({h.memory})" for h in memory.holders) or "no guest")
        )
