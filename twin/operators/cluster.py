"""A running cluster as the operators in it see it: its API in few words, and the lab around it."""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, NewType

from model.lab import Lab
from twin.faults import Faults
from twin.kubernetes.api import ApiStatusError, KubernetesApi, Object, ResourceType, UnreachableError
from twin.operators.hardware import DevicesOf
from twin.store import Store

LOG = logging.getLogger(__name__)

SETTLING_SECONDS: Final = 0.2
"""Between a definition that is established and the discovery that tells of it."""
ASK_AGAIN_SECONDS: Final = 30.0

VaultSecrets = Callable[[], Mapping[str, Mapping[str, str]]]
"""The tree `vault_secrets` of the lab's secrets: properties by path, e.g. `core/lldap`; read anew at each call."""

Operator = NewType("Operator", str)
"""Name of an operator: the target of faults, the field manager and the source of events."""


@dataclass(frozen=True)
class Kind:
    """A kind of object in one version of its API."""

    api_version: str
    kind: str

    @property
    def group(self) -> str:
        """Empty for the core API."""
        return self.api_version.rpartition("/")[0]


CONFIG_MAP: Final = Kind("v1", "ConfigMap")
CUSTOM_RESOURCE_DEFINITION: Final = Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition")
EVENT: Final = Kind("v1", "Event")
NAMESPACE: Final = Kind("v1", "Namespace")
NODE: Final = Kind("v1", "Node")
PERSISTENT_VOLUME: Final = Kind("v1", "PersistentVolume")
PERSISTENT_VOLUME_CLAIM: Final = Kind("v1", "PersistentVolumeClaim")
POD: Final = Kind("v1", "Pod")
SECRET: Final = Kind("v1", "Secret")
SERVICE: Final = Kind("v1", "Service")
SERVICE_ACCOUNT: Final = Kind("v1", "ServiceAccount")
STATEFUL_SET: Final = Kind("apps/v1", "StatefulSet")
STORAGE_CLASS: Final = Kind("storage.k8s.io/v1", "StorageClass")


class NotReadyError(Exception):
    """An object is not, or not yet, what its specification asks for; tried again later."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        """One word in camel case, as conditions and events have it."""
        self.message = message


@dataclass(frozen=True)
class Around:
    """What is outside of the clusters, and the same for all of them."""

    lab: Lab
    faults: Faults
    store: Store
    """Outlives every cluster: what the lab's object stores and the certificate authorities remember."""
    cache: Path
    """Of built tools."""
    secrets: VaultSecrets
    devices: DevicesOf


