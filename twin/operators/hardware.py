"""What programs on a node find in its machine: graphics cards, and the kernel modules that drive them."""

from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Address
from typing import Final

from model.base import Value
from model.hardware import Accelerator, Vendor
from twin.kubernetes.api import Object
from twin.kubernetes.hardware import Hardware
from twin.store import Store
from twin.talos.factory import MODULE_EXTENSIONS
from twin.talos.records import MachineRecords
from twin.world import World

PCI_VENDORS: Final[Mapping[Vendor, str]] = {Vendor.INTEL: "8086", Vendor.AMD: "1002"}
DRIVERS: Final[Mapping[Vendor, str]] = {Vendor.INTEL: "i915", Vendor.AMD: "amdgpu"}
DISPLAY_CLASS: Final = "0300"
SOUND_CLASS: Final = "0403"


class PciFunction(Value):
    """One PCI device as a node sees it, in hexadecimal."""

    vendor: str
    device: str
    """Empty where the inventory does not tell it: of integrated graphics."""
    pci_class: str


class NodeDevices(Value):
    """Of one node."""

    accelerators: tuple[Accelerator, ...] = ()
    modules: frozenset[str] = frozenset()
    """Loaded kernel modules: configured ones, and drivers whose extension and card are there."""

    @property
    def pci_functions(self) -> tuple[PciFunction, ...]:
        """Of the accelerators."""
        return tuple(function for card in self.accelerators for function in _functions(card))


DevicesOf = Callable[[Object], NodeDevices]
"""From a Node object; no devices for a node whose machine is not up or not known."""


def devices_of(world: World, store: Store, hardware: Hardware) -> DevicesOf:
    """By the machine at the node's address: what it has, what it booted, and how it is configured."""
    records = MachineRecords(store, world)

    def found(node: Object) -> NodeDevices:
        addresses: list[Object] = (node.get("status") or {}).get("addresses") or []
        address = next((one["address"] for one in addresses if one["type"] == "InternalIP"), None)
        machine = None if address is None else world.at(IPv4Address(address))
        configured = None if machine is None else records.at(machine.address)
        if machine is None or configured is None:
            return NodeDevices()
        try:
            present = hardware.of(machine, configured)
        except LookupError:
            return NodeDevices()
        drivers = {DRIVERS[card.vendor] for card in present.accelerators}
        loaded = {driver for driver in drivers if MODULE_EXTENSIONS[driver] in present.extensions}
        modules = frozenset(loaded | set(present.kernel_modules))
        return NodeDevices(accelerators=present.accelerators, modules=modules)

    return found


def _functions(card: Accelerator) -> Iterable[PciFunction]:
    if not card.devices:
        yield PciFunction(vendor=PCI_VENDORS[card.vendor], device="", pci_class=DISPLAY_CLASS)
    # The first function of a card is its display; the others are its sound.
    for index, device in enumerate(card.devices):
        vendor, _, identity = device.id.partition(":")
        yield PciFunction(vendor=vendor, device=identity, pci_class=SOUND_CLASS if index else DISPLAY_CLASS)
