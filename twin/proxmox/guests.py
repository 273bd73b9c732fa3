"""Virtual machines: what is written about them and how they are found."""

import uuid
from ipaddress import IPv4Address, IPv4Interface

from model.units import MiB, VlanId
from twin.proxmox.parameters import Values
from twin.proxmox.properties import PropertyString
from twin.proxmox.records import Record, Records
from twin.proxmox.refusal import failed
from twin.store import Store

DEFAULT_MEMORY = MiB(512)


class Guest(Record):
    """A virtual machine."""

    vmid: int
    node: str
    incarnation: str
    config: Values
    """As the API shows it: what is in force after the next start."""
    running: Values | None = None
    """What is in force now; None when the guest is off."""
    started: int | None = None
    """Seconds since the epoch of the last start."""
    lock: str | None = None

    @property
    def name(self) -> str:
        """Name for people."""
        return str(self.config.get("name", f"VM{self.vmid}"))

    @property
    def is_running(self) -> bool:
        """Whether the guest is switched on."""
        return self.running is not None

    @property
    def key(self) -> str:
        """Identity in the store, ordered as numbers are."""
        return f"{self.vmid:09d}"


class Guests:
    """All guests of the cluster."""

    def __init__(self, store: Store) -> None:
        self._records = Records(store, "guests", Guest)

    def all(self) -> list[Guest]:
        """Every guest, by id."""
        return self._records.all()

    def find(self, vmid: int) -> Guest | None:
        """The guest, wherever it is; None when there is none."""
        return self._records.get(f"{vmid:09d}")

    def on(self, node: str, vmid: int) -> Guest:
        """The guest of a node; RefusalError when the node has none of that id."""
        guest = self.find(vmid)
        if guest is None or guest.node != node:
            raise failed(f"Configuration file 'nodes/{node}/qemu-server/{vmid}.conf' does not exist")
        return guest

    def running(self) -> list[Guest]:
        """Every guest that is switched on."""
        return [guest for guest in self.all() if guest.is_running]

    def put(self, guest: Guest) -> None:
        """Write the guest."""
        self._records.put(guest.key, guest)

    def delete(self, guest: Guest) -> None:
        """Forget the guest."""
        self._records.delete(guest.key)

    def free_id(self) -> int:
        """The lowest id that no guest has."""
        taken = {guest.vmid for guest in self.all()}
        return next(number for number in range(100, 1_000_000_000) if number not in taken)


def new_incarnation() -> str:
    """What tells a guest from an earlier one of the same id."""
    return uuid.uuid4().hex


def memory(config: Values) -> MiB:
    """Memory of a guest of that configuration."""
    return MiB(int(config.get("memory", DEFAULT_MEMORY)))


def virtual_cpus(config: Values) -> int:
    """Virtual CPUs of a guest of that configuration."""
    return int(config.get("cores", 1)) * int(config.get("sockets", 1))


def devices(config: Values, family: str) -> list[tuple[str, PropertyString]]:
    """The devices `net0`, `net1`, … of one family, by number."""
    default = {"net": "model", "hostpci": "host", "ipconfig": "ip"}.get(family, "file")
    found = [
        (int(number), name, PropertyString.parse(str(value), default))
        for name, value in config.items()
        if (number := name.removeprefix(family)).isdecimal() and name.startswith(family)
    ]
    return [(name, properties) for _, name, properties in sorted(found, key=lambda f: f[0])]


def drives(config: Values) -> list[tuple[str, PropertyString]]:
    """Every drive, in the order in which a guest counts its disks."""
    return [drive for family in ("scsi", "sata", "virtio", "ide", "efidisk") for drive in devices(config, family)]


def disks(config: Values) -> list[tuple[str, PropertyString]]:
    """The drives that are neither CD-ROM nor firmware variables."""
    return [
        (name, drive)
        for name, drive in drives(config)
        if drive.get("media") != "cdrom" and not name.startswith("efidisk")
    ]


def mappings(config: Values) -> list[tuple[str, str]]:
    """Slot and PCI mapping of each passed-through device."""
    return [(slot, mapping) for slot, device in devices(config, "hostpci") if (mapping := device.get("mapping"))]


def address(config: Values) -> IPv4Address | None:
    """The static IPv4 address that cloud-init gives the first interface, None when it gives none."""
    for name, properties in devices(config, "ipconfig"):
        value = properties.get("ip")
        if name == "ipconfig0" and value is not None and value not in ("dhcp", "manual"):
            return IPv4Interface(value).ip
    return None


def vlan(config: Values) -> VlanId:
    """VLAN of the first interface; 1 is untagged."""
    for name, interface in devices(config, "net"):
        if name == "net0":
            return VlanId(int(interface.get("tag") or 1))
    return VlanId(1)


def has_agent(config: Values) -> bool:
    """Whether the QEMU guest agent is switched on in the configuration."""
    agent = PropertyString.parse(str(config.get("agent", "0")), "enabled")
    return agent.get("enabled") == "1"
