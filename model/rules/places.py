"""Where in the inventory a value stands, so that a message can name it."""

from enum import StrEnum, unique

from model.violation import Source


@unique
class Part(StrEnum):
    """The constants of the inventory, as `module.NAME`."""

    HOSTS = "hosts.HOSTS"
    ACCELERATORS = "hosts.ACCELERATORS"
    NETWORKS = "network.NETWORKS"
    MTU = "network.MTU"
    SWITCHES = "network.SWITCHES"
    CABLES = "network.CABLES"
    FIREWALL = "network.FIREWALL"
    POWER_SUPPLIES = "network.POWER_SUPPLIES"
    CONSOLES = "network.CONSOLES"
    LAPTOPS = "network.LAPTOPS"
    CEPH = "storage.CEPH"
    STORAGES = "storage.STORAGES"
    PROXMOX = "storage.PROXMOX"
    GUESTS = "guests.GUESTS"
    INSTALLERS = "guests.INSTALLERS"
    CLUSTER = "cluster.CLUSTER"
    CLOUD = "cloud.CLOUD"
    COLD = "buckets.COLD"
    BACKUPS = "workloads/backups.BACKUPS"
    COPIES = "workloads/copies.COPIES"
    SECRETS = "secrets.SCHEMA"


def place(part: Part, *path: object, item: object | None = None) -> Source:
    """Where a value of the inventory stands, e.g. `inventory/hosts.py: HOSTS[method].memory`.

    `item` names the element where the constant is a collection, `path` the fields below it.
    """
    module, constant = part.split(".")
    element = constant if item is None else f"{constant}[{item}]"
    return Source(file=f"inventory/{module}.py", key=".".join((element, *(str(step) for step in path))))
