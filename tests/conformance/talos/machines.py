"""VMs without a hypervisor: what the Proxmox emulation tells the world of a colour's machines."""

import dataclasses
import uuid
from collections.abc import Iterable
from ipaddress import IPv4Address

from model.cluster import NodePlan
from twin.world import BlockDevice, Machine


class Machines:
    """VMs by address; switched on unless they were switched off."""

    def __init__(self) -> None:
        self._machines: dict[IPv4Address, Machine] = {}
        self._off: set[IPv4Address] = set()

    def switched_on(self) -> Iterable[Machine]:
        return [machine for address, machine in self._machines.items() if address not in self._off]

    def create(self, node: NodePlan, schematic_id: str, talos_version: str) -> None:
        """A new VM, made from the schematic's image; one at the address is gone."""
        sizes = [size for size in (node.disk, node.user_disk) if size is not None]
        self._machines[node.address] = Machine(
            name=node.name,
            host=node.host,
            address=node.address,
            incarnation=uuid.uuid4().hex,
            image=f"{node.colour}-talos-{schematic_id}-{talos_version}-nocloud-amd64.qcow2",
            block_devices=tuple(
                BlockDevice(f"/dev/sd{letter}", size * 2**30, "virtio-scsi")
                for letter, size in zip("abc", sizes, strict=False)
            ),
            tags=node.tags,
        )

    def change(self, node: NodePlan, **changes: object) -> None:
        """The same VM with other properties."""
        self._machines[node.address] = dataclasses.replace(self._machines[node.address], **changes)  # pyright: ignore[reportArgumentType]

    def make_anew(self, node: NodePlan) -> None:
        """Destroyed, and created with the same settings."""
        self.change(node, incarnation=uuid.uuid4().hex)

    def __contains__(self, address: object) -> bool:
        return address in self._machines

    def switch_off(self, node: NodePlan) -> None:
        self._off.add(node.address)

    def switch_on(self, node: NodePlan) -> None:
        self._off.discard(node.address)
