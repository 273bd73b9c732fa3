"""What differs between two sets of inputs, and what an object has become of the inputs it was made from."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from twin.kubernetes.api import Object
from twin.providers import wire
from twin.providers.differences import ChangeKind
from twin.providers.kubernetes import objects
from twin.providers.kubernetes.paths import Path, any_covers

QUANTITIES: Final = frozenset(
    {
        "allocatable", "capacity", "default", "defaultRequest", "divisor", "hard", "limits", "max",
        "maxLimitRequestRatio", "min", "overhead", "podFixed", "requests", "sizeLimit", "storage",
    }
)  # fmt: skip
"""Names of properties that are quantities, or maps of them."""
SUFFIXES: Final = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "k": Decimal(1000), "M": Decimal(1000) ** 2,
    "G": Decimal(1000) ** 3, "T": Decimal(1000) ** 4, "P": Decimal(1000) ** 5, "E": Decimal(1000) ** 6,
    "Ki": Decimal(1024), "Mi": Decimal(1024) ** 2, "Gi": Decimal(1024) ** 3, "Ti": Decimal(1024) ** 4,
    "Pi": Decimal(1024) ** 5, "Ei": Decimal(1024) ** 6,
}  # fmt: skip


@dataclass(frozen=True)
class Differing:
    """One property that differs."""

    path: Path
    kind: ChangeKind
    value: Any
    """The new one, in clear; None when it is gone."""


def differences(
    old: Mapping[str, wire.Value], new: Mapping[str, wire.Value], ignored: Iterable[Path] = ()
) -> list[Differing]:
    """Every property that differs, at the deepest path. Quantities and numbers are compared by what they mean."""
    skipped = tuple(ignored)
    found = _maps(_normalised(wire.reveal_all(old)), _normalised(wire.reveal_all(new)), ())
    return [one for one in found if not any_covers(skipped, one.path)]


def as_now(live: Object, inputs: wire.Properties) -> wire.Properties:
    """The inputs as the object has them now: only what they name, spelt as they spell it where it means the same."""
    clear = wire.reveal_all(inputs)
    pruned: wire.Properties = _pruned(objects.underscored(live), clear, ())
    given = clear.get("stringData")
    if objects.is_secret(live) and isinstance(given, dict):
        pruned["stringData"] = _texts(live.get("data") or {}, given)
    return {name: objects.conceal(value, inputs.get(name)) for name, value in pruned.items()}


def _maps(old: Mapping[str, Any], new: Mapping[str, Any], path: Path) -> Iterator[Differing]:
    for name in {**old, **new}:
        yield from _values(old.get(name), new.get(name), (*path, name))


def _values(old: Any, new: Any, path: Path) -> Iterator[Differing]:
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _maps(old, new, path)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            before = old[index] if index < len(old) else None
            after = new[index] if index < len(new) else None
            yield from _values(before, after, (*path, index))
    elif old is None and new is not None:
        yield Differing(path, ChangeKind.ADD, new)
    elif old is not None and new is None:
        yield Differing(path, ChangeKind.DELETE, None)
    elif not _means_the_same(old, new, path):
        yield Differing(path, ChangeKind.UPDATE, new)


def _normalised(inputs: wire.Properties) -> Mapping[str, Any]:
    """Inputs in which a Secret has its texts where the API server puts them."""
    texts = inputs.get("stringData")
    if not objects.is_secret(inputs) or not isinstance(texts, dict):
        return inputs
    data = inputs.get("data")
    written = {name: objects.encoded(text) if isinstance(text, str) else text for name, text in texts.items()}
    rest = {name: value for name, value in inputs.items() if name != "stringData"}
    return {**rest, "data": {**(data if isinstance(data, dict) else {}), **written}}


def _pruned(live: Any, inputs: Any, path: Path) -> Any:
    if isinstance(live, dict) and isinstance(inputs, dict):
        kept: dict[str, Any] = {}
        for name, given in inputs.items():
            if name in live:
                kept[name] = _pruned(live[name], given, (*path, name))
            elif not given and given is not None:
                # False, zero and the empty are left out by the API server.
                kept[name] = given
        return kept
    if isinstance(live, list) and isinstance(inputs, list):
        # What others appended (tolerations, volumes) is theirs.
        pairs = enumerate(zip(live, inputs, strict=False))
        return [_pruned(item, given, (*path, index)) for index, (item, given) in pairs]
    return inputs if _means_the_same(live, inputs, path) else live


def _texts(data: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, Any]:
    """The texts of a Secret as they are now."""
    now: dict[str, Any] = {}
    for name in given:
        if name in data:
            text = objects.decoded(data[name])
            now[name] = data[name] if text is None else text
    return now


def _means_the_same(one: Any, other: Any, path: Path) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if one == other:
        return True
    if not any(part in QUANTITIES for part in path):
        return False
    first, second = quantity(one), quantity(other)
    return first is not None and first == second


def quantity(value: Any) -> Decimal | None:
    """A quantity such as `500m`, `2Gi`, `1e3` or 4 as a number; None when it is none."""
    text = str(value).strip()
    suffix = next((suffix for suffix in (text[-2:], text[-1:]) if suffix in SUFFIXES), "")
    try:
        return Decimal(text.removesuffix(suffix)) * SUFFIXES.get(suffix, Decimal(1))
    except InvalidOperation:
        return None
