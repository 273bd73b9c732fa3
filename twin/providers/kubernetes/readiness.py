"""When an object of a built-in kind is ready, by the rules of the published provider."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from twin.kubernetes.api import KubernetesApi, Object, ResourceType
from twin.providers.kubernetes.conditions import find_condition, said

SERVICES: Final = ResourceType("", "v1", "services", "Service", True)
ENDPOINT_SLICES: Final = ResourceType("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", True)
STORAGE_CLASSES: Final = ResourceType("storage.k8s.io", "v1", "storageclasses", "StorageClass", False)

DEFAULT_SECONDS: Final = 600.0
SECONDS: Final[Mapping[tuple[str, str], float]] = {
    ("v1", "PersistentVolume"): 300.0,
    ("v1", "PersistentVolumeClaim"): 300.0,
    ("v1", "ResourceQuota"): 60.0,
    ("v1", "Secret"): 5.0,
}
"""How long an object is waited for, where that is not the ten minutes of all others."""


@dataclass(frozen=True)
class Status:
    """Whether an object is ready."""

    ready: bool
    message: str = ""
    """What is waited for."""
    failed: bool = False
    """It will never be ready."""


READY: Final = Status(True)

Rule = Callable[[KubernetesApi, Object], Awaitable[Status]]


def rule_of(body: Object) -> Rule | None:
    """The rule for an object, None when it is ready as soon as it is there."""
    return RULES.get((str(body.get("apiVersion")), str(body.get("kind"))))


async def _deployment(api: KubernetesApi, body: Object) -> Status:
    del api
    spec, status = body["spec"], body.get("status") or {}
    wanted = spec.get("replicas", 1)
    if not _observed(body):
        return Status(False, "waiting for the Deployment controller to take up the change")
    if spec.get("paused"):
        return READY
    available, progressing = find_condition(body, "Available"), find_condition(body, "Progressing")
    if progressing is not None and progressing.get("status") == "False":
        return Status(False, f"the rollout does not progress: {said(progressing)}")
    updated, ready = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if updated < wanted or ready < wanted:
        return Status(False, f"waiting for its Pods: {min(updated, ready)} of {wanted} are available")
    if available is None or available.get("status") != "True":
        return Status(False, "minimum number of live Pods was not attained" + _appended(available))
    rolled_out = progressing is None or progressing.get("reason") == "NewReplicaSetAvailable"
    return READY if rolled_out else Status(False, "waiting for the new ReplicaSet" + _appended(progressing))


async def _stateful_set(api: KubernetesApi, body: Object) -> Status:
    del api
    spec, status = body["spec"], body.get("status") or {}
    wanted, ready = spec.get("replicas", 1), status.get("readyReplicas", 0)
    if not _observed(body):
        return Status(False, "waiting for the StatefulSet controller to take up the change")
    if ready != wanted or status.get("replicas", 0) != wanted:
        return Status(False, f"waiting for its Pods: {ready} of {wanted} are ready")
    rolling = (spec.get("updateStrategy") or {}).get("type", "RollingUpdate") == "RollingUpdate"
    if rolling and wanted and status.get("currentRevision") != status.get("updateRevision"):
        return Status(False, "waiting for its Pods to be of the new revision")
    return READY


async def _daemon_set(api: KubernetesApi, body: Object) -> Status:
    del api
    status = body.get("status") or {}
    if not _observed(body):
        return Status(False, "waiting for the DaemonSet controller to take up the change")
    wanted = status.get("desiredNumberScheduled", 0)
    names = ("currentNumberScheduled", "updatedNumberScheduled", "numberAvailable", "numberReady")
    fewest = min(status.get(name, 0) for name in names)
    return READY if fewest >= wanted else Status(False, f"waiting for its Pods: {fewest} of {wanted} are available")


async def _job(api: KubernetesApi, body: Object) -> Status:
    del api
    failed, complete = find_condition(body, "Failed"), find_condition(body, "Complete")
    if failed is not None and failed.get("status") == "True":
        return Status(False, f"the Job failed: {said(failed)}", failed=True)
    if complete is not None and complete.get("status") == "True":
        return READY
    started = (body.get("status") or {}).get("startTime")
    return Status(False, "waiting for the Job to complete" if started else "waiting for the Job to start")


async def _pod(api: KubernetesApi, body: Object) -> Status:
    del api
    phase = (body.get("status") or {}).get("phase", "Pending")
    if phase == "Succeeded":
        return READY
    for kind in ("PodScheduled", "Initialized", "Ready"):
        condition = find_condition(body, kind)
        if condition is None or condition.get("status") != "True":
            return Status(False, f"waiting for the Pod, which is {phase}, to be {kind}{_appended(condition)}")
    return READY if phase == "Running" else Status(False, f"waiting for the Pod to run; it is {phase}")


async def _claim(api: KubernetesApi, body: Object) -> Status:
    phase = (body.get("status") or {}).get("phase", "Pending")
    if phase == "Bound":
        return READY
    name = body["spec"].get("storageClassName")
    storage_class = await api.get(STORAGE_CLASSES, None, name) if name else None
    if storage_class is not None and storage_class.get("volumeBindingMode") == "WaitForFirstConsumer":
        # It is bound when a Pod uses it, which may need this very resource to be done.
        return READY
    if name and storage_class is None:
        return Status(False, f"waiting for a volume; its storage class {name} does not exist")
    of = f"of storage class {name}" if name else "of no storage class"
    return Status(False, f"waiting for a volume {of}; the claim is {phase}")


async def _volume(api: KubernetesApi, body: Object) -> Status:
    del api
    phase = (body.get("status") or {}).get("phase", "Pending")
    return READY if phase in ("Available", "Bound") else Status(False, f"waiting for the volume, which is {phase}")


async def _service(api: KubernetesApi, body: Object) -> Status:
    spec = body["spec"]
    kind = spec.get("type", "ClusterIP")
    if kind == "LoadBalancer" and not _addresses(body):
        return Status(False, "Service was not allocated an IP address")
    if kind == "ExternalName" or spec.get("clusterIP") == "None" or not spec.get("selector"):
        return READY
    if await _has_endpoints(api, body["metadata"]["namespace"], body["metadata"]["name"]):
        return READY
    return Status(
        False,
        "Service does not target any Pods. Selected Pods may not be ready, or field '.spec.selector' may not match "
        f"labels on any Pods ({_selector(spec['selector'])})",
    )


async def _ingress(api: KubernetesApi, body: Object) -> Status:
    namespace = body["metadata"]["namespace"]
    for rule in body["spec"].get("rules") or ():
        for path in (rule.get("http") or {}).get("paths") or ():
            name = (path["backend"].get("service") or {}).get("name")
            if name is None:
                continue
            service = await api.get(SERVICES, namespace, name)
            external = service is not None and service["spec"].get("type") == "ExternalName"
            if not external and not await _has_endpoints(api, namespace, name):
                return Status(False, f"no matching service found for ingress rule {rule.get('host', '')} -> {name}")
    if not _addresses(body):
        return Status(False, "Ingress was not allocated an IP address by any controller")
    return READY


async def _quota(api: KubernetesApi, body: Object) -> Status:
    del api
    taken = (body.get("status") or {}).get("hard") == body["spec"].get("hard")
    return READY if taken else Status(False, "waiting for the quota to be in force")


async def _secret(api: KubernetesApi, body: Object) -> Status:
    del api
    if body.get("type") != "kubernetes.io/service-account-token" or body.get("data"):
        return READY
    return Status(False, "waiting for the token of the service account")


RULES: Final[Mapping[tuple[str, str], Rule]] = {
    ("apps/v1", "DaemonSet"): _daemon_set,
    ("apps/v1", "Deployment"): _deployment,
    ("apps/v1", "StatefulSet"): _stateful_set,
    ("batch/v1", "Job"): _job,
    ("networking.k8s.io/v1", "Ingress"): _ingress,
    ("v1", "PersistentVolume"): _volume,
    ("v1", "PersistentVolumeClaim"): _claim,
    ("v1", "Pod"): _pod,
    ("v1", "ResourceQuota"): _quota,
    ("v1", "Secret"): _secret,
    ("v1", "Service"): _service,
}
LOOKED_AT_ON_READ: Final = frozenset({"DaemonSet", "Deployment", "Ingress", "Job", "Pod", "Service", "StatefulSet"})
"""Kinds of which a refresh tells that they are not ready."""


def _observed(body: Object) -> bool:
    observed = (body.get("status") or {}).get("observedGeneration", 0)
    return observed >= body["metadata"].get("generation", 0)


def _addresses(body: Object) -> list[Any]:
    return ((body.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []


async def _has_endpoints(api: KubernetesApi, namespace: str, service: str) -> bool:
    slices = await api.list(ENDPOINT_SLICES, namespace, label_selector=f"kubernetes.io/service-name={service}")
    endpoints = [endpoint for one in slices for endpoint in one.get("endpoints") or ()]
    return any((endpoint.get("conditions") or {}).get("ready", True) for endpoint in endpoints)


def _selector(labels: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in labels.items())


def _appended(condition: Object | None) -> str:
    return "" if condition is None else f": {said(condition)}"
