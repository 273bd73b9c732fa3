"""VLANs, switches, cables, firewall and the devices around the servers."""

from ipaddress import IPv4Address, IPv4Network

from inventory.names import (
    ACCESS_POINT,
    CEPH,
    DMZ,
    GUEST,
    INDY,
    IOT,
    K8S,
    LAN,
    MANAGEMENT,
    METAL,
    METHOD,
    NOSE,
    STALE,
    TAIL,
    TRUSTED,
    VMS,
)
from model.network import (
    Cable,
    DeviceName,
    Firewall,
    KeyboardVideoMouse,
    Laptop,
    Link,
    MtuChain,
    Network,
    NetworkName,
    PortGroup,
    PowerOverEthernet,
    Switch,
    UninterruptiblePowerSupply,
)
from model.units import MebibitsPerSecond, Mtu, VlanId, Watts


def _vlan(
    name: NetworkName,
    vlan: int | None,
    third_octet: int,
    interface: str,
    priority: int | None = None,
    reserved: tuple[int, ...] = (),
    routed_by_switch: bool = False,
) -> Network:
    subnet = IPv4Network((int(IPv4Address("10.0.0.0")) + third_octet * 256, 24))
    return Network(
        name=name,
        vlan=None if vlan is None else VlanId(vlan),
        subnet=subnet,
        firewall=subnet[1],
        switch_gateway=subnet[2] if routed_by_switch else None,
        firewall_interface=interface,
        priority=priority,
        dns=subnet[1],
        reserved=tuple(subnet[host] for host in reserved),
    )


NETWORKS = (
    _vlan(LAN, None, 9, "lan"),
    _vlan(MANAGEMENT, 10, 10, "opt2", 5, reserved=(11, 12)),
    _vlan(METAL, 20, 20, "opt3", 3, routed_by_switch=True),
    _vlan(K8S, 30, 30, "opt4", 5, routed_by_switch=True),
    _vlan(VMS, 40, 40, "opt5", 3),
    _vlan(CEPH, 50, 50, "opt6", 5),
    _vlan(IOT, 60, 60, "opt7", 1),
    _vlan(GUEST, 70, 70, "opt8", 7),
    _vlan(TRUSTED, 80, 80, "opt1", 6),
    _vlan(DMZ, 90, 90, "opt9", 4),
    Network(
        name=NetworkName("wireguard"),
        vlan=None,
        subnet=IPv4Network("10.10.0.0/24"),
        firewall=IPv4Address("10.10.0.1"),
        firewall_interface="opt11",
        priority=7,
    ),
)

# The intent of the chain: every hop carries the one inside it. The lab ran 9000 at the hosts, 8950 in Talos and no
# explicit value in the overlay, see docs/differences.md (D21).
MTU = MtuChain(
    links=(
        Link(name="bridge", mtu=Mtu(9216)),
        Link(name="vlan", mtu=Mtu(9000)),
        Link(name="vm", mtu=Mtu(9000)),
        Link(name="node", mtu=Mtu(9000)),
    ),
    pod=Mtu(8950),
)

SWITCHES = (
    Switch(
        name=DeviceName("sg3218xp"),
        model="TP-Link Omada SG3218XP-M2",
        address=IPv4Address("10.0.10.11"),
        network=MANAGEMENT,
        power_budget=Watts(240),
        ports=(
            PortGroup(first=1, last=16, speed=MebibitsPerSecond(2500), power=PowerOverEthernet.PLUS),
            PortGroup(first=17, last=18, speed=MebibitsPerSecond(10000), connector="SFP+"),
        ),
    ),
    Switch(
        name=DeviceName("sx3008f"),
        model="TP-Link Omada TL-SX3008F",
        address=IPv4Address("10.0.10.12"),
        network=MANAGEMENT,
        ports=(PortGroup(first=1, last=8, speed=MebibitsPerSecond(10000), connector="SFP+"),),
    ),
    Switch(
        name=ACCESS_POINT,
        model="TP-Link Omada EAP650",
        address=IPv4Address("10.0.80.4"),
        network=TRUSTED,
        ports=(PortGroup(first=1, last=1, speed=MebibitsPerSecond(1000)),),
    ),
)

_POE, _CORE = DeviceName("sg3218xp"), DeviceName("sx3008f")
_SERVER_TRUNK = (METAL, K8S, CEPH)


def _cable(switch: DeviceName, port: int, device: str, interface: str, **vlans: object) -> Cable:
    return Cable.model_validate({"switch": switch, "port": port, "device": device, "interface": interface, **vlans})


# Which port carries which cable is written down nowhere in the lab; this is the plan to cable by.
CABLES = (
    _cable(_CORE, 1, METHOD, "sfp0", untagged=LAN, tagged=_SERVER_TRUNK),
    _cable(_CORE, 2, INDY, "sfp0", untagged=LAN, tagged=_SERVER_TRUNK),
    _cable(_CORE, 3, STALE, "sfp0", untagged=LAN, tagged=_SERVER_TRUNK),
    _cable(_CORE, 7, "protectli", "lagg1.0", tagged=(MANAGEMENT, METAL, K8S, VMS, CEPH, IOT, GUEST, TRUSTED, DMZ)),
    _cable(_CORE, 8, _POE, "sfp17", untagged=LAN, tagged=(MANAGEMENT, K8S, IOT, GUEST, TRUSTED, DMZ)),
    _cable(_POE, 1, METHOD, "ipmi", untagged=MANAGEMENT),
    _cable(_POE, 2, INDY, "ipmi", untagged=MANAGEMENT),
    _cable(_POE, 3, NOSE, "enp191s0", untagged=K8S),
    _cable(_POE, 4, TAIL, "enp191s0", untagged=K8S),
    _cable(_POE, 5, "pikvm", "eth0", untagged=MANAGEMENT),
    _cable(_POE, 16, ACCESS_POINT, "eth0", untagged=TRUSTED, tagged=(IOT, GUEST), needs_power=True),
)

FIREWALL = Firewall(
    name=DeviceName("protectli"),
    model="Protectli, OPNsense",
    address=IPv4Address("10.0.9.1"),
    network=LAN,
    parent_interface="lagg1",
)

POWER_SUPPLIES = (
    UninterruptiblePowerSupply(
        name=DeviceName("ups"),
        model="CyberPower OR500LCDRM1U",
        power=Watts(300),
        feeds=(FIREWALL.name, _POE, _CORE),
        # Nobody watches it yet; this is the host to lead its cable to.
        watched_by=INDY,
    ),
)

CONSOLES = (
    KeyboardVideoMouse(
        name=DeviceName("pikvm"),
        model="PiKVM",
        address=IPv4Address("10.0.10.24"),
        network=MANAGEMENT,
        controls=(NOSE, TAIL),
    ),
)

LAPTOPS = (
    Laptop(
        name=DeviceName("framework"),
        model="Framework 13",
        address=IPv4Address("10.0.80.2"),
        network=TRUSTED,
        administers=True,
    ),
    Laptop(name=DeviceName("aorus"), model="Aorus gaming desktop"),
)
