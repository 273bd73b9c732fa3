"""The device plugins as they are registered: where a colour has cards, after the labels that they select nodes by."""

from dataclasses import replace
from typing import Any

import pulumi
import pytest

from components.kubernetes.layers import build_layers
from inventory import LAB
from inventory.names import ARC_A310, NOSE
from model.cluster import NodePlan
from model.colour import plan_nodes
from model.exclusive import Colour
from model.workloads.quantities import GpuClaim
from tests.graph.workloads import layers
from tests.graph.workloads.layers import before, everything, of_colour, spec
from tests.harness.lab_stacks import read_configuration
from tests.harness.recording import Recording

INTEL = "kubernetes:deviceplugin.intel.com/v1:GpuDevicePlugin"
AMD = "kubernetes:amd.com/v1alpha1:DeviceConfig"
RULE = "kubernetes:nfd.k8s-sigs.io/v1alpha1:NodeFeatureRule"


def on_nodes(*nodes: NodePlan) -> Recording:
    return layers.run(lambda: build_layers(replace(layers.ground(), nodes=nodes), opts=layers.on_kubernetes()))


def node(suffix: str) -> NodePlan:
    planned = plan_nodes(LAB, read_configuration(), Colour.GREEN)
    return next(one for one in planned if one.logical_name == suffix)


def test_intel_s_card_is_shared_by_as_many_as_the_inventory_says_and_no_other_device_is():
    found = spec(everything().one(INTEL, "intel-graphics-cards"))
    assert found["sharedDevNum"] == LAB.accelerator(ARC_A310).shares == 4
    assert found["allowIDs"] == "0x56a6"
    assert [one["key"] for one in found["tolerations"]] == ["intel.com/gpu"]


def test_amd_s_driver_is_left_to_talos_and_everything_of_it_is_pinned_and_tolerates_its_nodes():
    found = spec(everything().one(AMD, "amd-graphics-cards"))
    assert found["driver"] == {"enable": False}
    images = [value for part in found.values() for key, value in part.items() if key.lower().endswith("image")]
    assert len(images) == 4
    assert [image for image in images if "latest" in image or ":" not in image] == []
    tolerated = [value for part in found.values() for key, value in part.items() if key.lower().endswith("tolerations")]
    assert len(tolerated) == 4
    assert {one["key"] for each in tolerated for one in each} == {"amd.com/gpu"}


def test_amd_s_chart_brings_neither_a_second_feature_discovery_nor_objects_of_its_own():
    values: dict[str, Any] = spec(everything().one(layers.APPLICATION, "amd-gpu-operator"))["source"]["helm"][
        "valuesObject"
    ]
    assert values["node-feature-discovery"] == {"enabled": False}
    assert values["installdefaultNFDRule"] is False
    assert values["crds"] == {"defaultCR": {"install": False}}


@pytest.mark.parametrize(("token", "name"), [(INTEL, "intel-graphics-cards"), (AMD, "amd-graphics-cards")])
def test_labels_come_before_who_selects_nodes_by_them(token: str, name: str):
    found = everything().one(token, name)
    assert (RULE, "graphics-cards") in before(everything(), found)
    given = {
        label for rule in spec(everything().one(RULE, "graphics-cards"))["rules"] for label in rule["labels"]
    }
    selected = spec(found).get("nodeSelector") or spec(found)["selector"]
    assert set(selected) <= given


def test_volumes_on_a_node_s_disk_wait_for_no_label():
    provisioner = everything().one(layers.APPLICATION, "local-path-provisioner")
    assert (RULE, "graphics-cards") not in before(everything(), provisioner)
    values = spec(provisioner)["source"]["helm"]["valuesObject"]
    assert "nodeSelector" not in values
    assert len(values["nodePathMap"]) == 3


def test_a_colour_without_cards_has_no_plugin():
    for token in (INTEL, AMD):
        assert of_colour(Colour.BLUE).of_type(token) == ()


def test_a_colour_with_one_vendor_s_card_has_that_vendor_s_plugin_alone():
    found = on_nodes(node("worker-0"), node(f"worker-{NOSE}"))
    assert found.of_type(INTEL) == ()
    assert len(found.of_type(AMD)) == 1
    assert "intel-device-plugins" not in {one.name for one in found.of_type(layers.APPLICATION)}


def test_cards_of_intel_s_that_are_shared_differently_are_refused():
    first = node("worker-intel-gpu")
    assert first.accelerator is not None
    other = first.accelerator.model_copy(update={"name": "second", "shares": 2})
    with pytest.raises(pulumi.RunError, match=r"arc-a310, second are for 2, 4 pods.\n  fix: give them the same"):
        on_nodes(first, first.model_copy(update={"accelerator": other}))


def claiming(resource: str) -> Any:
    application = next(one for one in layers.WORKLOADS.applications if one.name == "test")
    taint = next(taint for shape in LAB.cluster.shapes for taint in shape.taints if taint.key == "amd.com/gpu")
    workload = application.workloads[0]
    claim = GpuClaim(resource=resource, tolerates=taint)
    claimed = workload.model_copy(update={"resources": workload.resources.model_copy(update={"gpu": claim})})
    return layers.changed(applications=(application.model_copy(update={"workloads": (claimed,)}),))


def test_who_claims_a_card_waits_for_what_announces_it():
    found = layers.build(workloads=claiming("amd.com/gpu"))
    deployment = found.one("kubernetes:apps/v1:Deployment", "test-test")
    assert (AMD, "amd-graphics-cards") in before(found, deployment)


@pytest.mark.parametrize(
    ("colour", "resource", "expected"),
    [
        (Colour.BLUE, "amd.com/gpu", r"no node of the colour has amd\.com/gpu; it has no cards\.\n  fix: give the"),
        (Colour.GREEN, "amd.com/cpu", r"no node of the colour has amd\.com/cpu; it has gpu\.intel\.com/i915, amd"),
    ],
)
def test_a_card_that_the_colour_does_not_have_is_refused(colour: Colour, resource: str, expected: str):
    with pytest.raises(pulumi.RunError, match=expected):
        layers.build(colour=colour, workloads=claiming(resource))
