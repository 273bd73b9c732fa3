"""Helm releases: recorded, their definitions brought, nothing rendered."""

import base64
import gzip
import json
from typing import Any

import pytest

from tests.twin.provider_client import RefusedError
from tests.twin.provider_kubernetes.conftest import seen
from tests.twin.provider_kubernetes.engine import Engine, Messages
from tests.twin.refusals import refusal
from twin.kubernetes.api import KubernetesApi
from twin.providers import wire

RELEASE = "kubernetes:helm.sh/v3:Release"
ARGO: wire.Value = {"repo": "https://argoproj.github.io/argo-helm"}


def argo_cd(**more: Any) -> dict[str, Any]:
    return {"chart": "argo-cd", "version": "8.2.7", "repositoryOpts": ARGO, "name": "argocd", **more}


async def test_life_of_a_release(provider: Engine, api: KubernetesApi, messages: Messages) -> None:
    values = {"configs": {"secret": wire.Secret("hunter2")}, "server": {"replicas": 1}}
    inputs = argo_cd(namespace="argocd", createNamespace=True, values=values)
    made = await provider.create(RELEASE, "argo-cd", inputs)
    assert made.resource_id == "argocd/argocd"
    assert made.plain("status")["status"] == "deployed"
    assert "hunter2" not in repr({k: v for k, v in made.properties.items() if k != "values"})
    assert isinstance(made.properties["values"], dict)
    assert await seen(api, "v1", "Namespace", None, "argocd") is not None
    assert await api.resource_type("argoproj.io/v1alpha1", "Application") is not None
    (warning,) = messages.texts()
    assert "the twin renders no chart: of argo-cd there are argo-cd custom resource definitions" in warning

    record = await seen(api, "v1", "Secret", "argocd", "sh.helm.release.v1.argocd.v1")
    assert record is not None
    assert record["type"] == "helm.sh/release.v1"
    packed = base64.b64decode(base64.b64decode(record["data"]["release"]))
    document = json.loads(gzip.decompress(packed))
    assert (document["name"], document["config"]["server"]) == ("argocd", {"replicas": 1})

    changed = argo_cd(namespace="argocd", createNamespace=True, values={**values, "server": {"replicas": 2}})
    assert list((await provider.diff(made, changed)).detailedDiff) == ["values.server.replicas"]
    upgraded = await provider.update(made, changed)
    assert upgraded.plain("status")["revision"] == 2
    before = await seen(api, "v1", "Secret", "argocd", "sh.helm.release.v1.argocd.v1")
    assert before is not None
    assert before["metadata"]["labels"]["status"] == "superseded"
    read = await provider.read(upgraded)
    assert read is not None
    assert read.inputs == upgraded.inputs

    answer = await refusal(provider.create(RELEASE, "again", argo_cd(namespace="argocd")))
    assert "cannot re-use a name that is still in use: argocd/argocd" in answer
    moved = argo_cd(namespace="elsewhere", createNamespace=True)
    assert list((await provider.diff(made, moved)).replaces) == ["namespace"]

    await provider.delete(upgraded)
    assert await provider.read(upgraded) is None
    # Helm leaves definitions behind: with them would go every Application.
    assert await api.resource_type("argoproj.io/v1alpha1", "Application") is not None
    imported = await provider.import_(RELEASE, "x", "argocd/argocd")
    assert imported is None


async def test_definitions_come_when_the_values_ask_for_them(
    provider: Engine, api: KubernetesApi, messages: Messages, namespace: str
) -> None:
    async def issuers() -> bool:
        return await api.resource_type("cert-manager.io/v1", "Issuer") is not None

    repository: wire.Value = {"repo": "https://charts.jetstack.io"}
    chart = {"chart": "cert-manager", "repositoryOpts": repository, "name": "cm", "namespace": namespace}
    made = await provider.create(RELEASE, "cm", chart)
    assert not await issuers()
    assert "of cert-manager there are no custom resource definitions" in messages.texts()[0]
    await provider.update(made, {**chart, "values": {"crds": {"enabled": True}}})
    assert await issuers()


async def test_namespace_must_be_there_or_wanted(provider: Engine) -> None:
    answer = await refusal(provider.create(RELEASE, "a", argo_cd(namespace="nowhere")))
    assert 'namespaces "nowhere" not found; `createNamespace` makes it' in answer


async def test_name_and_time_limit_are_filled_in(provider: Engine) -> None:
    checked = await provider.check(RELEASE, "argo-cd", {"chart": "argo-cd", "repositoryOpts": ARGO})
    assert (checked["name"], checked["namespace"], checked["timeout"]) == ("argo-cd-00010203", "default", 300)
    again = await provider.check(RELEASE, "argo-cd", {"chart": "argo-cd", "repositoryOpts": ARGO}, checked)
    assert again["name"] == checked["name"]


async def test_what_no_table_knows_is_refused(provider: Engine) -> None:
    with pytest.raises(RefusedError, match="chart: the twin does not know what chart nobody"):
        await provider.check(RELEASE, "a", argo_cd(chart="nobody-s"))
    with pytest.raises(RefusedError, match="postrender: the twin renders no chart"):
        await provider.check(RELEASE, "a", argo_cd(postrender="kustomize"))
    with pytest.raises(RefusedError, match="createNamespce: is not a property here; did you mean `createNamespace`"):
        await provider.check(RELEASE, "a", argo_cd(createNamespce=True))
