"""I1: a PCI device goes to one guest, on the host it is plugged into, under the name of its mapping."""

import re
from collections.abc import Iterator
from itertools import combinations

from model.base import Value
from model.configuration import Configuration
from model.hardware import HostName, HostRole, MappingName, PciDevice
from model.lab import Lab
from model.rules.near_miss import near_miss
from model.rules.places import Part, place
from model.violation import Rule, Source, Violation

_RAW_ID = re.compile(r"^(?:[0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}(?:\.[0-7])?$|^[0-9a-f]{4}:[0-9a-f]{4}$", re.IGNORECASE)
"""A PCI address or a vendor:device pair."""

_MAPPING_NAME = re.compile(r"^[a-z][a-z0-9_-]+$", re.IGNORECASE)
"""What Proxmox VE takes as the id of a resource mapping."""


class _Use(Value):
    """A guest that is given a device."""

    guest: str
    host: HostName
    mapping: MappingName
    where: Source


def passthrough(lab: Lab, configuration: Configuration) -> list[Violation]:  # noqa: ARG001 (every rule is called alike)
    """Every mapping that a guest is given exists once, on the guest's own host, and no other guest has its device.

    All nodes of the layout count, whichever leases are held now: a lease may move, a card does not.
    """
    uses = tuple(_uses(lab))
    return [*_devices(lab), *_raw_ids(uses), *_misplaced(lab, uses), *_shared_devices(lab, uses)]


def _uses(lab: Lab) -> Iterator[_Use]:
    cards = {card.name: card for card in lab.accelerators}
    for node in lab.cluster.placements:
        card = None if node.accelerator is None else cards.get(node.accelerator)
        if card is not None and not node.role.is_metal:
            for device in card.devices:
                yield _Use(
                    guest=f"node {node.suffix}",
                    host=node.host,
                    mapping=device.mapping,
                    where=place(Part.CLUSTER, f"placements[{node.suffix}]"),
                )
    for guest in lab.guests:
        for mapping in guest.passthrough:
            yield _Use(
                guest=f"guest {guest.name}",
                host=guest.host,
                mapping=mapping,
                where=place(Part.GUESTS, "passthrough", item=guest.name),
            )


def _devices(lab: Lab) -> Iterator[Violation]:
    """What is wrong with the devices themselves, whoever uses them."""
    owners = {host.name: host for host in lab.hosts}
    for host, device in lab.pci_devices:
        if host in owners and owners[host].role is not HostRole.PROXMOX:
            yield _violation(
                f"host {host} has PCI device `{device.mapping}` to give to guests, but runs no Proxmox VE",
                _device_place(lab, device),
                "remove the device's mapping; an integrated accelerator needs none",
            )
        if not _MAPPING_NAME.match(device.mapping):
            yield _violation(
                f"Proxmox VE takes no mapping called `{device.mapping}`",
                _device_place(lab, device),
                "start with a letter, then letters, digits, `-` or `_`, two characters at least",
            )
    for (host, first), (other, second) in combinations(lab.pci_devices, 2):
        if first.mapping == second.mapping:
            yield _violation(
                f"two devices have the mapping `{first.mapping}`: {first.address} of {host} and "
                f"{second.address} of {other}",
                _device_place(lab, second),
                "give each device a mapping of its own",
                _device_place(lab, first),
            )
        elif host == other and _is_same_function(first, second):
            yield _violation(
                f"the mappings `{first.mapping}` ({first.address}) and `{second.mapping}` ({second.address}) "
                f"are the same device of {host}",
                _device_place(lab, second),
                "remove one of them; an address without function means all functions",
                _device_place(lab, first),
            )


def _raw_ids(uses: tuple[_Use, ...]) -> Iterator[Violation]:
    for use in uses:
        if _RAW_ID.match(use.mapping):
            yield _violation(
                f"{use.guest} is given the raw PCI id `{use.mapping}`; an API token may not do that, and no rule "
                "can tell whose device it is",
                use.where,
                "add a PciDevice with a mapping name to its host in inventory/hosts.py and use that name",
            )


def _misplaced(lab: Lab, uses: tuple[_Use, ...]) -> Iterator[Violation]:
    homes = {device.mapping: host for host, device in lab.pci_devices}
    for use in uses:
        if _RAW_ID.match(use.mapping):
            continue
        if use.mapping not in homes:
            yield _violation(
                f"{use.guest} is given `{use.mapping}`, and no device has that mapping",
                use.where,
                near_miss(use.mapping, homes),
            )
        elif homes[use.mapping] != use.host:
            home = homes[use.mapping]
            yield _violation(
                f"{use.guest} runs on {use.host}, but its device `{use.mapping}` is plugged into {home}",
                use.where,
                f"place {use.guest} on {home}, or move the card and its entry to {use.host}",
                _mapping_place(lab, use.mapping),
            )


def _shared_devices(lab: Lab, uses: tuple[_Use, ...]) -> Iterator[Violation]:
    devices = {device.mapping: (host, device) for host, device in lab.pci_devices}
    known = [use for use in uses if use.mapping in devices]
    for first, second in combinations(known, 2):
        if first.mapping == second.mapping and first.where == second.where:
            yield _violation(
                f"{first.guest} is given `{first.mapping}` twice", first.where, "name it once"
            )
        elif first.mapping == second.mapping:
            yield _violation(
                f"`{first.mapping}` is given to {first.guest} and to {second.guest}; one device fits one guest",
                second.where,
                f"take it from {first.guest} or from {second.guest}",
                first.where,
            )
        elif first.guest != second.guest:
            host, device = devices[first.mapping]
            other_host, other = devices[second.mapping]
            bond = _bond(device, other) if host == other_host else None
            if bond is not None:
                yield _violation(
                    f"`{first.mapping}` of {first.guest} and `{second.mapping}` of {second.guest} {bond}; "
                    "they can only move together",
                    second.where,
                    f"give both to {first.guest} or both to {second.guest}",
                    first.where,
                )


def _bond(one: PciDevice, other: PciDevice) -> str | None:
    """Why two devices of one host cannot be in two guests; None when they can."""
    if _slot(one) == _slot(other):
        return f"are functions of one card ({_slot(one)})"
    if one.iommu_group is not None and one.iommu_group == other.iommu_group:
        return f"are in the same IOMMU group ({one.iommu_group})"
    return None


def _is_same_function(one: PciDevice, other: PciDevice) -> bool:
    whole = "." not in one.address or "." not in other.address
    return _slot(one) == _slot(other) if whole else one.address == other.address


def _slot(device: PciDevice) -> str:
    return device.address.partition(".")[0]


def _mapping_place(lab: Lab, mapping: MappingName) -> Source:
    return _device_place(lab, next(device for _, device in lab.pci_devices if device.mapping == mapping))


def _device_place(lab: Lab, device: PciDevice) -> Source:
    for card in lab.accelerators:
        if any(one is device for one in card.devices):
            return place(Part.ACCELERATORS, f"devices[{device.mapping}]", item=card.name)
    for host in lab.hosts:
        if any(one is device for one in host.passthrough):
            return place(Part.HOSTS, f"passthrough[{device.mapping}]", item=host.name)
    return place(Part.HOSTS)


def _violation(message: str, where: Source, fix: str, *also: Source) -> Violation:
    return Violation(rule=Rule.PASSTHROUGH, message=message, where=where, also=also, fix=fix)
