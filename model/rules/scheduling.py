"""I12: every node can exist where it is placed, and every accelerator has a node."""

from collections import Counter
from collections.abc import Iterator

from model.cluster import MachineTier, NodeRole, NodeShape, Placement
from model.configuration import Configuration
from model.hardware import Accelerator, Host, HostRole, Vendor
from model.lab import Lab
from model.rules.places import Part, place
from model.units import GB, GiB, MiB, gb_to_gib
from model.violation import Rule, Source, Violation

VENDOR_TAINT = {Vendor.AMD: "amd.com/gpu", Vendor.INTEL: "intel.com/gpu"}
"""Taint key that keeps other pods off a node with the vendor's accelerator."""

RESOURCE_DOMAIN = {Vendor.AMD: "amd.com", Vendor.INTEL: "intel.com"}
"""Domain under which the vendor's device plugin announces its resource."""

ROLE_VENDOR = {NodeRole.INTEL_GPU: Vendor.INTEL, NodeRole.AMD_GPU: Vendor.AMD, NodeRole.STRIX_HALO: Vendor.AMD}
"""Whose accelerator a node of the role carries; the other roles carry none."""

LEAST_MEMORY = {True: MiB(2048), False: MiB(1024)}
"""Least memory of a Talos node, of the control plane (True) and of others. Source: Talos' system requirements."""

LEAST_VIRTUAL_CPUS = {True: 2, False: 1}
"""Least virtual CPUs, keyed alike, from the same source."""

LEAST_DISK = GiB(10)
"""Least system disk, from the same source."""


def scheduling(lab: Lab, configuration: Configuration) -> list[Violation]:  # noqa: ARG001 (every rule is called alike)
    """Shapes have the size, taints and tier of their role, nodes stand on fitting hosts, control planes are spread."""
    return [
        *(violation for shape in lab.cluster.shapes for violation in _shape(shape)),
        *_memory(lab),
        *_placements(lab),
        *_accelerators(lab),
        *_control_plane(lab),
        *_workers(lab),
    ]


def _shape(shape: NodeShape) -> Iterator[Violation]:
    where = _shape_place(shape)
    for (key, effect), times in Counter((taint.key, taint.effect) for taint in shape.taints).items():
        if times > 1:
            yield _violation(f"shape {shape.role} has the taint {key}:{effect} {times} times", where, "give it once")
    vendor = ROLE_VENDOR.get(shape.role)
    tier = MachineTier.STANDARD if vendor is None else MachineTier.ACCELERATED
    if shape.tier is not tier:
        yield _violation(
            f"shape {shape.role} has tier {shape.tier}; {'with' if vendor else 'without'} an accelerator it is {tier}",
            where,
            f"set `tier` to {tier}",
        )
    if vendor is not None and VENDOR_TAINT[vendor] not in {taint.key for taint in shape.taints}:
        yield _violation(
            f"shape {shape.role} carries an accelerator of {vendor}, but lacks the taint {VENDOR_TAINT[vendor]}: "
            "pods that need none would fill it",
            where,
            f'add Taint(key="{VENDOR_TAINT[vendor]}")',
        )
    yield from _metal(shape, where) if shape.role.is_metal else _virtual(shape, where)
    volumes = (("ephemeral_volume", shape.ephemeral_volume), ("local_volume", shape.local_volume))
    for field, bounds in volumes:
        if bounds is not None and not 0 < bounds.minimum <= bounds.maximum:
            yield _violation(
                f"{field} of shape {shape.role} is to be {bounds.minimum} to {bounds.maximum} GB",
                _shape_place(shape, field),
                "the smallest size is above zero and not above the largest",
            )


def _metal(shape: NodeShape, where: Source) -> Iterator[Violation]:
    for field in ("virtual_cpus", "base_memory", "fixed_memory", "disk", "user_disk"):
        if getattr(shape, field) is not None:
            yield _violation(
                f"shape {shape.role} is a bare machine, but has `{field}`, which is a virtual machine's",
                where,
                f"remove `{field}`: the machine has what it has",
            )


