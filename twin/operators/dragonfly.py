"""Dragonfly: caches, as a StatefulSet and a Service."""

from typing import Final

from twin.kubernetes.api import Object
from twin.operators.cluster import SERVICE, STATEFUL_SET, Kind, NotReadyError, Operator, owned
from twin.operators.controller import Controller
from twin.operators.pods import stateful_set_ready

DRAGONFLY_OPERATOR: Final = Operator("dragonfly")

DRAGONFLY: Final = Kind("dragonflydb.io/v1alpha1", "Dragonfly")
PORT: Final = 6379
READY: Final = "ready"


class Dragonflies(Controller):
    """Caches."""

    operator = DRAGONFLY_OPERATOR
    kind = DRAGONFLY

    async def reconcile(self, found: Object) -> None:
        """Ready when the pods are."""
        name, namespace = found["metadata"]["name"], found["metadata"]["namespace"]
        await self._check_password(found)
        for body in (_service(found), _stateful_set(found)):
            await self.cluster.apply(DRAGONFLY_OPERATOR, owned(found, body))
        await stateful_set_ready(self.cluster, namespace, name)
        await self.cluster.set_status(found, {"phase": READY})

    async def refuse(self, found: Object, problem: NotReadyError) -> None:
        """Not ready, and why."""
        await self.cluster.set_status(found, {"phase": "resources-created"})
        await self.tell(found, problem.reason, problem.message)

    async def _check_password(self, found: Object) -> None:
        reference = (found["spec"].get("authentication") or {}).get("passwordFromSecret")
        if reference is not None:
            await self.cluster.secret_value(found["metadata"]["namespace"], reference["name"], reference["key"])


def _labels(found: Object) -> dict[str, str]:
    return {"app": found["metadata"]["name"], "app.kubernetes.io/name": "dragonfly"}


def _service(found: Object) -> Object:
    return {
        "apiVersion": SERVICE.api_version,
        "kind": SERVICE.kind,
        "metadata": {"name": found["metadata"]["name"], "namespace": found["metadata"]["namespace"]},
        "spec": {"selector": {**_labels(found), "role": "master"}, "ports": [{"name": "redis", "port": PORT}]},
    }


def _stateful_set(found: Object) -> Object:
    name, spec = found["metadata"]["name"], found["spec"]
    container: Object = {
        "name": "dragonfly",
        "image": spec.get("image") or "docker.dragonflydb.io/dragonflydb/dragonfly",
        "ports": [{"name": "redis", "containerPort": PORT}],
        "securityContext": {
            "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }  # fmt: skip
    container |= {key: spec[key] for key in ("args", "env", "resources") if spec.get(key)}
    placed = {key: spec[key] for key in ("nodeSelector", "tolerations", "affinity") if spec.get(key)}
    return {
        "apiVersion": STATEFUL_SET.api_version,
        "kind": STATEFUL_SET.kind,
        "metadata": {"name": name, "namespace": found["metadata"]["namespace"]},
        "spec": {
            "serviceName": name,
            "replicas": spec.get("replicas", 1),
            "selector": {"matchLabels": _labels(found)},
            "template": {"metadata": {"labels": _labels(found)}, "spec": {"containers": [container], **placed}},
        },
    }
