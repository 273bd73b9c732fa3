"""Nodes: labels by rules over what is in the machine, and the cards that device plugins announce."""

import pytest
import pytest_asyncio

from inventory import LAB
from inventory.names import ARC_A310, K8S, NOSE, R9700, STRIX_HALO_NOSE
from tests.twin.operators.conftest import Bench, status_of
from twin.faults import Fault, FaultKind, Faults
from twin.kubernetes.api import Object
from twin.kubernetes.hardware import Hardware
from twin.operators.cluster import NODE, POD
from twin.operators.device_plugins import AMD_CONFIGURATION, AMD_RESOURCE, INTEL_PLUGIN, INTEL_RESOURCE
from twin.operators.hardware import NodeDevices, devices_of
from twin.operators.node_features import RULE, labels_of, tolerates
from twin.store import Store
from twin.talos.configuration import MachineConfiguration, MachineType
from twin.talos.records import ConfiguredMachine, MachineRecords
from twin.world import World

OPERATORS = frozenset({"node-feature-discovery", "device-plugins"})

INTEL = NodeDevices(accelerators=(LAB.accelerator(ARC_A310),), modules=frozenset({"i915"}))
AMD = NodeDevices(accelerators=(LAB.accelerator(R9700),), modules=frozenset({"amdgpu"}))
INTEL_LABEL = "intel.feature.node.kubernetes.io/gpu"
AMD_LABEL = "feature.node.kubernetes.io/amd-gpu"
INTEL_TAINT = {"key": "intel.com/gpu", "value": "present", "effect": "NoSchedule"}
PCI_RULE = {
    "name": "intel.gpu",
    "labels": {INTEL_LABEL: "true"},
    "matchFeatures": [
        {"feature": "pci.device", "matchExpressions": {"vendor": {"op": "In", "value": ["8086"]},
                                                       "class": {"op": "In", "value": ["0300", "0380"]}}},
        {"feature": "kernel.loadedmodule", "matchExpressions": {"i915": {"op": "Exists"}}},
    ],
}  # fmt: skip
MODULE_RULE = {
    "name": "amd-gpu",
    "labels": {AMD_LABEL: "true"},
    "matchFeatures": [{"feature": "kernel.loadedmodule", "matchExpressions": {"amdgpu": {"op": "Exists"}}}],
}


def rule(*rules: Object) -> Object:
    kind = {"apiVersion": RULE.api_version, "kind": RULE.kind}
    return {**kind, "metadata": {"name": "gpus"}, "spec": {"rules": [*rules]}}


@pytest_asyncio.fixture
async def nodes(bench: Bench) -> Bench:
    """NFD's definitions, and a worker that tolerates Intel's taint only."""
    await bench.define("node-feature-discovery", "intel-device-plugins", "amd-gpu")
    labels = {"app.kubernetes.io/name": "node-feature-discovery", "role": "worker"}
    tolerations = [{"key": "intel.com/gpu", "operator": "Exists"}]
    pod = {"containers": [{"name": "worker", "image": "example.org/nfd:1"}], "tolerations": tolerations}
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    await bench.apply({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "nfd-worker"}, "spec": spec})
    return bench


def amount(found: Object, resource: str) -> str | None:
    return status_of(found).get("allocatable", {}).get(resource)


async def test_intel_s_card_is_found_labelled_and_shared_by_four(nodes: Bench) -> None:
    name = f"intel-{nodes.namespace}"
    nodes.devices[name] = INTEL
    await nodes.node(name, taints=[INTEL_TAINT])
    await nodes.apply(rule(PCI_RULE))
    found = await nodes.until(
        NODE, name, lambda one: one["metadata"]["labels"].get(INTEL_LABEL) == "true", namespace=None
    )
    assert "feature.node.kubernetes.io/pci-0300_8086.present" in found["metadata"]["labels"]
    plugin: Object = {"apiVersion": INTEL_PLUGIN.api_version, "kind": INTEL_PLUGIN.kind,
                      "metadata": {"name": nodes.namespace},
                      "spec": {"sharedDevNum": 4, "nodeSelector": {INTEL_LABEL: "true"},
                               "tolerations": [{"key": "intel.com/gpu", "operator": "Exists"}]}}  # fmt: skip
    await nodes.apply(plugin)
    await nodes.until(NODE, name, lambda one: amount(one, INTEL_RESOURCE) == "4", namespace=None)
    await nodes.cluster.remove(INTEL_PLUGIN, nodes.namespace, nodes.namespace)
    await nodes.until(NODE, name, lambda one: amount(one, INTEL_RESOURCE) is None, namespace=None)
    await nodes.cluster.remove(RULE, None, "gpus")
    await nodes.until(NODE, name, lambda one: INTEL_LABEL not in one["metadata"]["labels"], namespace=None)


