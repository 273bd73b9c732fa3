"""The physics of the emulated machines: who takes a configuration, when a cluster lives, who may ask."""

import base64
import json
from pathlib import Path

import pytest
import pytest_asyncio
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from components.talos.schematics import schematic_text
from model.cluster import NodePlan, SchematicName
from model.exclusive import Colour
from tests.conformance.talos.configurations import ClusterSecrets, generate
from tests.conformance.talos.machines import Machines
from tests.conformance.talos.plans import cluster_plan
from twin.faults import Fault, FaultKind, Faults
from twin.store import Store
from twin.talos.clusters import Clusters
from twin.talos.factory import Factory
from twin.talos.machinery import Machinery
from twin.talos.refusal import Code, TalosError
from twin.world import World

GREEN = cluster_plan(Colour.GREEN)
BLUE = cluster_plan(Colour.BLUE)
FIRST, SECOND, THIRD = GREEN.control_planes
WORKER = GREEN.workers[0]
AMD_GPU = next(node for node in GREEN.nodes if node.logical_name == "worker-amd-gpu")
NOSE = next(node for node in GREEN.nodes if node.logical_name == "worker-nose")


class Lab:
    """A lab in which the image factory knows every schematic; configures its machines as the program does."""

    def __init__(
        self, clusters: Clusters, machines: Machines, machinery: Machinery, schematic_ids: dict[SchematicName, str]
    ) -> None:
        self.clusters = clusters
        self.machines = machines
        self._machinery = machinery
        self.schematic_ids = schematic_ids

    def create(self, *nodes: NodePlan) -> None:
        for node in nodes:
            self.machines.create(node, self.schematic_ids[node.schematic.name], GREEN.release.talos)

    async def configuration(self, node: NodePlan, secrets: ClusterSecrets, *more: str) -> str:
        plan = GREEN if node.colour is Colour.GREEN else BLUE
        schematic_id = self.schematic_ids[node.schematic.name]
        return await generate(self._machinery, plan, node, secrets, *more, schematic_id=schematic_id)

    async def apply(self, node: NodePlan, secrets: ClusterSecrets, *more: str) -> None:
        configuration = await self.configuration(node, secrets, *more)
        await self.clusters.apply(str(node.address), str(node.address), secrets.authority, configuration)

    async def build(self, secrets: ClusterSecrets, *nodes: NodePlan) -> None:
        """The nodes made and configured, etcd bootstrapped on the first."""
        self.create(*(node for node in nodes if node.vm_id is not None))
        for node in nodes:
            await self.apply(node, secrets)
        self.bootstrap(nodes[0], secrets)

    def bootstrap(self, node: NodePlan, secrets: ClusterSecrets) -> None:
        self.clusters.bootstrap(str(node.address), str(node.address), secrets.authority)

    def check_health(self, secrets: ClusterSecrets, *nodes: NodePlan) -> None:
        control_planes = [str(node.address) for node in nodes if node.is_control_plane]
        workers = [str(node.address) for node in nodes if not node.is_control_plane]
        self.clusters.check_health(control_planes, control_planes, workers, secrets.authority)


@pytest_asyncio.fixture
async def lab(clusters: Clusters, machines: Machines, machinery: Machinery, store: Store) -> Lab:
    ids: dict[SchematicName, str] = {}
    for schematic in GREEN.layout.schematics:
        ids[schematic.name] = Factory(store).register(await machinery.schematic(schematic_text(schematic))).schematic_id
    return Lab(clusters, machines, machinery, ids)


async def test_a_whole_colour_comes_to_life(lab: Lab, secrets: ClusterSecrets) -> None:
    await lab.build(secrets, *GREEN.nodes)
    lab.check_health(secrets, *GREEN.nodes)
    (cluster,) = lab.clusters.clusters()
    assert cluster.name == "green"
    assert cluster.bootstrapped
    assert cluster.has_quorum
    found = {machine.parsed.hostname: machine for machine in lab.clusters.configured_machines(cluster.cluster_id)}
    assert found.keys() == {node.name for node in GREEN.nodes}
    gpu, metal = found[AMD_GPU.name], found[NOSE.name]
    assert "siderolabs/amdgpu" in gpu.extensions
    assert [taint.key for taint in gpu.parsed.taints] == ["amd.com/gpu"]
    assert metal.image is not None
    assert metal.image.platform == "metal"
    assert metal.parsed.labels["machine_type"] == "metal"


