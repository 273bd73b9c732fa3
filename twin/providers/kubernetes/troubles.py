"""Why an object is not ready: its conditions, its Pods, and the warnings that the cluster recorded about them."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, Final

from twin.kubernetes.api import ApiStatusError, KubernetesApi, Object, ResourceType, UnreachableError
from twin.providers.kubernetes.conditions import said

PODS: Final = ResourceType("", "v1", "pods", "Pod", True)
SECRETS: Final = ResourceType("", "v1", "secrets", "Secret", True)
CONFIG_MAPS: Final = ResourceType("", "v1", "configmaps", "ConfigMap", True)
CLAIMS: Final = ResourceType("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", True)
SERVICE_ACCOUNTS: Final = ResourceType("", "v1", "serviceaccounts", "ServiceAccount", True)
EVENTS: Final = ResourceType("", "v1", "events", "Event", True)
REPLICA_SETS: Final = ResourceType("apps", "v1", "replicasets", "ReplicaSet", True)

MOST_PODS: Final = 3
MOST_EVENTS: Final = 3
GOOD_WHEN_FALSE: Final = frozenset(
    {
        "Failed", "NetworkUnavailable", "Reconciling", "ReplicaFailure", "Stalled", "Suspended",
        "DisruptionTarget", "FailureTarget", "Degraded", "ComparisonError", "InvalidSpecError", "SyncError",
    }
)  # fmt: skip
"""Types of conditions that tell trouble when they are true."""


async def reasons(api: KubernetesApi, body: Object) -> list[str]:
    """What is known of why the object is not ready, one sentence each; empty when the cluster says nothing."""
    try:
        return list(dict.fromkeys([line async for line in _found(api, body)]))
    except (ApiStatusError, UnreachableError) as error:
        return [f"why could not be asked: {error}"]


async def _found(api: KubernetesApi, body: Object) -> AsyncIterator[str]:
    for line in _conditions(body):
        yield line
    namespace = body["metadata"].get("namespace")
    for line in await _warnings(api, namespace, body):
        yield line
    if namespace is None:
        return
    pods = [pod for pod in await _pods(api, namespace, body) if not _works(pod)]
    for pod in pods[:MOST_PODS]:
        name = pod["metadata"]["name"]
        for line in [*_pod_states(pod), *await _absent(api, namespace, pod), *await _warnings(api, namespace, pod)]:
            yield f"Pod {name}: {line}"
    if len(pods) > MOST_PODS:
        yield f"and {len(pods) - MOST_PODS} more Pods"


def _conditions(body: Object) -> Iterator[str]:
    if body.get("kind") == "Pod":
        return
    status = body.get("status") or {}
    for condition in status.get("conditions") or ():
        if isinstance(condition, dict) and _tells_trouble(condition):
            yield f"condition {condition.get('type')} is {said(condition)}"
    health = status.get("health")
    if isinstance(health, dict) and health.get("status") not in (None, "Healthy"):
        yield f"health is {health.get('status')}{_after(health.get('message'))}"
    operation = status.get("operationState")
    if isinstance(operation, dict) and operation.get("phase") not in (None, "Succeeded"):
        yield f"the last operation is {operation.get('phase')}{_after(operation.get('message'))}"


def _tells_trouble(condition: Mapping[str, Any]) -> bool:
    if condition.get("type") in GOOD_WHEN_FALSE:
        return condition.get("status") != "False" and bool(condition.get("message"))
    return condition.get("status", "True") != "True"


async def _warnings(api: KubernetesApi, namespace: str | None, body: Object) -> list[str]:
    """What was recorded last, each reason once."""
    uid = body["metadata"].get("uid")
    events = await api.list(EVENTS, namespace or "default", field_selector=f"involvedObject.uid={uid},type=Warning")
    events.sort(key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
    latest = {event.get("reason"): event for event in events}
    return [f"[{event.get('reason')}] {event.get('message')}" for event in [*latest.values()][-MOST_EVENTS:]]


async def _pods(api: KubernetesApi, namespace: str, body: Object) -> list[Object]:
    """The object's Pods, of the newest ReplicaSet for a Deployment."""
    if body.get("kind") == "Pod":
        return [body]
    owners = {body["metadata"].get("uid")}
    if body.get("kind") == "Deployment":
        owned = _owned(await api.list(REPLICA_SETS, namespace), owners)
        newest = max(owned, key=_revision, default=None)
        owners = set() if newest is None else {newest["metadata"]["uid"]}
    if body.get("kind") == "Service":
        selector = body["spec"].get("selector") or {}
        labels = ",".join(f"{name}={value}" for name, value in selector.items())
        return await api.list(PODS, namespace, label_selector=labels) if labels else []
    return _owned(await api.list(PODS, namespace), owners) if owners else []


