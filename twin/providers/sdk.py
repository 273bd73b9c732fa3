"""Reads the inputs of resource types out of the installed Pulumi SDKs.

The only module that looks into the SDKs' and Pulumi's private parts; `tests/twin/test_sdk.py` tells when they move.
Run as a program it prints what it reads as JSON: importing a large SDK costs over a second and a hundred megabytes,
which the daemon leaves to a short-lived child.
"""

import collections.abc
import importlib
import importlib.util
import inspect
import json
import re
import sys
import types
import typing
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import pulumi
from pulumi import _types  # pyright: ignore[reportPrivateUsage]
from pulumi.runtime import rpc

from twin.providers.inputs import ObjectInputs, Property, Shape, ShapeKind, TypeInputs

SCALARS: Mapping[Any, ShapeKind] = {
    str: ShapeKind.STRING,
    int: ShapeKind.INTEGER,
    float: ShapeKind.NUMBER,
    bool: ShapeKind.BOOLEAN,
    pulumi.Asset: ShapeKind.ASSET,
    pulumi.Archive: ShapeKind.ASSET,
}
ALLOWED_VALUES = re.compile(r"^\s*Available values: ((?:\"[^\"]+\"(?:, )?)+)\.", re.MULTILINE)
RESOURCE_MODULES = re.compile(r"^\s*resource_modules=\"\"\"\n(.*?)\"\"\"", re.MULTILINE | re.DOTALL)
ASSIGNED_ARGUMENT = re.compile(r"__args__\['(\w+)'\] = (\w+)")


class UnknownTokenError(Exception):
    """The installed SDK has no such type."""


def read_types(module: str, tokens: Iterable[str]) -> list[TypeInputs]:
    """The inputs of every token that the SDK `module` (e.g. `pulumi_gcp`) declares.

    A token is a resource type, a function or `pulumi:providers:NAME`; UnknownTokenError names one that is none of them.
    """
    importlib.import_module(module)
    return [_read_token(module, token) for token in tokens]


def resource_tokens(module: str) -> tuple[str, ...]:
    """Every resource type that the SDK `module` declares, without importing it; empty when it is not installed."""
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        return ()
    declared = RESOURCE_MODULES.search(Path(found.origin).read_text())
    if declared is None:
        raise UnknownTokenError(f"{module} does not list its resource types where it did")
    return tuple(sorted(token for part in json.loads(declared.group(1)) for token in part["classes"]))


def _read_token(module: str, token: str) -> TypeInputs:
    package, part, name = token.split(":")
    if package == "pulumi":
        return _Reader().resource(token, importlib.import_module(f"{module}.provider"), "Provider")
    registered = rpc.get_resource_module(package, part, "")
    information: Mapping[str, Any] = getattr(registered, "mod_info", {})
    if token in information.get("classes", {}):
        python_module = importlib.import_module(information["fqn"])
        class_name: str = information["classes"][token]
        return _Reader().resource(token, sys.modules[getattr(python_module, class_name).__module__], class_name)
    function = _function(module, part, name)
    if function is None:
        raise UnknownTokenError(f"{module} has no type or function {token}")
    return _Reader().function(token, function)


def _function(module: str, part: str, name: str) -> types.FunctionType | None:
    folder = part.split("/", maxsplit=1)[0]
    found = importlib.import_module(module if folder == "index" else f"{module}.{folder}")
    return getattr(found, re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower(), None)