async def test_no_machine_no_configuration(lab: Lab, secrets: ClusterSecrets) -> None:
    with pytest.raises(TalosError, match=r"dial tcp 10\.0\.30\.60:50000: no route to host") as refused:
        await lab.apply(FIRST, secrets)
    assert refused.value.code is Code.UNAVAILABLE
    assert "no machine that is switched on has 10.0.30.60" in str(refused.value)


async def test_machine_that_is_off_is_named(lab: Lab, secrets: ClusterSecrets, faults: Faults) -> None:
    lab.create(FIRST)
    await lab.apply(FIRST, secrets)
    lab.machines.switch_off(FIRST)
    with pytest.raises(TalosError, match="green-talos-master-0 had this address: it was switched off or removed"):
        await lab.apply(FIRST, secrets)
    lab.machines.switch_on(FIRST)
    faults.set(Fault(kind=FaultKind.HOST_DOWN, target="indy"))
    with pytest.raises(TalosError, match="green-talos-master-0 is on indy, and indy is down"):
        await lab.apply(FIRST, secrets)


async def test_bare_machine_without_power_is_named(lab: Lab, secrets: ClusterSecrets, faults: Faults) -> None:
    faults.set(Fault(kind=FaultKind.HOST_DOWN, target="nose"))
    with pytest.raises(TalosError, match="nose is down"):
        await lab.apply(NOSE, secrets)


async def test_machine_that_does_not_run_talos_refuses(lab: Lab, secrets: ClusterSecrets) -> None:
    lab.create(FIRST)
    lab.machines.change(FIRST, image="debian-13-generic-amd64.qcow2")
    with pytest.raises(TalosError, match="does not run Talos"):
        await lab.apply(FIRST, secrets)


async def test_invalid_configuration_is_refused_with_the_librarys_message(lab: Lab, secrets: ClusterSecrets) -> None:
    lab.create(WORKER)
    document = yaml.safe_load(await lab.configuration(WORKER, secrets))
    document["machine"]["instal"] = {}
    with pytest.raises(TalosError, match="unknown keys found during decoding") as refused:
        await lab.clusters.apply(str(WORKER.address), str(WORKER.address), secrets.authority, yaml.safe_dump(document))
    assert refused.value.code is Code.INVALID_ARGUMENT
    assert lab.clusters.configured(str(WORKER.address)) is None


def volume(selector: str, minimum: str) -> dict[str, object]:
    provisioning = {"diskSelector": {"match": selector}, "minSize": minimum}
    return {"apiVersion": "v1alpha1", "kind": "UserVolumeConfig", "name": "data", "provisioning": provisioning}


UNFIT = {
    "install disk": (
        {"machine": {"install": {"disk": "/dev/nvme0n1"}}},
        "/dev/nvme0n1 does not exist; the machine has /dev/sda",
    ),
    "interface": (
        {"machine": {"network": {"interfaces": [{"interface": "ens18", "dhcp": True}]}}},
        "interface ens18 does not exist; the machine has eth0",
    ),
    "kernel module": (
        {"machine": {"kernel": {"modules": [{"name": "amdgpu"}]}}},
        "lacks the extension siderolabs/amdgpu",
    ),
    "installer": (
        {"machine": {"install": {"image": "factory.talos.dev/installer/latest"}}},
        "factory.talos.dev/installer/latest is none of the factory's",
    ),
    "volume disk": (volume('disk.transport == "nvme"', "1GB"), "volume data: no disk matches"),
    "volume size": (volume("system_disk", "900GB"), "has the 900 GB it needs"),
}


@pytest.mark.parametrize(("patch", "message"), UNFIT.values(), ids=UNFIT.keys())
async def test_configuration_that_the_machine_cannot_run_is_refused(
    lab: Lab, secrets: ClusterSecrets, patch: dict[str, object], message: str
) -> None:
    lab.create(WORKER)
    with pytest.raises(TalosError) as refused:
        await lab.apply(WORKER, secrets, json.dumps(patch))
    assert message in str(refused.value)
    assert "green-talos-worker-0 (10.0.30.70)" in str(refused.value)
    assert lab.clusters.configured(str(WORKER.address)) is None


