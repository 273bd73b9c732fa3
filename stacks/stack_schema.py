"""JSON Schemas of the stack files, for editors: `python -m stacks.stack_schema` writes them."""

import ast
import inspect
import json
import textwrap
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from inventory import LAB
from model.cluster import NodeRole
from model.configuration import PROJECT, AddressPlan, AddressRange, ColourConfiguration, SharedConfiguration
from model.lab import Lab
from stacks.stack_files import NAMESPACES, TOP_LEVEL

DIRECTORY = Path("docs/reference")

Schema = dict[str, Any]
"""JSON Schema, draft 2020-12, as JSON data."""


def schemas(lab: Lab) -> dict[str, Schema]:
    """The schema of each kind of stack file by its file name below docs/reference."""
    return {
        "stack-shared.schema.json": _stack_file(SharedConfiguration, lab),
        "stack-colour.schema.json": _stack_file(ColourConfiguration, lab),
    }


def render(schema: Schema) -> str:
    """The schema as it is written to its file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write every schema."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for name, schema in schemas(LAB).items():
        (DIRECTORY / name).write_text(render(schema), encoding="utf-8")


def _stack_file(model: type[BaseModel], lab: Lab) -> Schema:
    own = model.model_json_schema()
    definitions = own.pop("$defs", {})
    for described in (model, AddressPlan, AddressRange):
        target = own if described is model else definitions.get(described.__name__)
        if target is not None:
            _describe(target, described)
    _enumerate(own["properties"], lab)
    others = "|".join(namespace for namespace in NAMESPACES if namespace != PROJECT)
    title = f"{'Pulumi.shared.yaml' if model is SharedConfiguration else 'Pulumi.blue.yaml and Pulumi.green.yaml'}"
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "additionalProperties": False,
        "required": ["config"],
        "properties": {
            "config": {
                "type": "object",
                "additionalProperties": False,
                "required": [f"{PROJECT}:{name}" for name in own.get("required", ())],
                "properties": {f"{PROJECT}:{name}": schema for name, schema in own["properties"].items()},
                "patternProperties": {f"^(?:{others}):[^:]+$": {}},
            },
            **{key: _engine(key) for key in TOP_LEVEL if key != "config"},
        },
        "$defs": definitions,
    }


def _engine(key: str) -> Schema:
    """A key that the Pulumi engine writes."""
    if key == "environment":
        return {"type": ["object", "array"], "description": "Pulumi ESC environments of the stack."}
    return {"type": "string", "description": "Written by the Pulumi engine."}


def _enumerate(properties: Schema, lab: Lab) -> None:
    """The names that this lab has, so that an editor completes them."""
    leases = [str(lease) for lease in lab.lease_names]
    if "leases" in properties:
        properties["leases"]["propertyNames"] = {"enum": leases}
    if "leases_wanted" in properties:
        properties["leases_wanted"]["items"] = {"enum": leases}
        properties["leases_wanted"]["uniqueItems"] = True
    if "talos_version" in properties:
        properties["talos_version"] = {
            "description": properties["talos_version"].get("description", ""),
            "enum": [release.talos for release in lab.cluster.releases],
        }
    if "replaceable" in properties:
        members = [str(n.suffix) for n in lab.cluster.placements if n.role is NodeRole.CONTROL_PLANE]
        properties["replaceable"]["items"] = {"enum": members}


def _describe(schema: Schema, model: type[BaseModel]) -> None:
    """Add the docstrings of the class and its fields; JSON Schema calls them descriptions."""
    schema["description"] = inspect.getdoc(model) or ""
    for name, text in _field_docstrings(model).items():
        schema["properties"][name]["description"] = text


def _field_docstrings(model: type[BaseModel]) -> dict[str, str]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    found: dict[str, str] = {}
    if isinstance(definition, ast.ClassDef):
        for field, following in zip(definition.body, definition.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(following, ast.Expr)
                and isinstance(following.value, ast.Constant)
                and isinstance(following.value.value, str)
            ):
                found[field.target.id] = inspect.cleandoc(following.value.value)
    return found


if __name__ == "__main__":
    main()
