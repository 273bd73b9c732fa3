"""An object's life: made, changed, looked up, taken over, removed."""

import asyncio
import base64
from typing import Any

import pytest

from tests.twin.provider_kubernetes import manifests
from tests.twin.provider_kubernetes.conftest import put, seen
from tests.twin.provider_kubernetes.control_plane import ControlPlane
from tests.twin.provider_kubernetes.engine import Engine
from tests.twin.provider_kubernetes.manifests import (
    CONFIG_MAP,
    DEPLOYMENT,
    NAMESPACE,
    SECRET,
    STORAGE_CLASS,
    of,
)
from tests.twin.refusals import refusal
from twin.kubernetes.api import KubernetesApi
from twin.providers import wire
from twin.providers.kinds import JOURNAL, Surroundings

AUTONAMED = {"pulumi.com/autonamed": "true"}


async def test_life_of_an_object(provider: Engine, api: KubernetesApi, namespace: str) -> None:
    metadata = {"name": "settings", "namespace": namespace}
    made = await provider.create(CONFIG_MAP, "s", of(CONFIG_MAP, metadata, data={"a": "1", "b": "2"}))
    assert made.resource_id == f"{namespace}/settings"
    assert made.plain("metadata")["uid"]

    labelled = {**metadata, "labels": {"colour": "green"}}
    updated = await provider.update(made, of(CONFIG_MAP, labelled, data={"a": "1", "b": "2"}))
    assert updated.plain("metadata")["labels"] == {"colour": "green"}
    # What the create wrote belongs to the provider's applies: leaving it out removes it.
    removed = await provider.update(updated, of(CONFIG_MAP, metadata, data={"b": "2"}))
    assert removed.plain("data") == {"b": "2"}
    assert removed.plain("metadata").get("labels") is None
    live = await seen(api, "v1", "ConfigMap", namespace, "settings")
    assert live is not None
    manager = made.plain("__fieldManager")
    assert manager.startswith("pulumi-kubernetes-")
    assert {(one["manager"], one["operation"]) for one in live["metadata"]["managedFields"]} == {(manager, "Apply")}

    await provider.delete(removed)
    assert await seen(api, "v1", "ConfigMap", namespace, "settings") is None
    assert await provider.read(removed) is None
    await provider.delete(removed)


async def test_names_are_generated_and_kept(provider: Engine, namespace: str) -> None:
    inputs = of(CONFIG_MAP, {"namespace": namespace}, data={"a": "1"})
    made = await provider.create(CONFIG_MAP, "settings", inputs)
    name = made.plain("metadata")["name"]
    assert name.startswith("settings-")
    assert len(name) == len("settings-") + 8
    assert made.plain("metadata")["annotations"] == AUTONAMED
    labelled = of(CONFIG_MAP, {"namespace": namespace, "labels": {"a": "b"}}, data={"a": "1"})
    assert (await provider.update(made, labelled)).plain("metadata")["name"] == name
    assert (await provider.check(CONFIG_MAP, "plain", of(CONFIG_MAP)))["metadata"] == {
        "name": "plain-00010203", "annotations": AUTONAMED, "namespace": "default",
    }  # fmt: skip


async def test_the_api_server_generates_names_too(provider: Engine, namespace: str) -> None:
    made = await provider.create(CONFIG_MAP, "c", of(CONFIG_MAP, {"generateName": "drawn-", "namespace": namespace}))
    assert made.resource_id.startswith(f"{namespace}/drawn-")
    assert (await provider.diff(made, of(CONFIG_MAP, {"generateName": "drawn-", "namespace": namespace}))).changes == 1
    labelled = of(CONFIG_MAP, {"generateName": "drawn-", "namespace": namespace, "labels": {"a": "b"}})
    for preview in (True, False):
        updated = await provider.update(made, labelled, preview=preview)
        assert updated.plain("metadata")["name"] == made.plain("metadata")["name"]
        assert updated.plain("metadata")["labels"] == {"a": "b"}


async def test_what_belongs_to_no_namespace_gets_none(provider: Engine) -> None:
    made = await provider.create(STORAGE_CLASS, "fast", of(STORAGE_CLASS, provisioner="example.com/none"))
    assert "namespace" not in made.plain("metadata")
    assert made.resource_id == made.plain("metadata")["name"]
    await provider.delete(made)


