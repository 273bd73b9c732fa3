"""The whole lab as one value: what exists independently of any colour."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

from model.backups import BackupPlan
from model.base import Value
from model.ceph import CephCluster, Storage
from model.cloud import Cloud
from model.cluster import ClusterLayout
from model.exclusive import ExclusiveRole, LeaseName
from model.guests import InfrastructureGuest, InstallerImage
from model.hardware import Accelerator, AcceleratorName, Host, HostName, HostRole, PciDevice
from model.network import (
    Cable,
    Firewall,
    KeyboardVideoMouse,
    Laptop,
    MtuChain,
    Network,
    NetworkName,
    Switch,
    UninterruptiblePowerSupply,
)
from model.object_storage import ColdStorage
from model.proxmox import ProxmoxCluster
from model.secrets import SecretSchema


class Lab(Value):
    """Hardware, networks, storage and accounts; `inventory.LAB` is the one of this checkout."""

    domain: str
    timezone: str
    networks: tuple[Network, ...]
    mtu: MtuChain
    hosts: tuple[Host, ...]
    accelerators: tuple[Accelerator, ...]
    switches: tuple[Switch, ...]
    cables: tuple[Cable, ...]
    firewall: Firewall
    power_supplies: tuple[UninterruptiblePowerSupply, ...]
    consoles: tuple[KeyboardVideoMouse, ...]
    laptops: tuple[Laptop, ...]
    proxmox: ProxmoxCluster
    ceph: CephCluster
    storages: tuple[Storage, ...]
    installers: tuple[InstallerImage, ...]
    guests: tuple[InfrastructureGuest, ...]
    cluster: ClusterLayout
    cloud: Cloud
    cold: ColdStorage
    backups: BackupPlan
    secrets: SecretSchema

    def network(self, name: NetworkName) -> Network:
        """The named network; KeyError when there is none."""
        return _named(self.networks, name, "network")

    def host(self, name: HostName) -> Host:
        """The named host; KeyError when there is none."""
        return _named(self.hosts, name, "host")

    def accelerator(self, name: AcceleratorName) -> Accelerator:
        """The named accelerator; KeyError when there is none."""
        return _named(self.accelerators, name, "accelerator")

    def guest(self, name: str) -> InfrastructureGuest:
        """The named infrastructure guest; KeyError when there is none."""
        return _named(self.guests, name, "guest")

    def storage(self, name: str) -> Storage:
        """The named storage; KeyError when there is none."""
        return _named(self.storages, name, "storage")

    @property
    def hypervisors(self) -> tuple[Host, ...]:
        """The hosts that run Proxmox VE."""
        return tuple(host for host in self.hosts if host.role is HostRole.PROXMOX)

    @property
    def lease_names(self) -> tuple[LeaseName, ...]:
        """Every exclusive thing: leased accelerators and metal nodes, then the exclusive roles."""
        placed = (p.lease for p in self.cluster.placements if p.lease is not None)
        roles = (LeaseName(role) for role in ExclusiveRole)
        return tuple(dict.fromkeys((*placed, *roles)))

    @property
    def pci_devices(self) -> tuple[tuple[HostName, PciDevice], ...]:
        """Every PCI device that can be given to a VM, with the host it is plugged into."""
        cards = tuple((card.host, device) for card in self.accelerators for device in card.devices)
        controllers = tuple((host.name, device) for host in self.hosts for device in host.passthrough)
        return (*cards, *controllers)


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_NamedType = TypeVar("_NamedType", bound=_Named)


def _named(values: Iterable[_NamedType], name: str, kind: str) -> _NamedType:
    for value in values:
        if value.name == name:
            return value
    raise KeyError(f"{kind} {name}")
