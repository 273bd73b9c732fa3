"""Previews ask the API server, as far as it can be asked yet."""

from collections.abc import Callable

import pytest

from tests.twin.provider_kubernetes import manifests
from tests.twin.provider_kubernetes.conftest import define, put, seen
from tests.twin.provider_kubernetes.control_plane import ControlPlane
from tests.twin.provider_kubernetes.engine import Engine, Known, Messages
from tests.twin.provider_kubernetes.manifests import CONFIG_MAP, DEPLOYMENT, SERVICE, WIDGET, of
from tests.twin.provider_kubernetes.test_checks import UNREACHABLE
from tests.twin.refusals import refusal
from twin.kubernetes.api import KubernetesApi
from twin.providers import wire
from twin.providers.kubernetes import provider as provider_module


async def test_preview_is_what_the_api_server_would_make(provider: Engine, api: KubernetesApi, namespace: str) -> None:
    inputs = of(SERVICE, {"name": "s", "namespace": namespace}, spec={"ports": [{"port": 80}]})
    planned = await provider.preview(SERVICE, "s", inputs)
    spec = wire.reveal(planned["spec"])
    assert isinstance(spec, dict)
    assert spec["type"] == "ClusterIP"
    assert "status" not in planned
    assert await seen(api, "v1", "Service", namespace, "s") is None


async def test_refusals_of_the_api_server_come_at_preview(provider: Engine, namespace: str) -> None:
    inputs = of(SERVICE, {"name": "s", "namespace": namespace}, spec={"ports": [{"port": 80}, {"port": 81}]})
    answer = await refusal(provider.preview(SERVICE, "s", inputs))
    assert "422 Unprocessable Entity: kubernetes:core/v1:Service s would not be created" in answer
    assert "spec.ports[0].name: Required value" in answer


async def test_update_is_previewed_without_being_made(provider: Engine, api: KubernetesApi, namespace: str) -> None:
    metadata = {"name": "c", "namespace": namespace}
    made = await provider.create(CONFIG_MAP, "c", of(CONFIG_MAP, metadata, data={"a": "1"}))
    planned = await provider.update(made, of(CONFIG_MAP, metadata, data={"a": "2"}), preview=True)
    assert planned.plain("data") == {"a": "2"}
    live = await seen(api, "v1", "ConfigMap", namespace, "c")
    assert live is not None
    assert live["data"] == {"a": "1"}
    labelled = of(CONFIG_MAP, {**metadata, "labels": {"a": "not a label!"}}, data={"a": "1"})
    assert "would not be updated" in await refusal(provider.update(made, labelled, preview=True))


async def test_custom_resource_with_a_wrong_field(provider: Engine, api: KubernetesApi, namespace: str) -> None:
    metadata = {"name": "w", "namespace": namespace}
    # Before its definition, nobody knows its fields.
    early = of("kubernetes:lab.test/v1:Gadget", metadata, spec={"sise": 1})
    assert (await provider.preview("kubernetes:lab.test/v1:Gadget", "g", early))["spec"] == {"sise": 1}
    await define(api, "Widget")
    answer = await refusal(provider.preview(WIDGET, "w", of(WIDGET, metadata, spec={"sise": 1})))
    assert 'unknown field "spec.sise"' in answer
    answer = await refusal(provider.preview(WIDGET, "w", of(WIDGET, metadata, spec={"size": "big"})))
    assert "spec.size" in answer
    assert (await provider.preview(WIDGET, "w", of(WIDGET, metadata, spec={"size": 1})))["spec"] == {"size": 1}


async def test_what_comes_with_the_same_run_is_not_missed(provider: Engine) -> None:
    inputs = of(CONFIG_MAP, {"name": "c", "namespace": "not-yet"}, data={"a": "1"})
    assert (await provider.preview(CONFIG_MAP, "c", inputs))["data"] == {"a": "1"}
    unknown = of(CONFIG_MAP, {"name": "c", "namespace": wire.UNKNOWN}, data={"a": "1"})
    assert (await provider.preview(CONFIG_MAP, "c", unknown))["metadata"] == {"name": "c", "namespace": wire.UNKNOWN}