async def test_what_exists_is_not_taken_over(provider: Engine, api: KubernetesApi, namespace: str) -> None:
    metadata = {"name": "theirs", "namespace": namespace}
    await put(api, of(CONFIG_MAP, metadata, data={"a": "theirs"}))
    answer = await refusal(provider.create(CONFIG_MAP, "c", of(CONFIG_MAP, metadata, data={"a": "ours"})))
    assert f"409 Conflict: ConfigMap {namespace}/theirs already exists" in answer
    assert "import it or set `upsertExistingObjects`" in answer
    live = await seen(api, "v1", "ConfigMap", namespace, "theirs")
    assert live is not None
    assert live["data"] == {"a": "theirs"}
    # A preview cannot know whether it goes in the same run.
    assert (await provider.preview(CONFIG_MAP, "c", of(CONFIG_MAP, metadata)))["metadata"] == metadata


async def test_upsert_takes_it_over(
    provider: Engine, api: KubernetesApi, namespace: str, cluster: ControlPlane
) -> None:
    await provider.configure({"kubeconfig": cluster.kubeconfig, "upsertExistingObjects": "true"})
    metadata = {"name": "theirs", "namespace": namespace}
    await put(api, of(CONFIG_MAP, metadata, data={"a": "1", "b": "theirs"}))
    made = await provider.create(CONFIG_MAP, "c", of(CONFIG_MAP, metadata, data={"a": "1"}))
    assert made.plain("data") == {"a": "1", "b": "theirs"}
    answer = await refusal(provider.create(CONFIG_MAP, "d", of(CONFIG_MAP, metadata, data={"b": "ours"})))
    assert 'conflict with "someone": .data.b' in answer
    assert 'annotation `pulumi.com/patchForce: "true"`' in answer


async def test_conflicts_name_the_other_manager(provider: Engine, api: KubernetesApi, namespace: str) -> None:
    metadata = {"name": "shared", "namespace": namespace}
    made = await provider.create(CONFIG_MAP, "c", of(CONFIG_MAP, metadata, data={"a": "1"}))
    await put(api, of(CONFIG_MAP, metadata, data={"a": "2"}), manager="autoscaler")
    changed = of(CONFIG_MAP, metadata, data={"a": "3"})
    answer = await refusal(provider.update(made, changed))
    assert 'conflict with "autoscaler": .data.a' in answer
    forced = of(CONFIG_MAP, {**metadata, "annotations": {"pulumi.com/patchForce": "true"}}, data={"a": "3"})
    assert (await provider.update(made, forced)).plain("data") == {"a": "3"}


async def test_ignored_fields_stay_with_who_has_them(provider: Engine, api: KubernetesApi, namespace: str) -> None:
    metadata = {"name": "web", "namespace": namespace}
    inputs = manifests.workload(DEPLOYMENT, metadata, replicas=1)
    made = await provider.create(DEPLOYMENT, "d", inputs)
    scaled = manifests.of(DEPLOYMENT, metadata, spec={**inputs["spec"], "replicas": 2})
    await put(api, scaled, manager="autoscaler")
    labelled = manifests.workload(DEPLOYMENT, {**metadata, "labels": {"a": "b"}}, replicas=1)
    updated = await provider.update(made, labelled, ignored=("spec.replicas",))
    assert updated.plain("spec")["replicas"] == 2


async def test_changes_behind_pulumi_s_back_are_seen(provider: Engine, api: KubernetesApi, namespace: str) -> None:
    metadata = {"name": "c", "namespace": namespace, "labels": {"colour": "green"}}
    inputs = of(CONFIG_MAP, metadata, data={"a": "1", "b": "2"})
    made = await provider.create(CONFIG_MAP, "c", inputs)
    resource_type = await api.resource_type("v1", "ConfigMap")
    assert resource_type is not None
    changed = {"metadata": {"labels": {"colour": "blue", "more": "x"}}, "data": {"a": None, "c": "3"}}
    await api.merge(resource_type, namespace, "c", changed, field_manager="kubectl-edit")
    read = await provider.read(made)
    assert read is not None
    assert read.plain("data") == {"b": "2", "c": "3"}
    # What the program does not name (another label, another key) is not its concern.
    assert set((await provider.diff(read, inputs)).detailedDiff) == {"metadata.labels.colour", "data.a"}
    restored = await provider.update(
        read, of(CONFIG_MAP, {**metadata, "annotations": {"pulumi.com/patchForce": "true"}}, data={"a": "1", "b": "2"})
    )
    assert restored.plain("data") == {"a": "1", "b": "2", "c": "3"}


