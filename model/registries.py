"""Registries of images: those of others, and how each is pulled through the lab's own."""

from enum import StrEnum, unique

from pydantic import Field

from model.base import Value

LIBRARY = "library"
"""The project of the lab's own images. Harbor makes it itself, before anybody asks."""
ROBOT_PREFIX = "robot$"
"""Of the full name of every robot account."""


@unique
class RegistryKind(StrEnum):
    """How Harbor talks to a registry of others."""

    DOCKER_HUB = "docker-hub"
    DOCKER_REGISTRY = "docker-registry"
    GITHUB = "github"
    GOOGLE = "google"
    QUAY = "quay"


class RegistryMirror(Value):
    """A registry that is pulled through Harbor first and directly when Harbor is away."""

    registry: str
    """As images name it, e.g. `docker.io`."""
    project: str = Field(pattern=r"^[a-z0-9]+(?:[._-][a-z0-9]+)*$")
    """Proxy-cache project in Harbor."""
    upstream: str = Field(pattern=r"^https://[^/]+$")
    """Where nodes pull from without Harbor."""
    kind: RegistryKind
    asked: str | None = Field(default=None, pattern=r"^https://[^/]+$")
    """Where Harbor asks, when that is not `upstream`: Docker Hub has another address for its own protocol."""

    @property
    def endpoint(self) -> str:
        """Where Harbor asks."""
        return self.asked or self.upstream


def own_label(host: str, colour: str) -> str:
    """The label of a host name that leads to one colour, whichever is live: `harbor-green`."""
    return f"{host}-{colour}"
