"""The JSON Schemas for editors are current, accept the lab's files, and refuse what reading them refuses."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from inventory import LAB
from model.configuration import stack_file
from stacks.stack_schema import DIRECTORY, render, schemas
from tests.unit.configuration.changed_copy import PROJECT_DIRECTORY, STACKS, Fixture, fixtures, write_stack_files

SCHEMAS = schemas(LAB)
JUDGED = tuple(fixture for fixture in fixtures() if fixture.schema_refuses is not None)


def schema_of(stack: str) -> dict[str, Any]:
    return SCHEMAS["stack-shared.schema.json" if stack == "shared" else "stack-colour.schema.json"]


def errors(directory: Path) -> list[str]:
    found: list[str] = []
    for stack in STACKS:
        content = yaml.safe_load((directory / stack_file(stack)).read_text(encoding="utf-8"))
        validator = Draft202012Validator(schema_of(stack), format_checker=Draft202012Validator.FORMAT_CHECKER)
        found += [f"{stack}: {error.message}" for error in validator.iter_errors(content)]
    return found


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_the_written_schema_is_current(name: str):
    written = (PROJECT_DIRECTORY / DIRECTORY / name).read_text(encoding="utf-8")

    assert written == render(SCHEMAS[name]), "run: python -m stacks.stack_schema"


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_the_schema_is_one(name: str):
    Draft202012Validator.check_schema(SCHEMAS[name])


@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_file_names_its_schema(stack: str):
    first = (PROJECT_DIRECTORY / stack_file(stack)).read_text(encoding="utf-8").splitlines()[0]
    name = first.rpartition("$schema=")[2]

    assert (PROJECT_DIRECTORY / name).is_file()
    assert SCHEMAS[Path(name).name] == schema_of(stack)


def test_the_files_of_the_lab_fit():
    assert errors(PROJECT_DIRECTORY) == []


@pytest.mark.parametrize("fixture", JUDGED, ids=lambda fixture: fixture.name)
def test_the_schema_sees_what_a_schema_can_see(fixture: Fixture, tmp_path: Path):
    write_stack_files(tmp_path, fixture.changes)

    assert bool(errors(tmp_path)) is fixture.schema_refuses


def test_every_key_and_bound_of_the_plan_is_described():
    plan = SCHEMAS["stack-colour.schema.json"]["$defs"]["AddressPlan"]["properties"]

    assert [name for name, schema in plan.items() if not schema.get("description")] == []
