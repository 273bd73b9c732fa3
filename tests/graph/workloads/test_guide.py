"""The example of the guide is an application that the lab would take."""

import re
from typing import Any

import pytest
from pydantic import ValidationError

import model.cluster
import model.configuration
import model.secrets
import model.units
from model.workloads import (
    applications,
    caches,
    charts,
    containers,
    databases,
    keeping,
    namespaces,
    quantities,
    routes,
    storage,
)
from tests.graph.workloads.layers import with_application
from tests.unit.architecture.source import PROJECT

VOCABULARY = (
    model.cluster, model.configuration, model.secrets, model.units, applications, caches, charts, containers, databases,
    keeping, namespaces, quantities, routes, storage,
)  # fmt: skip


def example() -> applications.Application:
    text = (PROJECT / "docs/guide/applications.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {name: value for module in VOCABULARY for name, value in vars(module).items()}
    exec(block, names)  # noqa: S102 - the guide's own text
    return names["NOTES"]


def test_the_example_is_an_application():
    notes = example()
    assert [str(slot) for slot in notes.slots] == ["volumes of notes", "databases of notes"]
    assert notes.database_name == "notes-postgresql"
    assert notes.cache_name == "notes-dragonfly"


def test_only_its_secret_is_missing():
    with pytest.raises(ValidationError) as caught:
        with_application(example())
    (error,) = caught.value.errors()
    assert error["msg"].splitlines() == [
        "Value error, application notes reads default/notes: token, which the schema of secrets does not have"
    ]