async def test_every_problem_is_told_at_once(lab: Lab, secrets: ClusterSecrets) -> None:
    lab.create(WORKER)
    patch = '{"machine": {"install": {"disk": "/dev/vda"}, "kernel": {"modules": [{"name": "i915"}, {"name": "xe"}]}}}'
    with pytest.raises(TalosError) as refused:
        await lab.apply(WORKER, secrets, patch)
    assert str(refused.value).count("\n  - ") == 3


async def test_installer_of_another_schematic_than_the_booted_is_refused(lab: Lab, secrets: ClusterSecrets) -> None:
    lab.machines.create(AMD_GPU, lab.schematic_ids[WORKER.schematic.name], GREEN.release.talos)
    with pytest.raises(TalosError, match="the next upgrade would change the system"):
        await lab.apply(AMD_GPU, secrets)


async def test_installer_of_another_version_than_the_booted_is_refused(lab: Lab, secrets: ClusterSecrets) -> None:
    lab.machines.create(WORKER, lab.schematic_ids[WORKER.schematic.name], "v1.11.2")
    with pytest.raises(TalosError, match=r"of Talos v1\.11\.2"):
        await lab.apply(WORKER, secrets)


async def test_installer_that_is_configured_later_is_for_the_next_upgrade(lab: Lab, secrets: ClusterSecrets) -> None:
    lab.create(WORKER)
    await lab.apply(WORKER, secrets)
    schematic_id = lab.schematic_ids[WORKER.schematic.name]
    newer = {"machine": {"install": {"image": f"factory.talos.dev/nocloud-installer/{schematic_id}:v1.11.5"}}}
    await lab.apply(WORKER, secrets, json.dumps(newer))
    configured = lab.clusters.configured(str(WORKER.address))
    assert configured is not None
    assert configured.parsed.install_image.endswith(":v1.11.5")
    assert configured.image is not None
    assert configured.image.version == "v1.11.3"


async def test_schematic_that_was_never_registered_is_refused(lab: Lab, secrets: ClusterSecrets) -> None:
    unknown = "f" * 64
    lab.schematic_ids[WORKER.schematic.name] = unknown
    lab.create(WORKER)
    with pytest.raises(TalosError, match=f"the image factory was never given schematic {unknown}"):
        await lab.apply(WORKER, secrets)


async def test_configuration_of_another_machine_is_refused(lab: Lab, secrets: ClusterSecrets) -> None:
    lab.create(WORKER)
    of_another = await lab.configuration(GREEN.workers[1], secrets)
    with pytest.raises(TalosError, match=r"it would give up 10\.0\.30\.70 for 10\.0\.30\.71"):
        await lab.clusters.apply(str(WORKER.address), str(WORKER.address), secrets.authority, of_another)


async def test_host_name_is_unique_in_the_cluster(lab: Lab, secrets: ClusterSecrets) -> None:
    lab.create(WORKER, GREEN.workers[1])
    await lab.apply(WORKER, secrets)
    with pytest.raises(TalosError, match="host name green-talos-worker-0 is taken by green-talos-worker-0"):
        await lab.apply(GREEN.workers[1], secrets, '{"machine": {"network": {"hostname": "green-talos-worker-0"}}}')


async def test_virtual_ip_must_be_nobodys_address(lab: Lab, secrets: ClusterSecrets) -> None:
    lab.create(FIRST, WORKER)
    lab.machines.change(WORKER, address=GREEN.virtual_ip)
    with pytest.raises(TalosError, match=r"the virtual IP 10\.0\.30\.30 is the address of green-talos-worker-0"):
        await lab.apply(FIRST, secrets)


async def test_a_configured_machine_takes_a_change_of_its_own_cluster(lab: Lab, secrets: ClusterSecrets) -> None:
    lab.create(WORKER)
    await lab.apply(WORKER, secrets)
    await lab.apply(WORKER, secrets, '{"machine": {"nodeLabels": {"added": "later"}}}')
    configured = lab.clusters.configured(str(WORKER.address))
    assert configured is not None
    assert configured.parsed.labels["added"] == "later"


