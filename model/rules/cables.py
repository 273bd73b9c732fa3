"""N2: every cable has two ends, and every network reaches whoever has an address in it."""

from collections import Counter
from collections.abc import Iterator, Mapping

from model.configuration import Configuration
from model.lab import Lab
from model.network import Cable, Network, NetworkName, PowerOverEthernet
from model.rules.near_miss import near_miss
from model.rules.places import Part, place
from model.units import Watts
from model.violation import Rule, Source, Violation

LARGEST_LOAD = Watts(30)
"""What a port must be able to feed under IEEE 802.3at."""

UNTAGGED_VLAN = 1
"""VLAN of untagged frames inside a Linux bridge."""


def cables(lab: Lab, configuration: Configuration) -> list[Violation]:  # noqa: ARG001 (every rule is called alike)
    """Ports, ends, power and VLANs of the cables fit; consoles and batteries name machines that exist.

    A device without any cable in the inventory is not judged: not every cable is written down.
    """
    return [
        *_vlans(lab),
        *_bridge(lab),
        *(violation for cable in lab.cables for violation in _cable(lab, cable)),
        *_used_twice(lab),
        *_power(lab),
        *_addresses_reached(lab),
        *_connected(lab),
        *_attached(lab),
    ]


def _vlans(lab: Lab) -> Iterator[Violation]:
    seen: dict[int, Network] = {}
    for network in lab.networks:
        where = place(Part.NETWORKS, "vlan", item=network.name)
        if network.vlan is None:
            continue
        if not 1 <= network.vlan <= 4094:
            yield _violation(
                f"network {network.name} has VLAN {network.vlan}; IEEE 802.1Q has 1 to 4094", where, "choose another"
            )
        if network.vlan in seen:
            other = seen[network.vlan]
            yield _violation(
                f"the networks {other.name} and {network.name} both have VLAN {network.vlan}",
                where,
                "give each its own",
                place(Part.NETWORKS, "vlan", item=other.name),
            )
        seen.setdefault(network.vlan, network)


def _bridge(lab: Lab) -> Iterator[Violation]:
    vlans = {network.name: network.vlan for network in lab.networks}
    where = place(Part.PROXMOX, "vlan_ids")
    passed = lab.proxmox.vlan_ids
    for vlan in passed:
        if vlan != UNTAGGED_VLAN and vlan not in vlans.values():
            yield _violation(
                f"the bridge {lab.proxmox.bridge} passes VLAN {vlan}, which no network has",
                where,
                f"remove it; there are {', '.join(str(v) for v in vlans.values() if v is not None)}",
                place(Part.NETWORKS),
            )
    users = [("the clusters", lab.cluster.network, place(Part.CLUSTER, "network"))]
    users += [
        (f"guest {guest.name}", guest.network, place(Part.GUESTS, "network", item=guest.name)) for guest in lab.guests
    ]
    for user, network, user_place in users:
        vlan = vlans.get(network)
        if vlan is not None and vlan not in passed:
            yield _violation(
                f"the bridge {lab.proxmox.bridge} does not pass VLAN {vlan} of network {network}, which {user} need"
                f"{'' if user == 'the clusters' else 's'}",
                where,
                f"add VlanId({vlan}) to `vlan_ids`",
                user_place,
            )


def _cable(lab: Lab, cable: Cable) -> Iterator[Violation]:
    where = _cable_place(cable)
    switches = {switch.name: switch for switch in lab.switches}
    devices = _devices(lab)
    if cable.device not in devices:
        yield _violation(
            f"a cable goes from {cable.switch} port {cable.port} to `{cable.device}`, which does not exist",
            where,
            near_miss(cable.device, devices),
        )
    switch = switches.get(cable.switch)
    if switch is None:
        yield _violation(
            f"a cable to {cable.device} comes from switch `{cable.switch}`, which does not exist",
            where,
            near_miss(cable.switch, switches),
        )
    else:
        group = switch.group_of(cable.port)
        if group is None:
            ports = ", ".join(f"{group.first}–{group.last}" for group in switch.ports)
            yield _violation(
                f"switch {switch.name} has no port {cable.port}, where the cable to {cable.device} ends",
                where,
                f"it has the ports {ports}",
                place(Part.SWITCHES, "ports", item=switch.name),
            )
        elif cable.needs_power and group.power is PowerOverEthernet.NONE:
            yield _violation(
                f"{cable.device} is fed through its cable, but port {cable.port} of {switch.name} gives no power",
                where,
                "use a port with power over Ethernet",
                place(Part.SWITCHES, "ports", item=switch.name),
            )
    yield from _carried(lab, cable, where)