def _virtual(shape: NodeShape, where: Source) -> Iterator[Violation]:
    control_plane = shape.role is NodeRole.CONTROL_PLANE
    least = LEAST_VIRTUAL_CPUS[control_plane]
    if shape.virtual_cpus is None or shape.virtual_cpus < least:
        yield _violation(
            f"shape {shape.role} has {shape.virtual_cpus or 'no'} virtual CPUs; Talos needs {least}",
            where,
            f"set `virtual_cpus` to {least} or more",
        )
    if shape.base_memory is None and shape.fixed_memory is None:
        yield _violation(
            f"shape {shape.role} has no memory", where, "give it `base_memory` or `fixed_memory`"
        )
    if shape.disk is None or shape.disk < LEAST_DISK:
        yield _violation(
            f"shape {shape.role} has {shape.disk or 'no'} GiB of disk; Talos needs {LEAST_DISK}",
            where,
            f"set `disk` to {LEAST_DISK} or more",
        )
    if shape.user_disk is not None and shape.user_disk <= 0:
        yield _violation(
            f"the user disk of shape {shape.role} has {shape.user_disk} GiB",
            where,
            "remove `user_disk` or give it a size",
        )
    volume = shape.local_volume
    if volume is None:
        return
    if shape.user_disk is None:
        yield _violation(
            f"shape {shape.role} has a volume for local data, but no second disk to hold it",
            _shape_place(shape, "local_volume"),
            "give the shape a `user_disk`, or remove the volume",
        )
    elif gb_to_gib(GB(volume.minimum)) > shape.user_disk:
        yield _violation(
            f"the volume for local data of shape {shape.role} needs {volume.minimum} GB, its disk has "
            f"{shape.user_disk} GiB",
            _shape_place(shape, "local_volume"),
            "enlarge `user_disk` or lower the volume's minimum",
        )


def _memory(lab: Lab) -> Iterator[Violation]:
    shapes = {shape.role: shape for shape in lab.cluster.shapes}
    hosts = {host.name: host for host in lab.hosts}
    factors: set[str] = set()
    for node in lab.cluster.placements:
        shape, host = shapes.get(node.role), hosts.get(node.host)
        if shape is None or host is None or shape.role.is_metal:
            continue
        computed = shape.fixed_memory is None and shape.base_memory is not None
        if computed and (host.memory_factor is None or host.memory_factor <= 0):
            if host.role is HostRole.PROXMOX and host.name not in factors:
                factors.add(host.name)
                yield _violation(
                    f"host {host.name} has memory factor {host.memory_factor}, so the memory of node {node.suffix} "
                    "cannot be computed",
                    place(Part.HOSTS, "memory_factor", item=host.name),
                    "give it a factor above zero, 1.0 for the base memory",
                    _shape_place(shape),
                )
            continue
        memory = shape.fixed_memory
        if memory is None and shape.base_memory is not None and host.memory_factor is not None:
            memory = MiB(int(shape.base_memory * host.memory_factor))
        least = LEAST_MEMORY[node.role is NodeRole.CONTROL_PLANE]
        if memory is not None and memory < least:
            yield _violation(
                f"node {node.suffix} would have {memory} MiB of memory on {host.name}; Talos needs {least}",
                _shape_place(shape),
                "raise the memory of the shape or the host's factor",
                place(Part.HOSTS, "memory_factor", item=host.name),
            )


def _placements(lab: Lab) -> Iterator[Violation]:
    hosts = {host.name: host for host in lab.hosts}
    for node in lab.cluster.placements:
        host = hosts.get(node.host)
        if host is None:
            continue
        wanted = HostRole.TALOS_METAL if node.role.is_metal else HostRole.PROXMOX
        if host.role is not wanted:
            yield _violation(
                f"node {node.suffix} has role {node.role}, which needs a host of role {wanted}; {host.name} is "
                f"{host.role}",
                _node(node),
                _other_hosts(lab, wanted),
                place(Part.HOSTS, "role", item=host.name),
            )
        elif node.role.is_metal:
            yield from _machine(lab, node, host)
    for guest in lab.guests:
        host = hosts.get(guest.host)
        if host is not None and host.role is not HostRole.PROXMOX:
            yield _violation(
                f"guest {guest.name} is on {guest.host}, which runs no Proxmox VE",
                place(Part.GUESTS, "host", item=guest.name),
                _other_hosts(lab, HostRole.PROXMOX),
                place(Part.HOSTS, "role", item=host.name),
            )


def _machine(lab: Lab, node: Placement, host: Host) -> Iterator[Violation]:
    if host.install_interface is None:
        yield _violation(
            f"node {node.suffix} is the machine {host.name}, whose network interface is not named",
            place(Part.HOSTS, "install_interface", item=host.name),
            "name it as Talos sees it, for example enp191s0",
            _node(node),
        )
    if lab.cluster.network not in host.addresses:
        yield _violation(
            f"node {node.suffix} is the machine {host.name}, which has no address in network {lab.cluster.network}",
            place(Part.HOSTS, "addresses", item=host.name),
            f"give {host.name} an address of `{lab.cluster.network}`",
            _node(node),
        )


