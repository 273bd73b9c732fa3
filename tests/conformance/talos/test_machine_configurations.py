"""Every role's machine configuration for both colours, made and accepted by Talos' own library."""

import os
from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.talos.patches import SYSCTLS
from components.talos.plan import ClusterPlan
from model.cluster import NodePlan, NodeRole
from model.exclusive import Colour
from tests.conformance.talos.configurations import ClusterSecrets, generate
from tests.conformance.talos.plans import SCHEMATIC_ID, cluster_plan
from tests.conformance.talos.redaction import leaves, redact
from twin.talos.configuration import MachineType, read_configuration
from twin.talos.machinery import Machinery
from twin.world import BlockDevice, World

GOLDEN = Path(__file__).with_name("golden")
PLANS = {colour: cluster_plan(colour) for colour in Colour}
NODES = [(plan, node) for plan in PLANS.values() for node in plan.nodes]
EVERY_NODE = pytest.mark.parametrize(("plan", "node"), NODES, ids=[node.name for _, node in NODES])
FIRST_OF_ROLE = [next(node for node in PLANS[Colour.GREEN].nodes if node.role is role) for role in NodeRole]


def main_document(documents: Any) -> Mapping[str, Any]:
    return next(document for document in documents if "kind" not in document)


COLOURED = {
    "[0].machine.network.hostname",
    "[0].machine.network.extraHostEntries[0].ip",
    "[0].machine.network.interfaces[0].addresses[0]",
    "[0].machine.network.interfaces[0].vip.ip",
    "[0].machine.nodeLabels.topology.kubernetes.io/region",
    "[0].cluster.clusterName",
    "[0].cluster.controlPlane.endpoint",
    "[0].cluster.apiServer.certSANs[0]",
}
"""All that may differ between the colours."""


def test_both_colours_have_nodes_of_every_role() -> None:
    for plan in PLANS.values():
        assert {node.role for node in plan.nodes} == set(NodeRole)


@EVERY_NODE
async def test_a_machine_takes_the_configuration_of_every_node(
    machinery: Machinery, secrets: ClusterSecrets, plan: ClusterPlan, node: NodePlan
) -> None:
    documents = await machinery.inspect(await generate(machinery, plan, node, secrets))
    parsed = read_configuration(documents)
    machine, cluster = main_document(documents)["machine"], main_document(documents)["cluster"]

    assert parsed.hostname == node.name
    assert parsed.cluster_name == plan.name
    assert parsed.endpoint == f"https://{plan.virtual_ip}:6443"
    assert parsed.install_disk == node.shape.install_disk
    assert SCHEMATIC_ID in parsed.install_image
    assert parsed.install_image.endswith(f":{plan.release.talos}")
    assert parsed.kubelet_image.endswith(f":v{plan.release.kubernetes}")
    (interface,) = parsed.interfaces
    assert interface.name == node.interface
    assert [address.ip for address in interface.addresses] == [node.address]
    (written,) = machine["network"]["interfaces"]
    assert written["mtu"] == 9000
    assert written["dhcp"] is False
    assert written["routes"] == [{"network": "0.0.0.0/0", "gateway": "10.0.30.2"}]
    assert machine["network"]["nameservers"] == ["10.0.30.1"]
    assert machine["sysctls"] == SYSCTLS
    assert machine["features"]["kubePrism"] == {"enabled": True, "port": 7445}
    assert cluster["network"]["cni"] == {"name": "none"}
    assert node.labels.items() <= parsed.labels.items()
    assert [(taint.key, taint.effect) for taint in parsed.taints] == [
        (taint.key, taint.effect) for taint in node.shape.taints
    ]
    assert set(parsed.kernel_modules) == {module.name for module in node.shape.kernel_modules}


@EVERY_NODE
async def test_every_registry_is_pulled_through_harbor_and_without_it(
    machinery: Machinery, secrets: ClusterSecrets, plan: ClusterPlan, node: NodePlan
) -> None:
    documents = await machinery.inspect(await generate(machinery, plan, node, secrets))
    mirrors = main_document(documents)["machine"]["registries"]["mirrors"]
    assert set(mirrors) == {"docker.io", "ghcr.io", "gcr.io", "registry.k8s.io", "quay.io"}
    for registry, mirror in mirrors.items():
        harbor, upstream = mirror["endpoints"]
        assert harbor.startswith("https://harbor.bhamm-lab.com/v2/")
        assert "bhamm-lab.com" not in upstream
        # One flag for all endpoints of a mirror: without the path of the API the upstream would answer 404.
        assert mirror["overridePath"] is True
        assert upstream.endswith("/v2"), registry
        assert not mirror.get("skipFallback"), f"{registry} could not be pulled without Harbor"


@EVERY_NODE
async def test_harbor_is_that_of_the_node_s_own_colour(
    machinery: Machinery, secrets: ClusterSecrets, plan: ClusterPlan, node: NodePlan
) -> None:
    """By the DNS its name would lead to the live colour, and a colour could not be told to come up alone."""
    (entry,) = main_document(await machinery.inspect(await generate(machinery, plan, node, secrets)))["machine"][
        "network"
    ]["extraHostEntries"]
    assert entry["aliases"] == ["harbor.bhamm-lab.com"]
    assert entry["ip"] == {"green": "10.0.30.31", "blue": "10.0.30.131"}[plan.name]


