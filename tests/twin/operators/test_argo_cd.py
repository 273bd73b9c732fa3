"""Applications: they bring what the table says, and refuse what Argo CD could not make of them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.twin.operators.conftest import FSID, Bench, status_of
from twin.faults import Fault, FaultKind, Faults
from twin.kubernetes.api import Object
from twin.kubernetes.custom_resources import bundle
from twin.operators.argo_cd import APPLICATION, FINALIZER, PROJECT, read_sources
from twin.operators.charts import CHARTS, UnknownChartError, known_chart
from twin.operators.cluster import (
    CUSTOM_RESOURCE_DEFINITION,
    NAMESPACE,
    SERVICE,
    SERVICE_ACCOUNT,
    STORAGE_CLASS,
    is_true,
)

OPERATORS = frozenset({"argo-cd"})

CSI_CHARTS = "https://ceph.github.io/csi-charts"
ELASTI = "elastiservices.elasti.truefoundry.com"


@pytest_asyncio.fixture
async def argo(bench: Bench, faults: Faults) -> AsyncIterator[Bench]:
    await bench.define("argo-cd")
    yield bench
    faults.clear()
    for found in await bench.cluster.all(APPLICATION, bench.namespace):
        await bench.cluster.remove(APPLICATION, bench.namespace, found["metadata"]["name"])
    for found in await bench.cluster.all(APPLICATION, bench.namespace):
        await bench.gone(APPLICATION, found["metadata"]["name"])


def application(name: str, source: Object, namespace: str, **spec: Any) -> Object:
    policy = {"automated": {"prune": True, "selfHeal": True}, "syncOptions": ["CreateNamespace=true"]}
    destination = {"server": "https://kubernetes.default.svc", "namespace": namespace}
    return {
        "apiVersion": APPLICATION.api_version,
        "kind": APPLICATION.kind,
        "metadata": {"name": name, "finalizers": [FINALIZER]},
        "spec": {"project": "default", "source": source, "destination": destination, "syncPolicy": policy, **spec},
    }


def elasti(revision: str = "v0.1.17") -> Object:
    return {
        "repoURL": "https://github.com/truefoundry/KubeElasti.git", "path": "charts/elasti", "targetRevision": revision,
    }  # fmt: skip


def chart(name: str, repository: str, version: str = "1.2.3", **helm: Any) -> Object:
    return {"repoURL": repository, "chart": name, "targetRevision": version, "helm": helm}


def health(found: Object) -> str | None:
    return status_of(found).get("health", {}).get("status")


def conditions(found: Object) -> dict[str, str]:
    return {one["type"]: one["message"] for one in status_of(found).get("conditions") or []}


async def test_an_application_brings_its_definitions_and_takes_them_away_again(argo: Bench) -> None:
    name = f"elasti-{argo.namespace}"
    await argo.apply(application(name, elasti(), f"{argo.namespace}-elasti"))
    found = await argo.until(APPLICATION, name, lambda found: health(found) == "Healthy")
    assert found["status"]["sync"]["status"] == "Synced"
    assert found["status"]["operationState"]["phase"] == "Succeeded"
    definition = await argo.until(
        CUSTOM_RESOURCE_DEFINITION, ELASTI, lambda found: is_true(found, "Established"), namespace=None
    )
    assert definition["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"].startswith(f"{name}:")
    assert await argo.cluster.find(NAMESPACE, None, f"{argo.namespace}-elasti") is not None
    await argo.cluster.remove(APPLICATION, argo.namespace, name)
    await argo.gone(APPLICATION, name)
    await argo.gone(CUSTOM_RESOURCE_DEFINITION, ELASTI, namespace=None)
    assert await argo.cluster.find(NAMESPACE, None, f"{argo.namespace}-elasti") is not None


async def test_without_the_finalizer_what_was_brought_stays(argo: Bench) -> None:
    orphaning = application("orphaning", elasti(), argo.namespace)
    orphaning["metadata"]["finalizers"] = []
    await argo.apply(orphaning)
    await argo.until(APPLICATION, "orphaning", lambda found: health(found) == "Healthy")
    await argo.cluster.remove(APPLICATION, argo.namespace, "orphaning")
    await argo.gone(APPLICATION, "orphaning")
    assert await argo.cluster.find(CUSTOM_RESOURCE_DEFINITION, None, ELASTI) is not None
    await argo.cluster.remove(CUSTOM_RESOURCE_DEFINITION, None, ELASTI)
    await argo.gone(CUSTOM_RESOURCE_DEFINITION, ELASTI, namespace=None)


async def test_values_decide_what_a_chart_brings(argo: Bench) -> None:
    annotations = {"lbipam.cilium.io/sharing-key": "shared"}
    values = f"service:\n  annotations: {annotations}\n"
    source = chart("traefik", "https://traefik.github.io/charts", "v29.0.0", values=values)
    await argo.apply(application("traefik", source, argo.namespace))
    await argo.until(APPLICATION, "traefik", lambda found: health(found) == "Healthy")
    service = await argo.until(SERVICE, "traefik")
    assert service["spec"]["type"] == "LoadBalancer"
    assert service["metadata"]["annotations"].items() >= annotations.items()
    storage_class = {"create": True, "name": f"rbd-{argo.namespace}", "clusterID": FSID, "pool": "osd"}
    source = chart("ceph-csi-rbd", CSI_CHARTS, "3.14.2", valuesObject={"storageClass": storage_class})
    await argo.apply(application("ceph-csi-rbd", source, argo.namespace))
    made = await argo.until(STORAGE_CLASS, f"rbd-{argo.namespace}", namespace=None)
    assert made["parameters"]["clusterID"] == FSID
    # What the values do not ask for any more is pruned.
    source["helm"]["valuesObject"] = {"storageClass": {"create": False}}
    await argo.apply(application("ceph-csi-rbd", source, argo.namespace))
    await argo.gone(STORAGE_CLASS, f"rbd-{argo.namespace}", namespace=None)


@pytest.mark.parametrize(
    ("source", "condition", "message"),
    [
        (chart("nothing", "https://example.org/charts"), "ComparisonError", "twin/operators/charts.py"),
        (chart("cert-manager", "https://example.org/charts"), "ComparisonError",
         "it knows cert-manager from charts.jetstack.io"),
        (elasti("main"), "ComparisonError", "unable to resolve 'main'"),
        (elasti("feature/crm"), "ComparisonError", "unable to resolve 'feature/crm'"),
        (chart("cert-manager", "https://charts.jetstack.io", "main"), "ComparisonError", "invalid semantic version"),
        (chart("cert-manager", "https://charts.jetstack.io", "1.*"), "ComparisonError", "invalid semantic version"),
        (chart("cert-manager", "https://charts.jetstack.io", values="a: [b"), "ComparisonError",
         "failed to parse helm.values"),
        (chart("cert-manager", "https://charts.jetstack.io", values="- a\n- b"), "ComparisonError", "not a mapping"),
    ],
)  # fmt: skip
async def test_a_source_of_which_nothing_can_be_made(argo: Bench, source: Object, condition: str, message: str) -> None:
    await argo.apply(application("broken", source, argo.namespace))
    found = await argo.until(APPLICATION, "broken", lambda found: message in conditions(found).get(condition, ""))
    assert health(found) in ("Unknown", "Degraded")
    assert found["status"]["sync"]["status"] == "Unknown"


async def test_an_unknown_chart_is_degraded(argo: Bench) -> None:
    await argo.apply(application("unknown", chart("nothing", "https://example.org/charts"), argo.namespace))
    await argo.until(APPLICATION, "unknown", lambda found: health(found) == "Degraded")


async def test_a_namespace_that_nobody_makes_is_missing(argo: Bench) -> None:
    policy = {"automated": {}}
    body = application("homeless", elasti(), f"{argo.namespace}-nowhere", syncPolicy=policy)
    await argo.apply(body)
    found = await argo.until(APPLICATION, "homeless", lambda found: health(found) == "Missing")
    assert "CreateNamespace=true is not set" in conditions(found)["SyncError"]
    await argo.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{argo.namespace}-nowhere"}})
    await argo.until(APPLICATION, "homeless", lambda found: health(found) == "Healthy")
    await argo.cluster.remove(APPLICATION, argo.namespace, "homeless")
    await argo.gone(APPLICATION, "homeless")


async def test_without_automated_sync_nothing_is_brought(argo: Bench) -> None:
    await argo.apply(application("manual", chart("cert-manager", "https://charts.jetstack.io"), argo.namespace,
                                 syncPolicy={}))  # fmt: skip
    found = await argo.until(APPLICATION, "manual", lambda found: health(found) == "Missing")
    assert found["status"]["sync"]["status"] == "OutOfSync"
    assert await argo.cluster.find(SERVICE_ACCOUNT, argo.namespace, "cert-manager") is None


async def test_a_project_bounds_sources_and_destinations(argo: Bench) -> None:
    await argo.apply(application("lost", elasti(), argo.namespace, project="absent"))
    lost = await argo.until(APPLICATION, "lost", conditions)
    assert "project absent which does not exist" in conditions(lost)["InvalidSpecError"]
    spec = {"sourceRepos": ["https://ceph.github.io/*"], "destinations": [{"server": "*", "namespace": "ceph"}]}
    project = {"apiVersion": PROJECT.api_version, "kind": PROJECT.kind, "metadata": {"name": "storage"}, "spec": spec}
    await argo.apply(project)
    await argo.apply(application("foreign", elasti(), "ceph", project="storage"))
    foreign = await argo.until(APPLICATION, "foreign", conditions)
    assert "is not permitted in project 'storage'" in conditions(foreign)["InvalidSpecError"]
    source = chart("ceph-csi-rbd", CSI_CHARTS)
    await argo.apply(application("astray", source, argo.namespace, project="storage"))
    astray = await argo.until(APPLICATION, "astray", conditions)
    assert "do not match any of the allowed destinations" in conditions(astray)["InvalidSpecError"]


async def test_a_project_bounds_what_is_made_outside_of_namespaces(argo: Bench) -> None:
    spec = {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}], "clusterResourceWhitelist": []}
    project: Object = {"apiVersion": PROJECT.api_version, "kind": PROJECT.kind, "metadata": {"name": "apps"}}
    await argo.apply({**project, "spec": spec})
    await argo.apply(application("elasti", elasti(), argo.namespace, project="apps"))
    found = await argo.until(APPLICATION, "elasti", conditions)
    message = "resource apiextensions.k8s.io:CustomResourceDefinition is not permitted in project apps"
    assert conditions(found)["SyncError"] == message
    spec["clusterResourceWhitelist"] = [{"group": "apiextensions.k8s.io", "kind": "*"}]
    await argo.apply({**project, "spec": spec})
    await argo.until(APPLICATION, "elasti", lambda found: health(found) == "Healthy")


@pytest.mark.parametrize(
    ("values", "brought"),
    [({}, False), ({"crds": {"enabled": True}}, True), ({"installCRDs": True}, True)],
)
def test_cert_manager_brings_its_definitions_when_asked_only(values: Object, *, brought: bool) -> None:
    source = chart("cert-manager", "https://charts.jetstack.io", valuesObject=values)
    (read,) = read_sources(application("cert-manager", source, "cert-manager"))
    assert bool(read.bundles) is brought


def test_definitions_can_be_left_to_another_application() -> None:
    source = chart("traefik", "https://traefik.github.io/charts", skipCrds=True)
    (read,) = read_sources(application("traefik", source, "traefik"))
    assert read.bundles == ()


async def test_two_applications_do_not_bring_the_same_thing(argo: Bench) -> None:
    await argo.apply(application("first", elasti(), argo.namespace))
    await argo.until(APPLICATION, "first", lambda found: health(found) == "Healthy")
    await argo.apply(application("second", elasti(), argo.namespace))
    second = await argo.until(APPLICATION, "second", conditions)
    assert "is part of applications second and first" in conditions(second)["SharedResourceWarning"]
    for name in ("second", "first"):
        await argo.cluster.remove(APPLICATION, argo.namespace, name)
        await argo.gone(APPLICATION, name)
    await argo.gone(CUSTOM_RESOURCE_DEFINITION, ELASTI, namespace=None)


async def test_an_application_is_degraded_on_demand_and_recovers(argo: Bench, faults: Faults) -> None:
    await argo.apply(application("csi", chart("ceph-csi-rbd", CSI_CHARTS, "3.14.2"), argo.namespace))
    await argo.until(APPLICATION, "csi", lambda found: health(found) == "Healthy")
    faults.set(Fault(kind=FaultKind.OPERATOR_FAILS, target="argo-cd", operation=f"{argo.namespace}/csi"))
    degraded = await argo.until(APPLICATION, "csi", lambda found: health(found) == "Degraded")
    assert "injected fault" in conditions(degraded)["SyncError"]
    faults.clear()
    recovered = await argo.until(APPLICATION, "csi", lambda found: health(found) == "Healthy")
    assert not conditions(recovered)


async def test_an_invalid_object_of_a_chart_is_told_with_the_api_server_s_words(argo: Bench) -> None:
    source = chart("traefik", "https://traefik.github.io/charts", valuesObject={"service": {"type": "Balancer"}})
    await argo.apply(application("wrong", source, argo.namespace))
    found = await argo.until(APPLICATION, "wrong", lambda found: health(found) == "Degraded")
    assert 'Unsupported value: "Balancer"' in conditions(found)["SyncError"], conditions(found)


@pytest.mark.parametrize("name", sorted({name for entry in CHARTS for name in entry.bundles}))
def test_every_bundle_of_the_table_can_be_read(name: str, cache: Path) -> None:
    assert all(one["kind"] == CUSTOM_RESOURCE_DEFINITION.kind for one in bundle(name, cache))
    assert bundle(name, cache)


@pytest.mark.parametrize(
    ("repository", "name"),
    [
        ("oci://ghcr.io/bank-vaults/helm-charts", "vault-operator"),
        ("ghcr.io/bank-vaults/helm-charts", "vault-operator"),
        ("https://charts.jetstack.io/", "cert-manager"),
    ],
)
def test_a_repository_is_known_however_it_is_written(repository: str, name: str) -> None:
    assert known_chart(repository, chart=name, path=None).name == name


def test_a_folder_that_the_table_does_not_know_is_named() -> None:
    with pytest.raises(UnknownChartError, match="of that repository it knows client/config/crd"):
        known_chart("https://github.com/kubernetes-csi/external-snapshotter", chart=None, path="client/config")


