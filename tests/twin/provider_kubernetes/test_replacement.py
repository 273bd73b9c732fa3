"""Which changes replace an object, and in which order."""

from typing import Any

import pytest

from tests.twin.provider_kubernetes import manifests
from tests.twin.provider_kubernetes.control_plane import ControlPlane
from tests.twin.provider_kubernetes.engine import Engine, Known
from tests.twin.provider_kubernetes.manifests import (
    CLAIM,
    CONFIG_MAP,
    DAEMON_SET,
    DEPLOYMENT,
    JOB,
    POD,
    SECRET,
    SERVICE,
    STATEFUL_SET,
    STORAGE_CLASS,
    WIDGET,
    of,
)
from tests.twin.refusals import refusal
from twin.kubernetes.api import KubernetesApi

META = {"name": "x", "namespace": "lab"}


async def known(provider: Engine, token: str, inputs: dict[str, Any]) -> Known:
    """A resource as if it had been made."""
    checked = await provider.check(token, "x", inputs)
    return Known(token, "x", "lab/x", checked, checked)


def spec(token: str, **fields: Any) -> dict[str, Any]:
    return of(token, META, spec=fields)


@pytest.mark.parametrize(
    ("token", "old", "new", "replaces"),
    [
        (CONFIG_MAP, of(CONFIG_MAP, META), of(CONFIG_MAP, {**META, "name": "y"}), ["metadata.name"]),
        (CONFIG_MAP, of(CONFIG_MAP, META), of(CONFIG_MAP, {**META, "namespace": "y"}), ["metadata.namespace"]),
        (CONFIG_MAP, of(CONFIG_MAP, META, data={"a.b": "1"}), of(CONFIG_MAP, META, data={"a.b": "2"}), ['data["a.b"]']),
        (CONFIG_MAP, of(CONFIG_MAP, META), of(CONFIG_MAP, {**META, "labels": {"a": "b"}}), []),
        (SECRET, of(SECRET, META, type="Opaque"), of(SECRET, META, type="example.com/other"), ["type"]),
        (
            SECRET,
            of(SECRET, META, stringData={"a": "1"}),
            of(SECRET, META, stringData={"a": "2"}),
            ["data.a"],
        ),
        (SECRET, of(SECRET, META, stringData={"a": "1"}), of(SECRET, META, data={"a": "MQ=="}), []),
        (
            DEPLOYMENT,
            manifests.workload(DEPLOYMENT, META, replicas=1),
            manifests.workload(DEPLOYMENT, META, replicas=1, selector={"matchLabels": {"app": "y"}}),
            ["spec.selector.matchLabels.app"],
        ),
        (
            DEPLOYMENT,
            manifests.workload(DEPLOYMENT, META, replicas=1),
            manifests.workload(DEPLOYMENT, META, replicas=2),
            [],
        ),
        (
            DAEMON_SET,
            manifests.workload(DAEMON_SET, META),
            manifests.workload(DAEMON_SET, META, selector={"matchLabels": {"app": "y"}}),
            ["spec.selector.matchLabels.app"],
        ),
        (
            STATEFUL_SET,
            manifests.workload(STATEFUL_SET, META, serviceName="a"),
            manifests.workload(STATEFUL_SET, META, serviceName="b"),
            ["spec.serviceName"],
        ),
        (
            JOB,
            of(JOB, META, spec={"template": {"spec": manifests.pod_spec(restartPolicy="Never")}}),
            of(JOB, META, spec={"template": {"spec": manifests.pod_spec(restartPolicy="OnFailure")}}),
            ["spec.template.spec.restartPolicy"],
        ),
        (
            POD,
            of(POD, META, spec=manifests.pod_spec()),
            of(POD, META, spec=manifests.pod_spec(container={"image": "other"})),
            ["spec.containers[0].image"],
        ),
        (
            POD,
            of(POD, META, spec=manifests.pod_spec()),
            of(POD, META, spec={"containers": [*manifests.pod_spec()["containers"], {"name": "b", "image": "i"}]}),
            ["spec.containers[1]"],
        ),
        (CLAIM, spec(CLAIM, storageClassName="a"), spec(CLAIM, storageClassName="b"), ["spec.storageClassName"]),
        (
            CLAIM,
            spec(CLAIM, resources={"requests": {"storage": "1Gi"}}),
            spec(CLAIM, resources={"requests": {"storage": "2Gi"}}),
            [],
        ),
        (SERVICE, spec(SERVICE, clusterIP="None"), spec(SERVICE, clusterIP="10.96.0.9"), ["spec.clusterIP"]),
        (
            STORAGE_CLASS,
            of(STORAGE_CLASS, {"name": "x"}, provisioner="a", parameters={"pool": "a"}),
            of(STORAGE_CLASS, {"name": "x"}, provisioner="a", parameters={"pool": "b"}),
            ["parameters.pool"],
        ),
        (WIDGET, spec(WIDGET, size=1), spec(WIDGET, size=2), []),
    ],
)
async def test_table(
    provider: Engine, token: str, old: dict[str, Any], new: dict[str, Any], replaces: list[str]
) -> None:
    difference = await provider.diff(await known(provider, token, old), new)
    assert list(difference.replaces) == replaces
    if replaces:
        # Of the same name, so the old one must go first, unless it is the name that changed.
        assert difference.deleteBeforeReplace is not replaces[0].startswith("metadata")


