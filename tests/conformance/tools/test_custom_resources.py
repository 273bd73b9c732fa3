"""The definitions of the custom resources on a real API server: taken, and strict about the objects they describe."""

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest

import model.workloads.custom
from model.workloads.objects import CustomObject
from tests.conformance.tools.conftest import Installed, conditions
from tests.conformance.tools.custom_objects import EXAMPLES, Example
from twin.kubernetes.api import ApiStatusError, KubernetesApi, Object
from twin.kubernetes.custom_resources import BUNDLES, GENERATED, BundleError, bundle
from twin.kubernetes.custom_resources.schemas import ANYTHING

MANAGER = "test"


async def dry_run(api: KubernetesApi, installed: Installed, body: Object) -> Object:
    """What the API server would keep of the object."""
    resource_type = installed.resource_type(body["apiVersion"], body["kind"])
    metadata = dict(body["metadata"])
    namespace = metadata.pop("namespace", None) if resource_type.namespaced else None
    metadata.pop("namespace", None)
    return await api.apply(
        resource_type, namespace, metadata["name"], {**body, "metadata": metadata}, field_manager=MANAGER, dry_run=True
    )


def workflow(template: Object, **spec: Any) -> Object:
    """A workflow of one template."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "WorkflowTemplate",
        "metadata": {"name": "example", "namespace": "default"},
        "spec": {"entrypoint": "main", "templates": [{"name": "main", **template}], **spec},
    }


def test_every_bundle_has_an_example():
    assert set(EXAMPLES) == set(BUNDLES)


@pytest.mark.parametrize("name", BUNDLES)
def test_the_definitions_are_served_and_structural(installed: Installed, name: str):
    for definition in installed.by_bundle[name]:
        found = conditions(definition)
        assert found["NamesAccepted"] == found["Established"] == "True", definition["metadata"]["name"]
        assert found.get("NonStructuralSchema", "False") == "False", definition["metadata"]["name"]
        assert found.get("KubernetesAPIApprovalPolicyConformant", "True") == "True", definition["metadata"]["name"]


@pytest.mark.parametrize("name", BUNDLES)
def test_no_schema_takes_everything(installed: Installed, name: str):
    for definition in installed.by_bundle[name]:
        for version in definition["spec"]["versions"]:
            root = version["schema"]["openAPIV3Schema"]
            written = {key: one for key, one in root["properties"].items() if key != "status"}
            assert "x-kubernetes-preserve-unknown-fields" not in root
            assert ANYTHING not in written.values(), definition["metadata"]["name"]


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
async def test_a_good_object_is_taken_whole(api: KubernetesApi, installed: Installed, example: Example):
    kept = await dry_run(api, installed, example.good())
    for key, value in example.content.items():
        assert contains(kept[key], value), kept[key]


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
async def test_a_misspelt_field_is_refused(api: KubernetesApi, installed: Installed, example: Example):
    with pytest.raises(ApiStatusError) as refused:
        await dry_run(api, installed, example.with_misspelt_field())
    assert f"{example.misspelt[-1]}x" in refused.value.message


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
async def test_a_mistyped_field_is_refused(api: KubernetesApi, installed: Installed, example: Example):
    with pytest.raises(ApiStatusError) as refused:
        await dry_run(api, installed, example.with_mistyped_field())
    assert str(example.mistyped[-1]) in refused.value.message


def test_every_kind_that_the_lab_writes_is_in_a_bundle(installed: Installed):
    written = custom_kinds()
    assert written
    missing: list[str] = []
    for kind in written:
        try:
            installed.resource_type(kind.OF.api_version, kind.OF.name)
        except LookupError as error:
            missing.append(str(error))
    assert not missing


def test_an_issuer_for_every_namespace_is_in_none(installed: Installed):
    assert not installed.resource_type("cert-manager.io/v1", "ClusterIssuer").namespaced
    assert installed.resource_type("cert-manager.io/v1", "Issuer").namespaced


@pytest.mark.parametrize("name", ["cert-manager", "cloudnative-pg", "external-secrets", "k8up", "dragonfly"])
def test_a_status_is_written_apart(installed: Installed, name: str):
    """Controllers write a status by its subresource, so that nobody's apply takes it away."""
    for definition in installed.by_bundle[name]:
        for version in definition["spec"]["versions"]:
            assert "status" in version["subresources"], definition["metadata"]["name"]


