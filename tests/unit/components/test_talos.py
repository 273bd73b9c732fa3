"""The Talos components: what they register, in which order, and what stays secret."""

import json
import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pulumi
import pulumi_proxmoxve as proxmox
import pulumiverse_talos as talos
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.talos import cilium
from components.talos.cluster import TalosCluster
from components.talos.patches import machine_patches, render
from components.talos.plan import ClusterPlan
from components.talos.schematics import Schematics, schematic_text, wanted_schematics
from inventory import LAB
from model.cluster import NodePlan, NodeRole
from model.exclusive import Colour
from tests.conformance.talos.plans import cluster_plan
from tests.harness import checks
from tests.harness.answers import SENTINEL, lab_answers
from tests.harness.lab_stacks import BOOTSTRAP, CONFIGURATION, HEALTH, KUBECONFIG, SCHEMATIC, SECRETS, VM
from tests.harness.program import record
from tests.harness.recording import Recording, Registration
from twin.providers import wire
from twin.providers.inputs import violations
from twin.providers.sdk import read_types

PLAN = cluster_plan(Colour.GREEN)
VIRTUAL = tuple(node for node in PLAN.nodes if node.vm_id is not None)
METAL = tuple(node for node in PLAN.nodes if node.vm_id is None)
ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")


def build(plan: ClusterPlan, *, protect_secrets: bool) -> None:
    on_proxmox = pulumi.ResourceOptions(provider=proxmox.Provider("proxmox"))
    on_talos = pulumi.ResourceOptions(providers=[talos.Provider("talos")])
    schematics = Schematics("schematics", schematics=wanted_schematics(plan.nodes), opts=on_talos)
    machines = {
        node.logical_name: proxmox.VmLegacy(
            node.logical_name, node_name=node.host, vm_id=node.vm_id, network_devices=[{"bridge": "vmbr0"}],
            opts=on_proxmox,
        )
        for node in plan.nodes
        if node.vm_id is not None
    }  # fmt: skip
    cluster = TalosCluster(
        "cluster",
        plan=plan,
        schematic_ids=schematics.ids,
        machines=machines,
        protect_secrets=protect_secrets,
        opts=on_talos,
    )
    pulumi.export("kubeconfig", cluster.kubeconfig)
    pulumi.export("talosconfig", cluster.talosconfig)
    pulumi.export("endpoint", cluster.endpoint)


def recorded(*, preview: bool = False, protect_secrets: bool = True) -> Recording:
    return record(
        lambda: build(PLAN, protect_secrets=protect_secrets),
        stack="green",
        answers=lab_answers(None),
        preview=preview,
    )


@pytest.fixture(scope="module")
def recording() -> Recording:
    return recorded()


def configuration_of(recording: Recording, node: NodePlan) -> Registration:
    return recording.one(CONFIGURATION, f"configuration-{node.logical_name}")


def patches_of(registration: Registration) -> list[Mapping[str, Any]]:
    """The patches that the answer of the made-up provider repeats in the machine configuration."""
    return json.loads(str(wire.reveal(registration.inputs["machineConfigurationInput"])))["patches"]


def test_every_node_is_configured_at_its_own_address(recording: Recording) -> None:
    assert len(recording.of_type(CONFIGURATION)) == len(PLAN.nodes)
    for node in PLAN.nodes:
        inputs = configuration_of(recording, node).inputs
        assert inputs["node"] == inputs["endpoint"] == str(node.address)


def test_a_vm_is_configured_again_when_it_is_made_anew(recording: Recording) -> None:
    for node in VIRTUAL:
        registration, machine = configuration_of(recording, node), recording.one(VM, node.logical_name)
        assert registration.replace_with == {machine.urn}
        assert machine.urn in registration.dependencies
        assert "onDestroy" not in registration.inputs


def test_a_bare_machine_is_given_back_empty(recording: Recording) -> None:
    assert {node.role for node in METAL} == {NodeRole.STRIX_HALO}
    for node in METAL:
        registration = configuration_of(recording, node)
        assert registration.inputs["onDestroy"] == {"reset": True, "graceful": False, "reboot": True}
        assert not registration.replace_with


