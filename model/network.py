"""VLANs, subnets, switches and what else carries packets."""

from enum import StrEnum, unique
from ipaddress import IPv4Address, IPv4Network
from typing import NewType

from pydantic import Field

from model.base import Value
from model.units import MebibitsPerSecond, Mtu, VlanId, Watts

NetworkName = NewType("NetworkName", str)
DeviceName = NewType("DeviceName", str)


class Network(Value):
    """One subnet of the lab; `vlan` is None where frames are untagged."""

    name: NetworkName
    vlan: VlanId | None
    subnet: IPv4Network
    firewall: IPv4Address
    """Address of the firewall in this subnet (DHCP, DNS, way to the Internet)."""
    switch_gateway: IPv4Address | None = None
    """Address of the layer-3 switch that routes between VLANs, where it does."""
    firewall_interface: str
    priority: int | None = Field(default=None, ge=0, le=7)
    """IEEE 802.1p priority code point."""
    dns: IPv4Address | None = None
    reserved: tuple[IPv4Address, ...] = ()
    """Addresses taken by devices that are not hosts, switches or guests."""

    @property
    def reserved_addresses(self) -> tuple[IPv4Address, ...]:
        """Addresses no guest may take: firewall, gateway, DNS inside the subnet and reservations."""
        candidates = (self.firewall, self.switch_gateway, self.dns, *self.reserved)
        return tuple(dict.fromkeys(a for a in candidates if a is not None and a in self.subnet))


class Link(Value):
    """One hop of the MTU chain from the physical port to the pod, widest first."""

    name: str
    mtu: Mtu


class MtuChain(Value):
    """The MTU of every hop; none may be wider than the one that carries it."""

    links: tuple[Link, ...]
    pod: Mtu
    encapsulation: Mtu = Mtu(50)
    """Bytes that the overlay network adds to a pod's packet (VXLAN)."""

    def of(self, name: str) -> Mtu:
        """MTU of the named hop; KeyError when there is none."""
        for link in self.links:
            if link.name == name:
                return link.mtu
        raise KeyError(name)


@unique
class PowerOverEthernet(StrEnum):
    """Whether a switch port feeds its device."""

    NONE = "none"
    PLUS = "802.3at"
    """Up to 30 W a port."""


class PortGroup(Value):
    """Ports of a switch that are alike, numbered `first` to `last`."""

    first: int = Field(ge=1)
    last: int = Field(ge=1)
    speed: MebibitsPerSecond
    power: PowerOverEthernet = PowerOverEthernet.NONE
    connector: str = "RJ45"


class Switch(Value):
    """A switch or access point of the Omada site."""

    name: DeviceName
    model: str
    address: IPv4Address
    network: NetworkName
    ports: tuple[PortGroup, ...]
    power_budget: Watts | None = None

    def group_of(self, port: int) -> PortGroup | None:
        """The group that `port` belongs to, None when the switch has no such port."""
        return next((g for g in self.ports if g.first <= port <= g.last), None)


class Cable(Value):
    """A cable from a switch port to the interface of a device, and the VLANs it carries."""

    switch: DeviceName
    port: int = Field(ge=1)
    device: DeviceName
    interface: str
    untagged: NetworkName | None = None
    tagged: tuple[NetworkName, ...] = ()
    needs_power: bool = False


class Device(Value):
    """A machine that is neither host nor switch: firewall, UPS, PiKVM, laptop."""

    name: DeviceName
    model: str
    address: IPv4Address | None = None
    network: NetworkName | None = None


class Firewall(Device):
    """The router to the Internet; `parent_interface` carries the VLANs."""

    parent_interface: str
    packages: tuple[str, ...] = ()


class UninterruptiblePowerSupply(Device):
    """Battery; `feeds` are the devices behind it."""

    power: Watts
    feeds: tuple[DeviceName, ...]
    watched_by: str | None = None
    """Host that its USB cable leads to; Network UPS Tools runs there."""


class KeyboardVideoMouse(Device):
    """A remote console; `controls` are the hosts on it."""

    controls: tuple[str, ...]


class Laptop(Device):
    """A personal machine under NixOS."""

    administers: bool = False