async def test_spelling_of_the_api_server_is_no_change(provider: Engine, namespace: str) -> None:
    metadata = {"name": "web", "namespace": namespace}
    requests = {"cpu": "0.25", "memory": "1024Mi"}
    pod = manifests.pod_spec(container={"resources": {"requests": requests}, "tty": False}, volumes=[])
    inputs = manifests.workload(DEPLOYMENT, metadata, pod, replicas=1)
    made = await provider.create(DEPLOYMENT, "d", inputs)
    read = await provider.read(made)
    assert read is not None
    # It writes 250m and 1Gi, and leaves out what is false or empty.
    assert read.inputs == made.inputs
    assert (await provider.diff(read, inputs)).changes == 1


async def test_removal_behind_pulumi_s_back_is_seen(provider: Engine, api: KubernetesApi, namespace: str) -> None:
    made = await provider.create(CONFIG_MAP, "c", of(CONFIG_MAP, {"name": "c", "namespace": namespace}))
    resource_type = await api.resource_type("v1", "ConfigMap")
    assert resource_type is not None
    await api.delete(resource_type, namespace, "c")
    assert await provider.read(made) is None
    labelled = of(CONFIG_MAP, {"name": "c", "namespace": namespace, "labels": {"a": "b"}})
    assert "was removed behind Pulumi's back, a refresh sees that" in await refusal(provider.update(made, labelled))
    await provider.delete(made)


async def test_values_of_secrets_are_secret(provider: Engine, namespace: str) -> None:
    metadata = {"name": "s", "namespace": namespace}
    made = await provider.create(SECRET, "s", of(SECRET, metadata, stringData={"password": "hunter2"}))
    assert made.inputs["stringData"] == wire.Secret({"password": "hunter2"})
    assert made.properties["data"] == wire.Secret({"password": base64.b64encode(b"hunter2").decode()})
    read = await provider.read(made)
    assert read is not None
    assert read.inputs == made.inputs
    imported = await provider.import_(SECRET, "t", f"{namespace}/s")
    assert imported is not None
    assert isinstance(imported.inputs["data"], wire.Secret)


async def test_what_was_secret_stays_secret(provider: Engine, namespace: str) -> None:
    variable = {"name": "TOKEN", "value": wire.Secret("hunter2")}
    pod = manifests.pod_spec(container={"env": [variable]})
    inputs = manifests.workload(DEPLOYMENT, {"name": "web", "namespace": namespace}, pod, replicas=0)
    made = await provider.create(DEPLOYMENT, "d", inputs)
    assert "hunter2" not in repr({k: v for k, v in made.properties.items() if k != "spec"})
    spec = made.properties["spec"]
    assert isinstance(spec, dict)
    assert isinstance(spec["template"], dict)
    assert isinstance(spec["template"]["spec"], dict)
    assert isinstance(spec["template"]["spec"]["containers"], wire.Secret)


async def test_refusals_do_not_quote_secrets(provider: Engine, api: KubernetesApi, namespace: str) -> None:
    labels = {"password": wire.Secret("hunter 2")}
    inputs = of(CONFIG_MAP, {"name": "c", "namespace": namespace, "labels": labels}, data={})
    answer = await refusal(provider.create(CONFIG_MAP, "c", inputs))
    assert "metadata.labels" in answer
    assert "hunter 2" not in answer
    assert "[secret]" in answer


async def test_another_field_manager_takes_the_fields_along(
    provider: Engine, api: KubernetesApi, namespace: str
) -> None:
    def managed(name: str, **data: str) -> dict[str, Any]:
        metadata = {"name": "c", "namespace": namespace, "annotations": {"pulumi.com/patchFieldManager": name}}
        return of(CONFIG_MAP, metadata, data=data)

    made = await provider.create(CONFIG_MAP, "c", managed("first", a="1", b="2"))
    updated = await provider.update(made, managed("first", a="1", b="3"))
    renamed = await provider.update(updated, managed("second", a="1"))
    assert renamed.plain("data") == {"a": "1"}
    assert renamed.plain("__fieldManager") == "second"


