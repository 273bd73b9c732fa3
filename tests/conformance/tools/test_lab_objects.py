"""Every object that the lab's stacks register for a cluster, on a real API server with the custom definitions.

The objects are those that the program really registers, so what is added to the lab is judged without a line here.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from model.configuration import Layer
from model.exclusive import Colour
from tests.conformance.tools.conftest import Installed
from tests.conformance.tools.custom_objects import EXAMPLES
from tests.harness.conformance import CUSTOM_KIND
from tests.harness.lab_stacks import read_configuration, record_stack
from tests.harness.recording import Registration
from twin.kubernetes.api import ApiStatusError, KubernetesApi, Object, ResourceType

MANAGER = "test"
PLACE = "default"
"""Namespaces are not made here: whether one is there is judged elsewhere."""
NO_OBJECTS = ("kubernetes:helm.sh/",)
"""Begin the types of what the provider makes objects of, and no object itself."""

Registrations = tuple[Registration, ...]


@pytest.fixture(scope="module")
def lab() -> Mapping[Colour, Registrations]:
    """What each colour registers for its cluster."""
    return {colour: _registered(colour) for colour in Colour}


def _registered(colour: Colour) -> Registrations:
    recording = record_stack(str(colour), read_configuration())
    return tuple(
        one for one in recording.managed if one.package == "kubernetes" and not one.type.startswith(NO_OBJECTS)
    )


def as_sent(registration: Registration) -> Object:
    """The object as the provider sends it, in a namespace that is there."""
    content = registration.clear_inputs
    metadata = {name: value for name, value in content.get("metadata", {}).items() if value is not None}
    metadata.pop("namespace", None)
    metadata.setdefault("name", registration.name)
    _, version, kind = registration.type.split(":")
    # The core group has a name for Pulumi alone.
    version = version.removeprefix("core/")
    return {"apiVersion": version, "kind": kind, **content, "metadata": metadata}


async def resource_type(api: KubernetesApi, installed: Installed, body: Object) -> ResourceType:
    found = await api.resource_type(body["apiVersion"], body["kind"])
    return found or installed.resource_type(body["apiVersion"], body["kind"])


async def refusal(api: KubernetesApi, installed: Installed, body: Object) -> str | None:
    """Why the API server does not take the object, every field checked; None when it does."""
    found = await resource_type(api, installed, body)
    place = PLACE if found.namespaced else None
    try:
        await api.apply(found, place, body["metadata"]["name"], body, field_manager=MANAGER, dry_run=True)
    except ApiStatusError as error:
        return error.message
    return None


@pytest.mark.parametrize("colour", Colour)
async def test_every_object_of_a_colour_is_taken(
    lab: Mapping[Colour, Registrations], api: KubernetesApi, installed: Installed, colour: Colour
):
    refused: list[str] = []
    for one in lab[colour]:
        why = await refusal(api, installed, as_sent(one))
        if why is not None:
            refused.append(f"{one}: {why}")
    assert not refused, "\n".join(refused)


@pytest.mark.parametrize("colour", Colour)
async def test_a_field_too_much_is_refused_at_every_kind(
    lab: Mapping[Colour, Registrations], api: KubernetesApi, installed: Installed, colour: Colour
):
    """That an object is taken above says nothing if its kind takes everything."""
    of_each_kind = {one.type: one for one in lab[colour]}
    taken: list[str] = []
    for one in of_each_kind.values():
        body = as_sent(one)
        beside: Any = body.get("spec")
        target = beside if isinstance(beside, dict) else body
        target["aFieldThatNobodyHas"] = "a value"
        why = await refusal(api, installed, body)
        if why is None or "aFieldThatNobodyHas" not in why:
            taken.append(f"{one}: {why or 'taken'}")
    assert not taken, "\n".join(taken)


def test_the_colours_together_have_every_layer_and_many_kinds(lab: Mapping[Colour, Registrations]):
    configuration = read_configuration()
    assert {layer for colour in Colour for layer in configuration.colours[colour].layers} == set(Layer)
    for colour in Colour:
        custom = {one.type for one in lab[colour] if CUSTOM_KIND.match(one.type)}
        assert len(custom) > 10
        assert len({one.type for one in lab[colour]} - custom) > 5


def test_the_groups_of_the_objects_have_definitions_that_are_tried_by_themselves(lab: Mapping[Colour, Registrations]):
    custom = {one.type for registered in lab.values() for one in registered if CUSTOM_KIND.match(one.type)}
    tried = {(example.api_version.split("/")[0]) for example in EXAMPLES.values()}
    assert {token.split(":")[1].split("/")[0] for token in custom} <= tried
