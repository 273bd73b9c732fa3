"""What an application may ask of the Kubernetes API, within its own namespace."""

from pydantic import Field, model_validator

from model.base import Value


class Permission(Value):
    """Verbs on resources of one API group."""

    group: str = ""
    """Empty for the core group."""
    resources: tuple[str, ...] = Field(min_length=1)
    verbs: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_what_it_needs(self) -> "Permission":
        if "*" in (self.group, *self.resources, *self.verbs):
            raise ValueError("a permission names its group, resources and verbs; `*` would give what nobody asked for")
        return self


class ScrapeTarget(Value):
    """Metrics that Prometheus reads of a service."""

    service: str
    port: str
    """Name of the service's port."""
    path: str = Field(default="/metrics", pattern=r"^/")
    interval_seconds: int = Field(default=60, ge=5)