async def test_bare_machine_of_one_colour_is_not_taken_by_the_other(
    lab: Lab, secrets: ClusterSecrets, other_secrets: ClusterSecrets
) -> None:
    green_nose = NOSE
    blue_nose = next(node for node in BLUE.nodes if node.logical_name == "worker-nose")
    await lab.apply(green_nose, secrets)
    with pytest.raises(TalosError, match="belongs to another cluster named green"):
        await lab.apply(blue_nose, other_secrets)
    lab.clusters.reset(str(green_nose.address), str(green_nose.address), secrets.authority)
    await lab.apply(blue_nose, other_secrets)
    configured = lab.clusters.configured(str(blue_nose.address))
    assert configured is not None
    assert configured.parsed.cluster_name == "blue"


async def test_machine_made_anew_has_lost_its_configuration(lab: Lab, secrets: ClusterSecrets) -> None:
    lab.create(WORKER)
    await lab.apply(WORKER, secrets)
    lab.create(WORKER)
    assert lab.clusters.configured(str(WORKER.address)) is None


async def test_bootstrap_happens_once(lab: Lab, secrets: ClusterSecrets) -> None:
    await lab.build(secrets, FIRST, SECOND, THIRD)
    for node in (FIRST, SECOND):
        with pytest.raises(TalosError, match=r"lives on 10\.0\.30\.60, 10\.0\.30\.61, 10\.0\.30\.62") as refused:
            lab.bootstrap(node, secrets)
        assert refused.value.code is Code.ALREADY_EXISTS


async def test_bootstrap_needs_a_configured_control_plane(lab: Lab, secrets: ClusterSecrets) -> None:
    lab.create(FIRST, WORKER)
    with pytest.raises(TalosError, match="it is in maintenance mode, no configuration was applied"):
        lab.bootstrap(FIRST, secrets)
    await lab.apply(WORKER, secrets)
    with pytest.raises(TalosError, match="is a worker; etcd begins on a control-plane node"):
        lab.bootstrap(WORKER, secrets)


async def test_bootstrap_through_the_virtual_ip_reaches_nobody(lab: Lab, secrets: ClusterSecrets) -> None:
    lab.create(FIRST)
    await lab.apply(FIRST, secrets)
    with pytest.raises(TalosError, match="nobody holds the virtual IP of cluster green: it has not been bootstrapped"):
        lab.clusters.bootstrap(str(FIRST.address), str(GREEN.virtual_ip), secrets.authority)


async def test_stranger_may_not_bootstrap(lab: Lab, secrets: ClusterSecrets, other_secrets: ClusterSecrets) -> None:
    lab.create(FIRST)
    await lab.apply(FIRST, secrets)
    with pytest.raises(TalosError, match="certificate signed by unknown authority"):
        lab.bootstrap(FIRST, other_secrets)


async def test_health_names_every_missing_node_and_why(lab: Lab, secrets: ClusterSecrets, faults: Faults) -> None:
    nodes = (FIRST, SECOND, THIRD, WORKER, NOSE)
    await lab.build(secrets, FIRST, SECOND, THIRD, WORKER)
    with pytest.raises(TalosError, match=r"10\.0\.30\.78 \(nose\) has no configuration"):
        lab.check_health(secrets, *nodes)
    await lab.apply(NOSE, secrets)
    lab.check_health(secrets, *nodes)
    faults.set(Fault(kind=FaultKind.HOST_DOWN, target="indy"))
    faults.set(Fault(kind=FaultKind.HOST_DOWN, target="nose"))
    with pytest.raises(TalosError) as unhealthy:
        lab.check_health(secrets, *nodes)
    assert unhealthy.value.code is Code.DEADLINE_EXCEEDED
    lines = str(unhealthy.value).splitlines()[1:]
    assert lines == [
        "  - 10.0.30.60 (controlplane) does not answer: green-talos-master-0 is on indy, and indy is down",
        "  - 10.0.30.70 (worker) does not answer: green-talos-worker-0 is on indy, and indy is down",
        "  - 10.0.30.78 (worker) does not answer: nose is down",
    ]


