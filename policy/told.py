"""Violations by the resource that has them."""

from model.violation import Rule, Source, Violation
from policy.properties import Path, dotted


def place(urn: str, *path: str | int) -> Source:
    """A property of a registered resource."""
    return Source(file=urn, key=dotted(path) or "the resource itself")


def told(rule: Rule, message: str, where: tuple[str, Path], fix: str, *also: tuple[str, Path]) -> Violation:
    """A violation at a resource (URN and path), with the other owners of what clashes."""
    urn, path = where
    return Violation(
        rule=rule, message=message, where=place(urn, *path), also=tuple(place(u, *p) for u, p in also), fix=fix
    )
