"""What is refused before a cluster is asked, and what the provider's own configuration means."""

from collections.abc import Callable

import pytest
import yaml

from tests.twin.provider_client import RefusedError
from tests.twin.provider_kubernetes import manifests
from tests.twin.provider_kubernetes.control_plane import ControlPlane
from tests.twin.provider_kubernetes.engine import Engine
from tests.twin.provider_kubernetes.manifests import CONFIG_MAP, DEPLOYMENT, WIDGET, of
from tests.twin.refusals import refusal
from twin.providers import wire

UNREACHABLE = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:9"}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
users: [{name: u, user: {}}]
current-context: c
"""


@pytest.fixture
def alone(more_engines: Callable[[], Engine]) -> Engine:
    """An engine whose provider is not configured."""
    return more_engines()


async def test_unknown_property_names_the_nearest(alone: Engine) -> None:
    with pytest.raises(RefusedError, match=r"spec.replica: is not a property here; did you mean `replicas`"):
        await alone.check(DEPLOYMENT, "d", manifests.workload(DEPLOYMENT, {"name": "d"}, replica=1))
    pod = {"containers": [{"name": "main", "imge": "image"}]}
    with pytest.raises(RefusedError, match=r"spec.template.spec.containers\[0\].imge: is not a property here"):
        await alone.check(DEPLOYMENT, "d", manifests.workload(DEPLOYMENT, {"name": "d"}, pod))


async def test_mistyped_and_missing_properties(alone: Engine) -> None:
    with pytest.raises(RefusedError, match=r"spec.replicas: must be a whole number, not a string"):
        await alone.check(DEPLOYMENT, "d", manifests.workload(DEPLOYMENT, {"name": "d"}, replicas="three"))
    with pytest.raises(RefusedError, match=r"spec.selector: is required and missing"):
        await alone.check(DEPLOYMENT, "d", of(DEPLOYMENT, {"name": "d"}, spec={"template": {}}))
    with pytest.raises(RefusedError, match=r'data\["a"\]: must be a string, not the number 1'):
        await alone.check(CONFIG_MAP, "c", of(CONFIG_MAP, data={"a": 1}))


async def test_unknown_values_pass(alone: Engine) -> None:
    inputs = manifests.workload(DEPLOYMENT, {"name": wire.UNKNOWN}, replicas=wire.UNKNOWN)
    checked = await alone.check(DEPLOYMENT, "d", inputs)
    assert checked["metadata"] == {"name": wire.UNKNOWN, "namespace": "default"}


async def test_metadata_of_custom_resources_is_typed(alone: Engine) -> None:
    with pytest.raises(RefusedError, match=r"metadata.lables: is not a property here; did you mean `labels`"):
        await alone.check(WIDGET, "w", of(WIDGET, {"lables": {}}))
    with pytest.raises(RefusedError, match="kind: must be `Widget`, as the resource type says, not `Gadget`"):
        await alone.check(WIDGET, "w", {**of(WIDGET), "kind": "Gadget"})
    checked = await alone.check(WIDGET, "w", of(WIDGET, {"name": "w"}, spec={"anything": [1, 2]}))
    assert checked["metadata"] == {"name": "w", "namespace": "default"}


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("kubernetes:core/v1:ConfigMapPatch", "give the whole object that it patches"),
        ("kubernetes:lab.test/v1:WidgetPatch", "give the whole object that it patches"),
        ("kubernetes:core/v1:ConfigMapList", "give each of its items as a resource"),
        ("kubernetes:yaml:ConfigFile", "not files or charts of them"),
        ("kubernetes:yaml/v2:ConfigGroup", "not files or charts of them"),
        ("kubernetes:kustomize/v2:Directory", "not files or charts of them"),
        ("kubernetes:helm.sh/v4:Chart", "not files or charts of them"),
    ],
)
async def test_what_is_not_one_object_is_refused_by_name(alone: Engine, token: str, why: str) -> None:
    answer = await refusal(alone.check(token, "x", {"kind": "ConfigMap", "items": []}))
    assert f"does not emulate {token}" in answer
    assert why in answer


async def test_a_custom_resource_may_be_called_patch(alone: Engine) -> None:
    token = "kubernetes:lab.test/v1:DiskPatch"
    assert (await alone.check(token, "p", of(token)))["kind"] == "DiskPatch"


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("Ready", "begins with `jsonpath=` or `condition=`"),
        ("jsonpath=.status.phase", "brackets"),
        ("jsonpath='{.status.phase}'=Running", "quotes of a shell"),
        ("jsonpath={.status.phase}=", "needs a value"),
        ("jsonpath={.status[?(@.a>1)]}", "does not read"),
        ("[]", "at least one"),
    ],
)
async def test_wrong_expressions_to_wait_for(alone: Engine, expression: str, why: str) -> None:
    annotated = of(WIDGET, {"name": "w", "annotations": {"pulumi.com/waitFor": expression}})
    with pytest.raises(RefusedError, match=why) as caught:
        await alone.check(WIDGET, "w", annotated)
    assert caught.value.failures[0].startswith('metadata.annotations["pulumi.com/waitFor"]: ')


async def test_configuration_that_the_twin_cannot_follow(alone: Engine) -> None:
    with pytest.raises(RefusedError, match="kubeconfig: is required on the twin"):
        await alone.configure({})
    with pytest.raises(RefusedError, match="renderYamlToDirectory: the twin does not write manifests"):
        await alone.configure({"kubeconfig": UNREACHABLE, "renderYamlToDirectory": "out"})
    with pytest.raises(RefusedError, match="enableServerSideApply: the twin does not emulate client-side apply"):
        await alone.configure({"kubeconfig": UNREACHABLE, "enableServerSideApply": "false"})
    with pytest.raises(RefusedError, match="kubeconfg: is not a property here; did you mean `kubeconfig`"):
        await alone.configure({"kubeconfg": "x"})


async def test_a_kubeconfig_that_is_not_known_yet_is_not_missing(alone: Engine) -> None:
    await alone.configure({"kubeconfig": wire.Secret(wire.UNKNOWN)})
    await alone.configure({"kubeconfig": wire.UNKNOWN})


async def test_the_same_cluster_is_kept_and_another_replaces(alone: Engine, cluster: ControlPlane) -> None:
    old: dict[str, wire.Value] = {"kubeconfig": wire.Secret(cluster.kubeconfig)}
    renewed = yaml.safe_load(cluster.kubeconfig)
    renewed["users"][0]["user"]["client-key-data"] = "bmV3"
    rotated = await alone.diff_configuration(old, {"kubeconfig": wire.Secret(yaml.safe_dump(renewed))})
    assert (rotated.changes, list(rotated.replaces)) == (2, [])
    assert list((await alone.diff_configuration(old, {"kubeconfig": UNREACHABLE})).replaces) == ["kubeconfig"]
    assert list((await alone.diff_configuration(old, {"kubeconfig": wire.UNKNOWN})).replaces) == ["kubeconfig"]

    green = {"clusterIdentifier": "green"}
    kept = await alone.diff_configuration({**old, **green}, {"kubeconfig": UNREACHABLE, **green})
    assert (kept.changes, list(kept.replaces)) == (2, [])
    other = await alone.diff_configuration({**old, **green}, {**old, "clusterIdentifier": "blue"})
    assert list(other.replaces) == ["clusterIdentifier"]
    added = await alone.diff_configuration(old, {**old, **green})
    assert list(added.replaces) == []


async def test_default_namespace(alone: Engine, cluster: ControlPlane) -> None:
    await alone.configure({"kubeconfig": cluster.kubeconfig, "namespace": "lab"})
    assert (await alone.check(CONFIG_MAP, "c", of(CONFIG_MAP, {"name": "c"})))["metadata"] == {
        "name": "c", "namespace": "lab",
    }  # fmt: skip
    document = yaml.safe_load(cluster.kubeconfig)
    document["contexts"][0]["context"]["namespace"] = "of-the-context"
    await alone.configure({"kubeconfig": yaml.safe_dump(document)})
    checked = await alone.check(CONFIG_MAP, "c", of(CONFIG_MAP, {"name": "c"}))
    assert checked["metadata"] == {"name": "c", "namespace": "of-the-context"}
