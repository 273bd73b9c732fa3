"""Settings of a guest: which there are, how they are written, and which privilege each needs."""

import re
import secrets
from collections.abc import Callable

from twin.proxmox.parameters import Kind, Parameter, Values, boolean, choice, integer, text, unsupported
from twin.proxmox.privileges import Privilege
from twin.proxmox.properties import PropertyString

_NAME = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*"
_TAG = r"[a-zA-Z0-9_][a-zA-Z0-9_\-+.]*"
_MAC = r"[a-fA-F0-9]{2}(?::[a-fA-F0-9]{2}){5}"
_MODELS = ("virtio", "e1000", "e1000e", "rtl8139", "vmxnet3")
_FLAG = r"[01]|on|off|yes|no|true|false"

_DRIVE = {
    "file": r".+",
    "aio": r"native|threads|io_uring",
    "backup": _FLAG,
    "cache": r"none|writethrough|writeback|unsafe|directsync",
    "discard": r"ignore|on",
    "format": r"raw|qcow2|vmdk",
    "import-from": r".+",
    "iothread": _FLAG,
    "media": r"cdrom|disk",
    "queues": r"\d+",
    "replicate": _FLAG,
    "ro": _FLAG,
    "serial": r".{1,60}",
    "shared": _FLAG,
    "size": r"\d+(\.\d+)?[KMGT]?",
    "ssd": _FLAG,
    **{f"{unit}_{way}{burst}": r"\d+(\.\d+)?" for unit in ("iops", "mbps") for way in ("rd", "wr")
       for burst in ("", "_max")},
}
_FIRMWARE_DISK = {
    "file": r".+",
    "efitype": r"2m|4m",
    "pre-enrolled-keys": _FLAG,
    "format": r"raw|qcow2|vmdk",
    "import-from": r".+",
    "size": r"\d+(\.\d+)?[KMGT]?",
}
_NETWORK = {
    "model": "|".join(_MODELS),
    **dict.fromkeys(_MODELS, _MAC),
    "bridge": r"[-_.\w\d]+",
    "firewall": _FLAG,
    "link_down": _FLAG,
    "macaddr": _MAC,
    "mtu": r"\d+",
    "queues": r"\d+",
    "rate": r"\d+(\.\d+)?",
    "tag": r"\d+",
    "trunks": r"\d+(-\d+)?(;\d+(-\d+)?)*",
}
_PCI = {
    "host": r".+",
    "mapping": r"[A-Za-z][A-Za-z0-9_.-]*",
    "mdev": r"\S+",
    "pcie": _FLAG,
    "rombar": _FLAG,
    "romfile": r".+",
    "x-vga": _FLAG,
}
_IP = {
    "ip": r"dhcp|manual|\d+\.\d+\.\d+\.\d+/\d+",
    "gw": r"\d+\.\d+\.\d+\.\d+",
    "ip6": r"auto|dhcp|manual|[0-9a-fA-F:]+/\d+",
    "gw6": r"[0-9a-fA-F:]+",
}
_AGENT = {
    "enabled": _FLAG, "fstrim_cloned_disks": _FLAG, "freeze-fs-on-backup": _FLAG, "type": r"virtio|isa",
}


def _format(properties: dict[str, str], default_key: str) -> Callable[[str], str | None]:
    def check(value: str) -> str | None:
        try:
            parsed = PropertyString.parse(value, default_key)
        except ValueError as error:
            return f"invalid format - {error}"
        for name, part in parsed.properties.items():
            if name not in properties:
                return (f"invalid format - format error: {name}: property is not defined in schema and the schema "
                        "does not allow additional properties")
            if not re.fullmatch(properties[name], part):
                return f"invalid format - format error: {name}: value '{part}' does not match its schema"
        return None

    return check


def _tags(value: str) -> str | None:
    for tag in re.split(r"[;, ]+", value):
        if tag and not re.fullmatch(_TAG, tag):
            return f"invalid format - tag '{tag}' contains invalid characters"
    return None


def _family(name: str, count: int, properties: dict[str, str], default_key: str) -> Parameter:
    return Parameter(name, count=count, check=_format(properties, default_key))


