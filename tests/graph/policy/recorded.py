"""What the harness records of a program, as the rules see it."""

from collections.abc import Mapping

from policy.graph import Graph, RegisteredResource
from policy.properties import NOTHING, SECRET, UNKNOWN, Properties, Property, freeze
from tests.harness.recording import Recording, Registration
from twin.providers import wire


def graph_of(*recordings: Recording) -> Graph:
    """The resources of the stacks by their inputs."""
    return Graph(_resource(one) for recording in recordings for one in recording.registrations)


def _resource(one: Registration) -> RegisteredResource:
    return RegisteredResource(
        urn=one.urn,
        token=one.type,
        name=one.name,
        properties=_properties(one.inputs),
        dependencies=one.dependencies,
        property_dependencies=one.property_dependencies,
        parent=one.parent,
        provider=one.provider if one.custom else None,
        protect=one.protect,
        retain_on_delete=one.retain_on_delete,
    )


def _properties(inputs: wire.Properties) -> Properties:
    frozen = freeze({name: _property(value) for name, value in inputs.items()})
    return frozen if isinstance(frozen, Mapping) else NOTHING


def _property(value: wire.Value) -> Property:
    if isinstance(value, wire.Secret):
        return _hidden(wire.reveal(value))
    if isinstance(value, dict):
        return {name: _property(item) for name, item in value.items()}
    if isinstance(value, list):
        return tuple(_property(item) for item in value)
    return UNKNOWN if isinstance(value, wire.Unknown | wire.Asset) else value


def _hidden(value: wire.Value) -> Property:
    """The shape of a secret value; what is in it is not shown."""
    if isinstance(value, dict):
        return {name: _hidden(item) for name, item in value.items()}
    if isinstance(value, list):
        return tuple(_hidden(item) for item in value)
    return UNKNOWN if value is wire.UNKNOWN else SECRET