async def test_one_pod_gets_amd_s_card_and_the_second_waits(nodes: Bench) -> None:
    name = f"amd-{nodes.namespace}"
    nodes.devices[name] = AMD
    await nodes.node(name, labels={AMD_LABEL: "true"})
    await nodes.apply({"apiVersion": AMD_CONFIGURATION.api_version, "kind": AMD_CONFIGURATION.kind,
                       "metadata": {"name": "gpus"}, "spec": {"selector": {AMD_LABEL: "true"}}})  # fmt: skip
    await nodes.until(NODE, name, lambda one: amount(one, AMD_RESOURCE) == "1", namespace=None)
    for pod in ("first", "second"):
        container = {"name": "main", "image": "example.org/llama:1", "resources": {"limits": {AMD_RESOURCE: "1"}}}
        selector = {"kubernetes.io/hostname": name}
        await nodes.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod},
                           "spec": {"containers": [container], "nodeSelector": selector}})  # fmt: skip
        if pod == "first":
            await nodes.until(POD, pod, lambda one: one["spec"].get("nodeName") == name)
    assert f"Insufficient {AMD_RESOURCE}" in await nodes.event("second", "FailedScheduling")
    await nodes.cluster.remove(AMD_CONFIGURATION, nodes.namespace, "gpus")
    await nodes.until(NODE, name, lambda one: amount(one, AMD_RESOURCE) is None, namespace=None)


async def test_a_worker_that_does_not_tolerate_the_node_finds_nothing(nodes: Bench) -> None:
    near, far = f"near-{nodes.namespace}", f"far-{nodes.namespace}"
    nodes.devices |= {near: AMD, far: AMD}
    await nodes.node(far, taints=[{"key": "amd.com/gpu", "value": "present", "effect": "NoSchedule"}])
    await nodes.node(near)
    await nodes.apply(rule(MODULE_RULE))
    await nodes.until(NODE, near, lambda one: AMD_LABEL in one["metadata"]["labels"], namespace=None)
    found = await nodes.until(NODE, far, namespace=None)
    assert AMD_LABEL not in found["metadata"]["labels"]
    await nodes.cluster.remove(RULE, None, "gpus")


async def test_a_feature_that_the_twin_does_not_know_is_told(nodes: Bench) -> None:
    term = {"feature": "cpu.cpuid", "matchExpressions": {"AVX512F": {"op": "Exists"}}}
    unknown = {"name": "r", "labels": {"a": "true"}, "matchFeatures": [term]}
    await nodes.apply({**rule(unknown), "metadata": {"name": f"odd-{nodes.namespace}"}})
    message = await nodes.event(f"odd-{nodes.namespace}", "UnknownFeature", namespace="default")
    assert "cpu.cpuid" in message
    await nodes.cluster.remove(RULE, None, f"odd-{nodes.namespace}")


def test_a_rule_holds_only_when_every_feature_does() -> None:
    without_driver = INTEL.model_copy(update={"modules": frozenset[str]()})
    assert labels_of([rule(PCI_RULE)], INTEL) == {INTEL_LABEL: "true"}
    assert labels_of([rule(PCI_RULE)], without_driver) == {}
    assert labels_of([rule(PCI_RULE)], AMD) == {}
    integrated = NodeDevices(accelerators=(LAB.accelerator(STRIX_HALO_NOSE),), modules=frozenset({"amdgpu"}))
    assert labels_of([rule(PCI_RULE, MODULE_RULE)], integrated) == {AMD_LABEL: "true"}


@pytest.mark.parametrize(
    ("tolerations", "tolerated"),
    [
        ([], False),
        ([{"operator": "Exists"}], True),
        ([{"key": "intel.com/gpu", "operator": "Exists"}], True),
        ([{"key": "intel.com/gpu", "operator": "Equal", "value": "present", "effect": "NoSchedule"}], True),
        ([{"key": "intel.com/gpu", "operator": "Equal", "value": "other"}], False),
        ([{"key": "amd.com/gpu", "operator": "Exists"}], False),
        ([{"key": "intel.com/gpu", "operator": "Exists", "effect": "NoExecute"}], False),
    ],
)
def test_a_taint_is_tolerated_as_the_scheduler_would(tolerations: list[Object], *, tolerated: bool) -> None:
    assert tolerates({"spec": {"taints": [INTEL_TAINT]}}, tolerations) is tolerated


@pytest.mark.parametrize(("extensions", "modules"), [(("siderolabs/amdgpu",), {"amdgpu"}), ((), set[str]())])
def test_a_driver_is_loaded_where_its_extension_and_its_card_are(
    store: Store, extensions: tuple[str, ...], modules: set[str]
) -> None:
    world = World(LAB, Faults(store))
    address = LAB.host(NOSE).addresses[K8S]
    machine = world.at(address)
    assert machine is not None
    parsed = MachineConfiguration(
        type=MachineType.WORKER, hostname="green-talos-worker-nose", interfaces=(), install_disk=None, install_image="",
        cluster_id="id", cluster_name="green", endpoint="", authority="", kubelet_image="", kernel_modules=(),
        labels={}, taints=(),
    )  # fmt: skip
    MachineRecords(store, world).put(
        ConfiguredMachine(
            address=address, name=machine.name, host=machine.host, incarnation=machine.incarnation, configuration="",
            parsed=parsed, image=None, extensions=extensions,
        )
    )  # fmt: skip
    of = devices_of(world, store, Hardware(LAB, lambda: ()))
    node = {"status": {"addresses": [{"type": "InternalIP", "address": str(address)}]}}
    assert [card.name for card in of(node).accelerators] == [STRIX_HALO_NOSE]
    assert of(node).modules == modules
    world.faults.set(Fault(kind=FaultKind.HOST_DOWN, target=NOSE))
    assert of(node) == NodeDevices()
