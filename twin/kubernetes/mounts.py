"""What a kubelet does before it starts the containers of a pod: fetch the Secrets and ConfigMaps and mount the claims.

While one of them is missing the pod does not start, and says why as a kubelet does. kwok goes on when all are there.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from twin.kubernetes.api import ApiStatusError, KubernetesApi, Object, ResourceType, UnreachableError
from twin.kubernetes.kubelets import MOUNTED
from twin.kubernetes.nodes import KUBELET

LOG = logging.getLogger(__name__)

PODS: Final = ResourceType("", "v1", "pods", "Pod", namespaced=True)
EVENTS: Final = ResourceType("", "v1", "events", "Event", namespaced=True)
SECRETS: Final = ResourceType("", "v1", "secrets", "Secret", namespaced=True)
CONFIG_MAPS: Final = ResourceType("", "v1", "configmaps", "ConfigMap", namespaced=True)
CLAIMS: Final = ResourceType("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", namespaced=True)

VOLUMES: Final = ResourceType("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False)
CSI_NODES: Final = ResourceType("storage.k8s.io", "v1", "csinodes", "CSINode", namespaced=False)

FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 3.0
"""Between two looks for what is missing; a kubelet's go up to two minutes."""
TOGETHER: Final = 8
"""How many pods are looked at at a time."""


@dataclass(frozen=True)
class Source:
    """A Secret or ConfigMap that a pod names."""

    kind: ResourceType
    name: str
    keys: tuple[str, ...]
    """That it must have."""
    volume: str | None
    """Through which it comes; None when it is a container's environment."""


@dataclass(frozen=True)
class Lack:
    """Why the containers of a pod cannot start."""

    reason: str
    """Of the waiting containers, e.g. `CreateContainerConfigError`."""
    event: str
    message: str


def sources(pod: Object) -> tuple[Source, ...]:
    """What the pod cannot start without, each once; what it marks as optional is left out."""
    return tuple(dict.fromkeys((*_of_volumes(pod), *_of_containers(pod))))


def claims(pod: Object) -> tuple[str, ...]:
    """Names of the volume claims that the pod mounts."""
    volumes: list[Object] = pod["spec"].get("volumes") or []
    return tuple(v["persistentVolumeClaim"]["claimName"] for v in volumes if "persistentVolumeClaim" in v)


def driver_of(volume: Object | None) -> str | None:
    """The CSI driver of a PersistentVolume; None when it needs none, or is not there."""
    return None if volume is None else (volume["spec"].get("csi") or {}).get("driver")


def drivers_on(node: Object | None) -> frozenset[str]:
    """The drivers that a CSINode registers."""
    return frozenset() if node is None else frozenset(one["name"] for one in node["spec"].get("drivers") or ())


def _of_volumes(pod: Object) -> Iterator[Source]:
    for volume in pod["spec"].get("volumes") or ():
        parts: Iterable[Object] = (volume, *((volume.get("projected") or {}).get("sources") or ()))
        for part in parts:
            if "secret" in part:
                name = part["secret"].get("secretName") or part["secret"].get("name")
                yield from _source(SECRETS, {**part["secret"], "name": name}, _items(part["secret"]), volume["name"])
            if "configMap" in part:
                yield from _source(CONFIG_MAPS, part["configMap"], _items(part["configMap"]), volume["name"])


def _of_containers(pod: Object) -> Iterator[Source]:
    for container in (*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]):
        for origin in container.get("envFrom") or ():
            yield from _source(SECRETS, origin.get("secretRef"), ())
            yield from _source(CONFIG_MAPS, origin.get("configMapRef"), ())
        for variable in container.get("env") or ():
            origin: Object = variable.get("valueFrom") or {}
            for kind, reference in ((SECRETS, "secretKeyRef"), (CONFIG_MAPS, "configMapKeyRef")):
                if reference in origin:
                    yield from _source(kind, origin[reference], (origin[reference]["key"],))


def _source(
    kind: ResourceType, reference: Mapping[str, Any] | None, keys: tuple[str, ...], volume: str | None = None
) -> Iterator[Source]:
    if reference and not reference.get("optional"):
        yield Source(kind, reference["name"], keys, volume)


def _items(reference: Object) -> tuple[str, ...]:
    return tuple(item["key"] for item in reference.get("items") or ())


