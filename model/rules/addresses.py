"""I3: every address and every VM id has one owner, inside the subnet it belongs to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations

from model.cluster import NodeRole
from model.configuration import AddressPlan, Configuration, source, stack_file
from model.exclusive import Colour
from model.hardware import Host
from model.lab import Lab
from model.network import Network, NetworkName
from model.rules.intervals import Clash, Interval, clashes, first_free
from model.rules.places import Part, place
from model.violation import Rule, Source, Violation

SMALLEST_VM_ID = 100
LARGEST_VM_ID = 999_999_999
"""Bounds of a Proxmox VE guest id."""

LARGEST_POOL = 256
"""More load-balancer addresses than that are a slip of the keyboard, as is more than a quarter of the subnet."""

_PLAN = "address_plan"


def addresses(lab: Lab, configuration: Configuration) -> list[Violation]:
    """Ids and addresses of colours, hosts, devices and guests are disjoint, in their subnets and not reserved.

    A colour's plan is checked for every node of the layout, also for those whose lease it does not hold now, so that
    a lease can move to it without a clash.
    """
    order = _colours(configuration)
    network = next((network for network in lab.networks if network.name == lab.cluster.network), None)
    claims = [
        *_infrastructure(lab),
        *(claim for colour in order for claim in _colour_claims(lab, configuration, colour)),
    ]
    return [
        *_subnets(lab),
        *_slots(lab),
        *_devices(lab),
        *_ceph_hosts(lab),
        *(v for colour in order for v in _plan(lab, network, configuration, colour)),
        *_address_clashes(claims, network),
        *_vm_ids(lab, configuration, order),
    ]


def _colours(configuration: Configuration) -> tuple[Colour, ...]:
    """The active colour first: where two clash, the other one is told to move."""
    return tuple(sorted(configuration.colours, key=lambda c: (c is not configuration.shared.active_colour, c)))


# --- what is in the subnet ---------------------------------------------------------------------------------------


def _subnets(lab: Lab) -> Iterator[Violation]:
    for one, other in combinations(lab.networks, 2):
        if one.subnet.overlaps(other.subnet):
            yield _violation(
                f"the networks {one.name} ({one.subnet}) and {other.name} ({other.subnet}) overlap",
                place(Part.NETWORKS, "subnet", item=other.name),
                "give each network a subnet of its own",
                place(Part.NETWORKS, "subnet", item=one.name),
            )
    overlays: list[tuple[str, IPv4Network]] = []
    for field, text in (("pod_subnet", lab.cluster.pod_subnet), ("service_subnet", lab.cluster.service_subnet)):
        where = place(Part.CLUSTER, field)
        try:
            subnet = IPv4Network(text)
        except ValueError as error:
            yield _violation(f"{field} is no IPv4 network: {error}", where, "write it as 10.244.0.0/16")
            continue
        for network in lab.networks:
            if subnet.overlaps(network.subnet):
                yield _violation(
                    f"{field} {subnet} overlaps the network {network.name} ({network.subnet}): pods could not reach it",
                    where,
                    "choose a private range that no network of the lab uses",
                    place(Part.NETWORKS, "subnet", item=network.name),
                )
        for name, other in overlays:
            if subnet.overlaps(other):
                yield _violation(
                    f"{field} {subnet} overlaps {name} {other}",
                    where,
                    "choose two private ranges that do not meet",
                    place(Part.CLUSTER, name),
                )
        overlays.append((field, subnet))


def _devices(lab: Lab) -> Iterator[Violation]:
    """Addresses of the inventory that are not in the subnet they are said to be in."""
    networks = {network.name: network for network in lab.networks}
    for network in lab.networks:
        named = (("firewall", network.firewall), ("switch_gateway", network.switch_gateway))
        for field, address in named:
            if address is not None:
                yield from _belongs(network, address, place(Part.NETWORKS, field, item=network.name), f"its {field}")
        for address in network.reserved:
            yield from _belongs(
                network, address, place(Part.NETWORKS, "reserved", item=network.name), "a reserved address"
            )
    for claim in _owned_addresses(lab):
        network = None if claim.network is None else networks.get(claim.network)
        if network is not None:
            yield from _belongs(network, claim.address, claim.where, claim.owner)


def _belongs(network: Network, address: IPv4Address, where: Source, owner: str) -> Iterator[Violation]:
    problem = _outside(network.subnet, int(address))
    if problem is not None:
        yield _violation(
            f"{address} ({owner}) is {problem} of network {network.name} ({network.subnet})",
            where,
            f"take one of {network.subnet[1]} to {network.subnet[-2]}",
            place(Part.NETWORKS, "subnet", item=network.name),
        )


def _outside(subnet: IPv4Network, number: int) -> str | None:
    """Why nobody in the subnet can have the address; None when somebody can."""
    first, last = int(subnet.network_address), int(subnet.broadcast_address)
    if not first <= number <= last:
        return "outside"
    if subnet.prefixlen >= 31:
        return None
    return {first: "the network address", last: "the broadcast address"}.get(number)


def _ceph_hosts(lab: Lab) -> Iterator[Violation]:
    for host in _storage_hosts(lab):
        for field, name in (
            ("public_network", lab.ceph.public_network), ("cluster_network", lab.ceph.cluster_network),
        ):  # fmt: skip
            if name not in host.addresses and any(network.name == name for network in lab.networks):
                yield _violation(
                    f"host {host.name} is part of the Ceph cluster, but has no address in its {field} `{name}`",
                    place(Part.HOSTS, "addresses", item=host.name),
                    f"add an address of `{name}`",
                    place(Part.CEPH, field),
                )


def _storage_hosts(lab: Lab) -> tuple[Host, ...]:
    return tuple(host for host in lab.hosts if host.osd_count > 0 or host.name in lab.ceph.monitors)


# --- a colour's plan ---------------------------------------------------------------------------------------------


def _slots(lab: Lab) -> Iterator[Violation]:
    taken: dict[tuple[bool, int], str] = {}
    for node in lab.cluster.placements:
        if node.role.is_metal:
            continue
        key = (node.role is NodeRole.CONTROL_PLANE, node.slot)
        if key in taken:
            kind = "control-plane" if key[0] else "worker"
            yield _violation(
                f"the nodes {taken[key]} and {node.suffix} both take {kind} slot {node.slot}, hence one address and "
                "one VM id",
                place(Part.CLUSTER, f"placements[{node.suffix}]"),
                f"give {node.suffix} a slot of its own",
                place(Part.CLUSTER, f"placements[{taken[key]}]"),
            )
        taken.setdefault(key, node.suffix)


def _node_slots(lab: Lab, *, control_plane: bool) -> tuple[tuple[str, int], ...]:
    """Names and slots of the virtual nodes of one of the two ranges."""
    return tuple(
        (node.suffix, node.slot)
        for node in lab.cluster.placements
        if not node.role.is_metal and (node.role is NodeRole.CONTROL_PLANE) is control_plane
    )


def _plan(lab: Lab, network: Network | None, configuration: Configuration, colour: Colour) -> Iterator[Violation]:
    """What is wrong with a colour's plan by itself."""
    plan = configuration.colours[colour].address_plan
    if network is not None:
        yield from _ranges(lab, network, plan, colour)
        problem = _outside(network.subnet, int(plan.virtual_ip))
        if problem is not None:
            yield _violation(
                f"{plan.virtual_ip}, the virtual IP of {colour}, is {problem} of network {network.name} "
                f"({network.subnet}): the nodes could not hold it",
                source(colour, _PLAN, "virtual_ip"),
                f"take a free one of {network.subnet[1]} to {network.subnet[-2]}",
            )
    yield from _pool(network, plan, colour)


