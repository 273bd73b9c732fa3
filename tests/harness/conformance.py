"""Whether inputs fit the types that the installed SDKs declare. Pulumi's mocks let almost anything pass."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import MappingProxyType

from tests.harness import checks
from tests.harness.recording import Recording
from twin.providers import wire
from twin.providers.inputs import ObjectInputs, Shape, ShapeKind, TypeInputs, violations
from twin.providers.sdk import read_types

SDK_MODULES: Mapping[str, str] = MappingProxyType(
    {
        "proxmoxve": "pulumi_proxmoxve",
        "talos": "pulumiverse_talos",
        "cloudflare": "pulumi_cloudflare",
        "gcp": "pulumi_gcp",
        "random": "pulumi_random",
        "command": "pulumi_command",
        "kubernetes": "pulumi_kubernetes",
        "harbor": "pulumiverse_harbor",
    }
)
"""Python module of each provider package."""


CUSTOM_KIND = re.compile(r"kubernetes:(?!(?:core|apps|batch|helm\.sh|(?:storage|rbac\.authorization)\.k8s\.io)/v\d:)")
"""Begins the token of a kind that a cluster is taught; the real API server judges those, no SDK knows them."""


UNDECLARED = {"kubernetes:helm.sh/v3:Release": frozenset({"compat"})}
"""Inputs that an SDK sends without declaring them."""


@cache
def declared(token: str) -> TypeInputs:
    """The inputs of a resource type, function or `pulumi:providers:NAME`; UnknownTokenError when no SDK has it."""
    package = token.rsplit(":", 1)[-1] if token.startswith("pulumi:providers:") else token.split(":", maxsplit=1)[0]
    return read_types(SDK_MODULES[package], [token])[0]


def nonconforming_inputs(recording: Recording) -> list[str]:
    """Inputs that are unknown, missing, or of the wrong type, down to every nested object."""
    return [
        f"{subject}: `{found.path}` {found.reason}"
        for subject, token, given in _given(recording)
        for found in violations(declared(token), given)
    ]


def snake_case_leaks(recording: Recording) -> list[str]:
    """Names that reach a provider as Python spells them, where the SDK has not translated them."""
    return [
        f"{subject}: `{path}` is spelled as in Python, and the provider would not know it"
        for subject, token, given in _given(recording)
        for path in _snake_case(declared(token), declared(token).inputs, given, "")
    ]


def _given(recording: Recording) -> Iterator[tuple[str, str, wire.Properties]]:
    for one in recording.registrations:
        if (one.is_managed or one.is_provider) and not CUSTOM_KIND.match(one.type):
            hidden = UNDECLARED.get(one.type, frozenset())
            given = {name: value for name, value in one.inputs.items() if name not in hidden}
            yield str(one), one.type, _as_meant(one.type, given) if one.is_provider else given
    for call in recording.invocations:
        yield f"call of {call.token}", call.token, call.arguments


JSON_KINDS = (ShapeKind.BOOLEAN, ShapeKind.INTEGER, ShapeKind.NUMBER)


def _as_meant(token: str, given: wire.Properties) -> wire.Properties:
    """A provider's settings: the SDK hands over what is no text as JSON."""
    properties = declared(token).inputs.properties
    return {
        name: json.loads(value)
        if isinstance(value, str) and name in properties and properties[name].shape.kind in JSON_KINDS
        else value
        for name, value in given.items()
    }


def _snake_case(types: TypeInputs, wanted: ObjectInputs, given: wire.Properties, path: str) -> Iterator[str]:
    for name, value in given.items():
        where = f"{path}.{name}" if path else name
        known = wanted.properties.get(name)
        if known is None and "_" in name:
            yield where
        else:
            yield from _snake_case_value(types, known.shape if known else Shape(kind=ShapeKind.ANY), value, where)


def _snake_case_value(types: TypeInputs, shape: Shape, value: wire.Value, path: str) -> Iterator[str]:
    if isinstance(value, wire.Secret):
        value = value.value
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _snake_case_value(types, shape.item or Shape(kind=ShapeKind.ANY), item, f"{path}[{index}]")
    elif isinstance(value, dict) and shape.kind is not ShapeKind.MAP:
        # The keys of a map are the user's own; those of everything else are names.
        known = types.definitions[shape.definition] if shape.definition else ObjectInputs()
        yield from _snake_case(types, known, value, path)


EVERY_CHECK: tuple[Callable[[Recording], list[str]], ...] = (
    checks.duplicate_urns,
    checks.implicit_providers,
    checks.escaped_children,
    checks.unfinished_components,
    checks.outputs_as_text,
    checks.secrets_in_clear,
    nonconforming_inputs,
    snake_case_leaks,
)
"""What holds of every program, whatever it makes; each tells all that offends."""
