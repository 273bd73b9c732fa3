"""What changed between two sets of inputs."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique

from twin.providers import wire


@unique
class ChangeKind(StrEnum):
    """How a property changed."""

    ADD = "add"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True)
class Change:
    """One property that is different."""

    path: str
    """E.g. `rules[0].condition.maxAgeSeconds`."""
    kind: ChangeKind

    @property
    def property_name(self) -> str:
        """The top-level property."""
        return self.path.split(".")[0].split("[")[0]


def changes(old: Mapping[str, wire.Value], new: Mapping[str, wire.Value], ignored: Iterable[str] = ()) -> list[Change]:
    """Every property that differs, at the deepest path; secrets are compared in clear, null is the same as absent."""
    skipped = set(ignored)
    found = _maps(wire.reveal_all(old), wire.reveal_all(new), "")
    return [change for change in found if change.property_name not in skipped and change.path not in skipped]


def _maps(old: Mapping[str, wire.Value], new: Mapping[str, wire.Value], path: str) -> Iterator[Change]:
    for name in {**old, **new}:
        yield from _values(old.get(name), new.get(name), f"{path}.{name}" if path else name)


def _values(old: wire.Value, new: wire.Value, path: str) -> Iterator[Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _maps(old, new, path)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            before = old[index] if index < len(old) else None
            after = new[index] if index < len(new) else None
            yield from _values(before, after, f"{path}[{index}]")
    elif old is None and new is not None:
        yield Change(path, ChangeKind.ADD)
    elif old is not None and new is None:
        yield Change(path, ChangeKind.DELETE)
    elif old != new:
        yield Change(path, ChangeKind.UPDATE)