def _ranges(lab: Lab, network: Network, plan: AddressPlan, colour: Colour) -> Iterator[Violation]:
    starts = (
        ("control_plane_address_start", plan.control_plane_address_start, True),
        ("worker_address_start", plan.worker_address_start, False),
    )
    for field, start, control_plane in starts:
        nodes = _node_slots(lab, control_plane=control_plane)
        lost = [(name, int(start) + slot, slot) for name, slot in nodes if _outside(network.subnet, int(start) + slot)]
        if not lost:
            continue
        name, number, slot = lost[0]
        problem = _outside(network.subnet, number)
        rest = f", and {len(lost) - 1} more nodes" if len(lost) > 1 else ""
        yield _violation(
            f"{field} {start} of {colour} gives node {name} (slot {slot}) {_address(number)}, {problem} of network "
            f"{network.name} ({network.subnet}){rest}",
            source(colour, _PLAN, field),
            f"start between {network.subnet[1]} and {network.subnet[-2]}, with room for "
            f"{max(slot for _, slot in nodes) + 1} nodes",
        )


def _pool(network: Network | None, plan: AddressPlan, colour: Colour) -> Iterator[Violation]:
    pool = plan.load_balancer_pool
    where = source(colour, _PLAN, "load_balancer_pool")
    size = int(pool.last) - int(pool.first) + 1
    if size < 1:
        yield _violation(
            f"the load-balancer pool of {colour} is reversed: `first` {pool.first} comes after `last` {pool.last}",
            where,
            "swap `first` and `last`",
        )
        return
    if network is None:
        return
    outside = [(end, _outside(network.subnet, int(end))) for end in (pool.first, pool.last)]
    for end, problem in outside:
        if problem is not None:
            yield _violation(
                f"the load-balancer pool {pool} of {colour} has {end}, {problem} of network {network.name} "
                f"({network.subnet}): no neighbour would ask for it",
                where,
                f"keep the pool within {network.subnet[1]} to {network.subnet[-2]}",
            )
            return
    limit = min(LARGEST_POOL, network.subnet.num_addresses // 4)
    if size > limit:
        yield _violation(
            f"the load-balancer pool {pool} of {colour} has {size} addresses, more than {limit} of {network.subnet}",
            where,
            "one address serves any number of services; a handful is enough",
        )


# --- who claims what ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Owned:
    """An address of a host, device or guest."""

    address: IPv4Address
    network: NetworkName | None
    owner: str
    where: Source
    is_device: bool = False


def _owned_addresses(lab: Lab) -> Iterator[_Owned]:
    for host in lab.hosts:
        for network, address in host.addresses.items():
            yield _Owned(
                address, network, f"host {host.name}", place(Part.HOSTS, f"addresses[{network}]", item=host.name)
            )
    for switch in lab.switches:
        yield _Owned(
            switch.address, switch.network, f"switch {switch.name}",
            place(Part.SWITCHES, "address", item=switch.name), is_device=True,
        )  # fmt: skip
    others = (
        (Part.POWER_SUPPLIES, "UPS", lab.power_supplies),
        (Part.CONSOLES, "console", lab.consoles),
        (Part.LAPTOPS, "laptop", lab.laptops),
    )
    for part, kind, devices in others:
        for device in devices:
            if device.address is not None:
                yield _Owned(
                    device.address, device.network, f"{kind} {device.name}",
                    place(part, "address", item=device.name), is_device=True,
                )  # fmt: skip
    for guest in lab.guests:
        yield _Owned(
            guest.address, guest.network, f"guest {guest.name}", place(Part.GUESTS, "address", item=guest.name)
        )
    firewall = lab.firewall
    if firewall.address is not None and all(network.firewall != firewall.address for network in lab.networks):
        yield _Owned(
            firewall.address, firewall.network, f"firewall {firewall.name}",
            place(Part.FIREWALL, "address"), is_device=True,
        )  # fmt: skip


def _infrastructure(lab: Lab) -> Iterator[Interval]:
    for network in lab.networks:
        named = (
            ("firewall", f"the firewall of network {network.name}", network.firewall),
            ("switch_gateway", f"the gateway of network {network.name}", network.switch_gateway),
            ("dns", f"the DNS server of network {network.name}", network.dns),
        )
        seen: set[IPv4Address] = set()
        for field, owner, address in named:
            if address is not None and address in network.subnet and address not in seen:
                yield _single(address, owner, place(Part.NETWORKS, field, item=network.name))
                seen.add(address)
        for address in network.reserved:
            yield Interval(
                int(address),
                int(address),
                f"the reservations of network {network.name}",
                place(Part.NETWORKS, "reserved", item=network.name),
                yields=True,
            )
    for owned in _owned_addresses(lab):
        yield _single(owned.address, owned.owner, owned.where, is_device=owned.is_device)


def _colour_claims(lab: Lab, configuration: Configuration, colour: Colour) -> Iterator[Interval]:
    plan = configuration.colours[colour].address_plan
    starts = (
        ("control_plane_address_start", plan.control_plane_address_start, True, "control-plane"),
        ("worker_address_start", plan.worker_address_start, False, "worker"),
    )
    for field, start, control_plane, kind in starts:
        for _, slot in _node_slots(lab, control_plane=control_plane):
            number = int(start) + slot
            yield Interval(number, number, f"the {kind} nodes of {colour}", source(colour, _PLAN, field))
    yield _single(plan.virtual_ip, f"the virtual IP of {colour}", source(colour, _PLAN, "virtual_ip"))
    pool = plan.load_balancer_pool
    if int(pool.first) <= int(pool.last):
        yield Interval(
            int(pool.first),
            int(pool.last),
            f"the load-balancer pool of {colour}",
            source(colour, _PLAN, "load_balancer_pool"),
        )


def _single(address: IPv4Address, owner: str, where: Source, *, is_device: bool = False) -> Interval:
    return Interval(int(address), int(address), owner, where, is_device=is_device)


def _address_clashes(claims: Sequence[Interval], network: Network | None) -> Iterator[Violation]:
    for clash in clashes(claims):
        yield _violation(
            f"{clash.describe(_address)} {_is(clash)} claimed twice: by {clash.standing.owner} and by "
            f"{clash.newcomer.owner}",
            clash.newcomer.where,
            _move(clash, claims, network),
            clash.standing.where,
        )


def _move(clash: Clash, claims: Sequence[Interval], network: Network | None) -> str:
    """Where the newcomer would be alone."""
    moving = [claim for claim in claims if claim.where == clash.newcomer.where]
    length = max(claim.last for claim in moving) - min(claim.first for claim in moving) + 1
    if network is None or clash.newcomer.where.file not in {stack_file(colour) for colour in Colour}:
        return f"give {clash.newcomer.owner} another address"
    staying = [claim for claim in claims if claim.where != clash.newcomer.where]
    free = first_free(length, int(network.subnet[1]), int(network.subnet[-2]), staying)
    if free is None:
        return f"nothing in {network.subnet} has room for {length} addresses: give up some of {clash.standing.owner}"
    run = _address(free) if length == 1 else f"{_address(free)}–{_address(free + length - 1)}"
    return f"move {clash.newcomer.owner} to free addresses, for example {run}"


# --- VM ids ------------------------------------------------------------------------------------------------------


def _vm_ids(lab: Lab, configuration: Configuration, order: Sequence[Colour]) -> Iterator[Violation]:
    claims = [
        Interval(guest.vm_id, guest.vm_id, f"guest {guest.name}", place(Part.GUESTS, "vm_id", item=guest.name))
        for guest in lab.guests
    ]
    for colour in order:
        plan = configuration.colours[colour].address_plan
        starts = (
            ("control_plane_vm_id_start", plan.control_plane_vm_id_start, True, "control-plane"),
            ("worker_vm_id_start", plan.worker_vm_id_start, False, "worker"),
        )
        claims += [
            Interval(start + slot, start + slot, f"the {kind} nodes of {colour}", source(colour, _PLAN, field))
            for field, start, control_plane, kind in starts
            for _, slot in _node_slots(lab, control_plane=control_plane)
        ]
    told: list[Source] = []
    for claim in claims:
        if not SMALLEST_VM_ID <= claim.first <= LARGEST_VM_ID and claim.where not in told:
            told.append(claim.where)
            yield _violation(
                f"Proxmox VE has no VM id {claim.first} ({claim.owner}): ids are {SMALLEST_VM_ID} to {LARGEST_VM_ID}",
                claim.where,
                "choose an id in these bounds",
            )
    for clash in clashes(claims):
        moving = [claim for claim in claims if claim.where == clash.newcomer.where]
        staying = [claim for claim in claims if claim.where != clash.newcomer.where]
        length = max(claim.last for claim in moving) - min(claim.first for claim in moving) + 1
        free = first_free(length, SMALLEST_VM_ID, LARGEST_VM_ID, staying)
        yield _violation(
            f"VM id {clash.describe(str)} {_is(clash)} claimed twice: by {clash.standing.owner} and by "
            f"{clash.newcomer.owner}",
            clash.newcomer.where,
            f"move {clash.newcomer.owner} to free ids, for example from {free} on",
            clash.standing.where,
        )


def _address(number: int) -> str:
    """The address; beyond the last one, only its number is left."""
    return str(IPv4Address(number)) if number < 2**32 else "an address beyond 255.255.255.255"


def _is(clash: Clash) -> str:
    (first, last), *others = clash.shared
    return "is" if first == last and not others else "are"


def _violation(message: str, where: Source, fix: str, *also: Source) -> Violation:
    return Violation(rule=Rule.ADDRESSES, message=message, where=where, also=also, fix=fix)
