"""AMD's GPU operator: what runs on the nodes that have a card of AMD's."""

from typing import Any

from model.workloads.camel_case import CamelCase
from model.workloads.objects import CustomObject, Kind

GROUP, VERSION = "amd.com", "v1alpha1"


class Driver(CamelCase):
    """Whether the operator builds and loads the kernel module."""

    enable: bool


class DevicePlugin(CamelCase):
    """What announces the cards and labels the nodes by them. Upstream's own images would float."""

    device_plugin_image: str
    device_plugin_tolerations: tuple[dict[str, Any], ...]
    enable_node_labeller: bool
    node_labeller_image: str
    node_labeller_tolerations: tuple[dict[str, Any], ...]


class Exporter(CamelCase):
    """What tells Prometheus of the cards."""

    enable: bool
    image: str
    tolerations: tuple[dict[str, Any], ...]


class TestRunner(CamelCase):
    """What tests a card that looks ill."""

    __test__ = False

    enable: bool
    image: str
    tolerations: tuple[dict[str, Any], ...]


class DeviceConfigSpec(CamelCase):
    """Spec of a DeviceConfig."""

    driver: Driver
    device_plugin: DevicePlugin
    metrics_exporter: Exporter
    test_runner: TestRunner
    selector: dict[str, str]
    """Labels of the nodes."""


class DeviceConfig(CustomObject):
    """Announces `amd.com/gpu` on the nodes that it selects."""

    OF = Kind(group=GROUP, version=VERSION, name="DeviceConfig")
    spec: DeviceConfigSpec
