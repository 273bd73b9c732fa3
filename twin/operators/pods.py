"""Pods that operators wait for: who does not run says why, in the scheduler's words."""

from twin.kubernetes.api import Object
from twin.operators.cluster import PERSISTENT_VOLUME_CLAIM, POD, STATEFUL_SET, Cluster, NotReadyError, is_true


async def stateful_set_ready(cluster: Cluster, namespace: str, name: str) -> None:
    """NotReadyError with the reason while not every pod of the StatefulSet is ready."""
    found = await cluster.find(STATEFUL_SET, namespace, name)
    wanted = 1 if found is None else found["spec"]["replicas"]
    ready = 0 if found is None else (found.get("status") or {}).get("readyReplicas", 0)
    if ready >= wanted:
        return
    for index in range(wanted):
        await pod_ready(cluster, namespace, f"{name}-{index}")
    raise NotReadyError("PodsNotReady", f"{ready} of {wanted} pods of {namespace}/{name} are ready")


async def pod_ready(cluster: Cluster, namespace: str, name: str) -> None:
    """NotReadyError with the reason while the pod is not ready."""
    pod = await cluster.find(POD, namespace, name)
    if pod is None:
        raise NotReadyError("PodMissing", f"pod {namespace}/{name} does not exist (yet)")
    if is_true(pod, "Ready"):
        return
    raise NotReadyError("PodNotReady", f"pod {namespace}/{name} is not ready: {await _why(cluster, pod)}")


async def _why(cluster: Cluster, pod: Object) -> str:
    conditions: list[Object] = (pod.get("status") or {}).get("conditions") or []
    for one in conditions:
        if one["type"] == "PodScheduled" and one["status"] == "False" and one.get("message"):
            return one["message"]
    namespace = pod["metadata"]["namespace"]
    for volume in pod["spec"].get("volumes") or ():
        claim_name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if claim_name is None:
            continue
        claim = await cluster.find(PERSISTENT_VOLUME_CLAIM, namespace, claim_name)
        if claim is None:
            return f'persistentvolumeclaim "{claim_name}" not found'
        if claim["status"].get("phase") != "Bound":
            return f"claim {claim_name} is {claim['status'].get('phase')}"
    return f"it is {(pod.get('status') or {}).get('phase', 'Pending')}"
