"""What the machines of a cluster are made of. The only part of the twin's Kubernetes that knows the hypervisor."""

from collections.abc import Callable, Iterable

from model.base import Value
from model.hardware import Accelerator, Host, HostRole, PciDevice
from model.lab import Lab
from model.units import MiB
from twin.proxmox import guests as guest_values
from twin.proxmox.guests import Guest
from twin.proxmox.parameters import Values
from twin.talos.configuration import MachineConfiguration
from twin.talos.records import ConfiguredMachine
from twin.world import BlockDevice, Machine

SYSTEM_PARTITIONS_BYTES = 1202 * 1024 * 1024
"""EFI or BIOS boot, META and STATE: what Talos takes of the system disk before the volume of pods."""


class NodeHardware(Value):
    """A machine as the kubelet and the device plugins on it find it."""

    cores: int
    memory: MiB
    is_metal: bool
    block_devices: tuple[BlockDevice, ...]
    pci_devices: tuple[PciDevice, ...]
    """Given to the VM by Proxmox mappings; of a bare machine none is known."""
    accelerators: tuple[Accelerator, ...]
    """GPUs that the machine has: passed through, or its processor's own."""
    kernel_modules: tuple[str, ...]
    """Loaded by the machine configuration."""
    extensions: tuple[str, ...]
    """System extensions of its image by full name, e.g. `siderolabs/amdgpu`."""

    def ephemeral_bytes(self, parsed: MachineConfiguration) -> int:
        """Size of the volume with images, logs and pod data; 0 when the machine has no such disk."""
        if parsed.ephemeral_maximum_bytes is not None:
            return min(parsed.ephemeral_maximum_bytes, max((d.size_bytes for d in self.block_devices), default=0))
        system = next((d.size_bytes for d in self.block_devices if d.path == parsed.install_disk), 0)
        return max(system - SYSTEM_PARTITIONS_BYTES, 0)


class Hardware:
    """The machines, VMs and bare ones, switched on or not."""

    def __init__(self, lab: Lab, guests: Callable[[], Iterable[Guest]]) -> None:
        self._lab = lab
        self._guests = guests

    def now(self) -> "Present":
        """The machines at this moment."""
        return Present(self._lab, self._guests())

    def of(self, machine: Machine, configured: ConfiguredMachine) -> NodeHardware:
        """What the machine, which is switched on, has; LookupError when the hypervisor has lost it since."""
        return self.now().of(machine, configured)


class Present:
    """The machines that were there at one moment."""

    def __init__(self, lab: Lab, guests: Iterable[Guest]) -> None:
        self._metal: dict[str, Host] = {host.name: host for host in lab.hosts if host.role is HostRole.TALOS_METAL}
        self._accelerators = lab.accelerators
        self._devices: dict[str, PciDevice] = {device.mapping: device for _, device in lab.pci_devices}
        self._guests = {guest.incarnation: guest for guest in guests}

    def has(self, configured: ConfiguredMachine) -> bool:
        """Whether the machine was there, on or off, as it was when it was configured."""
        return configured.name in self._metal or _guest_of(configured.incarnation) in self._guests

    def of(self, machine: Machine, configured: ConfiguredMachine) -> NodeHardware:
        """What the machine, which is switched on, has; LookupError when it was not there."""
        metal = self._metal.get(machine.name)
        if metal is not None:
            cores, memory = metal.processor.threads, metal.memory
            accelerators = tuple(a for a in self._accelerators if a.host == metal.name and not a.devices)
        else:
            values = self._running(machine)
            cores, memory = guest_values.virtual_cpus(values), guest_values.memory(values)
            accelerators = tuple(
                accelerator
                for accelerator in self._accelerators
                if any(device.mapping in machine.pci_mappings for device in accelerator.devices)
            )
        return NodeHardware(
            cores=cores,
            memory=memory,
            is_metal=metal is not None,
            block_devices=machine.block_devices,
            pci_devices=tuple(self._devices[mapping] for mapping in machine.pci_mappings if mapping in self._devices),
            accelerators=accelerators,
            kernel_modules=configured.parsed.kernel_modules,
            extensions=configured.extensions,
        )

    def _running(self, machine: Machine) -> Values:
        guest = self._guests.get(_guest_of(machine.incarnation))
        if guest is None or guest.running is None:
            raise LookupError(f"the hypervisor has no running VM {machine.name}")
        return guest.running


def _guest_of(incarnation: str) -> str:
    """A machine's incarnation is its guest's, then its system disk's."""
    return incarnation.partition("-")[0]
