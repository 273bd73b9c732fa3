"""S2: every name refers to something, and to one thing only."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Protocol

from model.cluster import NodeRole
from model.configuration import Configuration, source
from model.lab import Lab
from model.rules.near_miss import near_miss
from model.rules.places import Part, place
from model.violation import Rule, Source, Violation


class _Named(Protocol):
    @property
    def name(self) -> str: ...


def names(lab: Lab, configuration: Configuration) -> list[Violation]:
    """Every host, network, guest, pool, storage or node that is named exists, and no two share a name."""
    return [*_duplicates(lab), *_inventory(lab), *_cluster(lab), *_replaceable(lab, configuration)]


def _duplicates(lab: Lab) -> Iterator[Violation]:
    collections: tuple[tuple[Part, str, Iterable[_Named]], ...] = (
        (Part.NETWORKS, "networks", lab.networks),
        (Part.ACCELERATORS, "accelerators", lab.accelerators),
        (Part.STORAGES, "storages", lab.storages),
        (Part.INSTALLERS, "installer images", lab.installers),
        (Part.GUESTS, "guests", lab.guests),
    )
    for part, kind, values in collections:
        yield from _repeated([value.name for value in values], kind, place(part))
    # A cable names its device whatever kind of device it is, so all kinds share one set of names.
    devices: tuple[_Named, ...] = (
        *lab.hosts, *lab.switches, lab.firewall, *lab.power_supplies, *lab.consoles, *lab.laptops,
    )
    yield from _repeated([device.name for device in devices], "devices", place(Part.HOSTS))
    cluster = lab.cluster
    yield from _repeated([schematic.name for schematic in cluster.schematics], "schematics", _layout("schematics"))
    yield from _repeated([shape.role for shape in cluster.shapes], "shapes", _layout("shapes"))
    yield from _repeated([node.suffix for node in cluster.placements], "nodes", _layout("placements"))
    yield from _repeated([release.talos for release in cluster.releases], "releases", _layout("releases"))
    yield from _repeated([mirror.registry for mirror in cluster.mirrors], "registry mirrors", _layout("mirrors"))
    yield from _repeated([pool.name for pool in lab.ceph.pools], "pools", place(Part.CEPH, "pools"))
    yield from _repeated(
        [job.name for job in lab.proxmox.backup_jobs], "backup jobs", place(Part.PROXMOX, "backup_jobs")
    )
    yield from _repeated(
        [public.label for public in lab.cloud.cloudflare.tunnel.names], "public names", place(Part.CLOUD, "tunnel")
    )


def _inventory(lab: Lab) -> Iterator[Violation]:
    networks = [network.name for network in lab.networks]
    hosts = [host.name for host in lab.hosts]
    storages = [storage.name for storage in lab.storages]
    pools = [pool.name for pool in lab.ceph.pools]
    guests = [guest.name for guest in lab.guests]
    installers = [image.name for image in lab.installers]
    for host in lab.hosts:
        for network in host.addresses:
            yield from _dangling(network, networks, "network", place(Part.HOSTS, "addresses", item=host.name))
    for card in lab.accelerators:
        yield from _dangling(card.host, hosts, "host", place(Part.ACCELERATORS, "host", item=card.name))
    for switch in lab.switches:
        yield from _dangling(switch.network, networks, "network", place(Part.SWITCHES, "network", item=switch.name))
    others = (
        (Part.POWER_SUPPLIES, lab.power_supplies),
        (Part.CONSOLES, lab.consoles),
        (Part.LAPTOPS, lab.laptops),
        (Part.FIREWALL, (lab.firewall,)),
    )
    for part, devices in others:
        for device in devices:
            if device.network is not None:
                where = place(part, "network", item=None if part is Part.FIREWALL else device.name)
                yield from _dangling(device.network, networks, "network", where)
    for guest in lab.guests:
        yield from _dangling(guest.host, hosts, "host", place(Part.GUESTS, "host", item=guest.name))
        yield from _dangling(guest.network, networks, "network", place(Part.GUESTS, "network", item=guest.name))
        yield from _dangling(
            guest.installer, installers, "installer image", place(Part.GUESTS, "installer", item=guest.name)
        )
    for storage in lab.storages:
        for host in storage.hosts:
            yield from _dangling(host, hosts, "host", place(Part.STORAGES, "hosts", item=storage.name))
        if storage.guest is not None:
            yield from _dangling(storage.guest, guests, "guest", place(Part.STORAGES, "guest", item=storage.name))
    ceph = lab.ceph
    yield from _dangling(ceph.public_network, networks, "network", place(Part.CEPH, "public_network"))
    yield from _dangling(ceph.cluster_network, networks, "network", place(Part.CEPH, "cluster_network"))
    yield from _dangling(ceph.block_pool, pools, "pool", place(Part.CEPH, "block_pool"))
    yield from _dangling(ceph.filesystem_data_pool, pools, "pool", place(Part.CEPH, "filesystem_data_pool"))
    for monitor in ceph.monitors:
        yield from _dangling(monitor, hosts, "host", place(Part.CEPH, "monitors"))
    proxmox = lab.proxmox
    yield from _dangling(proxmox.image_host, hosts, "host", place(Part.PROXMOX, "image_host"))
    yield from _dangling(proxmox.disk_storage, storages, "storage", place(Part.PROXMOX, "disk_storage"))
    yield from _dangling(proxmox.image_storage, storages, "storage", place(Part.PROXMOX, "image_storage"))
    for job in proxmox.backup_jobs:
        where = place(Part.PROXMOX, f"backup_jobs[{job.name}]")
        yield from _dangling(job.storage, storages, "storage", where)
        for guest in job.guests:
            yield from _dangling(guest, guests, "guest", where)


def _cluster(lab: Lab) -> Iterator[Violation]:
    hosts = [host.name for host in lab.hosts]
    cards = [card.name for card in lab.accelerators]
    roles = [shape.role for shape in lab.cluster.shapes]
    networks = [network.name for network in lab.networks]
    yield from _dangling(lab.cluster.network, networks, "network", _layout("network"))
    for node in lab.cluster.placements:
        where = _layout(f"placements[{node.suffix}]")
        yield from _dangling(node.host, hosts, "host", where)
        yield from _dangling(node.role, roles, "shape for the role", where)
        if node.accelerator is not None:
            yield from _dangling(node.accelerator, cards, "accelerator", where)


def _replaceable(lab: Lab, configuration: Configuration) -> Iterator[Violation]:
    control_plane = [node.suffix for node in lab.cluster.placements if node.role is NodeRole.CONTROL_PLANE]
    for colour, settings in configuration.colours.items():
        for name in settings.replaceable:
            yield from _dangling(name, control_plane, "control-plane node", source(colour, "replaceable"))


def _layout(path: str) -> Source:
    return place(Part.CLUSTER, path)


def _dangling(name: str, known: Iterable[str], kind: str, where: Source) -> Iterator[Violation]:
    known_names = tuple(known)
    if name not in known_names:
        yield Violation(
            rule=Rule.NAMES,
            message=f"there is no {kind} `{name}`",
            where=where,
            fix=near_miss(name, known_names),
        )


def _repeated(names_given: Iterable[str], kind: str, where: Source) -> Iterator[Violation]:
    for name, times in Counter(names_given).items():
        if times > 1:
            yield Violation(
                rule=Rule.NAMES,
                message=f"{times} {kind} are called `{name}`",
                where=where,
                fix="rename all of them but one",
            )
