"""Volume claims, and the classes that they are of."""

from collections.abc import Iterator
from dataclasses import dataclass

from policy.graph import Graph
from policy.objects import KubernetesObject
from policy.properties import Path, Property, at, entries, text

LOCAL_CLASS = "local-path"
LOCAL_PROVISIONER = "rancher.io/local-path"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


@dataclass(frozen=True, eq=False)
class Claim:
    """One volume claim, or the template that a StatefulSet makes claims of."""

    owner: KubernetesObject
    path: Path
    """Of the claim within its owner; empty for the owner itself."""
    name: str
    annotations: Property
    storage_class: Property
    """None for the default class."""

    @property
    def where(self) -> tuple[str, Path]:
        """URN and path."""
        return self.owner.urn, self.path

    def __str__(self) -> str:
        return f"volume claim {self.owner.place or 'of a namespace'}/{self.name}"


def claims(graph: Graph) -> Iterator[Claim]:
    """Every claim."""
    for one in graph.of_kind("PersistentVolumeClaim"):
        yield Claim(
            one, (), str(one).partition("/")[2] or str(one), one.annotations, one.at("spec", "storageClassName")
        )
    for one in graph.of_kind("StatefulSet"):
        for index, template in enumerate(entries(one.at("spec", "volumeClaimTemplates"))):
            name = text(template, "metadata", "name") or str(index)
            yield Claim(
                one, ("spec", "volumeClaimTemplates", index), f"{name} of {one}",
                at(template, "metadata", "annotations"), at(template, "spec", "storageClassName"),
            )  # fmt: skip


def storage_class(graph: Graph, stack: str, name: Property) -> KubernetesObject | None:
    """The class of that name, or the default one; None when the graph does not have it."""
    if isinstance(name, str):
        return graph.find(stack, "StorageClass", name)
    for one in graph.of_kind("StorageClass"):
        if name is None and one.stack == stack and text(one.annotations, DEFAULT_CLASS) == "true":
            return one
    return None


def provisioner(graph: Graph, stack: str, name: Property) -> str | None:
    """Driver of the class; None when it cannot be read."""
    found = storage_class(graph, stack, name)
    return None if found is None else found.text("provisioner")


def is_local(graph: Graph, stack: str, name: Property) -> bool:
    """Whether volumes of the class are on one node's own disk."""
    return name == LOCAL_CLASS or provisioner(graph, stack, name) == LOCAL_PROVISIONER