async def test_a_step_of_a_workflow_is_a_list_of_parallel_ones(api: KubernetesApi, installed: Installed):
    parallel = [{"name": name, "template": "main"} for name in ("one", "other")]
    await dry_run(api, installed, workflow({"steps": [parallel, [{"name": "then", "template": "main"}]]}))
    with pytest.raises(ApiStatusError, match="steps"):
        await dry_run(api, installed, workflow({"steps": parallel}))


async def test_the_container_of_a_template_needs_no_name(api: KubernetesApi, installed: Installed):
    await dry_run(api, installed, workflow({"container": {"image": "docker.io/library/debian:12"}}))
    await dry_run(api, installed, workflow({"script": {"image": "docker.io/library/debian:12", "source": "true"}}))


async def test_what_a_workflow_makes_can_have_metadata(api: KubernetesApi, installed: Installed):
    claim = {"metadata": {"generateName": "work-"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}
    template = {"container": {"image": "docker.io/library/debian:12"}}
    await dry_run(api, installed, workflow(template, volumeClaimTemplates=[claim]))
    claim["metadata"] = {"nam": "work"}
    with pytest.raises(ApiStatusError, match="nam"):
        await dry_run(api, installed, workflow(template, volumeClaimTemplates=[claim]))


@pytest.mark.parametrize(
    ("selectors", "taken"),
    [
        (("endpointSelector",), True),
        (("nodeSelector",), True),
        (("endpointSelector", "nodeSelector"), False),
        ((), False),
    ],
    ids=["endpoints", "nodes", "both", "neither"],
)
async def test_a_network_policy_selects_endpoints_or_nodes(
    api: KubernetesApi, installed: Installed, selectors: tuple[str, ...], taken: bool
):
    body = {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumClusterwideNetworkPolicy",
        "metadata": {"name": "example"},
        "spec": {**{one: {} for one in selectors}, "egress": [{"toEntities": ["world"]}]},
    }
    if taken:
        await dry_run(api, installed, body)
        return
    with pytest.raises(ApiStatusError):
        await dry_run(api, installed, body)


def test_an_unknown_bundle_names_the_known_ones(cache: Path):
    with pytest.raises(BundleError, match=r"no bundle .* is called cert-manger; there are .*cert-manager"):
        bundle("cert-manger", cache)


@pytest.mark.parametrize("name", GENERATED)
def test_a_bundle_that_is_not_built_says_how_it_is(tmp_path: Path, name: str):
    with pytest.raises(BundleError, match=rf"{name} have not been generated in .*; `\./lab up` on the twin builds"):
        bundle(name, tmp_path)


def test_a_bundle_is_the_callers_own(cache: Path):
    for name in BUNDLES:
        bundle(name, cache)[0]["spec"].clear()
        assert bundle(name, cache)[0]["spec"], name


def custom_kinds() -> list[type[CustomObject]]:
    """Every class of a custom kind that the program can write."""
    for module in iter_modules(model.workloads.custom.__path__, f"{model.workloads.custom.__name__}."):
        import_module(module.name)
    return [one for one in CustomObject.__subclasses__() if "OF" in vars(one)]


def contains(kept: Any, sent: Any) -> bool:
    """Whether everything that was sent was kept; more may have come by default."""
    if isinstance(sent, dict):
        return all(key in kept and contains(kept[key], value) for key, value in sent.items())
    if isinstance(sent, list):
        return len(kept) == len(sent) and all(map(contains, kept, sent))
    return kept == sent