def test_installer_has_the_schematic_of_the_node(recording: Recording) -> None:
    ids = {found.name: found for found in recording.of_type(SCHEMATIC)}
    for node in PLAN.nodes:
        schematic = ids[f"schematic-{node.schematic.name}"]
        assert schematic.inputs["schematic"] == schematic_text(node.schematic)
        install = next(patch["machine"]["install"] for patch in patches_of(configuration_of(recording, node))
                       if "install" in patch.get("machine", {}))  # fmt: skip
        platform = "metal" if node.role.is_metal else "nocloud"
        made_up_id = (
            lab_answers(None).create(SCHEMATIC, schematic.name, {"schematic": schematic.inputs["schematic"]}).id
        )
        assert install["image"] == f"factory.talos.dev/{platform}-installer/{made_up_id}:{PLAN.release.talos}"


def test_bootstrap_is_on_a_node_after_every_control_plane_is_configured(recording: Recording) -> None:
    bootstrap = recording.one(BOOTSTRAP, "bootstrap")
    assert bootstrap.inputs["node"] == bootstrap.inputs["endpoint"] == str(PLAN.control_planes[0].address)
    before = recording.everything_before(bootstrap)
    assert {configuration_of(recording, node).urn for node in PLAN.control_planes} <= before
    assert not {configuration_of(recording, node).urn for node in PLAN.workers} & before


def test_health_is_asked_of_every_node_after_all_are_configured(recording: Recording) -> None:
    (health,) = recording.invoked(HEALTH)
    assert health.arguments["controlPlaneNodes"] == [str(node.address) for node in PLAN.control_planes]
    assert health.arguments["workerNodes"] == [str(node.address) for node in PLAN.workers]
    made = [*recording.of_type(CONFIGURATION), recording.one(BOOTSTRAP, "bootstrap")]
    assert max(found.order for found in made) < health.order


def test_kubeconfig_is_fetched_through_the_virtual_ip_of_a_healthy_cluster(recording: Recording) -> None:
    kubeconfig = recording.one(KUBECONFIG, "kubeconfig")
    (health,) = recording.invoked(HEALTH)
    assert kubeconfig.inputs["endpoint"] == str(PLAN.virtual_ip)
    assert kubeconfig.inputs["node"] == str(PLAN.control_planes[0].address)
    assert health.order < kubeconfig.order
    assert recording.outputs["endpoint"] == f"https://{PLAN.virtual_ip}:6443"


def test_a_preview_does_not_wait_for_a_healthy_cluster() -> None:
    planned = recorded(preview=True)
    assert not planned.invoked(HEALTH)
    assert planned.one(KUBECONFIG, "kubeconfig").inputs["node"] == str(PLAN.control_planes[0].address)


def test_an_unhealthy_cluster_ends_the_program_with_its_reason() -> None:
    answers = lab_answers(None)

    def invoke(token: str, arguments: Mapping[str, Any]) -> Mapping[str, wire.Value]:
        if token == HEALTH:
            raise RuntimeError("invocation of it returned an error: 10.0.30.78 does not answer")
        return answers.invoke(token, arguments)

    broken = type(answers)(create=answers.create, invoke=invoke, read_stack=answers.read_stack)
    with pytest.raises(pulumi.RunError) as ended:
        record(lambda: build(PLAN, protect_secrets=True), stack="green", answers=broken)
    assert "cluster green did not become healthy" in str(ended.value)
    assert "10.0.30.78 does not answer" in str(ended.value)


def test_secrets_are_secret_everywhere(recording: Recording) -> None:
    assert checks.secrets_in_clear(recording) == []
    for name in ("kubeconfig", "talosconfig"):
        concealed = recording.outputs[name]
        assert isinstance(concealed, wire.Secret)
        assert SENTINEL in str(wire.reveal(concealed))
    made = recording.one(SECRETS, "secrets").state
    assert isinstance(made["machineSecrets"], wire.Secret)
    assert isinstance(made["clientConfiguration"], wire.Secret)
    for registration in recording.of_type(CONFIGURATION):
        assert isinstance(registration.inputs["machineConfigurationInput"], wire.Secret)


@pytest.mark.parametrize("protect", [True, False])
def test_secrets_are_protected_as_told(protect: bool) -> None:
    assert recorded(protect_secrets=protect).one(SECRETS, "secrets").protect is protect


def test_logical_names_have_no_colour(recording: Recording) -> None:
    for registration in recording.registrations:
        if registration is not recording.root:
            assert "green" not in registration.urn.split("::", 2)[2]


def test_components_are_complete(recording: Recording) -> None:
    assert checks.duplicate_urns(recording) == []
    assert checks.implicit_providers(recording) == []
    assert not [child for child in checks.escaped_children(recording) if child.startswith("talos:")]
    assert checks.unfinished_components(recording) == []
    assert checks.outputs_as_text(recording) == []
    assert {component.type for component in recording.components} == {"lab:talos:Schematics", "lab:talos:TalosCluster"}


