"""The cluster of a provider resource: how it is reached, and what else the provider was told."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

from model.base import Value
from twin.kubernetes.access import KubeconfigError
from twin.kubernetes.api import ApiStatusError, KubernetesApi, UnreachableError
from twin.providers.inputs import Violation
from twin.providers.kinds import State
from twin.providers.kubernetes.objects import CLUSTER_SCOPED, split_api_version

DEFAULT_NAMESPACE: Final = "default"
NOT_EMULATED: Final[Mapping[str, str]] = {
    "renderYamlToDirectory": "the twin does not write manifests: it applies them",
    "alwaysRender": "the twin does not write manifests: it applies them",
}
ENVIRONMENT: Final[Mapping[str, str]] = {
    "deleteUnreachable": "PULUMI_K8S_DELETE_UNREACHABLE",
    "enableConfigMapMutable": "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE",
    "enablePatchForce": "PULUMI_K8S_ENABLE_PATCH_FORCE",
    "enableSecretMutable": "PULUMI_K8S_ENABLE_SECRET_MUTABLE",
    "skipUpdateUnreachable": "PULUMI_K8S_SKIP_UPDATE_UNREACHABLE",
    "upsertExistingObjects": "PULUMI_K8S_UPSERT_EXISTING_OBJECTS",
}
"""Settings that the provider takes of its own environment, the daemon's, when its configuration has them not."""


class Settings(Value):
    """A provider's configuration."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    kubeconfig: str = ""
    context: str | None = None
    cluster: str | None = None
    namespace: str | None = None
    delete_unreachable: bool = False
    skip_update_unreachable: bool = False
    enable_server_side_apply: bool = True
    enable_patch_force: bool = False
    enable_config_map_mutable: bool = False
    enable_secret_mutable: bool = False
    upsert_existing_objects: bool = False


def read_settings(configuration: State) -> Settings:
    """The settings of a configuration, and of the environment for what that does not say."""
    around = {name: os.environ[variable] == "true" for name, variable in ENVIRONMENT.items() if variable in os.environ}
    return Settings.model_validate({**around, **configuration})


@dataclass
class Cluster:
    """The cluster of one provider resource, as it was when that was configured."""

    settings: Settings
    namespace: str = DEFAULT_NAMESPACE
    """Where an object goes that names none."""
    client: KubernetesApi | None = None
    unreachable: str = ""
    """Why it cannot be asked; empty when it can."""
    warned: bool = False
    """Whether a person was told that it is unreachable."""

    async def is_namespaced(self, api_version: str, kind: str) -> bool:
        """Whether objects of the kind belong to a namespace; taken to be so while no one knows."""
        group, _ = split_api_version(api_version)
        if (group, kind) in CLUSTER_SCOPED:
            return False
        if self.client is None or self.unreachable or "." not in group or group.endswith(".k8s.io"):
            return True
        try:
            found = await self.client.resource_type(api_version, kind)
        except (ApiStatusError, UnreachableError):
            return True
        return found is None or found.namespaced


class Clients:
    """Clients of API servers, one per kubeconfig and context, so that connections are used again."""

    def __init__(self) -> None:
        self._clients: dict[str, KubernetesApi] = {}

    async def connect(self, settings: Settings) -> Cluster:
        """The cluster that the settings tell; unreachable when it does not answer, or the kubeconfig is wrong."""
        try:
            document = read_kubeconfig(settings.kubeconfig)
            chosen = _chosen(document, settings)
            text = yaml.safe_dump(chosen.document)
            client = self._client(text, chosen.context)
        except KubeconfigError as error:
            return Cluster(settings, settings.namespace or DEFAULT_NAMESPACE, unreachable=str(error))
        cluster = Cluster(settings, settings.namespace or chosen.namespace or DEFAULT_NAMESPACE, client)
        try:
            await client.read("/version")
        except (ApiStatusError, UnreachableError) as error:
            cluster.unreachable = str(error)
        return cluster

    async def close(self) -> None:
        """Let go of every connection."""
        while self._clients:
            _, client = self._clients.popitem()
            await client.close()

    def _client(self, text: str, context: str | None) -> KubernetesApi:
        key = hashlib.sha256(f"{context}\n{text}".encode()).hexdigest()
        if key not in self._clients:
            self._clients[key] = KubernetesApi.from_kubeconfig(text, context)
        return self._clients[key]


@dataclass(frozen=True)
class _Chosen:
    """The part of a kubeconfig that a provider uses."""

    document: State
    context: str | None
    namespace: str | None


def read_kubeconfig(given: str) -> State:
    """The kubeconfig that is given as text, or as the path of a file; KubeconfigError when it is neither."""
    text = given
    if "\n" not in given and not given.lstrip().startswith("{"):
        path = Path(given).expanduser()
        try:
            text = path.read_text()
        except OSError as error:
            raise KubeconfigError(f"the kubeconfig {path} cannot be read: {error.strerror}") from error
    try:
        document: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise KubeconfigError(f"the kubeconfig is no YAML: {error}") from error
    if not isinstance(document, dict):
        raise KubeconfigError("the kubeconfig is no mapping with `clusters`, `contexts` and `users`")
    return document


def active_cluster(configuration: Mapping[str, Any]) -> State | None:
    """How a kubeconfig reaches the cluster that the configuration means; None when it does not tell."""
    try:
        document = read_kubeconfig(str(configuration.get("kubeconfig") or ""))
    except KubeconfigError:
        return None
    context = _entry(document, "contexts", configuration.get("context") or document.get("current-context"))
    name = configuration.get("cluster") or (context or {}).get("context", {}).get("cluster")
    found = _entry(document, "clusters", name)
    return None if found is None else found.get("cluster")


def settings_violations(configuration: State) -> list[Violation]:
    """What the twin cannot do."""
    found = [Violation(name, why) for name, why in NOT_EMULATED.items() if configuration.get(name)]
    if configuration.get("enableServerSideApply") is False:
        found.append(Violation("enableServerSideApply", "the twin does not emulate client-side apply; leave it out"))
    return found


def _chosen(document: State, settings: Settings) -> _Chosen:
    """The kubeconfig with the cluster that the provider names in place of its context's."""
    name = settings.context or document.get("current-context")
    entry = _entry(document, "contexts", name)
    if entry is None:
        return _Chosen(document, settings.context, None)
    context: State = entry.get("context") or {}
    if settings.cluster is not None:
        entry["context"] = {**context, "cluster": settings.cluster}
    return _Chosen(document, settings.context, context.get("namespace"))


def _entry(document: Mapping[str, Any], section: str, name: Any) -> State | None:
    entries: Any = document.get(section) or ()
    return next((entry for entry in entries if isinstance(entry, dict) and entry.get("name") == name), None)
