"""Taints that a chart's pods may stand under."""

from collections.abc import Sequence

from model.cluster import Taint
from model.workloads.camel_case import CamelCase


class Toleration(CamelCase):
    """A taint that a pod may stand under."""

    key: str
    operator: str = "Exists"
    effect: str


def tolerations(taints: Sequence[Taint]) -> tuple[Toleration, ...]:
    """Tolerations of the taints, whatever their values."""
    return tuple(Toleration(key=taint.key, effect=str(taint.effect)) for taint in taints)
