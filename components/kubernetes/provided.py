"""What components hand to each other: a value of the model, and the resource that makes it true on the cluster."""

from dataclasses import dataclass
from typing import Generic, TypeVar

import pulumi

from model.workloads.objects import Kind

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Provided(Generic[_Value]):
    """A value that holds once `by` is there. Who uses the value depends on `by`."""

    value: _Value
    by: pulumi.Resource


@dataclass(frozen=True)
class Definitions:
    """Custom kinds that the cluster knows once `by` is ready."""

    kinds: tuple[Kind, ...]
    origin: str
    """Who brings them, for people."""
    by: pulumi.Resource
