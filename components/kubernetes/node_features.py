"""Labels of nodes by what is in them."""

from collections.abc import Sequence

import pulumi

from components.kubernetes.chart_application import Delivery
from components.kubernetes.objects import CustomResource, Metadata
from components.kubernetes.tolerations import Toleration, tolerations
from components.options import child_options
from model.cluster import Taint
from model.workloads.camel_case import CamelCase
from model.workloads.charts import Chart, ChartValues
from model.workloads.custom.node_feature_discovery import (
    FeatureMatcher,
    FeatureRule,
    MatchExpression,
    NodeFeatureRule,
    NodeFeatureRuleSpec,
)
from model.workloads.objects import kinds
from model.workloads.platform import Releases

NAMESPACE = "node-feature-discovery"
AMD_LABEL = "feature.node.kubernetes.io/amd-gpu"
INTEL_LABEL = "intel.feature.node.kubernetes.io/gpu"
DISPLAY_CLASSES = ("0300", "0380")
"""PCI classes of graphics cards: with a screen and without."""
AMD, INTEL = "1002", "8086"
"""PCI vendors."""


class Worker(CamelCase):
    """What looks into the nodes."""

    tolerations: tuple[Toleration, ...]


class NodeFeatureValues(ChartValues):
    """Values of the chart `node-feature-discovery`."""

    worker: Worker


class NodeFeatures(pulumi.ComponentResource):
    """Node Feature Discovery, and the labels that the device plugins select their nodes by."""

    labels: pulumi.Resource
    """The labels come once it is there."""

    def __init__(
        self,
        name: str,
        *,
        taints: Sequence[Taint],
        releases: Releases,
        delivery: Delivery,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`taints` are all those of the colour's nodes: the cards are on the tainted ones."""
        super().__init__("lab:kubernetes:NodeFeatures", name, None, opts)
        application = delivery.apply(
            Chart(
                name="node-feature-discovery",
                namespace=NAMESPACE,
                source=releases.node_feature_discovery,
                values=NodeFeatureValues(worker=Worker(tolerations=tolerations(taints))),
                kinds=kinds(NodeFeatureRule),
            ),
            opts=child_options(self, opts),
        )
        self.labels = CustomResource(
            "graphics-cards",
            metadata=Metadata(name="graphics-cards"),
            content=NodeFeatureRule(
                spec=NodeFeatureRuleSpec(rules=(_card("amd", AMD_LABEL, AMD), _card("intel", INTEL_LABEL, INTEL)))
            ),
            definitions=application.definitions,
            opts=child_options(self, opts),
        )
        self.register_outputs({})


def _card(name: str, label: str, vendor: str) -> FeatureRule:
    """A node with a graphics card of the vendor in it."""
    return FeatureRule(
        name=f"{name}-graphics-card",
        labels={label: "true"},
        match_features=(
            FeatureMatcher(
                feature="pci.device",
                match_expressions={
                    "vendor": MatchExpression(op="In", value=(vendor,)),
                    "class": MatchExpression(op="In", value=DISPLAY_CLASSES),
                },
            ),
        ),
    )