async def test_what_is_still_missing_fails(provider: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_module, "RETRY_PAUSES", (0.05, 0.05))
    answer = await refusal(provider.create(CONFIG_MAP, "c", of(CONFIG_MAP, {"name": "c", "namespace": "never"})))
    assert '404 Not Found: kubernetes:core/v1:ConfigMap c was not created: namespaces "never" not found' in answer
    assert "let the resource depend on its namespace" in answer
    token = "kubernetes:lab.test/v1:Never"
    answer = await refusal(provider.create(token, "n", of(token, {"name": "n", "namespace": "default"})))
    assert 'no matches for kind "Never" in version "lab.test/v1"' in answer


async def test_what_comes_a_little_later_is_waited_for(
    provider: Engine, api: KubernetesApi, namespace: str, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_module, "RETRY_PAUSES", (0.1,) * 50)
    token = "kubernetes:lab.test/v1:Late"
    creating = provider.create(token, "l", of(token, {"name": "l", "namespace": namespace}, spec={"size": 1}))
    await put(api, manifests.definition("Late"))
    assert (await creating).resource_id == f"{namespace}/l"
    assert all("again in 0.1 s" in one.message for one in messages.taken)


async def test_cluster_out_of_reach_passes_at_preview_and_fails_afterwards(
    provider: Engine, messages: Messages
) -> None:
    await provider.configure({"kubeconfig": UNREACHABLE})
    inputs = of(CONFIG_MAP, {"name": "c"}, data={"a": "1"})
    assert (await provider.preview(CONFIG_MAP, "c", inputs))["data"] == {"a": "1"}
    await provider.preview(CONFIG_MAP, "d", inputs)
    (warning,) = messages.texts()
    assert "the cluster is unreachable, so nothing is checked against it" in warning
    assert "configured Kubernetes cluster is unreachable" in await refusal(provider.create(CONFIG_MAP, "c", inputs))


async def test_cluster_that_is_gone(
    more_engines: Callable[[], Engine], cluster: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = more_engines()
    gone = cluster.kubeconfig.replace(cluster.access.server, "https://127.0.0.1:9")
    await engine.configure({"kubeconfig": gone})
    checked = await engine.check(CONFIG_MAP, "c", of(CONFIG_MAP, {"name": "c"}))
    known = Known(CONFIG_MAP, "c", "default/c", checked, checked)
    for call in (engine.read(known), engine.delete(known)):
        answer = await refusal(call)
        assert "configured Kubernetes cluster is unreachable: https://127.0.0.1:9 cannot be reached" in answer
        assert "set `deleteUnreachable`" in answer
    await engine.configure({"kubeconfig": gone, "skipUpdateUnreachable": "true"})
    kept = await engine.read(known)
    assert kept is not None
    assert kept.inputs == checked
    await engine.configure({"kubeconfig": gone, "deleteUnreachable": "true"})
    assert await engine.read(known) is None
    await engine.delete(known)
    monkeypatch.setenv("PULUMI_K8S_DELETE_UNREACHABLE", "true")
    await engine.configure({"kubeconfig": gone})
    await engine.delete(known)


async def test_no_change_asks_nobody(more_engines: Callable[[], Engine], cluster: ControlPlane) -> None:
    engine = more_engines()
    gone = cluster.kubeconfig.replace(cluster.access.server, "https://127.0.0.1:9")
    await engine.configure({"kubeconfig": gone})
    inputs = manifests.workload(DEPLOYMENT, {"name": "d"}, replicas=1)
    checked = await engine.check(DEPLOYMENT, "d", inputs)
    assert (await engine.diff(Known(DEPLOYMENT, "d", "default/d", checked, checked), inputs)).changes == 1