async def test_health_needs_bootstrap(lab: Lab, secrets: ClusterSecrets) -> None:
    lab.create(FIRST)
    await lab.apply(FIRST, secrets)
    with pytest.raises(TalosError, match="etcd has not been bootstrapped"):
        lab.check_health(secrets, FIRST)


async def test_health_tells_of_nodes_that_nobody_listed(lab: Lab, secrets: ClusterSecrets) -> None:
    await lab.build(secrets, FIRST, WORKER)
    with pytest.raises(TalosError, match=r"green-talos-worker-0.* is in the cluster and not in the list of nodes"):
        lab.check_health(secrets, FIRST)


async def test_health_without_kubernetes_lets_a_worker_leave(lab: Lab, secrets: ClusterSecrets) -> None:
    await lab.build(secrets, FIRST, SECOND, WORKER)
    both = [str(FIRST.address), str(SECOND.address)]
    lab.clusters.check_health(both, both, [], secrets.authority, skip_kubernetes=True)
    with pytest.raises(TalosError, match=r"green-talos-master-1.* is in the cluster and not in the list of nodes"):
        lab.clusters.check_health(
            both, [str(FIRST.address)], [str(WORKER.address)], secrets.authority, skip_kubernetes=True
        )


async def test_health_tells_a_worker_from_a_control_plane(lab: Lab, secrets: ClusterSecrets) -> None:
    await lab.build(secrets, FIRST, WORKER)
    with pytest.raises(TalosError, match="is a worker, not a controlplane"):
        lab.clusters.check_health(
            [str(FIRST.address)], [str(FIRST.address), str(WORKER.address)], [], secrets.authority
        )


async def test_cluster_survives_one_control_plane_made_anew(lab: Lab, secrets: ClusterSecrets) -> None:
    control_planes = (FIRST, SECOND, THIRD)
    await lab.build(secrets, *control_planes)
    for node in control_planes:
        lab.create(node)
        with pytest.raises(TalosError, match=f"{node.address}.* has no configuration"):
            lab.check_health(secrets, *control_planes)
        await lab.apply(node, secrets)
        lab.check_health(secrets, *control_planes)
    with pytest.raises(TalosError, match="etcd data directory is not empty"):
        lab.bootstrap(FIRST, secrets)


async def test_cluster_without_quorum_does_not_answer(lab: Lab, secrets: ClusterSecrets) -> None:
    await lab.build(secrets, FIRST, SECOND, THIRD)
    lab.machines.switch_off(SECOND)
    await lab.clusters.kubeconfig(str(FIRST.address), str(GREEN.virtual_ip), secrets.authority)
    lab.machines.switch_off(THIRD)
    with pytest.raises(TalosError, match="etcd has no quorum"):
        await lab.clusters.kubeconfig(str(FIRST.address), str(GREEN.virtual_ip), secrets.authority)
    with pytest.raises(TalosError, match="etcd has no quorum: too few of its members answer"):
        lab.check_health(secrets, FIRST, SECOND, THIRD)
    lab.machines.switch_on(THIRD)
    lab.machines.switch_on(SECOND)
    lab.check_health(secrets, FIRST, SECOND, THIRD)


async def test_two_control_planes_made_anew_at_once_are_one_too_many(lab: Lab, secrets: ClusterSecrets) -> None:
    await lab.build(secrets, FIRST, SECOND, THIRD)
    lab.create(SECOND, THIRD)
    await lab.apply(SECOND, secrets)
    await lab.apply(THIRD, secrets)
    with pytest.raises(TalosError, match="etcd has no quorum"):
        lab.check_health(secrets, FIRST, SECOND, THIRD)


async def test_cluster_whose_control_planes_were_all_made_anew_is_lost_and_can_begin_again(
    lab: Lab, secrets: ClusterSecrets
) -> None:
    control_planes = (FIRST, SECOND, THIRD)
    await lab.build(secrets, *control_planes)
    assert lab.clusters.is_bootstrapped(str(FIRST.address))
    lab.create(*control_planes)
    assert lab.clusters.is_bootstrapped(str(FIRST.address)) is False
    for node in control_planes:
        await lab.apply(node, secrets)
    assert lab.clusters.is_bootstrapped(str(FIRST.address)) is False
    lab.bootstrap(FIRST, secrets)
    lab.check_health(secrets, *control_planes)


