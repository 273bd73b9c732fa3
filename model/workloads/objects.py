"""Custom resources of Kubernetes: one class per kind, with the fields that the lab uses.

A field that a class does not have is an error where the object is written, not in the cluster.
"""

from typing import ClassVar

from model.base import Value
from model.workloads.camel_case import CamelCase


class Kind(Value):
    """A kind of object that some application brings to the cluster."""

    group: str
    """API group, e.g. `cert-manager.io`."""
    version: str
    name: str
    """In the API's spelling, e.g. `ClusterIssuer`."""

    @property
    def api_version(self) -> str:
        """As `apiVersion` of an object has it."""
        return f"{self.group}/{self.version}"

    def __str__(self) -> str:
        return f"{self.name} ({self.api_version})"


class CustomObject(CamelCase):
    """An object of a custom kind without its metadata: its fields are what stands beside `metadata`."""

    OF: ClassVar[Kind]
    """The kind. Every class of a kind sets it."""
    READY: ClassVar[str | None] = None
    """What its status shows once it works, as Pulumi waits for it; None where the kind shows nothing of the sort."""


def kinds(*classes: type[CustomObject]) -> tuple[Kind, ...]:
    """The kinds of the classes, as a chart lists what it defines."""
    return tuple(one.OF for one in classes)