class Mounts:
    """Lets the pods of one cluster start, on nodes whose machines are up."""

    def __init__(self, api: KubernetesApi, is_up: Callable[[str], bool]) -> None:
        """`is_up` tells of a node's name whether its machine, and so its kubelet, is there."""
        self._api = api
        self._is_up = is_up
        self._waiting: dict[str, asyncio.Task[None]] = {}
        """Pods whose containers have not started, by uid."""
        self._turn = asyncio.Semaphore(TOGETHER)

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            while True:
                try:
                    async for kind, pod in self._api.watch(PODS):
                        self._look(kind, pod)
                except (ApiStatusError, UnreachableError) as error:
                    # An API server that has just begun does not know its roles yet.
                    LOG.info("the pods cannot be watched now: %s", error)
                await asyncio.sleep(FIRST_PAUSE_SECONDS)
        finally:
            for task in self._waiting.values():
                task.cancel()
            await asyncio.gather(*self._waiting.values(), return_exceptions=True)

    def _look(self, kind: str, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        if kind == "DELETED" or not _starts(pod):
            task = self._waiting.pop(uid, None)
            if task is not None:
                task.cancel()
        elif uid not in self._waiting:
            self._waiting[uid] = asyncio.create_task(self._start(pod))

    async def _start(self, pod: Object) -> None:
        """Look until everything is there, telling what is not."""
        pause = FIRST_PAUSE_SECONDS
        told: Lack | None = None
        while True:
            if self._is_up(pod["spec"]["nodeName"]):
                try:
                    async with self._turn:
                        lack = await self._lack(pod)
                        if lack is None:
                            await self._tell(pod, {"conditions": [{"type": MOUNTED, "status": "True"}]})
                            return
                        if lack != told:
                            await self._tell(pod, _waiting_status(pod, lack))
                            await self._warn(pod, lack)
                            told = lack
                except (ApiStatusError, UnreachableError) as error:
                    LOG.debug("pod %s: %s", pod["metadata"]["name"], error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _lack(self, pod: Object) -> Lack | None:
        namespace = pod["metadata"]["namespace"]
        for name in claims(pod):
            claim = await self._api.get(CLAIMS, namespace, name)
            if claim is None:
                return Lack("ContainerCreating", "FailedMount", f'persistentvolumeclaim "{name}" not found')
            if (claim.get("status") or {}).get("phase") != "Bound":
                return Lack("ContainerCreating", "FailedMount", f'persistentvolumeclaim "{name}" is not bound')
            lack = await self._unmountable(claim["spec"]["volumeName"], pod["spec"]["nodeName"])
            if lack is not None:
                return lack
        for source in sources(pod):
            found = await self._api.get(source.kind, namespace, source.name)
            lack = _lack_of(source, namespace, found)
            if lack is not None:
                return lack
        return None

    async def _unmountable(self, volume: str, node: str) -> Lack | None:
        """Of a volume whose driver has no plugin on the node. The scheduler does not look there."""
        found = await self._api.get(VOLUMES, None, volume)
        driver = driver_of(found)
        if driver is None or driver in drivers_on(await self._api.get(CSI_NODES, None, node)):
            return None
        message = (
            f'MountVolume.MountDevice failed for volume "{volume}" : kubernetes.io/csi: attacher.MountDevice failed '
            f"to create newCsiDriverClient: driver name {driver} not found in the list of registered CSI drivers"
        )
        return Lack("ContainerCreating", "FailedMount", message)

    async def _tell(self, pod: Object, status: Object) -> None:
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        # The uid makes a pod of the same name that came since refuse it.
        metadata = {"name": name, "namespace": namespace, "uid": pod["metadata"]["uid"]}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status}
        await self._api.apply(PODS, namespace, name, body, field_manager=KUBELET, force=True, subresource="status")

    async def _warn(self, pod: Object, lack: Lack) -> None:
        metadata = pod["metadata"]
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        reference = {"apiVersion": "v1", "kind": "Pod", **{k: metadata[k] for k in ("name", "namespace", "uid")}}
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{metadata['name']}.", "namespace": metadata["namespace"]},
            "involvedObject": reference,
            "type": "Warning",
            "reason": lack.event,
            "message": lack.message,
            "source": {"component": KUBELET, "host": pod["spec"]["nodeName"]},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        await self._api.create(EVENTS, metadata["namespace"], event)


def _starts(pod: Object) -> bool:
    """Whether it is on a node, and its containers have not been let start."""
    if not pod["spec"].get("nodeName") or pod["metadata"].get("deletionTimestamp"):
        return False
    status: Object = pod.get("status") or {}
    mounted = any(c["type"] == MOUNTED and c["status"] == "True" for c in status.get("conditions") or ())
    return status.get("phase", "Pending") == "Pending" and not mounted


def _lack_of(source: Source, namespace: str, found: Object | None) -> Lack | None:
    kind = source.kind.kind.lower()
    if found is None:
        missing = f'{kind} "{source.name}" not found'
    else:
        present = {**(found.get("data") or {}), **(found.get("binaryData") or {})}
        key = next((key for key in source.keys if key not in present), None)
        if key is None:
            return None
        missing = f"couldn't find key {key} in {source.kind.kind} {namespace}/{source.name}"
    if source.volume is None:
        return Lack("CreateContainerConfigError", "Failed", f"Error: {missing}")
    message = f'MountVolume.SetUp failed for volume "{source.volume}" : {missing}'
    return Lack("ContainerCreating", "FailedMount", message)


def _waiting_status(pod: Object, lack: Lack) -> Object:
    containers: list[Object] = pod["spec"]["containers"]
    names = " ".join(container["name"] for container in containers)
    unready = {
        "status": "False",
        "reason": "ContainersNotReady",
        "message": f"containers with unready status: [{names}]",
    }
    waiting = {"reason": lack.reason}
    if lack.reason != "ContainerCreating":
        waiting["message"] = lack.message.removeprefix("Error: ")
    return {
        "phase": "Pending",
        "conditions": [
            {"type": MOUNTED, "status": "False"},
            {"type": "ContainersReady", **unready},
            {"type": "Ready", **unready},
        ],
        "containerStatuses": [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": "",
                "ready": False,
                "started": False,
                "restartCount": 0,
                "state": {"waiting": waiting},
            }
            for container in containers
        ],
    }