def _carried(lab: Lab, cable: Cable, where: Source) -> Iterator[Violation]:
    networks = {network.name: network for network in lab.networks}
    for name in dict.fromkeys((*_carries(cable),)):
        if name not in networks:
            yield _violation(
                f"the cable to {cable.device} carries network `{name}`, which does not exist",
                where,
                near_miss(name, networks),
                place(Part.NETWORKS),
            )
    for name, times in Counter(cable.tagged).items():
        if name in networks and networks[name].vlan is None:
            yield _violation(
                f"the cable to {cable.device} carries {name} tagged, but that network has no VLAN",
                where,
                "carry it untagged",
                place(Part.NETWORKS, "vlan", item=name),
            )
        if times > 1 or name == cable.untagged:
            yield _violation(
                f"the cable to {cable.device} carries {name} twice", where, "carry it either tagged or untagged, once"
            )


def _used_twice(lab: Lab) -> Iterator[Violation]:
    by_port: dict[tuple[str, str], list[Cable]] = {}
    by_interface: dict[tuple[str, str], list[Cable]] = {}
    for cable in lab.cables:
        by_port.setdefault((cable.switch, f"port {cable.port}"), []).append(cable)
        by_interface.setdefault((cable.device, cable.interface), []).append(cable)
    for kind, users in (("port", by_port), ("interface", by_interface)):
        for (device, name), sharing in users.items():
            if len(sharing) > 1:
                others = " and ".join(
                    cable.device if kind == "port" else f"{cable.switch} port {cable.port}" for cable in sharing
                )
                yield _violation(
                    f"{device} {name} has {len(sharing)} cables: {others}",
                    _cable_place(sharing[-1]),
                    f"give each cable a free {kind}",
                    *(_cable_place(cable) for cable in sharing[:-1]),
                )


def _power(lab: Lab) -> Iterator[Violation]:
    for switch in lab.switches:
        feeds = any(group.power is not PowerOverEthernet.NONE for group in switch.ports)
        where = place(Part.SWITCHES, "power_budget", item=switch.name)
        if feeds and (switch.power_budget is None or switch.power_budget <= 0):
            yield _violation(
                f"switch {switch.name} has ports that give power, but no power budget",
                where,
                "write the budget of its data sheet",
            )
            continue
        fed = [cable for cable in lab.cables if cable.switch == switch.name and cable.needs_power]
        load = LARGEST_LOAD * len(fed)
        if switch.power_budget is not None and load > switch.power_budget:
            yield _violation(
                f"switch {switch.name} can give {switch.power_budget} W, but {len(fed)} devices "
                f"({', '.join(cable.device for cable in fed)}) may take {load} W",
                where,
                "feed fewer devices from it",
                *(_cable_place(cable) for cable in fed),
            )
    for switch in lab.switches:
        for group in switch.ports:
            if group.last < group.first:
                yield _violation(
                    f"ports {group.first} to {group.last} of switch {switch.name} are none",
                    place(Part.SWITCHES, "ports", item=switch.name),
                    "swap `first` and `last`",
                )


def _addresses_reached(lab: Lab) -> Iterator[Violation]:
    """Who has cables has one for every network in which it has an address."""
    carried: dict[str, set[NetworkName]] = {}
    for cable in lab.cables:
        carried.setdefault(cable.device, set()).update(_carries(cable))
    for host in lab.hosts:
        where = place(Part.HOSTS, "addresses", item=host.name)
        for network in host.addresses:
            yield from _reaches(lab, carried, host.name, network, where)
    for part, devices in ((Part.SWITCHES, lab.switches), (Part.CONSOLES, lab.consoles), (Part.LAPTOPS, lab.laptops)):
        # A switch is the far end of other cables, too; only those that lead to it count here.
        for device in devices:
            if device.network is not None and device.address is not None:
                yield from _reaches(
                    lab, carried, device.name, device.network, place(part, "network", item=device.name)
                )
    for network in lab.networks:
        if network.vlan is not None:
            where = place(Part.NETWORKS, "firewall", item=network.name)
            yield from _reaches(lab, carried, lab.firewall.name, network.name, where)


