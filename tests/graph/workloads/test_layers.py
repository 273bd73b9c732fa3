"""The cluster's layers as they are registered: order, providers, secrets, bounds."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from inventory import LAB
from inventory.workloads import WORKLOADS
from model.configuration import BackupRole, Layer
from model.exclusive import Colour
from tests.graph.workloads import layers
from tests.graph.workloads.layers import before, build, everything, of_colour, of_role, spec
from tests.harness import checks
from tests.harness.answers import SENTINEL
from tests.harness.conformance import EVERY_CHECK
from tests.harness.recording import Registration
from twin.providers import wire


def application(name: str) -> Registration:
    return everything().one(layers.APPLICATION, name)


def values(name: str) -> dict[str, Any]:
    return spec(application(name))["source"]["helm"]["valuesObject"]


@pytest.mark.parametrize("colour", Colour)
@pytest.mark.parametrize("check", EVERY_CHECK, ids=lambda check: check.__name__)
def test_what_holds_of_every_program_holds_here(check: Any, colour: Colour):
    assert check(of_colour(colour)) == []


def test_a_preview_before_there_is_a_cluster_plans_the_same():
    planned = layers.run(
        lambda: layers.build_layers(layers.ground(), opts=layers.on_kubernetes()), preview=True
    )
    assert {one.urn for one in planned.registrations} == {one.urn for one in everything().registrations}


def test_no_logical_name_has_the_colour():
    names = [one.name for one in everything().registrations if one.type != "pulumi:pulumi:Stack"]
    assert [name for name in names if re.search("green|blue", name)] == []


def test_both_colours_register_the_same_but_for_what_they_lease():
    def keys(colour: Colour) -> set[tuple[str, str]]:
        return {one.key for one in of_colour(colour).registrations if one.type != "pulumi:pulumi:Stack"}

    only_green = keys(Colour.GREEN) - keys(Colour.BLUE)
    assert keys(Colour.BLUE) <= keys(Colour.GREEN)
    storage = {"local-storage", "local-path-provisioner", "class-local"}
    plugins = {"intel-device-plugins", "intel-graphics-cards", "amd-gpu-operator", "amd-graphics-cards"}
    copies = {
        "cold-storage", "seaweedfs-cold-administrator",
        "cold-archives", "cold-snapshots", "offsite-archives", "offsite-snapshots",
    }  # fmt: skip
    assert {name for _, name in only_green} == storage | plugins | copies | {"graphics-cards"}


def test_a_colour_that_stops_at_the_substrate_has_no_operators():
    names = {one.name for one in build(layers=(Layer.SUBSTRATE,)).of_type(layers.APPLICATION)}
    assert "ceph-csi-rbd" in names
    assert names.isdisjoint({"vault-operator", "cert-manager", "traefik"})


def test_every_chart_waits_for_health_and_goes_with_everything_it_made():
    for one in everything().of_type(layers.APPLICATION):
        metadata = one.clear_inputs["metadata"]
        assert metadata["annotations"]["pulumi.com/waitFor"] == "jsonpath={.status.health.status}=Healthy"
        assert metadata["finalizers"] == ["resources-finalizer.argocd.argoproj.io"]
        assert metadata["namespace"] == "argocd"


def test_every_chart_comes_after_argo_cd_its_project_and_its_namespace():
    for one in everything().of_type(layers.APPLICATION):
        earlier = before(everything(), one)
        assert (layers.RELEASE, "argocd") in earlier
        assert (layers.PROJECT, f"project-{spec(one)['project']}") in earlier
        assert (layers.NAMESPACE, f"namespace-{spec(one)['destination']['namespace']}") in earlier


def test_every_chart_is_within_its_project():
    projects = {one.clear_inputs["metadata"]["name"]: spec(one) for one in everything().of_type(layers.PROJECT)}
    for one in everything().of_type(layers.APPLICATION):
        project = projects[spec(one)["project"]]
        assert spec(one)["source"]["repoURL"] in project["sourceRepos"]
        assert spec(one)["destination"] in project["destinations"]


def test_argo_cd_judges_applications_and_gives_strangers_nothing():
    release = everything().one(layers.RELEASE, "argocd").clear_inputs
    configs = release["values"]["configs"]
    assert "health.status" in configs["cm"]["resource.customizations.health.argoproj.io_Application"]
    assert configs["rbac"]["policy.default"] == ""
    assert "oidc.config" not in configs["cm"]
    assert release["version"] == "8.2.7"


def test_the_first_pod_proves_the_network():
    release = everything().one(layers.RELEASE, "argocd")
    assert (layers.JOB, "network-probe") in before(everything(), release)
    pool = everything().one("kubernetes:cilium.io/v2:CiliumLoadBalancerIPPool", "load-balancer-pool")
    assert spec(pool) == {"blocks": [{"start": "10.0.30.31", "stop": "10.0.30.39"}]}


def test_there_is_one_ceph_cluster():
    fsid = str(LAB.ceph.fsid)
    told = {
        json.dumps(values("ceph-csi-rbd")["csiConfig"]),
        json.dumps(values("ceph-csi-cephfs")["csiConfig"]),
    }
    assert len(told) == 1
    assert json.loads(told.pop()) == [
        {"clusterID": fsid, "monitors": ["10.0.20.11:3300", "10.0.20.12:3300", "10.0.20.13:3300"]}
    ]
    for token in (layers.STORAGE_CLASS, "kubernetes:snapshot.storage.k8s.io/v1:VolumeSnapshotClass"):
        parameters = [one.clear_inputs.get("parameters") or {} for one in everything().of_type(token)]
        assert {one["clusterID"] for one in parameters if one} == {fsid}


@pytest.mark.parametrize("driver", ["ceph-csi-rbd", "ceph-csi-cephfs"])
@pytest.mark.parametrize("colour", Colour)
def test_ceph_is_mounted_on_every_tainted_node(driver: str, colour: Colour):
    chart = spec(of_colour(colour).one(layers.APPLICATION, driver))["source"]["helm"]["valuesObject"]
    tolerated = {one["key"] for one in chart["nodeplugin"]["tolerations"]}
    assert tolerated == {"intel.com/gpu", "amd.com/gpu"}


def test_folders_are_on_the_nodes_with_a_disk_for_them_and_on_no_other():
    paths = values("local-path-provisioner")["nodePathMap"]
    assert [entry["node"] for entry in paths] == [
        "green-talos-worker-amd-gpu", "green-talos-worker-nose", "green-talos-worker-tail",
    ]  # fmt: skip
    bound = everything().one(layers.STORAGE_CLASS, "class-local").clear_inputs
    assert bound["volumeBindingMode"] == "WaitForFirstConsumer"


def test_the_first_secrets_are_secret_everywhere():
    made = everything().of_type(layers.SECRET)
    told = [one for one in made if SENTINEL in str(one.clear_inputs)]
    assert len(told) == len(WORKLOADS.secrets.init_secrets())
    for one in told:
        for where in (one.inputs["stringData"], one.state["stringData"]):
            assert SENTINEL in str(wire.reveal(where))
    assert checks.secrets_in_clear(everything()) == []


def test_each_namespace_reads_its_own_paths_in_vault_and_no_other():
    inside = spec(everything().one(layers.VAULT, "vault-server"))["externalConfig"]
    policies = {policy["name"]: policy["rules"] for policy in inside["policies"]}
    assert policies["read-test"].splitlines() == [
        'path "secret/data/core/k8up" { capabilities = ["read"] }',
        'path "secret/data/core/cnpg" { capabilities = ["read"] }',
    ]
    readers = [name for name in policies if name.startswith("read-")]
    assert [name for name in readers if re.search(r"create|update|delete|list|\*", policies[name])] == []
    (kubernetes, approle) = inside["auth"]
    assert (kubernetes["type"], approle["type"]) == ("kubernetes", "approle")
    for role in kubernetes["roles"]:
        assert "*" not in role["bound_service_account_namespaces"]
        assert "*" not in role["bound_service_account_names"]
        if role["name"].startswith("read-"):
            assert role["name"] == f"read-{role['bound_service_account_namespaces']}"
            assert role["policies"] == [role["name"]]
    assert "admin" not in policies, "nobody can log in as a person before there is identity"


def test_a_store_is_used_by_its_namespace_alone():
    for one in everything().of_type(layers.STORE):
        (namespace,) = spec(one)["conditions"][0]["namespaces"]
        login = spec(one)["provider"]["vault"]["auth"]["kubernetes"]
        assert login["role"] == f"read-{namespace}"
        assert login["serviceAccountRef"] == {"name": "vault-reader", "namespace": namespace}


def test_every_secret_that_is_asked_for_is_in_the_schema_and_readable():
    inside = spec(everything().one(layers.VAULT, "vault-server"))["externalConfig"]
    policies = {policy["name"]: policy["rules"] for policy in inside["policies"]}
    asked = 0
    for one in everything().of_type(layers.EXTERNAL_SECRET):
        namespace = one.clear_inputs["metadata"]["namespace"]
        for data in spec(one)["data"]:
            reference = data["remoteRef"]
            WORKLOADS.secrets.reference(reference["key"], reference["property"])
            assert f'"secret/data/{reference["key"]}"' in policies[f"read-{namespace}"]
            asked += 1
    assert asked > 5


def test_vault_is_filled_before_anybody_reads_it():
    for one in everything().of_type(layers.STORE):
        assert (layers.WORKFLOW, "secret-sync") in before(everything(), one)
    run = everything().one(layers.WORKFLOW, "secret-sync")
    assert {(layers.VAULT, "vault-server"), (layers.APPLICATION, "argo-workflows")} <= before(everything(), run)
    assert run.clear_inputs["metadata"]["annotations"]["pulumi.com/waitFor"] == "jsonpath={.status.phase}=Succeeded"


def test_another_content_of_the_secrets_file_is_another_run():
    def name(text: str) -> str:
        recording = layers.run(
            lambda: layers.build_layers(replace(layers.ground(), secrets_file=text), opts=layers.on_kubernetes())
        )
        return recording.one(layers.WORKFLOW, "secret-sync").clear_inputs["metadata"]["name"]

    assert name('{"a": 1}') == name('{"a": 1}')
    assert name('{"a": 1}') != name('{"a": 2}')


def test_nothing_that_works_before_identity_needs_identity():
    """Vault asks its identity provider for keys when it starts, and Authelia reads its secrets from Vault."""
    inside = spec(everything().one(layers.VAULT, "vault-server"))
    assert "oidc" not in [method["type"] for method in inside["externalConfig"]["auth"]]
    assert values("argo-workflows")["server"]["authModes"] == ["client"]


def test_a_custom_object_comes_after_the_application_that_brings_its_kind():
    brings = {
        "postgresql.cnpg.io": "cloudnative-pg",
        "barmancloud.cnpg.io": "cloudnative-pg-barman",
        "k8up.io": "k8up",
        "external-secrets.io": "external-secrets",
        "cert-manager.io": "cert-manager",
        "traefik.io": "traefik",
        "vault.banzaicloud.com": "vault-operator",
        "snapshot.storage.k8s.io": "snapshot-definitions",
        "nfd.k8s-sigs.io": "node-feature-discovery",
    }
    seen: set[str] = set()
    for one in everything().managed:
        group = one.type.removeprefix("kubernetes:").split("/")[0]
        if group in brings:
            seen.add(group)
            assert (layers.APPLICATION, brings[group]) in before(everything(), one), one
    assert seen == set(brings)


def test_the_ingress_has_a_fixed_address_of_the_pool():
    annotations = values("traefik")["service"]["annotations"]
    assert annotations["lbipam.cilium.io/ips"] == "10.0.30.31"
    store = everything().one("kubernetes:traefik.io/v1alpha1:TLSStore", "default-certificate")
    assert ("kubernetes:cert-manager.io/v1:Certificate", "wildcard") in before(everything(), store)


def test_a_size_of_the_object_storage_is_written_once():
    chart = values("seaweedfs")
    (data,) = chart["volume"]["dataDirs"]
    assert data["size"] == f"{WORKLOADS.object_storage.volume_size}Gi"
    assert [bucket["name"] for bucket in chart["filer"]["s3"]["createBuckets"]] == [
        bucket.name for bucket in WORKLOADS.object_storage.buckets
    ]


def test_only_the_writer_keeps_the_repository():
    for role in BackupRole:
        kept = [one for one in of_role(role).of_type(layers.SCHEDULE) if "prune" in spec(one)]
        assert len(kept) == (1 if role is BackupRole.WRITER else 0), role


def test_the_repository_is_pruned_by_the_one_retention():
    upkeep = spec(everything().one(layers.SCHEDULE, "repository-upkeep"))
    assert upkeep["prune"]["retention"] == {
        "keepLast": 5, "keepDaily": 2, "keepWeekly": 1, "keepMonthly": 1, "keepYearly": 1,
    }  # fmt: skip
    assert upkeep["prune"]["schedule"] != upkeep["check"]["schedule"]
    assert "backup" not in upkeep
