"""Pods that the objects of the graph ask for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from types import MappingProxyType

from policy.graph import Graph
from policy.objects import KubernetesObject
from policy.properties import Path, Properties, Property, Withheld, at, entries, fields, number

_TEMPLATES: Mapping[str, Path] = {
    "Pod": ("spec",),
    "Deployment": ("spec", "template", "spec"),
    "StatefulSet": ("spec", "template", "spec"),
    "ReplicaSet": ("spec", "template", "spec"),
    "DaemonSet": ("spec", "template", "spec"),
    "Job": ("spec", "template", "spec"),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}
_WORKFLOWS: Mapping[str, Path] = {
    "Workflow": ("spec",), "WorkflowTemplate": ("spec",), "ClusterWorkflowTemplate": ("spec",),
    "CronWorkflow": ("spec", "workflowSpec"),
}  # fmt: skip
"""Where Argo has the spec of a run; each template in it is a pod."""

_SUFFIXES: Mapping[str, Decimal] = {
    "m": Decimal("0.001"), "": Decimal(1), "k": Decimal(10) ** 3, "M": Decimal(10) ** 6, "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12, "Ki": Decimal(2) ** 10, "Mi": Decimal(2) ** 20, "Gi": Decimal(2) ** 30,
    "Ti": Decimal(2) ** 40,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Pods:
    """Pods of one shape."""

    owner: KubernetesObject
    path: Path
    """Of their spec within the owner."""
    spec: Properties

    @property
    def replicas(self) -> int:
        """How many run at once, as far as the object says."""
        found = number(self.owner.at("spec", "replicas"))
        return 1 if found is None else found

    @property
    def containers(self) -> Iterator[tuple[Path, Properties]]:
        """Every container with its path within the spec, those that begin first included."""
        for kind in ("initContainers", "containers"):
            for index, container in enumerate(entries(self.spec, kind)):
                yield (kind, index), fields(container)

    @property
    def requests(self) -> Mapping[str, Decimal]:
        """What the scheduler keeps free for one pod, in cores, bytes and devices; what cannot be read is left out."""
        running = _sum(fields(container) for container in entries(self.spec, "containers"))
        for container in entries(self.spec, "initContainers"):
            for name, amount in _container(fields(container)).items():
                running[name] = max(amount, running.get(name, Decimal(0)))
        return MappingProxyType(running)


def pods(graph: Graph) -> Iterator[Pods]:
    """The pods of every object that makes some."""
    for kind, path in _TEMPLATES.items():
        for one in graph.of_kind(kind):
            spec = one.at(*path)
            if isinstance(spec, Mapping):
                yield Pods(one, path, spec)
    for kind, path in _WORKFLOWS.items():
        for one in graph.of_kind(kind, group="argoproj.io"):
            yield from _steps(one, path)


def _steps(owner: KubernetesObject, path: Path) -> Iterator[Pods]:
    for index, template in enumerate(entries(owner.at(*path, "templates"))):
        container = at(template, "container")
        if not isinstance(container, Mapping):
            continue
        whole, own = fields(owner.at(*path)), fields(template)
        spec: dict[str, Property] = {
            "containers": (container,),
            "initContainers": entries(own, "initContainers"),
            "volumes": (*entries(whole, "volumes"), *entries(own, "volumes")),
            "nodeSelector": own.get("nodeSelector") or whole.get("nodeSelector"),
            "tolerations": (*entries(whole, "tolerations"), *entries(own, "tolerations")),
            "affinity": own.get("affinity") or whole.get("affinity"),
            "serviceAccountName": own.get("serviceAccountName") or whole.get("serviceAccountName"),
        }
        yield Pods(owner, (*path, "templates", index), MappingProxyType(spec))


def _sum(containers: Iterator[Properties]) -> dict[str, Decimal]:
    total: dict[str, Decimal] = {}
    for container in containers:
        for name, amount in _container(container).items():
            total[name] = total.get(name, Decimal(0)) + amount
    return total


def _container(container: Properties) -> dict[str, Decimal]:
    limits, requests = (fields(container, "resources", kind) for kind in ("limits", "requests"))
    read = ((name, quantity(value)) for name, value in {**limits, **requests}.items())
    return {name: amount for name, amount in read if amount is not None}


def quantity(value: Property) -> Decimal | None:
    """An amount as Kubernetes writes it (`500m`, `2Gi`, 3); None when it cannot be read."""
    if value is None or isinstance(value, bool | Withheld | tuple | Mapping):
        return None
    written = str(value).strip()
    figures = written.rstrip("mkMGTi")
    factor = _SUFFIXES.get(written[len(figures) :])
    try:
        amount = Decimal(figures)
    except InvalidOperation:
        return None
    return amount * factor if factor is not None and amount.is_finite() else None
