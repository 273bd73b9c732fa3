"""From the layout and a colour's configuration to the nodes it gets."""

from ipaddress import IPv4Address

from model.cluster import NodePlan, NodeRole, NodeShape, Placement
from model.configuration import Configuration
from model.exclusive import Colour
from model.hardware import Host, MappingName
from model.lab import Lab
from model.units import GiB, MiB, VmId


def node_memory(shape: NodeShape, host: Host) -> MiB:
    """Memory of a node in MiB: the host's on metal, else fixed, else the base times the host's factor, rounded down."""
    if shape.role.is_metal:
        return host.memory
    if shape.fixed_memory is not None:
        return shape.fixed_memory
    if shape.base_memory is None or host.memory_factor is None:
        raise ValueError(f"{shape.role} has no memory on {host.name}: give the shape a base and the host a factor")
    return MiB(int(shape.base_memory * host.memory_factor))


def plan_nodes(lab: Lab, configuration: Configuration, colour: Colour) -> tuple[NodePlan, ...]:
    """The nodes of a colour in placement order: control plane, workers, then what its leases bring.

    A slot that runs out of its address range is not cut off here; the address rule names who else is there.
    """
    held = configuration.held_by(colour)
    return tuple(
        _plan(lab, configuration, colour, placement)
        for placement in lab.cluster.placements
        if placement.lease is None or placement.lease in held
    )


def _plan(lab: Lab, configuration: Configuration, colour: Colour, placement: Placement) -> NodePlan:
    shape = lab.cluster.shape(placement.role)
    host = lab.host(placement.host)
    card = None if placement.accelerator is None else lab.accelerator(placement.accelerator)
    mappings: tuple[MappingName, ...] = () if card is None else tuple(device.mapping for device in card.devices)
    metal = placement.role.is_metal
    return NodePlan(
        logical_name=placement.suffix,
        name=f"{colour}-talos-{placement.suffix}",
        colour=colour,
        role=placement.role,
        shape=shape,
        host=host.name,
        address=_address(lab, configuration, colour, placement),
        interface=host.install_interface or lab.cluster.node_interface,
        vm_id=None if metal else _vm_id(configuration, colour, placement),
        virtual_cpus=shape.virtual_cpus or host.processor.threads,
        memory=node_memory(shape, host),
        disk=shape.disk,
        user_disk=shape.user_disk,
        firmware=shape.firmware,
        schematic=lab.cluster.schematic(shape.schematic),
        accelerator=card,
        mappings=mappings,
        tags=_tags(colour, placement, host),
    )


def _address(lab: Lab, configuration: Configuration, colour: Colour, placement: Placement) -> IPv4Address:
    if placement.role.is_metal:
        return lab.host(placement.host).addresses[lab.cluster.network]
    plan = configuration.colours[colour].address_plan
    control_plane = placement.role is NodeRole.CONTROL_PLANE
    return (plan.control_plane_address_start if control_plane else plan.worker_address_start) + placement.slot


def _vm_id(configuration: Configuration, colour: Colour, placement: Placement) -> VmId:
    plan = configuration.colours[colour].address_plan
    control_plane = placement.role is NodeRole.CONTROL_PLANE
    return VmId((plan.control_plane_vm_id_start if control_plane else plan.worker_vm_id_start) + placement.slot)


def _tags(colour: Colour, placement: Placement, host: Host) -> tuple[str, ...]:
    kind = "control-plane" if placement.role is NodeRole.CONTROL_PLANE else "worker"
    names = ["talos", "pulumi", colour, kind, host.name]
    if placement.role not in (NodeRole.CONTROL_PLANE, NodeRole.WORKER):
        names.append(placement.role)
    return tuple(sorted(names))


def disk_demand(node: NodePlan) -> GiB:
    """Room a node's disks take on its host's volume group."""
    return GiB((node.disk or 0) + (node.user_disk or 0))


def reserve(lab: Lab, host: Host) -> MiB:
    """Memory of a hypervisor that no guest may have: its OSDs, monitors and Proxmox VE."""
    return MiB(lab.proxmox.reserve.system + host.osd_count * lab.proxmox.reserve.per_osd)
