"""How much of a node a container asks for and may use."""

from typing import NewType

from pydantic import Field, model_validator

from model.base import Value
from model.cluster import Taint
from model.units import MIB_PER_GIB, GiB, MiB

Millicores = NewType("Millicores", int)
"""Thousandths of a processor thread."""


def memory_quantity(memory: MiB) -> str:
    """Memory as Kubernetes takes it: `512Mi`, `2Gi`."""
    gib, rest = divmod(memory, MIB_PER_GIB)
    return f"{memory}Mi" if rest else f"{gib}Gi"


def storage_quantity(size: GiB) -> str:
    """Room of a volume as Kubernetes takes it: `10Gi`."""
    return f"{size}Gi"


def cpu_quantity(cpu: Millicores) -> str:
    """Processor time as Kubernetes takes it: `250m`, `2`."""
    cores, rest = divmod(cpu, 1000)
    return f"{cpu}m" if rest else str(cores)


class Amount(Value):
    """Processor time and memory."""

    cpu: Millicores | None = Field(default=None, gt=0)
    memory: MiB | None = Field(default=None, gt=0)

    @property
    def quantities(self) -> dict[str, str]:
        """By the names of the Kubernetes resources."""
        found: dict[str, str] = {}
        if self.cpu is not None:
            found["cpu"] = cpu_quantity(self.cpu)
        if self.memory is not None:
            found["memory"] = memory_quantity(self.memory)
        return found


class GpuClaim(Value):
    """Devices of one kind, and the taint that keeps everybody else off their nodes."""

    resource: str = Field(pattern=r"^[a-z0-9.-]+/[a-z0-9-]+$")
    """Extended resource of the device plugin, e.g. `amd.com/gpu`."""
    count: int = Field(default=1, ge=1)
    tolerates: Taint


class Resources(Value):
    """What the scheduler keeps free for a container, and where it is stopped.

    Devices count as both: Kubernetes shares none of them out twice.
    """

    requests: Amount
    limits: Amount = Amount()
    gpu: GpuClaim | None = None

    @model_validator(mode="after")
    def _limits_hold_the_requests(self) -> "Resources":
        for unit, asked, limit in (
            ("cpu", self.requests.cpu, self.limits.cpu),
            ("memory", self.requests.memory, self.limits.memory),
        ):
            if asked is not None and limit is not None and asked > limit:
                raise ValueError(f"asks for {asked} of {unit} but may use only {limit}; raise the limit")
        return self
