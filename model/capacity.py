"""Who holds how much of each host. One arithmetic for rules, plans and physics."""

from collections.abc import Iterable
from decimal import Decimal

from model.base import Value
from model.cluster import NodePlan
from model.colour import disk_demand, reserve
from model.hardware import Host, HostName
from model.lab import Lab
from model.units import GiB, MiB


class Claim(Value):
    """What one guest holds of its host."""

    holder: str
    """The guest's name."""
    group: str
    """`green`, `blue` or `shared`."""
    host: HostName
    memory: MiB
    virtual_cpus: int
    disk: GiB


class HostLoad(Value):
    """A host, its claims and what is left."""

    host: HostName
    memory: MiB
    """Installed."""
    reserved: MiB
    """Kept back for the host itself."""
    claims: tuple[Claim, ...]
    virtual_cpu_limit: int
    disk: GiB

    @property
    def memory_claimed(self) -> MiB:
        """Sum of the claims."""
        return MiB(sum(claim.memory for claim in self.claims))

    @property
    def memory_short(self) -> MiB:
        """How much memory is lacking; zero or less when it fits."""
        return MiB(self.memory_claimed + self.reserved - self.memory)

    @property
    def virtual_cpus_claimed(self) -> int:
        """Sum of the claims."""
        return sum(claim.virtual_cpus for claim in self.claims)

    @property
    def disk_claimed(self) -> GiB:
        """Sum of the claims."""
        return GiB(sum(claim.disk for claim in self.claims))


def node_claims(nodes: Iterable[NodePlan]) -> tuple[Claim, ...]:
    """Claims of a colour's virtual machines; bare machines claim nothing of a hypervisor."""
    return tuple(
        Claim(
            holder=node.name, group=node.colour, host=node.host, memory=node.memory,
            virtual_cpus=node.virtual_cpus, disk=disk_demand(node),
        )
        for node in nodes
        if node.vm_id is not None
    )


def guest_claims(lab: Lab) -> tuple[Claim, ...]:
    """Claims of the guests that outlive every cluster."""
    return tuple(
        Claim(
            holder=guest.name, group="shared", host=guest.host, memory=guest.memory,
            virtual_cpus=guest.virtual_cpus, disk=guest.disk,
        )
        for guest in lab.guests
    )


def host_load(lab: Lab, host: Host, claims: Iterable[Claim]) -> HostLoad:
    """The load of one hypervisor under the claims that are on it."""
    return HostLoad(
        host=host.name,
        memory=host.memory,
        reserved=reserve(lab, host),
        claims=tuple(claim for claim in claims if claim.host == host.name),
        virtual_cpu_limit=int(Decimal(host.processor.threads) * lab.proxmox.virtual_cpus_per_thread),
        disk=host.volume_group_size,
    )


def host_loads(lab: Lab, claims: Iterable[Claim]) -> tuple[HostLoad, ...]:
    """The load of every hypervisor."""
    held = tuple(claims)
    return tuple(host_load(lab, host, held) for host in lab.hypervisors)
