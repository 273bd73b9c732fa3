"""Versions and images that stay what they are."""

import pytest
from pydantic import ValidationError

from inventory.workloads import WORKLOADS
from model.units import MiB
from model.workloads.charts import (
    Chart,
    ChartValues,
    GitChart,
    GitKustomization,
    GitManifests,
    HelmRegistry,
    HelmRepository,
)
from model.workloads.containers import Placement
from model.workloads.namespaces import Namespace, PodSecurity
from model.workloads.quantities import Amount, Millicores, Resources, cpu_quantity, memory_quantity
from tests.graph.workloads.layers import changed


@pytest.mark.parametrize("version", ["1.2.3", "v1.2.3", "0.46.0-rc1", "1.2.3+build.4", "8.2.7"])
def test_a_release_of_a_chart_is_taken(version: str):
    assert HelmRepository(url="https://charts.example", chart="some", version=version).version == version


@pytest.mark.parametrize("version", ["latest", "1.x", "^1.2.0", "1.2", ">=1.0.0", "main", "*", ""])
def test_a_version_that_may_move_is_refused(version: str):
    with pytest.raises(ValidationError, match="no version of a chart: write all three numbers"):
        HelmRegistry(registry="ghcr.io/some", chart="some", version=version)


@pytest.mark.parametrize("revision", ["v1.2.3", "lldap-chart-0.3.5", "operator-2.1", "release-1.2.3", "0" * 40])
def test_a_tag_or_a_commit_is_taken(revision: str):
    assert GitChart(repository="https://git.example/a", path="chart", revision=revision).revision == revision


@pytest.mark.parametrize(
    "revision",
    ["main", "master", "HEAD", "feature/crm", "feature/crm-1.2.3", "release/1.2.3", "refs/heads/v1.2.3", "0a1b2c3"],
)
def test_a_branch_is_refused(revision: str):
    for source in (GitChart, GitKustomization, GitManifests):
        with pytest.raises(ValidationError, match="is a branch, or may become one"):
            source(repository="https://git.example/a", path=".", revision=revision)


@pytest.mark.parametrize(
    "image",
    [
        "ghcr.io/some/image:latest", "ghcr.io/some/image", "docker.io/library/busybox:stable", "busybox:1.37.0",
        "quay.io/cilium/cilium-cli-ci:latest", "localhost/some:main",
    ],
)  # fmt: skip
def test_an_image_that_may_move_is_refused(image: str):
    with pytest.raises(ValidationError, match=r"pin it by a version or a digest|no image with its registry"):
        WORKLOADS.caches.model_validate({**WORKLOADS.caches.model_dump(), "image": image})


def test_an_image_by_digest_is_taken():
    image = f"ghcr.io/some/image@sha256:{'0' * 64}"
    assert WORKLOADS.caches.model_validate({**WORKLOADS.caches.model_dump(), "image": image}).image == image


def test_the_vault_operator_and_its_permissions_are_of_one_version():
    releases = WORKLOADS.releases
    permissions = releases.vault_permissions.model_copy(update={"revision": "v1.22.4"})
    skewed = {**releases.model_dump(), "vault_permissions": permissions.model_dump()}
    with pytest.raises(ValidationError, match=r"the Vault operator is 1\.22\.5 but its permissions are of v1\.22\.4"):
        type(releases).model_validate(skewed)


def test_manifests_take_no_values():
    with pytest.raises(ValidationError, match="a source of kind git-kustomization takes no values"):
        Chart(
            name="some", namespace="some", source=WORKLOADS.releases.vault_permissions, values=ChartValues()
        )


def test_an_unknown_value_of_a_chart_is_refused():
    class Values(ChartValues):
        replicas: int = 1

    with pytest.raises(ValidationError, match="replica"):
        Values.model_validate({"replica": 2})


def test_a_privileged_namespace_says_why():
    with pytest.raises(ValidationError, match="privileged without a reason"):
        Namespace(name="some", pod_security=PodSecurity.PRIVILEGED)
    with pytest.raises(ValidationError, match="gives a reason for a privilege that it does not have"):
        Namespace(name="some", reason="no reason")


def test_nothing_is_pinned_to_a_host():
    with pytest.raises(ValidationError, match="pins to one colour"):
        Placement(labels={"kubernetes.io/hostname": "green-talos-worker-amd-gpu"})


def test_a_container_may_use_what_it_asks_for():
    with pytest.raises(ValidationError, match="asks for 512 of memory but may use only 256"):
        Resources(requests=Amount(memory=MiB(512)), limits=Amount(memory=MiB(256)))


@pytest.mark.parametrize(("memory", "text"), [(512, "512Mi"), (1024, "1Gi"), (1536, "1536Mi"), (122880, "120Gi")])
def test_memory_is_written_as_kubernetes_takes_it(memory: int, text: str):
    assert memory_quantity(MiB(memory)) == text


@pytest.mark.parametrize(("cpu", "text"), [(250, "250m"), (1000, "1"), (1500, "1500m")])
def test_processor_time_is_written_as_kubernetes_takes_it(cpu: int, text: str):
    assert cpu_quantity(Millicores(cpu)) == text


def test_a_project_is_bounded_to_what_its_charts_need():
    bounds = {project.layer: WORKLOADS.bounds(project) for project in WORKLOADS.projects}
    for layer, project in bounds.items():
        assert "*" not in project.source_repos, layer
        assert "*" not in [destination.namespace for destination in project.destinations], layer
    assert bounds[WORKLOADS.projects[-1].layer].cluster_resource_whitelist == ()


def test_every_registry_of_a_chart_is_told_to_argo_cd():
    assert changed().registries == ("ghcr.io/bank-vaults/helm-charts",)
