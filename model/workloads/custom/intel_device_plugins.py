"""Intel's operator of device plugins: which nodes offer their graphics cards, and to how many containers at once."""

from typing import Any

from pydantic import Field

from model.workloads.camel_case import CamelCase
from model.workloads.objects import CustomObject, Kind

GROUP, VERSION = "deviceplugin.intel.com", "v1"


class GpuDevicePluginSpec(CamelCase):
    """Spec of a GpuDevicePlugin."""

    image: str
    node_selector: dict[str, str]
    tolerations: tuple[dict[str, Any], ...]
    allow_ids: str | None = Field(default=None, serialization_alias="allowIDs")
    """PCI device ids with `0x`, separated by commas; None takes every card of Intel's."""
    shared_dev_num: int = Field(ge=1)
    """How many containers may hold one card at once."""
    enable_monitoring: bool = False


class GpuDevicePlugin(CustomObject):
    """Announces `gpu.intel.com/i915` on the nodes that it selects."""

    OF = Kind(group=GROUP, version=VERSION, name="GpuDevicePlugin")
    spec: GpuDevicePluginSpec
