"""Nodes as they follow from what each machine took, booted and has."""

from collections.abc import Mapping

import pytest
import pytest_asyncio

from inventory import LAB
from model.cluster import NodePlan
from model.exclusive import Colour
from tests.conformance.talos.configurations import ClusterSecrets
from tests.twin.kubernetes.lab_state import LabState, node
from twin.kubernetes.nodes import RunningNode, image_version, registration, status, talos_part
from twin.talos.configuration import size_in_bytes

GREEN = Colour.GREEN
MASTER, WORKER = node(GREEN, "master-0"), node(GREEN, "worker-0")
INTEL_GPU, AMD_GPU, NOSE = (node(GREEN, name) for name in ("worker-intel-gpu", "worker-amd-gpu", "worker-nose"))


@pytest_asyncio.fixture
async def built(lab: LabState, secrets: Mapping[Colour, ClusterSecrets]) -> LabState:
    await lab.build(GREEN, secrets[GREEN], "master-0", "worker-0", "worker-intel-gpu", "worker-amd-gpu", "worker-nose")
    return lab


def running(lab: LabState, one: NodePlan) -> RunningNode:
    machine, configured = lab.world.at(one.address), lab.clusters.configured(str(one.address))
    assert machine is not None
    assert configured is not None
    return RunningNode(configured, lab.hardware.of(machine, configured))


async def test_a_control_plane_node(built: LabState) -> None:
    found = running(built, MASTER)
    assert found.name == "green-talos-master-0"
    labels = registration(found.machine)["metadata"]["labels"] | talos_part(found.machine)["metadata"]["labels"]
    assert labels == {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": "green-talos-master-0",
        "kubernetes.io/os": "linux",
        "machine_tier": "standard",
        "machine_type": "vm",
        "node-role.kubernetes.io/control-plane": "",
        "node.kubernetes.io/exclude-from-external-load-balancers": "",
        "topology.kubernetes.io/region": "green",
        "topology.kubernetes.io/zone": "indy",
    }
    assert registration(found.machine)["spec"]["taints"] == [
        {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
    ]


async def test_addresses_and_versions(built: LabState) -> None:
    told = status(running(built, MASTER))
    assert told["addresses"] == [
        {"type": "InternalIP", "address": "10.0.30.60"},
        {"type": "Hostname", "address": "green-talos-master-0"},
    ]
    assert told["nodeInfo"]["osImage"] == "Talos (v1.11.3)"
    assert told["nodeInfo"]["kubeletVersion"] == "v1.34.1"
    # Nothing is made up that the image's name does not tell.
    assert told["nodeInfo"]["kernelVersion"] == ""


async def test_capacity_is_the_machines_and_the_kubelet_keeps_its_part(built: LabState) -> None:
    told = status(running(built, WORKER))
    assert told["capacity"]["cpu"] == str(WORKER.virtual_cpus)
    assert told["capacity"]["memory"] == f"{WORKER.memory}Mi"
    assert told["capacity"]["pods"] == "110"
    assert told["allocatable"]["cpu"] == f"{WORKER.virtual_cpus * 1000 - 50}m"
    assert told["allocatable"]["memory"] == f"{WORKER.memory - 384 - 100}Mi"
    assert WORKER.disk is not None
    capacity, allocatable = (int(told[key]["ephemeral-storage"]) for key in ("capacity", "allocatable"))
    assert WORKER.disk * 2**30 - 2 * 2**30 < capacity < WORKER.disk * 2**30
    assert allocatable == capacity - capacity * 10 // 100 - 256 * 2**20


async def test_no_graphics_card_is_announced_before_its_device_plugin_runs(built: LabState) -> None:
    for one in (INTEL_GPU, AMD_GPU, NOSE):
        assert set(status(running(built, one))["capacity"]) == {"cpu", "memory", "pods", "ephemeral-storage"}
        labels = talos_part(running(built, one).machine)["metadata"]["labels"]
        assert not any("feature.node" in label for label in labels)


async def test_taints_of_the_machine_configuration(built: LabState) -> None:
    assert registration(running(built, AMD_GPU).machine)["spec"]["taints"] == [
        {"key": "amd.com/gpu", "value": "present", "effect": "NoSchedule"}
    ]
    assert registration(running(built, WORKER).machine)["spec"]["taints"] == []


async def test_a_control_plane_that_takes_every_pod_is_not_tainted(
    lab: LabState, secrets: Mapping[Colour, ClusterSecrets]
) -> None:
    patch = '{"cluster": {"allowSchedulingOnControlPlanes": true}, "machine": {"nodeAnnotations": {"told": "by-hand"}}}'
    await lab.configure(MASTER, secrets[GREEN], patch)
    machine = running(lab, MASTER).machine
    assert registration(machine)["spec"]["taints"] == []
    assert talos_part(machine)["metadata"]["annotations"] == {"told": "by-hand"}


async def test_hardware_of_a_vm_with_a_card(built: LabState) -> None:
    hardware = running(built, AMD_GPU).hardware
    assert [card.name for card in hardware.accelerators] == ["r9700"]
    assert [device.id for device in hardware.pci_devices] == ["1002:7551"]
    assert "siderolabs/amdgpu" in hardware.extensions
    assert not hardware.is_metal
    intel = running(built, INTEL_GPU).hardware
    assert [device.mapping for device in intel.pci_devices] == list(INTEL_GPU.mappings)
    assert "siderolabs/i915" in intel.extensions
    assert running(built, WORKER).hardware.accelerators == ()


async def test_hardware_of_a_bare_machine(built: LabState) -> None:
    found = running(built, NOSE)
    host = LAB.host(NOSE.host)
    assert found.hardware.is_metal
    assert found.hardware.cores == host.processor.threads
    assert found.hardware.memory == host.memory
    assert [card.name for card in found.hardware.accelerators] == ["strix-halo-nose"]
    assert talos_part(found.machine)["metadata"]["labels"]["machine_type"] == "metal"
    bounds = NOSE.shape.ephemeral_volume
    if bounds is not None:
        assert int(status(found)["capacity"]["ephemeral-storage"]) == bounds.maximum * 10**9


async def test_a_machine_made_anew_is_another(built: LabState, secrets: Mapping[Colour, ClusterSecrets]) -> None:
    before = status(running(built, WORKER))["nodeInfo"]["systemUUID"]
    assert status(running(built, WORKER))["nodeInfo"]["systemUUID"] == before
    built.destroy([WORKER])
    await built.configure(WORKER, secrets[GREEN])
    assert status(running(built, WORKER))["nodeInfo"]["systemUUID"] != before



@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("ghcr.io/siderolabs/kubelet:v1.34.1", "v1.34.1"),
        ("registry.local:5000/kubelet:v1.34.1@sha256:00", "v1.34.1"),
        ("registry.local:5000/kubelet", ""),
    ],
)
def test_version_of_an_image(image: str, version: str) -> None:
    assert image_version(image) == version


@pytest.mark.parametrize(
    ("text", "size"),
    [("100GB", 10**11), ("1.5 TiB", 3 * 2**39), ("512", 512), ("10MiB", 10 * 2**20), ("80%", None), ("much", None)],
)
def test_sizes_as_talos_writes_them(text: str, size: int | None) -> None:
    assert size_in_bytes(text) == size