async def test_nobody_can_tell_whether_a_cluster_that_is_off_has_its_data(lab: Lab, secrets: ClusterSecrets) -> None:
    await lab.build(secrets, FIRST)
    lab.machines.switch_off(FIRST)
    assert lab.clusters.is_bootstrapped(str(FIRST.address)) is None


async def test_kubeconfig_is_for_the_virtual_ip_and_signed_by_the_clusters_authority(
    lab: Lab, secrets: ClusterSecrets
) -> None:
    await lab.build(secrets, FIRST, SECOND, THIRD)
    made = await lab.clusters.kubeconfig(str(FIRST.address), str(GREEN.virtual_ip), secrets.authority)
    kubeconfig = yaml.safe_load(str(made["kubeconfigRaw"]))
    assert kubeconfig["clusters"][0]["cluster"]["server"] == "https://10.0.30.30:6443"
    assert kubeconfig["current-context"] == "admin@green"
    authority = x509.load_pem_x509_certificate(base64.b64decode(secrets.machine["certs"]["k8s"]["cert"]))
    user = kubeconfig["users"][0]["user"]
    certificate = x509.load_pem_x509_certificate(base64.b64decode(user["client-certificate-data"]))
    certificate.verify_directly_issued_by(authority)
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    names = {attribute.rfc4514_string() for attribute in certificate.subject}
    assert names == {"O=system:masters", "CN=admin"}


async def test_kubeconfig_needs_a_bootstrapped_cluster_and_a_control_plane(lab: Lab, secrets: ClusterSecrets) -> None:
    lab.create(FIRST, WORKER)
    await lab.apply(FIRST, secrets)
    await lab.apply(WORKER, secrets)
    with pytest.raises(TalosError, match="nobody holds the virtual IP"):
        await lab.clusters.kubeconfig(str(FIRST.address), str(GREEN.virtual_ip), secrets.authority)
    with pytest.raises(TalosError, match="has not been bootstrapped"):
        await lab.clusters.kubeconfig(str(FIRST.address), str(FIRST.address), secrets.authority)
    lab.bootstrap(FIRST, secrets)
    with pytest.raises(TalosError, match="is a worker; ask a control-plane node"):
        await lab.clusters.kubeconfig(str(WORKER.address), str(GREEN.virtual_ip), secrets.authority)


async def test_both_clusters_live_side_by_side(
    lab: Lab, secrets: ClusterSecrets, other_secrets: ClusterSecrets
) -> None:
    green, blue = GREEN.control_planes, BLUE.control_planes
    await lab.build(secrets, *green)
    await lab.build(other_secrets, *blue)
    lab.check_health(secrets, *green)
    lab.check_health(other_secrets, *blue)
    assert [cluster.name for cluster in lab.clusters.clusters()] == ["blue", "green"]
    with pytest.raises(TalosError, match="belongs to another cluster named blue"):
        lab.check_health(secrets, *green, *blue)


async def test_everything_is_remembered_by_a_new_daemon(
    lab: Lab, secrets: ClusterSecrets, tmp_path: Path, world: World, machinery: Machinery
) -> None:
    await lab.build(secrets, FIRST, WORKER)
    reopened = Store(tmp_path / "state.sqlite")
    later = Clusters(reopened, world, machinery)
    later.check_health([str(FIRST.address)], [str(FIRST.address)], [str(WORKER.address)], secrets.authority)
    reopened.close()


async def test_library_that_died_is_started_again(
    machinery: Machinery, machinery_executable: Path, tmp_path: Path
) -> None:
    first = await machinery.library()
    wrapper = tmp_path / "dies-after-one-answer"
    wrapper.write_text(f"#!/bin/sh\nhead -n 1 | {machinery_executable}\n")
    wrapper.chmod(0o755)
    mortal = Machinery(wrapper)
    assert await mortal.library() == first
    assert await mortal.library() == first
    await mortal.close()
