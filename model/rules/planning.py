"""The nodes of a colour as far as they can be planned, so that one dangling name does not hide every other mistake."""

from model.cluster import NodePlan, NodeRole, Placement
from model.colour import plan_nodes
from model.configuration import AddressPlan, Configuration
from model.exclusive import Colour
from model.lab import Lab

_LAST_ADDRESS = 2**32 - 1


def plannable_nodes(lab: Lab, configuration: Configuration, colour: Colour) -> tuple[NodePlan, ...]:
    """`plan_nodes` without the placements whose names dangle or whose address does not exist."""
    plan = configuration.colours[colour].address_plan
    sound = tuple(p for p in lab.cluster.placements if is_resolvable(lab, p) and _has_address(plan, p))
    cluster = lab.cluster.model_copy(update={"placements": sound})
    return plan_nodes(lab.model_copy(update={"cluster": cluster}), configuration, colour)


def is_resolvable(lab: Lab, placement: Placement) -> bool:
    """Whether everything that the placement names exists and gives it a size."""
    shape = next((shape for shape in lab.cluster.shapes if shape.role is placement.role), None)
    host = next((host for host in lab.hosts if host.name == placement.host), None)
    if shape is None or host is None:
        return False
    if all(schematic.name != shape.schematic for schematic in lab.cluster.schematics):
        return False
    if placement.accelerator not in {None, *(card.name for card in lab.accelerators)}:
        return False
    if placement.role.is_metal:
        return lab.cluster.network in host.addresses
    return shape.fixed_memory is not None or (shape.base_memory is not None and host.memory_factor is not None)


def _has_address(plan: AddressPlan, placement: Placement) -> bool:
    control_plane = placement.role is NodeRole.CONTROL_PLANE
    start = plan.control_plane_address_start if control_plane else plan.worker_address_start
    return placement.role.is_metal or int(start) + placement.slot <= _LAST_ADDRESS
