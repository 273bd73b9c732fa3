"""The bridged provider takes what the Python package sends: tokens, property names, required properties."""

import importlib
import inspect
import json
from typing import Any

import pulumi_proxmoxve
import pytest
from pulumi._types import input_type_py_to_pulumi_names

from tools.build import Tool

PACKAGE = pulumi_proxmoxve.__name__


@pytest.fixture(scope="module")
def schema(proxmox_provider: Tool) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((proxmox_provider.directory / "schema.json").read_text())
    return loaded


def arguments_class(token: str) -> type:
    """The class of the package that holds the inputs of a resource or of a nested type."""
    module, name = token.split(":")[1:]
    folder = module.rsplit("/", 1)[0].replace("/", ".")
    path = PACKAGE if folder in ("index", name) else f"{PACKAGE}.{folder}"
    found: type = getattr(importlib.import_module(path), f"{name}Args")
    return found


def differences(token: str, properties: set[str], required: set[str]) -> dict[str, set[str]]:
    """What the schema and the package do not agree on."""
    arguments = arguments_class(token)
    names: dict[str, str] = input_type_py_to_pulumi_names(arguments)
    parameters = inspect.signature(arguments.__init__).parameters
    needed = {names[n] for n, p in parameters.items() if n in names and p.default is inspect.Parameter.empty}
    return {
        label: found
        for label, found in {
            "only in the schema": properties - set(names.values()),
            "only in the package": set(names.values()) - properties,
            "required by one only": needed ^ required,
        }.items()
        if found
    }


def test_every_resource_has_the_inputs_of_the_package(schema: dict[str, Any]) -> None:
    assert len(schema["resources"]) >= 16
    found = {
        token: differences(token, set(r["inputProperties"]), set(r.get("requiredInputs", [])))
        for token, r in schema["resources"].items()
    }
    assert {token: wrong for token, wrong in found.items() if wrong} == {}


def test_every_nested_type_has_the_properties_of_the_package(schema: dict[str, Any]) -> None:
    assert len(schema["types"]) > 40
    found: dict[str, Any] = {}
    for token, nested in schema["types"].items():
        if token.startswith(f"{PACKAGE.removeprefix('pulumi_')}:config/"):
            # Settings of the provider, which the package names otherwise; the next test compares them.
            continue
        wrong = differences(token, set(nested["properties"]), set(nested.get("required", [])))
        if wrong:
            found[token] = wrong
    assert found == {}


def test_the_provider_takes_the_settings_of_the_package(schema: dict[str, Any]) -> None:
    names = set(input_type_py_to_pulumi_names(pulumi_proxmoxve.ProviderArgs).values())
    assert set(schema["provider"]["inputProperties"]) == names

