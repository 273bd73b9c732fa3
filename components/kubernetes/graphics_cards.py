"""Graphics cards as resources of the nodes: Intel's and AMD's operators, each where the colour has such a card."""

from collections.abc import Mapping, Sequence

import pulumi
from pydantic import Field

from components.kubernetes.chart_application import Delivery
from components.kubernetes.node_features import AMD_LABEL, INTEL_LABEL
from components.kubernetes.objects import CustomResource, Metadata
from components.kubernetes.provided import Definitions
from components.kubernetes.tolerations import tolerations
from components.options import child_options
from model.cluster import NodePlan
from model.hardware import Accelerator, Vendor
from model.workloads.camel_case import CamelCase
from model.workloads.charts import Chart, ChartValues, Switch
from model.workloads.custom.amd_gpu import DeviceConfig, DeviceConfigSpec, DevicePlugin, Driver, Exporter, TestRunner
from model.workloads.custom.intel_device_plugins import GpuDevicePlugin, GpuDevicePluginSpec
from model.workloads.objects import kinds
from model.workloads.platform import Releases

INTEL_NAMESPACE, AMD_NAMESPACE = "intel-gpu-plugin", "amd"


class Devices(CamelCase):
    """Kinds of devices that Intel's operator looks after."""

    gpu: bool = True


class IntelOperator(CamelCase):
    """How Intel's operator runs; the chart calls it its manager."""

    devices: Devices = Devices()


class IntelOperatorValues(ChartValues):
    """Values of the chart `intel-device-plugins-operator`."""

    manager: IntelOperator = IntelOperator()


class MadeWithTheChart(CamelCase):
    """A custom resource that the chart makes by itself."""

    install: bool = False


class AmdDefinitions(CamelCase):
    """What comes with the chart's custom kinds."""

    default_cr: MadeWithTheChart = Field(default=MadeWithTheChart(), serialization_alias="defaultCR")


class AmdOperatorValues(ChartValues):
    """Values of the chart `gpu-operator-charts`. Labels come from the lab's own rules, the kernel module from Talos."""

    node_feature_discovery: Switch = Field(
        default=Switch(enabled=False), serialization_alias="node-feature-discovery"
    )
    kmm: Switch = Switch(enabled=True)
    default_rule: bool = Field(default=False, serialization_alias="installdefaultNFDRule")
    crds: AmdDefinitions = AmdDefinitions()


class GraphicsCards(pulumi.ComponentResource):
    """The device plugins of the vendors whose cards the colour holds."""

    announced: Mapping[str, pulumi.Resource]
    """What announces each extended resource, e.g. `amd.com/gpu`. Who claims one depends on it."""

    def __init__(
        self,
        name: str,
        *,
        nodes: Sequence[NodePlan],
        labels: pulumi.Resource,
        certificates: Definitions,
        releases: Releases,
        delivery: Delivery,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`nodes` are those with a card, `labels` what they are selected by.

        `certificates` are cert-manager's kinds: the webhooks of both operators have certificates of their own.
        """
        super().__init__("lab:kubernetes:GraphicsCards", name, None, opts)
        self._releases = releases
        self._delivery = delivery
        self._needs = [labels, certificates.by]
        self._own = child_options(self, opts)
        announced: dict[str, pulumi.Resource] = {}
        for vendor, announce in ((Vendor.INTEL, self._intel), (Vendor.AMD, self._amd)):
            found = [node for node in nodes if node.accelerator is not None and node.accelerator.vendor is vendor]
            if found:
                announced |= dict.fromkeys(_resources(found), announce(found))
        self.announced = announced
        self.register_outputs({"resources": list(announced)})

    def _intel(self, nodes: Sequence[NodePlan]) -> pulumi.Resource:
        cards = _cards(nodes)
        shares = {card.shares for card in cards}
        if len(shares) > 1:
            raise pulumi.RunError(
                f"the plugin shares every card of Intel's alike, but {', '.join(card.name for card in cards)} are for "
                f"{', '.join(map(str, sorted(shares)))} pods.\n  fix: give them the same `shares` in inventory/hosts.py"
            )
        operator = self._delivery.apply(
            Chart(
                name="intel-device-plugins",
                namespace=INTEL_NAMESPACE,
                source=self._releases.intel_device_plugins,
                values=IntelOperatorValues(),
                kinds=kinds(GpuDevicePlugin),
            ),
            needs=self._needs,
            opts=self._own,
        )
        return CustomResource(
            "intel-graphics-cards",
            metadata=Metadata(name="graphics-cards"),
            content=GpuDevicePlugin(
                spec=GpuDevicePluginSpec(
                    image=self._releases.intel_gpu_plugin,
                    node_selector={INTEL_LABEL: "true"},
                    tolerations=_tolerations(nodes),
                    # Of each card the first function is the card; the others are its sound.
                    allow_ids=",".join(dict.fromkeys(f"0x{card.devices[0].id.partition(':')[2]}" for card in cards)),
                    shared_dev_num=shares.pop(),
                    # The monitor's own resource may be held beside any share.
                    enable_monitoring=True,
                )
            ),
            definitions=operator.definitions,
            opts=self._own,
        )

    def _amd(self, nodes: Sequence[NodePlan]) -> pulumi.Resource:
        releases, tolerated = self._releases, _tolerations(nodes)
        operator = self._delivery.apply(
            Chart(
                name="amd-gpu-operator",
                namespace=AMD_NAMESPACE,
                source=releases.amd_gpu_operator,
                values=AmdOperatorValues(),
                kinds=kinds(DeviceConfig),
            ),
            needs=self._needs,
            opts=self._own,
        )
        return CustomResource(
            "amd-graphics-cards",
            metadata=Metadata(name="graphics-cards", namespace=AMD_NAMESPACE),
            content=DeviceConfig(
                spec=DeviceConfigSpec(
                    driver=Driver(enable=False),
                    device_plugin=DevicePlugin(
                        device_plugin_image=releases.amd_device_plugin,
                        device_plugin_tolerations=tolerated,
                        enable_node_labeller=True,
                        node_labeller_image=releases.amd_node_labeller,
                        node_labeller_tolerations=tolerated,
                    ),
                    metrics_exporter=Exporter(enable=True, image=releases.amd_metrics_exporter, tolerations=tolerated),
                    test_runner=TestRunner(enable=True, image=releases.amd_test_runner, tolerations=tolerated),
                    selector={AMD_LABEL: "true"},
                )
            ),
            definitions=operator.definitions,
            opts=self._own,
        )


def _cards(nodes: Sequence[NodePlan]) -> list[Accelerator]:
    return [node.accelerator for node in nodes if node.accelerator is not None]


def _resources(nodes: Sequence[NodePlan]) -> list[str]:
    return list(dict.fromkeys(card.resource for card in _cards(nodes)))


def _tolerations(nodes: Sequence[NodePlan]) -> tuple[dict[str, str], ...]:
    taints = list(dict.fromkeys(taint for node in nodes for taint in node.shape.taints))
    return tuple(toleration.document() for toleration in tolerations(taints))