async def test_imports(provider: Engine, api: KubernetesApi, namespace: str) -> None:
    await put(api, of(CONFIG_MAP, {"name": "theirs", "namespace": namespace}, data={"a": "1"}))
    imported = await provider.import_(CONFIG_MAP, "c", f"{namespace}/theirs")
    assert imported is not None
    metadata = {"name": "theirs", "namespace": namespace}
    assert imported.inputs == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}}
    by_name = await provider.import_(NAMESPACE, "n", namespace)
    assert by_name is not None
    assert by_name.resource_id == namespace
    assert await provider.import_(CONFIG_MAP, "c", f"{namespace}/nobody") is None


async def test_deletion_waits_until_it_is_gone(provider: Engine, api: KubernetesApi) -> None:
    made = await provider.create(NAMESPACE, "n", of(NAMESPACE, {"name": "short-lived"}))
    await provider.create(CONFIG_MAP, "c", of(CONFIG_MAP, {"name": "inside", "namespace": "short-lived"}))
    await provider.delete(made)
    assert await seen(api, "v1", "Namespace", None, "short-lived") is None


async def test_deletion_that_is_held_up_says_by_what(provider: Engine, api: KubernetesApi, namespace: str) -> None:
    metadata = {"name": "held", "namespace": namespace, "finalizers": ["lab.test/held"]}
    made = await provider.create(CONFIG_MAP, "c", of(CONFIG_MAP, metadata))
    answer = await refusal(provider.delete(made, seconds=1))
    assert f"ConfigMap {namespace}/held is not gone after 1 s; its finalizers: lab.test/held" in answer
    resource_type = await api.resource_type("v1", "ConfigMap")
    assert resource_type is not None
    await api.merge(resource_type, namespace, "held", {"metadata": {"finalizers": None}})
    await provider.delete(made)


async def test_what_belongs_to_it_can_be_left(provider: Engine, api: KubernetesApi, namespace: str) -> None:
    orphaning = {
        "name": "web",
        "namespace": namespace,
        "annotations": {"pulumi.com/deletionPropagationPolicy": "orphan"},
    }
    made = await provider.create(DEPLOYMENT, "d", manifests.workload(DEPLOYMENT, orphaning, replicas=1))
    await provider.delete(made)
    replica_sets = await api.resource_type("apps/v1", "ReplicaSet")
    assert replica_sets is not None
    assert len(await api.list(replica_sets, namespace)) == 1


async def test_create_is_noted_before_it_is_done(provider: Engine, surroundings: Surroundings, namespace: str) -> None:
    inputs = of(CONFIG_MAP, {"name": "c", "namespace": namespace}, data={"a": "1"})
    made = await provider.create(CONFIG_MAP, "c", inputs)
    noted = surroundings.store.get(JOURNAL, provider.urn(CONFIG_MAP, "c"))
    assert noted is not None
    assert noted["id"] == f"{namespace}/c"
    # An engine that lost the answer has the inputs and, by the note, the id.
    lost = await provider.read(type(made)(CONFIG_MAP, "c", str(noted["id"]), made.inputs))
    assert lost is not None
    assert lost.properties == made.properties
    await provider.delete(made)
    assert surroundings.store.get(JOURNAL, provider.urn(CONFIG_MAP, "c")) is None


async def test_many_at_once(provider: Engine, namespace: str) -> None:
    names = [f"c{number}" for number in range(40)]
    made = await asyncio.gather(
        *(provider.create(CONFIG_MAP, name, of(CONFIG_MAP, {"name": name, "namespace": namespace})) for name in names)
    )
    assert {one.resource_id for one in made} == {f"{namespace}/{name}" for name in names}


@pytest.mark.parametrize("name", ["Bad_Name", "x" * 254])
async def test_names_that_no_object_can_have(provider: Engine, namespace: str, name: str) -> None:
    answer = await refusal(provider.preview(CONFIG_MAP, "c", of(CONFIG_MAP, {"name": name, "namespace": namespace})))
    assert "422 Unprocessable Entity" in answer
    assert "metadata.name" in answer