def _accelerators(lab: Lab) -> Iterator[Violation]:
    cards = {card.name: card for card in lab.accelerators}
    placed: Counter[str] = Counter()
    for node in lab.cluster.placements:
        vendor = ROLE_VENDOR.get(node.role)
        card = cards.get(node.accelerator) if node.accelerator is not None else None
        if node.accelerator is None and vendor is not None:
            yield _violation(
                f"node {node.suffix} has role {node.role}, but no accelerator",
                _node(node),
                f"name an accelerator of {vendor}, or give it the role {NodeRole.WORKER}",
            )
        if card is None:
            continue
        placed[card.name] += 1
        yield from _fit(node, card, vendor)
    for card in lab.accelerators:
        where = place(Part.ACCELERATORS, item=card.name)
        if not placed[card.name]:
            yield _violation(
                f"no node carries accelerator {card.name} of {card.host}: no pod could ever use it",
                where,
                "add a placement for it to inventory/cluster.py, or remove the card",
                place(Part.CLUSTER, "placements"),
            )
        if not card.resource.partition("/")[0].endswith(RESOURCE_DOMAIN[card.vendor]):
            yield _violation(
                f"accelerator {card.name} of {card.vendor} is announced as `{card.resource}`, which is not of "
                f"{RESOURCE_DOMAIN[card.vendor]}",
                place(Part.ACCELERATORS, "resource", item=card.name),
                "write the resource that the vendor's device plugin announces",
            )


def _fit(node: Placement, card: Accelerator, vendor: Vendor | None) -> Iterator[Violation]:
    where, also = _node(node), place(Part.ACCELERATORS, item=card.name)
    if vendor is None:
        yield _violation(
            f"node {node.suffix} has role {node.role}, which carries no accelerator, but is given {card.name}",
            where,
            "give it the role of the accelerator, or take the accelerator away",
            also,
        )
    elif card.vendor is not vendor:
        yield _violation(
            f"node {node.suffix} has role {node.role}, which carries accelerators of {vendor}; {card.name} is of "
            f"{card.vendor}",
            where,
            "give the node the role that fits the card",
            also,
        )
    elif node.role.is_metal and card.devices:
        yield _violation(
            f"node {node.suffix} is a bare machine, but {card.name} is a card with mappings for virtual machines",
            where,
            "remove the card's mappings, or place a virtual machine",
            also,
        )
    elif not node.role.is_metal and not card.devices:
        yield _violation(
            f"node {node.suffix} is a virtual machine, but {card.name} has no PCI device that could be given to it",
            where,
            "add the card's PciDevice with its mapping",
            also,
        )
    # A card with PCI devices on another host is told by the passthrough rule.
    if card.host != node.host and not card.devices:
        yield _violation(
            f"node {node.suffix} is on {node.host}, but {card.name} is part of {card.host}",
            where,
            f"place the node on {card.host}",
            also,
        )


def _control_plane(lab: Lab) -> Iterator[Violation]:
    members = [node for node in lab.cluster.placements if node.role is NodeRole.CONTROL_PLANE]
    where = place(Part.CLUSTER, "placements")
    if len(members) % 2 == 0:
        yield _violation(
            "the layout has no control plane"
            if not members
            else f"the layout has {len(members)} control-plane nodes; an even number survives no more failures than "
            "one fewer",
            where,
            "have 1, 3 or 5",
        )
    hosts = Counter(node.host for node in members)
    for host, times in hosts.items():
        if times > 1:
            names = ", ".join(node.suffix for node in members if node.host == host)
            yield _violation(
                f"{times} control-plane nodes ({names}) are on {host}: when it is down, so may be the cluster",
                where,
                "place each on a host of its own",
                place(Part.HOSTS, item=host),
            )
    for node in members:
        if node.lease is not None:
            yield _violation(
                f"control-plane node {node.suffix} exists only while the colour holds `{node.lease}`",
                _node(node),
                "remove the lease",
            )


def _workers(lab: Lab) -> Iterator[Violation]:
    shapes = {shape.role: shape for shape in lab.cluster.shapes}
    ordinary = [
        node
        for node in lab.cluster.placements
        if node.role is not NodeRole.CONTROL_PLANE
        and node.lease is None
        and not (node.role in shapes and shapes[node.role].taints)
    ]
    if not ordinary:
        yield _violation(
            "every worker has a taint or needs a lease: a colour without leases could run no pod",
            place(Part.CLUSTER, "placements"),
            f"place a node of role {NodeRole.WORKER} without taints and without lease",
        )


def _other_hosts(lab: Lab, role: HostRole) -> str:
    names = ", ".join(host.name for host in lab.hosts if host.role is role)
    return f"place it on one of {names}" if names else f"add a host of role {role}"


def _node(node: Placement) -> Source:
    return place(Part.CLUSTER, f"placements[{node.suffix}]")


def _shape_place(shape: NodeShape, *path: str) -> Source:
    return place(Part.CLUSTER, f"shapes[{shape.role}]", *path)


def _violation(message: str, where: Source, fix: str, *also: Source) -> Violation:
    return Violation(rule=Rule.SCHEDULING, message=message, where=where, also=also, fix=fix)
