"""What a resource takes as inputs, and what is wrong with the inputs it was given."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum, unique
from typing import Any

from pydantic import Field

from model.base import Value
from twin.providers import wire


@unique
class ShapeKind(StrEnum):
    """What a value is made of."""

    ANY = "any"
    STRING = "string"
    NUMBER = "number"
    INTEGER = "whole number"
    BOOLEAN = "boolean"
    ASSET = "asset"
    ARRAY = "list"
    MAP = "map"
    OBJECT = "object"
    UNION = "union"


class Shape(Value):
    """The type of one value."""

    kind: ShapeKind
    item: "Shape | None" = None
    """Of a list or a map: its elements."""
    definition: str | None = None
    """Of an object: its key in `TypeInputs.definitions`."""
    options: tuple["Shape", ...] = ()
    """Of a union: what it may be."""
    values: tuple[str, ...] = ()
    """Of a string: the only ones allowed; empty for any."""
    ignore_case: bool = False
    """Whether `values` are compared without regard to case."""


class Property(Value):
    """One input property."""

    shape: Shape
    required: bool = False


class ObjectInputs(Value):
    """The properties of an object, by their names on the wire."""

    properties: Mapping[str, Property] = Field(default_factory=dict)


class TypeInputs(Value):
    """Inputs and output names of one resource type, function or provider, as its SDK declares them."""

    token: str
    inputs: ObjectInputs
    outputs: tuple[str, ...] = ()
    definitions: Mapping[str, ObjectInputs] = Field(default_factory=dict)


@dataclass(frozen=True)
class Violation:
    """An input that is not acceptable."""

    path: str
    """Property path, e.g. `rules[0].condition.maxAgeSeconds`; empty for the whole resource."""
    reason: str


def violations(declared: TypeInputs, given: Mapping[str, wire.Value]) -> Iterator[Violation]:
    """Every input that the SDK's types do not allow. Unknown values are taken to be right."""
    yield from _object(declared, declared.inputs, given, "")


def _object(
    declared: TypeInputs, wanted: ObjectInputs, given: Mapping[str, wire.Value], path: str
) -> Iterator[Violation]:
    for name, value in given.items():
        where = f"{path}.{name}" if path else name
        declaration = wanted.properties.get(name)
        if declaration is None:
            yield Violation(where, _unknown_name(name, wanted, given))
        elif value is not None:
            yield from _value(declared, declaration.shape, value, where)
    for name, declaration in wanted.properties.items():
        if declaration.required and given.get(name) is None:
            yield Violation(f"{path}.{name}" if path else name, "is required and missing")


def _unknown_name(name: str, wanted: ObjectInputs, given: Mapping[str, wire.Value]) -> str:
    free = [candidate for candidate in wanted.properties if candidate not in given]
    spoken = {candidate.lower().replace("_", ""): candidate for candidate in free}
    near = get_close_matches(name.lower().replace("_", ""), spoken, n=1, cutoff=0.6)
    hint = (
        f"did you mean `{spoken[near[0]]}`?" if near else f"known are {', '.join(sorted(wanted.properties)) or 'none'}"
    )
    return f"is not a property here; {hint}"


def _value(declared: TypeInputs, shape: Shape, value: wire.Value, path: str) -> Iterator[Violation]:
    if isinstance(value, wire.Secret):
        value = value.value
    if value is None or isinstance(value, wire.Unknown):
        return
    match shape.kind:
        case ShapeKind.ANY:
            return
        case ShapeKind.UNION:
            yield from _union(declared, shape, value, path)
        case ShapeKind.ARRAY if isinstance(value, list) and shape.item is not None:
            for index, item in enumerate(value):
                yield from _value(declared, shape.item, item, f"{path}[{index}]")
        case ShapeKind.MAP if isinstance(value, dict) and shape.item is not None:
            for name, item in value.items():
                yield from _value(declared, shape.item, item, f'{path}["{name}"]')
        case ShapeKind.OBJECT if isinstance(value, dict) and shape.definition is not None:
            yield from _object(declared, declared.definitions[shape.definition], value, path)
        case ShapeKind.STRING if isinstance(value, str):
            yield from _string(shape, value, path)
        case _ if _is_scalar(shape.kind, value):
            return
        case _:
            yield Violation(path, f"must be a {shape.kind}, not {_spoken(value)}")


def _string(shape: Shape, value: str, path: str) -> Iterator[Violation]:
    if not shape.values:
        return
    allowed = {v.lower() for v in shape.values} if shape.ignore_case else set(shape.values)
    if (value.lower() if shape.ignore_case else value) not in allowed:
        near = get_close_matches(value, shape.values, n=1)
        hint = f"; did you mean `{near[0]}`?" if near else ""
        yield Violation(path, f"must be one of {', '.join(shape.values)}, not `{value}`{hint}")


def _union(declared: TypeInputs, shape: Shape, value: wire.Value, path: str) -> Iterator[Violation]:
    complaints = [list(_value(declared, option, value, path)) for option in shape.options]
    if all(complaints):
        yield from min(complaints, key=len)


def _is_scalar(kind: ShapeKind, value: wire.Value) -> bool:
    accepted: dict[ShapeKind, tuple[type[Any], ...]] = {
        ShapeKind.NUMBER: (int, float),
        ShapeKind.INTEGER: (int,),
        ShapeKind.BOOLEAN: (bool,),
        ShapeKind.ASSET: (wire.Asset,),
    }
    if isinstance(value, bool) and kind is not ShapeKind.BOOLEAN:
        return False
    return isinstance(value, accepted.get(kind, ()))


def _spoken(value: wire.Value) -> str:
    match value:
        case bool():
            return f"the boolean {str(value).lower()}"
        case int() | float():
            return f"the number {value}"
        case str():
            return "a string"
        case list():
            return "a list"
        case dict():
            return "a map"
        case _:
            return "an asset"
