"""Caches that speak the protocol of Redis."""

from pydantic import Field

from model.base import Value
from model.workloads.images import Image
from model.workloads.quantities import Resources


class Cache(Value):
    """A Dragonfly of its own for one application. What is in it may be lost at any time."""

    replicas: int = Field(default=1, ge=1)
    arguments: tuple[str, ...] = ()
    resources: Resources | None = None
    """None for the lab's usual amount."""


class CacheSettings(Value):
    """What the lab's caches have in common."""

    image: Image
    resources: Resources
