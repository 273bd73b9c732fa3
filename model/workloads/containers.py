"""The lab's own workloads: what runs, with which settings and volumes, on which nodes."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from model.base import Value
from model.cluster import Taint
from model.workloads.images import BuiltImage, Image
from model.workloads.names import DnsLabel
from model.workloads.quantities import Resources
from model.workloads.schedules import Cron


class Text(Value):
    """A setting that anybody may read."""

    kind: Literal["text"] = "text"
    value: str


class FromSecret(Value):
    """A setting from the application's own Secret."""

    kind: Literal["secret"] = "secret"
    key: str
    """One of the keys of `Application.secrets`."""


class FromDatabase(Value):
    """A setting from what CloudNativePG tells the database's owner."""

    kind: Literal["database"] = "database"
    key: Literal["host", "port", "dbname", "user", "password", "uri"]


Setting = Annotated[Text | FromSecret | FromDatabase, Field(discriminator="kind")]
"""Value of an environment variable."""


class Mount(Value):
    """A volume of the application inside a container."""

    volume: DnsLabel
    """One of the names of `Application.volumes`."""
    path: str = Field(pattern=r"^/")
    sub_path: str | None = None
    read_only: bool = False


class Probe(Value):
    """How Kubernetes sees that a container works: it answers below 400."""

    path: str = Field(pattern=r"^/")
    port: int = Field(ge=1, le=65535)
    startup_seconds: int = Field(default=60, ge=1)
    """How long it may take to answer for the first time."""


class Identity(Value):
    """User and group that a container runs as; both also own its files."""

    user: int = Field(ge=1)
    group: int = Field(ge=1)


class Placement(Value):
    """The nodes that pods may run on. Devices bring the toleration of their own taint."""

    labels: dict[str, str] = Field(default_factory=dict)
    """All of them must be on the node; never a host name, which has the colour in it."""
    tolerates: tuple[Taint, ...] = ()

    @model_validator(mode="after")
    def _no_host_names(self) -> "Placement":
        if "kubernetes.io/hostname" in self.labels:
            raise ValueError("a host name pins to one colour; select by what the node has (its labels or devices)")
        return self


class Process(Value):
    """One container: what is common to everything that runs."""

    name: DnsLabel
    image: Image | BuiltImage
    command: tuple[str, ...] = ()
    """Replaces the entry point of the image."""
    arguments: tuple[str, ...] = ()
    environment: dict[str, Setting] = Field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    resources: Resources
    identity: Identity | None = None
    placement: Placement = Placement()


class Workload(Process):
    """What runs all the time, reached through a service of its name."""

    ports: tuple[int, ...] = ()
    probe: Probe | None = None
    replicas: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _has_the_port_it_is_probed_at(self) -> "Workload":
        if self.probe is not None and self.probe.port not in self.ports:
            raise ValueError(f"{self.name}: is probed at port {self.probe.port}, which is none of its ports")
        return self


class PeriodicTask(Process):
    """What runs at fixed times, to its end, never twice at once."""

    schedule: Cron
    deadline_seconds: int = Field(default=600, ge=1)
    """A run that hangs is ended after this."""