class Cluster:
    """One cluster's API, for every operator in it."""

    def __init__(self, name: str, api: KubernetesApi, around: Around) -> None:
        self.name = name
        self.api = api
        self.around = around
        self._established: set[tuple[str, str]] = set()
        self._arrival = asyncio.Condition()
        self._with_status: dict[ResourceType, bool] = {}

    async def served(self, kind: Kind) -> ResourceType:
        """Wait until the API server serves the kind."""
        while True:
            try:
                found = await self.api.resource_type(kind.api_version, kind.kind)
                if found is not None:
                    return found
            except (ApiStatusError, UnreachableError) as error:
                LOG.debug("%s: %s", self.name, error)
                await asyncio.sleep(SETTLING_SECONDS)
                continue
            await self._definition(kind)

    async def follow_definitions(self) -> None:
        """Keep track of the custom resource definitions, for ever."""
        while True:
            try:
                resource = await self.api.resource_type(
                    CUSTOM_RESOURCE_DEFINITION.api_version, CUSTOM_RESOURCE_DEFINITION.kind
                )
                if resource is not None:
                    async for event, item in self.api.watch(resource):
                        await self._definition_changed(event, item)
            except (ApiStatusError, UnreachableError) as error:
                LOG.debug("%s: %s", self.name, error)
            await asyncio.sleep(1.0)

    def is_established(self, definition: Object) -> bool:
        """Whether the API server serves what the definition defines, as far as it has told."""
        return _identity(definition) in self._established

    async def find(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        """The object; None when there is none, or nothing of its kind can be."""
        resource = await self.api.resource_type(kind.api_version, kind.kind)
        return None if resource is None else await self.api.get(resource, namespace, name)

    async def all(self, kind: Kind, namespace: str | None = None) -> list[Object]:
        """Every object of the kind (in the namespace), by namespace and name; none while nothing of its kind can be."""
        resource = await self.api.resource_type(kind.api_version, kind.kind)
        if resource is None:
            return []
        try:
            found = await self.api.list(resource, namespace)
        except ApiStatusError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return []
            raise
        return sorted(found, key=key_of)

    async def apply(self, operator: Operator, body: Object) -> Object:
        """Make the object so; NotReadyError while nothing of its kind can be."""
        resource = await self.api.resource_type(body["apiVersion"], body["kind"])
        if resource is None:
            raise NotReadyError("NoMatch", f'no matches for kind "{body["kind"]}" in version "{body["apiVersion"]}"')
        metadata = body["metadata"]
        return await self.api.apply(
            resource, metadata.get("namespace"), metadata["name"], body, field_manager=operator, force=True
        )

    async def create(self, operator: Operator, body: Object) -> bool:
        """Make the object unless it is there; whether it was made."""
        resource = await self.api.resource_type(body["apiVersion"], body["kind"])
        if resource is None:
            raise NotReadyError("NoMatch", f'no matches for kind "{body["kind"]}" in version "{body["apiVersion"]}"')
        try:
            await self.api.create(resource, body["metadata"].get("namespace"), body, field_manager=operator)
        except ApiStatusError as error:
            if error.reason != "AlreadyExists":
                raise
            return False
        return True

    async def merge(self, found: Object, patch: Object) -> Object:
        """Change the object by a merge patch, unless it would change nothing; returns it as it is then."""
        if not _changes(found, patch):
            return found
        resource = await self._resource(found)
        return await self.api.merge(resource, found["metadata"].get("namespace"), found["metadata"]["name"], patch)

    async def set_status(self, found: Object, status: Object) -> None:
        """Change the keys of the status that differ; None removes one. A list is replaced as a whole."""
        if not _changes(found.get("status") or {}, status):
            return
        resource = await self._resource(found)
        metadata = found["metadata"]
        subresource = "status" if await self._has_status(resource) else None
        try:
            await self.api.merge(
                resource, metadata.get("namespace"), metadata["name"], {"status": status}, subresource=subresource
            )
        except ApiStatusError as error:
            if error.code != HTTPStatus.NOT_FOUND:
                raise

    async def remove(self, kind: Kind, namespace: str | None, name: str) -> None:
        """Delete the object; one that is not there is fine."""
        resource = await self.api.resource_type(kind.api_version, kind.kind)
        if resource is not None:
            await self.api.delete(resource, namespace, name)

    async def tell(self, operator: Operator, about: Object, reason: str, message: str, *, warning: bool = True) -> None:
        """An event about the object, once for each message."""
        metadata = about["metadata"]
        digest = hashlib.sha256(f"{metadata['uid']} {reason} {message}".encode()).hexdigest()[:16]
        moment = now()
        namespace = metadata.get("namespace", "default")
        await self.create(
            operator,
            {
                "apiVersion": EVENT.api_version,
                "kind": EVENT.kind,
                "metadata": {"name": f"{metadata['name']}.{digest}"[-253:], "namespace": namespace},
                "involvedObject": {
                    "apiVersion": about["apiVersion"],
                    "kind": about["kind"],
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                    "resourceVersion": metadata["resourceVersion"],
                    **({"namespace": metadata["namespace"]} if "namespace" in metadata else {}),
                },
                "type": "Warning" if warning else "Normal",
                "reason": reason,
                "message": message[:1024],
                "source": {"component": operator},
                "reportingComponent": operator,
                "firstTimestamp": moment,
                "lastTimestamp": moment,
                "count": 1,
            },
        )

    async def secret_value(self, namespace: str, name: str, key: str) -> str:
        """Base64 of the key, as the Secret has it; NotReadyError when Secret or key is missing."""
        secret = await self.find(SECRET, namespace, name)
        if secret is None:
            raise NotReadyError("SecretNotFound", f'secrets "{name}" not found in namespace {namespace}')
        data: Mapping[str, str] = secret.get("data") or {}
        if key not in data:
            raise NotReadyError(
                "SecretKeyNotFound",
                f'secret {namespace}/{name} has no key "{key}"; it has {", ".join(sorted(data)) or "none"}',
            )
        return data[key]

    async def _resource(self, found: Object) -> ResourceType:
        return await self.served(Kind(found["apiVersion"], found["kind"]))

    async def _has_status(self, resource: ResourceType) -> bool:
        if resource not in self._with_status:
            definition = await self.find(CUSTOM_RESOURCE_DEFINITION, None, f"{resource.plural}.{resource.group}")
            versions: list[Object] = [] if definition is None else definition["spec"]["versions"]
            version = next((one for one in versions if one["name"] == resource.version), None)
            self._with_status[resource] = version is None or "status" in (version.get("subresources") or {})
        return self._with_status[resource]

    async def _definition(self, kind: Kind) -> None:
        async with self._arrival:
            if (kind.group, kind.kind) not in self._established:
                with suppress(TimeoutError):
                    async with asyncio.timeout(ASK_AGAIN_SECONDS):
                        await self._arrival.wait()
                return
        await asyncio.sleep(SETTLING_SECONDS)

    async def _definition_changed(self, event: str, item: Object) -> None:
        identity = _identity(item)
        if event == "DELETED":
            self._established.discard(identity)
        elif identity not in self._established and is_true(item, "Established"):
            async with self._arrival:
                self._established.add(identity)
                self._arrival.notify_all()


def key_of(item: Object) -> tuple[str, str]:
    """Namespace (empty when it has none) and name."""
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def now() -> str:
    """The time as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_true(item: Object, condition: str) -> bool:
    """Whether the condition is there and true."""
    conditions = (item.get("status") or {}).get("conditions") or ()
    return any(one["type"] == condition and one["status"] == "True" for one in conditions)


def with_condition(
    found: Object, condition: str, *, true: bool, reason: str, message: str = "", generation: bool = False
) -> list[Object]:
    """The conditions of the object with this one: its transition time changes only when its status does."""
    present: list[Object] = (found.get("status") or {}).get("conditions") or []
    before = next((one for one in present if one["type"] == condition), None)
    status = "True" if true else "False"
    kept = before is not None and before["status"] == status and "lastTransitionTime" in before
    one: Object = {
        "type": condition,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": before["lastTransitionTime"] if before is not None and kept else now(),
    }
    if generation:
        one["observedGeneration"] = found["metadata"].get("generation", 1)
    return [other for other in present if other["type"] != condition] + [one]


def owned(owner: Object, body: Object) -> Object:
    """The body with a reference to its owner: it goes when the owner goes."""
    reference: Object = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
    }
    copy = deepcopy(body)
    copy["metadata"]["ownerReferences"] = [reference]
    return copy


def _identity(definition: Object) -> tuple[str, str]:
    return definition["spec"]["group"], definition["spec"]["names"]["kind"]


def _changes(before: Any, patch: Any) -> bool:
    if not isinstance(patch, dict):
        return before != patch
    if not isinstance(before, dict):
        return True
    return any(
        key in before if value is None else key not in before or _changes(before[key], value)
        for key, value in patch.items()
    )