async def test_no_image_of_the_machine_itself_comes_from_harbor(
    machinery: Machinery, secrets: ClusterSecrets
) -> None:
    """What Talos and Kubernetes start with is named at its source; a mirror, where there is one, may be away."""
    for plan in PLANS.values():
        for node in plan.nodes:
            documents = await machinery.inspect(await generate(machinery, plan, node, secrets))
            found = dict(leaves(list(documents)))
            images = {path: value for path, value in found.items() if path.endswith(("image", "Image"))}
            assert images
            assert not [path for path, value in images.items() if "bhamm-lab.com" in str(value)]


async def test_only_control_planes_hold_the_virtual_ip_and_install_cilium(
    machinery: Machinery, secrets: ClusterSecrets
) -> None:
    plan = PLANS[Colour.GREEN]
    for node in plan.nodes:
        documents = await machinery.inspect(await generate(machinery, plan, node, secrets))
        parsed, cluster = read_configuration(documents), main_document(documents)["cluster"]
        assert (parsed.type is MachineType.CONTROL_PLANE) == node.is_control_plane
        if not node.is_control_plane:
            assert parsed.virtual_ips == ()
            assert not cluster.get("inlineManifests")
            continue
        assert parsed.virtual_ips == (IPv4Address("10.0.30.30"),)
        assert cluster["proxy"]["disabled"] is True
        assert not cluster.get("allowSchedulingOnControlPlanes")
        assert cluster["etcd"]["extraArgs"] == {"heartbeat-interval": "1000", "election-timeout": "10000"}
        assert [manifest["name"] for manifest in cluster["inlineManifests"]] == [
            "cilium-values", "cilium-install-account", "cilium-install-binding", "cilium-install",
        ]  # fmt: skip


async def test_volumes_fit_the_disks_of_their_machines(
    machinery: Machinery, secrets: ClusterSecrets, world: World
) -> None:
    """The library evaluates the selectors over the disks that the inventory says each machine has."""
    plan = PLANS[Colour.GREEN]
    with_volumes = [node for node in plan.nodes if node.shape.local_volume is not None]
    assert {node.role for node in with_volumes} == {NodeRole.AMD_GPU, NodeRole.STRIX_HALO}
    for node in with_volumes:
        configuration = await generate(machinery, plan, node, secrets)
        metal = world.at(node.address)
        sizes = [size * 2**30 for size in (node.disk, node.user_disk) if size is not None]
        names = (f"/dev/sd{letter}" for letter in "ab")
        virtual = [BlockDevice(name, size, "virtio-scsi") for name, size in zip(names, sizes, strict=False)]
        disks = virtual if metal is None else metal.block_devices
        assert await machinery.volume_problems(configuration, disks, node.shape.install_disk) == {}
        without_second = await machinery.volume_problems(configuration, disks[:1], node.shape.install_disk)
        assert "local-path-provisioner" in without_second


@pytest.mark.parametrize("node", FIRST_OF_ROLE, ids=[node.role for node in FIRST_OF_ROLE])
async def test_golden_configuration_of_every_role(
    machinery: Machinery, secrets: ClusterSecrets, node: NodePlan
) -> None:
    """Set LAB_UPDATE_GOLDEN=1 to write what is generated now; the difference is for a review to judge."""
    plan = PLANS[Colour.GREEN]
    redacted = redact(await generate(machinery, plan, node, secrets), secrets.machine)
    path = GOLDEN / f"{node.role}.yaml"
    if os.environ.get("LAB_UPDATE_GOLDEN"):
        path.write_text(redacted)
    assert redacted == path.read_text()


async def test_golden_configurations_hold_no_secret(machinery: Machinery, secrets: ClusterSecrets) -> None:
    plan = PLANS[Colour.GREEN]
    values = [str(value) for _, value in leaves(secrets.machine)]
    for node in FIRST_OF_ROLE:
        configuration = await generate(machinery, plan, node, secrets)
        assert any(value in configuration for value in values)
        redacted = redact(configuration, secrets.machine)
        assert not [value for value in values if value in redacted]
    for path in sorted(GOLDEN.glob("*.yaml")):
        assert "LS0tLS1CRUdJTi" not in path.read_text(), f"{path.name} has PEM material"


async def test_colours_differ_only_in_names_addresses_and_secrets(
    machinery: Machinery, secrets: ClusterSecrets, other_secrets: ClusterSecrets
) -> None:
    made: dict[Colour, dict[str, dict[str, Any]]] = {}
    for colour, own in ((Colour.BLUE, secrets), (Colour.GREEN, other_secrets)):
        made[colour] = {}
        for node in PLANS[colour].nodes:
            redacted = redact(await generate(machinery, PLANS[colour], node, own), own.machine)
            made[colour][node.logical_name] = dict(leaves(list(yaml.safe_load_all(redacted))))
    assert made[Colour.BLUE].keys() == made[Colour.GREEN].keys()
    for name, blue in made[Colour.BLUE].items():
        green = made[Colour.GREEN][name]
        assert blue.keys() == green.keys(), name
        different = {path for path in blue if blue[path] != green[path]}
        assert different <= COLOURED, name
        assert {"[0].cluster.clusterName", "[0].cluster.controlPlane.endpoint"} <= different, name