class _Reader:
    """Reads one type; collects the definitions of the objects nested in it."""

    def __init__(self) -> None:
        self._definitions: dict[str, ObjectInputs] = {}

    def resource(self, token: str, module: types.ModuleType, class_name: str) -> TypeInputs:
        # The generator adds `Init` where the plain name belongs to an object of the same name.
        arguments = getattr(module, f"{class_name}InitArgs", None) or getattr(module, f"{class_name}Args")
        outputs = _types.resource_types(getattr(module, class_name))
        return TypeInputs(
            token=token, inputs=self._object(arguments), outputs=tuple(sorted(outputs)), definitions=self._definitions
        )

    def function(self, token: str, function: types.FunctionType) -> TypeInputs:
        """Which arguments a function requires is not in its signature: none are said to be."""
        hints = typing.get_type_hints(function)
        names = ASSIGNED_ARGUMENT.findall(inspect.getsource(function))
        properties = {wire_name: Property(shape=self._shape(hints[name])) for wire_name, name in names}
        return TypeInputs(token=token, inputs=ObjectInputs(properties=properties), definitions=self._definitions)

    def _object(self, arguments: type) -> ObjectInputs:
        names = _types.input_type_py_to_pulumi_names(arguments)
        shapes = _types.input_type_types(arguments)
        parameters = inspect.signature(arguments).parameters
        return ObjectInputs(
            properties={
                wire_name: Property(
                    shape=_narrowed(self._shape(shapes[wire_name]), inspect.getdoc(getattr(arguments, name))),
                    required=name in parameters and parameters[name].default is inspect.Parameter.empty,
                )
                for name, wire_name in names.items()
            }
        )

    def _shape(self, annotation: Any) -> Shape:
        options = _options(annotation)
        if len(options) > 1:
            shapes = tuple(dict.fromkeys(self._shape(option) for option in options))
            return shapes[0] if len(shapes) == 1 else Shape(kind=ShapeKind.UNION, options=shapes)
        plain: Any = options[0] if options else Any
        origin = typing.get_origin(plain) or plain
        elements = typing.get_args(plain)
        if plain in SCALARS:
            return Shape(kind=SCALARS[plain])
        if origin in (list, collections.abc.Sequence):
            return Shape(kind=ShapeKind.ARRAY, item=self._shape(elements[0] if elements else Any))
        if origin in (dict, collections.abc.Mapping):
            return Shape(kind=ShapeKind.MAP, item=self._shape(elements[1] if elements else Any))
        if not inspect.isclass(plain):
            return Shape(kind=ShapeKind.ANY)
        if issubclass(plain, Enum):
            return Shape(kind=ShapeKind.STRING, values=tuple(str(member.value) for member in plain))
        return self._defined(plain) if _types.is_input_type(plain) else Shape(kind=ShapeKind.ANY)

    def _defined(self, arguments: type) -> Shape:
        key = f"{arguments.__module__}.{arguments.__qualname__}"
        if key not in self._definitions:
            self._definitions[key] = ObjectInputs()
            self._definitions[key] = self._object(arguments)
        return Shape(kind=ShapeKind.OBJECT, definition=key)


def _options(annotation: Any) -> list[Any]:
    """What a value may be once every promise of it is kept and its absence is ruled out."""
    if typing.get_origin(annotation) not in (typing.Union, types.UnionType):
        return [annotation]
    members = [m for m in typing.get_args(annotation) if m is not type(None) and not _is_promise(m)]
    if any(isinstance(m, type) and _types.is_input_type(m) for m in members):
        members = [m for m in members if isinstance(m, type) and _types.is_input_type(m)]
    if any(isinstance(m, type) and issubclass(m, Enum) for m in members) and str in members:
        return [str]
    return [option for member in members for option in _options(member)]


def _is_promise(member: Any) -> bool:
    return typing.get_origin(member) in (collections.abc.Awaitable, pulumi.Output)


def _narrowed(shape: Shape, documentation: str | None) -> Shape:
    """The shape, with the values that the documentation lists: where an SDK has no enums it says them there."""
    listed = ALLOWED_VALUES.search(documentation or "")
    if shape.kind is not ShapeKind.STRING or listed is None:
        return shape
    values = tuple(re.findall(r"\"([^\"]+)\"", listed.group(1)))
    return shape.model_copy(update={"values": values, "ignore_case": True})


if __name__ == "__main__":
    print(
        json.dumps(
            [read.model_dump(mode="json", exclude_defaults=True) for read in read_types(sys.argv[1], sys.argv[2:])]
        )
    )
