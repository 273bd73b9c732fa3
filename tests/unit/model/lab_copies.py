"""Copies of the lab with other numbers, and configurations for them."""

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Any

from hypothesis import settings

from inventory import LAB
from model.configuration import (
    AddressPlan,
    AddressRange,
    BackupRole,
    ColourConfiguration,
    Configuration,
    Layer,
    SharedConfiguration,
)
from model.exclusive import Colour, ExclusiveRole, LeaseName
from model.lab import Lab
from model.units import VmId

EXAMPLES = settings(max_examples=150, deadline=None, derandomize=True)
"""The same examples in every run: a red test is red for everybody."""

DUTIES = tuple(LeaseName(role) for role in ExclusiveRole)


def changed(lab: Lab, **fields: object) -> Lab:
    """The lab with other values of its fields."""
    return lab.model_copy(update=fields)


def with_hosts(lab: Lab, fields: Mapping[str, Mapping[str, object]]) -> Lab:
    """The lab with other values of fields of its hosts, by host name."""
    hosts = tuple(host.model_copy(update=dict(fields.get(host.name, {}))) for host in lab.hosts)
    return changed(lab, hosts=hosts)


def plan(control_plane: int, worker: int, ids: tuple[int, int], virtual_ip: int, pool: tuple[int, int]) -> AddressPlan:
    """An address plan from plain numbers."""
    return AddressPlan(
        control_plane_vm_id_start=VmId(ids[0]),
        worker_vm_id_start=VmId(ids[1]),
        control_plane_address_start=IPv4Address(control_plane),
        worker_address_start=IPv4Address(worker),
        virtual_ip=IPv4Address(virtual_ip),
        load_balancer_pool=AddressRange(first=IPv4Address(pool[0]), last=IPv4Address(pool[1])),
    )


_SUBNET = int(IPv4Address("10.0.30.0"))

SOUND_PLANS = {
    Colour.GREEN: plan(_SUBNET + 60, _SUBNET + 70, (110, 120), _SUBNET + 30, (_SUBNET + 31, _SUBNET + 39)),
    Colour.BLUE: plan(_SUBNET + 160, _SUBNET + 170, (210, 220), _SUBNET + 130, (_SUBNET + 131, _SUBNET + 139)),
}


def colour(address_plan: AddressPlan, **fields: Any) -> ColourConfiguration:
    """A colour's configuration; it wants nothing unless told otherwise."""
    return ColourConfiguration.model_validate(
        {
            "talos_version": LAB.cluster.releases[0].talos,
            "address_plan": address_plan,
            "leases_wanted": (),
            "layers": tuple(Layer),
            "backup_role": BackupRole.IDLE,
            "incarnation": 1,
            **fields,
        }
    )


def configuration(
    plans: Mapping[Colour, AddressPlan] = SOUND_PLANS,
    leases: Mapping[LeaseName, Colour] | None = None,
    active: Colour | None = None,
) -> Configuration:
    """Both colours; each wants what it holds."""
    held = dict(leases or {})
    writer = held.get(LeaseName(ExclusiveRole.BACKUP_WRITER))
    return Configuration(
        shared=SharedConfiguration(active_colour=active, leases=held),
        colours={
            one: colour(
                plans[one],
                leases_wanted=tuple(lease for lease, holder in held.items() if holder is one),
                backup_role=BackupRole.WRITER if writer is one else BackupRole.IDLE,
                incarnation=number,
            )
            for number, one in enumerate(Colour, start=1)
        },
    )