async def test_generated_names_let_the_old_one_stay(provider: Engine) -> None:
    old = await known(provider, CONFIG_MAP, of(CONFIG_MAP, {"namespace": "lab"}, data={"a": "1"}))
    difference = await provider.diff(old, of(CONFIG_MAP, {"namespace": "lab"}, data={"a": "2"}))
    assert list(difference.replaces) == ["data.a"]
    assert not difference.deleteBeforeReplace


async def test_values_of_maps_may_be_declared_mutable(provider: Engine, cluster: ControlPlane) -> None:
    mutable = {"enableConfigMapMutable": "true", "enableSecretMutable": "true"}
    await provider.configure({"kubeconfig": cluster.kubeconfig, **mutable})
    for token in (CONFIG_MAP, SECRET):
        old = await known(provider, token, of(token, META, data={"a": "MQ=="}))
        changed = await provider.diff(old, of(token, META, data={"a": "Mg=="}))
        assert (changed.changes, list(changed.replaces)) == (2, [])
        fixed = await provider.diff(old, of(token, META, data={"a": "Mg=="}, immutable=True))
        assert list(fixed.replaces) == ["data.a"]


async def test_quantities_and_numbers_are_compared_by_what_they_mean(provider: Engine) -> None:
    def limits(cpu: str, memory: str) -> dict[str, Any]:
        resources = {"limits": {"cpu": cpu, "memory": memory}}
        return manifests.workload(DEPLOYMENT, META, manifests.pod_spec(container={"resources": resources}))

    old = await known(provider, DEPLOYMENT, limits("1000m", "1Gi"))
    assert (await provider.diff(old, limits("1", "1024Mi"))).changes == 1
    assert list((await provider.diff(old, limits("1", "1G"))).detailedDiff) == [
        "spec.template.spec.containers[0].resources.limits.memory"
    ]


async def test_ignored_changes_are_none(provider: Engine) -> None:
    old = await known(provider, DEPLOYMENT, manifests.workload(DEPLOYMENT, META, replicas=1))
    scaled = manifests.workload(DEPLOYMENT, META, replicas=2)
    assert (await provider.diff(old, scaled, ignored=("spec.replicas",))).changes == 1
    assert (await provider.diff(old, scaled, ignored=("spec",))).changes == 1
    assert (await provider.diff(old, scaled, ignored=("spec.template",))).changes == 2


async def test_immutable_fields_beside_the_table_are_refused_at_preview(provider: Engine, api: KubernetesApi) -> None:
    def reclaiming(policy: str) -> dict[str, Any]:
        return of(STORAGE_CLASS, {"name": "immutable"}, provisioner="example.com/none", reclaimPolicy=policy)

    made = await provider.create(STORAGE_CLASS, "s", reclaiming("Delete"))
    assert list((await provider.diff(made, reclaiming("Retain"))).replaces) == []
    answer = await refusal(provider.update(made, reclaiming("Retain"), preview=True))
    assert "reclaimPolicy" in answer
    assert "name it in `replace_on_changes`" in answer
    await provider.delete(made)


async def test_job_that_did_not_complete_is_replaced_when_wanted(provider: Engine, namespace: str) -> None:
    metadata = {
        "name": "j", "namespace": namespace,
        "annotations": {"pulumi.com/replaceUnready": "true", "pulumi.com/skipAwait": "true"},
    }  # fmt: skip
    pod = manifests.pod_spec(restartPolicy="Never", nodeSelector={"zone": "nowhere"})
    inputs = of(JOB, metadata, spec={"template": {"spec": pod}})
    made = await provider.create(JOB, "j", inputs)
    difference = await provider.diff(made, inputs)
    assert list(difference.replaces) == ['metadata.annotations["pulumi.com/replaceUnready"]']
    assert difference.deleteBeforeReplace