def _reaches(
    lab: Lab, carried: Mapping[str, set[NetworkName]], device: str, network: NetworkName, where: Source
) -> Iterator[Violation]:
    known = any(one.name == network for one in lab.networks)
    if known and device in carried and network not in carried[device]:
        cable = next(cable for cable in lab.cables if cable.device == device)
        yield _violation(
            f"{device} has an address in network {network}, but none of its cables carries it",
            where,
            f"carry {network} on the cable from {cable.switch} port {cable.port}, or remove the address",
            _cable_place(cable),
        )


def _connected(lab: Lab) -> Iterator[Violation]:
    """The parts of a network that hang on different switches are joined by cables that carry it."""
    for network in lab.networks:
        groups: list[set[str]] = []
        for cable in lab.cables:
            if network.name in _carries(cable):
                touching = [group for group in groups if group & {cable.switch, cable.device}]
                groups = [group for group in groups if group not in touching]
                groups.append({cable.switch, cable.device}.union(*touching))
        if len(groups) > 1:
            parts = " | ".join(", ".join(sorted(group)) for group in groups)
            yield _violation(
                f"network {network.name} is in {len(groups)} parts that no cable joins: {parts}",
                place(Part.CABLES),
                f"carry {network.name} on the cable between the switches",
                place(Part.NETWORKS, item=network.name),
            )


def _attached(lab: Lab) -> Iterator[Violation]:
    hosts = [host.name for host in lab.hosts]
    devices = _devices(lab)
    for console in lab.consoles:
        for host in console.controls:
            if host not in hosts:
                yield _violation(
                    f"console {console.name} controls `{host}`, which does not exist",
                    place(Part.CONSOLES, "controls", item=console.name),
                    near_miss(host, hosts),
                )
    for supply in lab.power_supplies:
        for device in supply.feeds:
            if device not in devices:
                yield _violation(
                    f"UPS {supply.name} feeds `{device}`, which does not exist",
                    place(Part.POWER_SUPPLIES, "feeds", item=supply.name),
                    near_miss(device, devices),
                )
            elif device == supply.name:
                yield _violation(
                    f"UPS {supply.name} feeds itself",
                    place(Part.POWER_SUPPLIES, "feeds", item=supply.name),
                    "remove it from `feeds`",
                )
        hypervisors = [host.name for host in lab.hypervisors]
        if supply.watched_by is not None and supply.watched_by not in hypervisors:
            yield _violation(
                f"UPS {supply.name} is watched by `{supply.watched_by}`, which is no Proxmox host",
                place(Part.POWER_SUPPLIES, "watched_by", item=supply.name),
                near_miss(supply.watched_by, hypervisors),
            )
        if supply.power <= 0:
            yield _violation(
                f"UPS {supply.name} has {supply.power} W",
                place(Part.POWER_SUPPLIES, "power", item=supply.name),
                "write the power of its data sheet",
            )


def _devices(lab: Lab) -> tuple[str, ...]:
    return tuple(
        device.name
        for kind in (lab.hosts, lab.switches, (lab.firewall,), lab.power_supplies, lab.consoles, lab.laptops)
        for device in kind
    )


def _carries(cable: Cable) -> tuple[NetworkName, ...]:
    return (*cable.tagged, *((cable.untagged,) if cable.untagged is not None else ()))


def _cable_place(cable: Cable) -> Source:
    return place(Part.CABLES, item=f"{cable.switch} port {cable.port}")


def _violation(message: str, where: Source, fix: str, *also: Source) -> Violation:
    return Violation(rule=Rule.CABLES, message=message, where=where, also=also, fix=fix)
