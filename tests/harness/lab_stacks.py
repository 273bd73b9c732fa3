"""The lab's own stacks, recorded."""

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from inventory import LAB
from model.cluster import NodePlan
from model.colour import plan_nodes
from model.configuration import Configuration, Layer
from model.exclusive import Colour
from stacks.configuration import load
from stacks.program import SHARED, build_stack
from stacks.secrets import Secrets
from tests.harness.answers import lab_answers, sentinel, shared_outputs
from tests.harness.program import record
from tests.harness.recording import Recording, Registration

PROJECT_DIRECTORY = Path(__file__).resolve().parents[2]
STACKS = (SHARED, *(str(colour) for colour in Colour))

VM = "proxmoxve:index/vmLegacy:VmLegacy"
IMAGE = "proxmoxve:download/file:File"
MAPPING = "proxmoxve:hardware/mapping/pci:Pci"
SECRETS = "talos:machine/secrets:Secrets"
SCHEMATIC = "talos:imageFactory/schematic:Schematic"
CONFIGURATION = "talos:machine/configurationApply:ConfigurationApply"
BOOTSTRAP = "talos:machine/bootstrap:Bootstrap"
KUBECONFIG = "talos:cluster/kubeconfig:Kubeconfig"
MACHINE_CONFIGURATION = "talos:machine/getConfiguration:getConfiguration"
HEALTH = "talos:cluster/getHealth:getHealth"


@cache
def read_configuration() -> Configuration:
    """The configuration of this checkout."""
    return load(PROJECT_DIRECTORY)


def lowest_layer(configuration: Configuration) -> Configuration:
    """With nothing on the clusters but what they stand on: a fraction of the time, for tests of what lies below."""
    colours = {
        colour: known.model_copy(update={"layers": (Layer.SUBSTRATE,)})
        for colour, known in configuration.colours.items()
    }
    return configuration.model_copy(update={"colours": colours})


def made_up_secrets() -> Secrets:
    """A sentinel for every key of the schema."""
    return Secrets(
        LAB.secrets, lambda: {key.place: sentinel(str(key.place)) for key in LAB.secrets.keys}, lambda: "{}"
    )


def record_stack(
    stack: str, configuration: Configuration, *, preview: bool = False, shared_is_applied: bool = True
) -> Recording:
    """A whole stack; a colour reads what `shared` would tell it under the same configuration."""
    told = shared_outputs(LAB, configuration) if shared_is_applied else None
    return record(
        lambda: build_stack(stack, configuration, made_up_secrets()),
        stack=stack,
        answers=lab_answers(told),
        preview=preview,
    )


@dataclass(frozen=True)
class ColourStack:
    """A colour as it was planned and as it was registered."""

    colour: Colour
    configuration: Configuration
    recording: Recording

    @cached_property
    def nodes(self) -> tuple[NodePlan, ...]:
        """The nodes of the plan."""
        return plan_nodes(LAB, self.configuration, self.colour)

    @property
    def control_planes(self) -> tuple[NodePlan, ...]:
        """The nodes with etcd."""
        return tuple(node for node in self.nodes if node.is_control_plane)

    def machine(self, node: NodePlan) -> Registration:
        """The VM of the node; LookupError for a bare machine."""
        return self.recording.one(VM, node.logical_name)

    def configured(self, node: NodePlan) -> Registration:
        """The node's machine configuration."""
        return self.recording.one(CONFIGURATION, f"configuration-{node.logical_name}")
