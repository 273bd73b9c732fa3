"""The small shapes that every operator shares."""

from pydantic import Field

from model.workloads.camel_case import CamelCase
from model.workloads.names import DnsLabel


class ObjectReference(CamelCase):
    """An object of the same namespace by its name."""

    name: DnsLabel


class SecretKey(CamelCase):
    """One key of a Secret of the same namespace."""

    name: DnsLabel
    key: str = Field(min_length=1)


class LabelRequirement(CamelCase):
    """One condition on a label."""

    key: str
    operator: str
    values: tuple[str, ...] | None = None


class LabelSelector(CamelCase):
    """Objects by their labels; every condition must hold."""

    match_labels: dict[str, str] | None = None
    match_expressions: tuple[LabelRequirement, ...] | None = None
