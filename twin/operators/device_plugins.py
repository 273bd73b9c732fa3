"""Device plugins of Intel and AMD: the extended resources of nodes with a card that the plugin finds."""

from collections.abc import Mapping
from typing import Any, Final

from model.hardware import Accelerator, Vendor
from twin.kubernetes.api import Object
from twin.operators.cluster import NODE, Kind, Operator
from twin.operators.controller import Controller
from twin.operators.hardware import DRIVERS, NodeDevices
from twin.operators.node_features import tolerates

DEVICE_PLUGINS: Final = Operator("device-plugins")

INTEL_PLUGIN: Final = Kind("deviceplugin.intel.com/v1", "GpuDevicePlugin")
AMD_CONFIGURATION: Final = Kind("amd.com/v1alpha1", "DeviceConfig")
INTEL_RESOURCE: Final = "gpu.intel.com/i915"
AMD_RESOURCE: Final = "amd.com/gpu"
AMD_LABEL: Final = "feature.node.kubernetes.io/amd-gpu"


class NodeResources(Controller):
    """Announces the cards of each node."""

    operator = DEVICE_PLUGINS
    kind = NODE
    wakes_on = (INTEL_PLUGIN, AMD_CONFIGURATION)

    async def reconcile(self, found: Object) -> None:
        """As many as the plugins that run on the node announce; none when none runs."""
        devices = self.cluster.around.devices(found)
        wanted: dict[str, str | None] = {
            INTEL_RESOURCE: await self._intel(found, devices),
            AMD_RESOURCE: await self._amd(found, devices),
        }
        present: Mapping[str, str] = (found.get("status") or {}).get("allocatable") or {}
        resources = {name: count for name, count in wanted.items() if count is not None or name in present}
        if resources:
            await self.cluster.set_status(found, {"capacity": resources, "allocatable": resources})

    async def _intel(self, node: Object, devices: NodeDevices) -> str | None:
        for plugin in await self.cluster.all(INTEL_PLUGIN):
            spec = plugin["spec"]
            if _runs(plugin, node, spec.get("nodeSelector"), spec.get("tolerations")):
                cards = [card for card in _cards(devices, Vendor.INTEL) if _is_allowed(card, spec.get("allowIDs"))]
                return str(len(cards) * int(spec.get("sharedDevNum") or 1)) if cards else None
        return None

    async def _amd(self, node: Object, devices: NodeDevices) -> str | None:
        for configuration in await self.cluster.all(AMD_CONFIGURATION):
            spec = configuration["spec"]
            plugin = spec.get("devicePlugin") or {}
            selector = spec.get("selector") or {AMD_LABEL: "true"}
            if _runs(configuration, node, selector, plugin.get("devicePluginTolerations")):
                cards = _cards(devices, Vendor.AMD)
                return str(len(cards)) if cards else None
        return None


def _runs(plugin: Object, node: Object, selector: Mapping[str, str] | None, tolerations: Any) -> bool:
    if "deletionTimestamp" in plugin["metadata"]:
        return False
    labels: Mapping[str, str] = node["metadata"].get("labels") or {}
    return (selector or {}).items() <= labels.items() and tolerates(node, tolerations or ())


def _is_allowed(card: Accelerator, allowed: str | None) -> bool:
    """Whether the list of PCI device ids has one of the card's; no list has every card."""
    present = {f"0x{device.id.partition(':')[2]}" for device in card.devices}
    return not allowed or not present.isdisjoint(one.strip().lower() for one in allowed.split(","))


def _cards(devices: NodeDevices, vendor: Vendor) -> list[Accelerator]:
    """Cards of the vendor whose kernel module is loaded: without it there is no device to announce."""
    if DRIVERS[vendor] not in devices.modules:
        return []
    return [card for card in devices.accelerators if card.vendor is vendor]