SETTINGS: tuple[Parameter, ...] = (
    _family("scsi", 31, _DRIVE, "file"),
    _family("sata", 6, _DRIVE, "file"),
    _family("ide", 4, _DRIVE, "file"),
    _family("virtio", 16, _DRIVE, "file"),
    _family("net", 32, _NETWORK, "model"),
    _family("hostpci", 16, _PCI, "host"),
    _family("ipconfig", 32, _IP, "ip"),
    Parameter("efidisk0", check=_format(_FIRMWARE_DISK, "file")),
    Parameter("agent", check=_format(_AGENT, "enabled")),
    Parameter("tags", check=_tags),
    Parameter("serial", count=4, pattern=r"socket|/dev/.+"),
    Parameter("unused", count=256),
    text("name", pattern=_NAME),
    text("description"),
    choice("bios", "seabios", "ovmf"),
    text("machine", pattern=r"(pc|q35|pc(-i440fx|-q35)-\d+\.\d+(\+pve\d+)?)(,.+)?"),
    choice("scsihw", "lsi", "lsi53c810", "virtio-scsi-pci", "virtio-scsi-single", "megasas", "pvscsi"),
    choice("ostype", "other", "wxp", "w2k", "w2k3", "w2k8", "wvista", "win7", "win8", "win10", "win11", "l24", "l26",
           "solaris"),
    text("cpu", pattern=r"[A-Za-z0-9._-]+(,.+)?|cputype=.+"),
    text("vga"),
    text("boot", pattern=r"order=[\w;]*|legacy=.*|[acdn]{1,4}"),
    text("hotplug"),
    text("startup"),
    text("smbios1"),
    text("vmgenid"),
    text("keyboard"),
    text("rng0"),
    text("watchdog"),
    text("nameserver"),
    text("searchdomain"),
    text("ciuser"),
    text("cipassword"),
    text("cicustom"),
    text("sshkeys"),
    choice("citype", "configdrive2", "nocloud", "opennebula"),
    integer("memory", minimum=16),
    integer("balloon", minimum=0),
    integer("shares", minimum=0, maximum=50000),
    integer("cores", minimum=1),
    integer("sockets", minimum=1),
    integer("vcpus", minimum=1),
    integer("cpuunits", minimum=1, maximum=262144),
    Parameter("cpulimit", Kind.NUMBER, minimum=0, maximum=128),
    text("affinity"),
    *(boolean(name) for name in ("acpi", "onboot", "tablet", "protection", "numa", "kvm", "freeze", "localtime",
                                 "tdf", "reboot", "autostart", "ciupgrade", "template")),
    choice("arch", "x86_64"),
    text("args"),
    text("hookscript"),
    *(unsupported(name) for name in ("tpmstate0", "audio0", "ivshmem", "spice_enhancements", "hugepages", "amd-sev",
                                     "keephugepages", "vmstatestorage", "lock", "startdate", "migrate_speed",
                                     "migrate_downtime", "cdrom")),
    unsupported("usb", 14),
    unsupported("virtiofs", 10),
    unsupported("numa", 8),
    unsupported("parallel", 3),
)
"""Every setting that Proxmox VE 8.4 has; those the twin has no use for are refused by name."""

ROOT_ONLY = frozenset({"args", "hookscript"})

_PRIVILEGES: tuple[tuple[str, Privilege], ...] = (
    (r"cores|sockets|vcpus|cpu|cpulimit|cpuunits|numa|affinity", Privilege.VM_CONFIG_CPU),
    (r"memory|balloon|shares", Privilege.VM_CONFIG_MEMORY),
    (r"net\d+|ipconfig\d+", Privilege.VM_CONFIG_NETWORK),
    (r"(scsi|sata|ide|virtio|efidisk|unused)\d+|boot", Privilege.VM_CONFIG_DISK),
    (r"ciuser|cipassword|cicustom|citype|ciupgrade|sshkeys|nameserver|searchdomain", Privilege.VM_CONFIG_CLOUDINIT),
    (r"acpi|hotplug|kvm|machine|scsihw|smbios1|tablet|vga|watchdog|rng0|arch|hostpci\d+|serial\d+",
     Privilege.VM_CONFIG_HARDWARE_TYPE),
    (r"freeze", Privilege.VM_POWER_MANAGEMENT),
)

_APPLIED_AT_ONCE = re.compile(
    r"(scsi|sata|virtio)\d+|unused\d+|net\d+|name|description|tags|onboot|startup|protection|autostart|boot|agent"
    r"|balloon|shares|cpulimit|cpuunits|hotplug|reboot|template"
)


def privilege(name: str, value: str | None) -> Privilege:
    """What the caller needs on `/vms/{vmid}` to give the setting that value, or to remove it."""
    if value is not None and re.fullmatch(r"(scsi|sata|ide|virtio)\d+", name):
        if "media=cdrom" in value:
            return Privilege.VM_CONFIG_CDROM
        if re.search(r"(^|[:=,])cloudinit(,|$)", value):
            return Privilege.VM_CONFIG_CLOUDINIT
    for pattern, needed in _PRIVILEGES:
        if re.fullmatch(pattern, name):
            return needed
    return Privilege.VM_CONFIG_OPTIONS


def is_applied_at_once(name: str) -> bool:
    """Whether a running guest takes the change without a restart."""
    return _APPLIED_AT_ONCE.fullmatch(name) is not None


def with_mac_address(value: str) -> str:
    """A network interface as it is stored: model and address first, a random address where none is given."""
    interface = PropertyString.parse(value, "model")
    model = interface.get("model")
    given = interface.get("macaddr")
    for known in _MODELS:
        if model is None and (address := interface.get(known)) is not None:
            model, given = known, address
    octets = secrets.token_bytes(3)
    address = (given or f"BC:24:11:{octets[0]:02X}:{octets[1]:02X}:{octets[2]:02X}").upper()
    rest = {n: v for n, v in interface.properties.items() if n not in ("model", "macaddr", *_MODELS)}
    return ",".join([f"{model or 'virtio'}={address}", *(f"{n}={v}" for n, v in sorted(rest.items()))])


def mac_address(value: str) -> str:
    """Hardware address of a stored network interface."""
    return value.partition(",")[0].partition("=")[2]


def shown(config: Values) -> dict[str, str | int | float]:
    """The settings as the API answers them: flags as 0 and 1, memory as a string."""
    answered: dict[str, str | int | float] = {}
    for name, value in config.items():
        if isinstance(value, bool):
            answered[name] = int(value)
        elif name == "memory":
            answered[name] = str(value)
        elif name == "cipassword":
            answered[name] = "**********"
        else:
            answered[name] = value
    return answered