def registered_taints(registration: Registration) -> list[tuple[str, str]]:
    kubelets = [patch.get("machine", {}).get("kubelet", {}) for patch in patches_of(registration)]
    registered = [
        taint for kubelet in kubelets for taint in kubelet.get("extraConfig", {}).get("registerWithTaints", [])
    ]
    return [(taint["key"], taint["effect"]) for taint in registered]


def test_gpu_nodes_are_tainted_and_load_their_modules(recording: Recording) -> None:
    taints = {node.logical_name: registered_taints(configuration_of(recording, node)) for node in PLAN.nodes}
    assert {name: found for name, found in taints.items() if found} == {
        "worker-intel-gpu": [("intel.com/gpu", "NoSchedule")],
        "worker-amd-gpu": [("amd.com/gpu", "NoSchedule")],
        "worker-nose": [("amd.com/gpu", "NoSchedule")],
        "worker-tail": [("amd.com/gpu", "NoSchedule")],
    }
    modules = [
        module
        for patch in patches_of(recording.one(CONFIGURATION, "configuration-worker-amd-gpu"))
        for module in patch.get("machine", {}).get("kernel", {}).get("modules", [])
    ]
    assert modules == [{"name": "amdgpu", "parameters": ["ppfeaturemask=0xffffffff", "dpm=1"]}]


def test_cilium_is_installed_in_a_fixed_version() -> None:
    job = cilium.job(LAB.cluster)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"][:2] == ["--version", "v1.18.4"]
    assert re.search(r":v\d+\.\d+\.\d+$", container["image"])
    (declared,) = read_types("pulumi_kubernetes", ["kubernetes:batch/v1:Job"])
    assert list(violations(declared, dict(job))) == []


def test_cilium_reaches_the_api_on_its_own_node_and_replaces_the_proxy() -> None:
    values = json.loads(cilium.values_map(LAB.cluster)["data"]["values.yaml"])
    assert values["kubeProxyReplacement"] is True
    assert (values["k8sServiceHost"], values["k8sServicePort"]) == ("localhost", 7445)
    assert values["k8sClientRateLimit"] == {"qps": 20, "burst": 100}
    assert values["socketLB"] == {"hostNamespaceOnly": True}
    assert values["externalIPs"] == values["l2announcements"] == values["bandwidthManager"] == {"enabled": True}
    assert "SYS_MODULE" not in values["securityContext"]["capabilities"]["ciliumAgent"]


@st.composite
def address_plans(draw: st.DrawFn) -> ClusterPlan:
    """The lab's cluster in another subnet, every node, the virtual IP, gateway and nameserver somewhere in it."""
    prefix = draw(st.integers(min_value=16, max_value=26))
    subnet = IPv4Network(
        (draw(st.integers(min_value=1, max_value=2**32 - 1)) >> (32 - prefix) << (32 - prefix), prefix)
    )
    hosts = st.integers(min_value=int(subnet[1]), max_value=int(subnet[-2])).map(IPv4Address)
    free = draw(st.lists(hosts, min_size=len(PLAN.nodes) + 3, max_size=len(PLAN.nodes) + 3, unique=True))
    virtual_ip, gateway, nameserver, *addresses = free
    network = PLAN.network.model_copy(
        update={"subnet": subnet, "switch_gateway": gateway, "firewall": gateway, "dns": nameserver, "reserved": ()}
    )
    nodes = [node.model_copy(update={"address": address}) for node, address in zip(PLAN.nodes, addresses, strict=True)]
    return PLAN.model_copy(update={"virtual_ip": virtual_ip, "network": network, "nodes": tuple(nodes)})


@given(address_plans())
def test_every_address_in_a_configuration_is_from_the_plan(plan: ClusterPlan) -> None:
    for node in plan.nodes:
        text = "\n".join(render(machine_patches(plan, node, "installer")))
        own = {str(node.address), str(plan.gateway), str(plan.nameserver), str(plan.ingress)}
        if node.is_control_plane:
            own.add(str(plan.virtual_ip))
        # The default route, and the clusters' own networks, which no machine of the lab has an address in.
        everywhere = {"0.0.0.0", "10.244.0.0", "10.96.0.0"}  # noqa: S104
        assert set(ADDRESS.findall(text)) == own | everywhere
        assert f"{node.address}/{plan.network.subnet.prefixlen}" in text
