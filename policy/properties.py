"""Properties of resources as frozen data, some of which nobody may look at or knows yet."""

from collections.abc import Iterator, Mapping
from enum import Enum, unique
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from pydantic import TypeAdapter, ValidationError


@unique
class Withheld(Enum):
    """A value that a rule cannot judge."""

    UNKNOWN = "unknown"
    """Known only after `up`."""
    SECRET = "secret"  # noqa: S105 - the name of a mark
    """Known, but not to be read, least of all into a message."""


UNKNOWN: Final = Withheld.UNKNOWN
SECRET: Final = Withheld.SECRET

Property: TypeAlias = "str | int | float | bool | Withheld | tuple[Property, ...] | Mapping[str, Property] | None"
"""One value: JSON data, or withheld."""

Properties: TypeAlias = Mapping[str, Property]
Path: TypeAlias = tuple[str | int, ...]
"""Steps from a resource's properties down to a value."""

NOTHING: Properties = MappingProxyType({})

UNKNOWN_TEXTS = frozenset(
    {
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
"""By which the engine marks an unknown text, boolean, number, list, asset, archive and object."""

SIGNATURE = "4dabf18193072939515e22adb298388d"
"""Key that marks a map as something else; fixed by the engine."""
SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a mark
OUTPUT_SIGNATURE = "d0e6a833031e9bbcd3f4e8bde6ca49a4"


def freeze(value: Any, *, secret: bool = False) -> Property:
    """JSON data of the engine as a property; under `secret` the shape is kept and every value in it withheld."""
    if isinstance(value, Withheld):
        return value
    if isinstance(value, Mapping):
        return _frozen_map(value, secret=secret)
    if isinstance(value, (list, tuple)):
        return tuple(freeze(item, secret=secret) for item in value)
    if isinstance(value, str) and value in UNKNOWN_TEXTS:
        return UNKNOWN
    if value is None:
        return None
    if secret:
        return SECRET
    if isinstance(value, float) and value.is_integer():
        return int(value)
    # An asset or an archive is a file of the program's; no rule looks into it.
    return value if isinstance(value, str | int | float | bool) else UNKNOWN


def _frozen_map(value: Mapping[Any, Any], *, secret: bool) -> Property:
    signature = value.get(SIGNATURE)
    if signature == SECRET_SIGNATURE:
        # In an exported state the value is encrypted, or text of JSON.
        return freeze(value["value"], secret=True) if "value" in value else SECRET
    if signature == OUTPUT_SIGNATURE:
        return freeze(value["value"], secret=secret or bool(value.get("secret"))) if "value" in value else UNKNOWN
    if signature is not None:
        return UNKNOWN
    return MappingProxyType({str(name): freeze(item, secret=secret) for name, item in value.items()})


def at(value: Property, *path: str | int) -> Property:
    """What stands there: None when nothing does, withheld when something on the way is."""
    for step in path:
        if isinstance(value, Withheld):
            return value
        if isinstance(step, int):
            value = value[step] if isinstance(value, tuple) and -len(value) <= step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, Mapping) else None
    return value


def text(value: Property, *path: str | int) -> str | None:
    """The text there; None when there is none that can be read."""
    found = at(value, *path)
    return found if isinstance(found, str) else None


def number(value: Property, *path: str | int) -> int | None:
    """The whole number there; None when there is none that can be read."""
    found = at(value, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def entries(value: Property, *path: str | int) -> tuple[Property, ...]:
    """The items of the list there; none where no list can be read."""
    found = at(value, *path)
    return found if isinstance(found, tuple) else ()


def fields(value: Property, *path: str | int) -> Properties:
    """The map there; an empty one where none can be read."""
    found = at(value, *path)
    return found if isinstance(found, Mapping) else NOTHING


def is_withheld(value: Property, *path: str | int) -> bool:
    """Whether something may stand there that cannot be read."""
    return isinstance(at(value, *path), Withheld)


def has_withheld(value: Property) -> bool:
    """Whether any part of the value cannot be read."""
    return any(isinstance(leaf, Withheld) for _, leaf in walk(value))


def walk(value: Property, path: Path = ()) -> Iterator[tuple[Path, Property]]:
    """The value and everything in it, each with its path."""
    yield path, value
    if isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from walk(item, (*path, index))
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from walk(item, (*path, name))


def dotted(path: Path) -> str:
    """The path as people write it: `spec.containers[0].image`."""
    written = ""
    for step in path:
        written += f"[{step}]" if isinstance(step, int) else f".{step}" if written else step
    return written


def fits(adapter: TypeAdapter[Any], value: str) -> str | None:
    """Why the value is not of the type; None when it is."""
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        return error.errors()[0]["msg"].removeprefix("Value error, ")
    return None
