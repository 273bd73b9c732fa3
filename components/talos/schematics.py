"""What the Talos image factory builds into the lab's images."""

import json

import pulumi
import pulumiverse_talos as talos

from components.options import child_options
from model.cluster import NodePlan, Schematic, SchematicName

FACTORY_HOST = "factory.talos.dev"
VENDOR = "siderolabs"
VIRTUAL_PLATFORM = "nocloud"
"""What a VM boots: its address comes from the drive that Proxmox makes for it."""
METAL_PLATFORM = "metal"


def schematic_text(schematic: Schematic) -> str:
    """The schematic as the factory takes it: JSON, which is YAML. The order of extensions is part of its id."""
    extensions = [f"{VENDOR}/{extension}" for extension in schematic.extensions]
    customization: dict[str, object] = {"systemExtensions": {"officialExtensions": extensions}}
    if schematic.kernel_arguments:
        customization["extraKernelArgs"] = list(schematic.kernel_arguments)
    return json.dumps({"customization": customization})


def installer_image(node: NodePlan, schematic_id: str, talos_version: str) -> str:
    """The image that installs and upgrades Talos on the node: the same schematic and version as what it booted."""
    platform = METAL_PLATFORM if node.role.is_metal else VIRTUAL_PLATFORM
    return f"{FACTORY_HOST}/{platform}-installer/{schematic_id}:{talos_version}"


class Schematics(pulumi.ComponentResource):
    """Schematics, registered with the factory. They cost nothing there, never end, and hold no colour."""

    ids: dict[SchematicName, pulumi.Output[str]]
    """Id of each schematic: the hash of its content."""

    def __init__(
        self, name: str, *, schematics: tuple[Schematic, ...], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("lab:talos:Schematics", name, None, opts)
        self.ids = {}
        for schematic in schematics:
            registered = talos.imagefactory.Schematic(
                f"schematic-{schematic.name}",
                schematic=schematic_text(schematic),
                # The id is the hash of the content, and an update in place would leave the old one.
                opts=child_options(self, opts, pulumi.ResourceOptions(replace_on_changes=["schematic"])),
            )
            self.ids[schematic.name] = registered.id
        self.register_outputs({"ids": dict(self.ids)})


def wanted_schematics(nodes: tuple[NodePlan, ...]) -> tuple[Schematic, ...]:
    """The schematics that the nodes need, each once, in placement order."""
    return tuple({node.schematic.name: node.schematic for node in nodes}.values())
