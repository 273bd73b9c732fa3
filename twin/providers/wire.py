"""Property values between the engine's protobuf form and plain Python."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from google.protobuf import struct_pb2


class Unknown(Enum):
    """A value that is known only after `up`."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN


@dataclass(frozen=True)
class Secret:
    """A value that the engine encrypts in its state and hides in its output."""

    value: "Value"


@dataclass(frozen=True)
class Asset:
    """A file or archive, kept as the engine sent it."""

    fields: Mapping[str, "Value"]


Value: TypeAlias = "bool | int | float | str | Unknown | Secret | Asset | list[Value] | dict[str, Value] | None"
"""A property value. Whole numbers are int: protobuf has only float, and 3600.0 is nobody's number of seconds."""

Properties: TypeAlias = dict[str, Value]
"""Property values by the names of the wire, e.g. `accountId`."""

SIGNATURE = "4dabf18193072939515e22adb298388d"
"""Marks a struct that is not a plain map; fixed by the provider protocol."""
SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a mark, not a secret
ASSET_SIGNATURES = frozenset({"c44067f5952c0a294b673a41bacd8c17", "0def7320c3a5731c473e5ecbe6d01bc7"})
OUTPUT_SIGNATURE = "d0e6a833031e9bbcd3f4e8bde6ca49a4"

UNKNOWN_STRING = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
UNKNOWNS = frozenset(
    {
        UNKNOWN_STRING,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
"""Stand for an unknown string, boolean, number, array, asset, archive and object."""


def decode(struct: struct_pb2.Struct) -> Properties:
    """The properties that the engine sent."""
    return {name: _decode(value) for name, value in struct.fields.items()}


def encode(properties: Mapping[str, Value]) -> struct_pb2.Struct:
    """The properties as the engine takes them."""
    return struct_pb2.Struct(fields={name: _encode(value) for name, value in properties.items()})


def reveal(value: Value) -> Value:
    """The value with every secret in it in clear."""
    if isinstance(value, Secret):
        return reveal(value.value)
    if isinstance(value, list):
        return [reveal(item) for item in value]
    if isinstance(value, dict):
        return {name: reveal(item) for name, item in value.items()}
    return value


def reveal_all(properties: Mapping[str, Value]) -> Properties:
    """The properties with every secret in clear."""
    return {name: reveal(value) for name, value in properties.items()}


def has_unknown(value: Value) -> bool:
    """Whether any part of the value is known only after `up`."""
    if value is UNKNOWN:
        return True
    if isinstance(value, Secret):
        return has_unknown(value.value)
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    if isinstance(value, dict):
        return any(has_unknown(item) for item in value.values())
    return False


def conceal_like(value: Value, example: Value) -> Value:
    """`value`, secret wherever `example` is secret."""
    if isinstance(example, Secret):
        return Secret(reveal(value))
    if isinstance(value, list) and isinstance(example, list) and len(value) == len(example):
        return [conceal_like(item, like) for item, like in zip(value, example, strict=True)]
    if isinstance(value, dict) and isinstance(example, dict):
        return {name: conceal_like(item, example.get(name)) for name, item in value.items()}
    return value


def _decode(value: struct_pb2.Value) -> Value:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return UNKNOWN if value.string_value in UNKNOWNS else value.string_value
    if kind == "bool_value":
        return value.bool_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "list_value":
        return [_decode(item) for item in value.list_value.values]
    if kind == "struct_value":
        return _decode_struct(value.struct_value)
    return None


def _decode_struct(struct: struct_pb2.Struct) -> Value:
    if SIGNATURE not in struct.fields:
        return decode(struct)
    signature = struct.fields[SIGNATURE].string_value
    if signature == SECRET_SIGNATURE:
        return Secret(_decode(struct.fields["value"]))
    if signature in ASSET_SIGNATURES:
        return Asset(decode(struct))
    if signature == OUTPUT_SIGNATURE:
        inner = _decode(struct.fields["value"]) if "value" in struct.fields else UNKNOWN
        return Secret(inner) if struct.fields["secret"].bool_value else inner
    raise ValueError(f"a property value with the unknown signature {signature}")


def _encode(value: Value) -> struct_pb2.Value:
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    if isinstance(value, Unknown):
        return struct_pb2.Value(string_value=UNKNOWN_STRING)
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, int | float):
        return struct_pb2.Value(number_value=value)
    if isinstance(value, str):
        return struct_pb2.Value(string_value=value)
    if isinstance(value, list):
        return struct_pb2.Value(list_value=struct_pb2.ListValue(values=[_encode(item) for item in value]))
    if isinstance(value, Secret):
        sealed: Properties = {SIGNATURE: SECRET_SIGNATURE, "value": value.value}
        return struct_pb2.Value(struct_value=encode(sealed))
    if isinstance(value, Asset):
        return struct_pb2.Value(struct_value=encode(value.fields))
    return struct_pb2.Value(struct_value=encode(value))
