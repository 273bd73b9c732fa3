"""Dragonfly: caches that speak the protocol of Redis."""

from typing import Any

from model.workloads.camel_case import CamelCase
from model.workloads.objects import CustomObject, Kind

GROUP, VERSION = "dragonflydb.io", "v1alpha1"


class DragonflySpec(CamelCase):
    """Spec of a Dragonfly."""

    replicas: int
    image: str
    args: tuple[str, ...] | None = None
    resources: dict[str, Any]


class Dragonfly(CustomObject):
    """A cache with its primary and replicas."""

    OF = Kind(group=GROUP, version=VERSION, name="Dragonfly")
    READY = "jsonpath={.status.phase}=ready"
    spec: DragonflySpec