def _owned(found: Iterable[Object], owners: set[Any]) -> list[Object]:
    return [
        one for one in found if any(owner["uid"] in owners for owner in one["metadata"].get("ownerReferences") or ())
    ]


def _revision(replica_set: Object) -> int:
    return int((replica_set["metadata"].get("annotations") or {}).get("deployment.kubernetes.io/revision", 0))


def _works(pod: Object) -> bool:
    status = pod.get("status") or {}
    conditions = status.get("conditions") or ()
    ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
    return ready or status.get("phase") == "Succeeded"


def _pod_states(pod: Object) -> Iterator[str]:
    status = pod.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition.get("status") != "True" and condition.get("message"):
            yield f"{condition.get('type')} is {said(condition)}"
    for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        for state in (container.get("state") or {}).get("waiting"), (container.get("state") or {}).get("terminated"):
            if state and state.get("reason") not in (None, "Completed", "ContainerCreating", "PodInitializing"):
                yield f"container {container['name']} [{state['reason']}]{_after(state.get('message'))}"


async def _absent(api: KubernetesApi, namespace: str, pod: Object) -> list[str]:
    """What the Pod names and the namespace does not have."""
    spec = pod["spec"]
    wanted: list[tuple[ResourceType, str, str]] = [
        (SECRETS, one["name"], "image pull secret") for one in spec.get("imagePullSecrets") or () if one.get("name")
    ]
    if spec.get("serviceAccountName"):
        wanted.append((SERVICE_ACCOUNTS, spec["serviceAccountName"], "service account"))
    for volume in spec.get("volumes") or ():
        wanted += _volume_sources(volume)
    for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        wanted += _environment_sources(container)
    absent: list[str] = []
    for resource_type, name, what in dict.fromkeys(wanted):
        if await api.get(resource_type, namespace, name) is None:
            absent.append(f"its {what} {name} does not exist in namespace {namespace}")
    return absent


def _volume_sources(volume: Mapping[str, Any]) -> Iterator[tuple[ResourceType, str, str]]:
    secret, config_map = volume.get("secret") or {}, volume.get("configMap") or {}
    if secret.get("secretName") and not secret.get("optional"):
        yield SECRETS, secret["secretName"], "secret"
    if config_map.get("name") and not config_map.get("optional"):
        yield CONFIG_MAPS, config_map["name"], "config map"
    if volume.get("persistentVolumeClaim"):
        yield CLAIMS, volume["persistentVolumeClaim"]["claimName"], "volume claim"


def _environment_sources(container: Mapping[str, Any]) -> Iterator[tuple[ResourceType, str, str]]:
    for source in container.get("envFrom") or ():
        for key, resource_type, what in (("secretRef", SECRETS, "secret"), ("configMapRef", CONFIG_MAPS, "config map")):
            reference = source.get(key) or {}
            if reference.get("name") and not reference.get("optional"):
                yield resource_type, reference["name"], what
    keys = (("secretKeyRef", SECRETS, "secret"), ("configMapKeyRef", CONFIG_MAPS, "config map"))
    for variable in container.get("env") or ():
        for key, resource_type, what in keys:
            reference = (variable.get("valueFrom") or {}).get(key) or {}
            if reference.get("name") and not reference.get("optional"):
                yield resource_type, reference["name"], what


def _after(message: Any) -> str:
    return f": {message}" if message else ""
