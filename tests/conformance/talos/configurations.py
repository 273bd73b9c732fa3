"""Machine configurations as the program has them made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from components.talos.patches import machine_patches, render
from components.talos.plan import ClusterPlan, configuration_type
from components.talos.schematics import installer_image
from model.cluster import NodePlan
from tests.conformance.talos.plans import SCHEMATIC_ID
from twin.talos.machinery import Machinery


@dataclass(frozen=True)
class ClusterSecrets:
    """What the machinery made for one cluster."""

    machine: Mapping[str, Any] = field(repr=False)
    client: Mapping[str, str] = field(repr=False)

    @property
    def authority(self) -> str:
        """Certificate of the Talos authority."""
        return self.client["caCertificate"]


async def generate(
    machinery: Machinery,
    plan: ClusterPlan,
    node: NodePlan,
    secrets: ClusterSecrets,
    *more: str,
    schematic_id: str = SCHEMATIC_ID,
) -> str:
    """The node's configuration with the program's patches, then `more` patches."""
    installer = installer_image(node, schematic_id, plan.release.talos)
    return await machinery.configuration(
        {
            "clusterName": plan.name,
            "clusterEndpoint": plan.endpoint,
            "kubernetesVersion": plan.release.kubernetes,
            "talosVersion": plan.release.talos,
            "machineType": configuration_type(node),
            "machineSecrets": secrets.machine,
            "configPatches": [*render(machine_patches(plan, node, installer)), *more],
            "docs": False,
            "examples": False,
        }
    )
