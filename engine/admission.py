"""May this stack be up, given what else is up now? Asked before anything is touched."""

from engine.state import State
from model.configuration import Configuration
from model.exclusive import Colour
from model.lab import Lab
from model.rules.capacity import coexistence
from model.violation import Violation

NODE_TYPE = "proxmoxve:index/vmLegacy:VmLegacy"


def standing_colours(state: State, but: str) -> tuple[Colour, ...]:
    """The colours other than `but` that have virtual machines."""
    return tuple(
        colour
        for colour in Colour
        if colour != but and any(resource["type"] == NODE_TYPE for resource in state.resources(colour))
    )


def refusals(lab: Lab, configuration: Configuration, stack: str, state: State) -> list[Violation]:
    """Why the stack cannot be up beside the colours that are; empty when it can."""
    if stack not in tuple(Colour):
        return []
    others = standing_colours(state, but=stack)
    return coexistence(lab, configuration, (Colour(stack), *others)) if others else []
