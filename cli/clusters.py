"""What of a colour's cluster is not as it should be, and why: read through its API server, bounded in time."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from model.base import Value
from twin.kubernetes.access import KubeconfigError
from twin.kubernetes.api import ApiStatusError, KubernetesApi, Object, UnreachableError

READ_SECONDS: Final = 5.0
"""How long a cluster may take to tell everything."""
APPLICATION: Final = ("argoproj.io/v1alpha1", "Application")
CLAIM: Final = ("v1", "PersistentVolumeClaim")
SAYING_READY: Final = (("cert-manager.io/v1", "Certificate"), ("external-secrets.io/v1", "ExternalSecret"))
"""Custom resources that say by the condition `Ready` how they are."""


class NodeReport(Value):
    """A node of a cluster."""

    name: str
    ready: bool
    why: str = ""
    """What the condition `Ready` says; empty for a node that is."""


class Trouble(Value):
    """An object that is not ready."""

    kind: str
    namespace: str
    name: str
    state: str
    """E.g. `Pending`, `OutOfSync/Degraded`."""
    why: str
    """In the words of whoever looks after it; empty where nobody says."""


class ClusterReport(Value):
    """A cluster as its API server tells it."""

    unreachable: str = ""
    """Why nothing could be read; empty when it was."""
    nodes: tuple[NodeReport, ...] = ()
    troubles: tuple[Trouble, ...] = ()


def read(kubeconfigs: Mapping[str, str]) -> dict[str, ClusterReport]:
    """The report of each cluster by its name; they are asked at the same time."""

    async def every() -> list[ClusterReport]:
        return await asyncio.gather(*(_read(text) for text in kubeconfigs.values()))

    return dict(zip(kubeconfigs, asyncio.run(every()), strict=True))


async def _read(kubeconfig: str) -> ClusterReport:
    try:
        async with asyncio.timeout(READ_SECONDS), KubernetesApi.from_kubeconfig(kubeconfig) as api:
            return await _report(api)
    except TimeoutError:
        return ClusterReport(unreachable=f"it did not tell everything within {READ_SECONDS:.0f} s")
    except (KubeconfigError, UnreachableError, ApiStatusError) as error:
        return ClusterReport(unreachable=str(error))


async def _report(api: KubernetesApi) -> ClusterReport:
    nodes, pods, claims, events, applications = await asyncio.gather(
        _all(api, "v1", "Node"),
        _all(api, "v1", "Pod"),
        _all(api, *CLAIM),
        _all(api, "v1", "Event", field_selector=f"involvedObject.kind={CLAIM[1]}"),
        _all(api, *APPLICATION),
    )
    others = await asyncio.gather(*(_all(api, *kind) for kind in SAYING_READY))
    found = [
        *applications_not_in_order(applications),
        *claims_not_bound(claims, events),
        *pods_not_ready(pods),
        *(trouble for items in others for trouble in not_ready(items)),
    ]
    return ClusterReport(nodes=tuple(node_report(node) for node in nodes), troubles=tuple(found))


async def _all(api: KubernetesApi, api_version: str, kind: str, *, field_selector: str = "") -> list[Object]:
    """Every object of the kind; none where the cluster does not know it (yet)."""
    served = await api.resource_type(api_version, kind)
    return [] if served is None else await api.list(served, field_selector=field_selector)


def node_report(node: Object) -> NodeReport:
    """Whether the node is ready, and what its condition says."""
    ready = _condition(node, "Ready")
    name: str = node["metadata"]["name"]
    if ready.get("status") == "True":
        return NodeReport(name=name, ready=True)
    return NodeReport(name=name, ready=False, why=_said(ready) or "its kubelet has not said anything yet")


def applications_not_in_order(applications: Sequence[Object]) -> list[Trouble]:
    """The Argo CD Applications that are not both `Synced` and `Healthy`."""
    found: list[Trouble] = []
    for application in applications:
        status: Object = application.get("status") or {}
        sync: Object = status.get("sync") or {}
        health: Object = status.get("health") or {}
        state = f"{sync.get('status') or 'Unknown'}/{health.get('status') or 'Unknown'}"
        if state == "Synced/Healthy":
            continue
        conditions: Sequence[Object] = status.get("conditions") or ()
        operation: Object = status.get("operationState") or {}
        said = [*(str(condition.get("message") or "") for condition in conditions), str(health.get("message") or "")]
        if operation.get("phase") != "Succeeded":
            said.append(str(operation.get("message") or ""))
        found.append(_trouble(application, state, "; ".join(dict.fromkeys(text for text in said if text))))
    return found


def claims_not_bound(claims: Sequence[Object], events: Sequence[Object]) -> list[Trouble]:
    """The volume claims that are not `Bound`, with the last event about each."""
    last: dict[str, str] = {}
    for event in sorted(events, key=_when):
        last[str(event["involvedObject"].get("uid"))] = str(event.get("message") or "")
    return [
        _trouble(claim, phase, last.get(claim["metadata"]["uid"], ""))
        for claim in claims
        if (phase := str((claim.get("status") or {}).get("phase") or "Pending")) != "Bound"
    ]


def pods_not_ready(pods: Sequence[Object]) -> list[Trouble]:
    """The pods that wait for a node or for their containers; what has ended is not among them."""
    found: list[Trouble] = []
    for pod in pods:
        status: Object = pod.get("status") or {}
        phase = str(status.get("phase") or "Pending")
        if phase in ("Succeeded", "Failed") or _condition(pod, "Ready").get("status") == "True":
            continue
        scheduled = _condition(pod, "PodScheduled")
        why = _said(scheduled) if scheduled.get("status") == "False" else _waiting(status) or _said(
            _condition(pod, "Ready")
        )
        found.append(_trouble(pod, phase if phase != "Running" else "NotReady", why))
    return found


def not_ready(items: Sequence[Object]) -> list[Trouble]:
    """The objects whose condition `Ready` is not true, or not there yet."""
    return [
        _trouble(item, "NotReady", _said(ready))
        for item in items
        if (ready := _condition(item, "Ready")).get("status") != "True"
    ]


def _trouble(item: Object, state: str, why: str) -> Trouble:
    metadata = item["metadata"]
    return Trouble(
        kind=item["kind"], namespace=metadata.get("namespace", ""), name=metadata["name"], state=state, why=why
    )


def _condition(item: Object, name: str) -> Object:
    conditions: Sequence[Object] = (item.get("status") or {}).get("conditions") or ()
    return next((condition for condition in conditions if condition.get("type") == name), {})


def _said(condition: Object) -> str:
    return str(condition.get("message") or condition.get("reason") or "")


def _waiting(status: Object) -> str:
    """What the containers wait for, e.g. `CreateContainerConfigError: secret "notes" not found`."""
    containers: list[Object] = [
        *(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()),
    ]  # fmt: skip
    waiting: list[Object] = [found for one in containers if (found := (one.get("state") or {}).get("waiting"))]
    said = (": ".join(str(one[key]) for key in ("reason", "message") if one.get(key)) for one in waiting)
    return "; ".join(dict.fromkeys(text for text in said if text))


def _when(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"])
