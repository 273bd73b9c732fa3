"""Words to write a custom resource definition with: strict, so that a field that is not named is refused."""

from collections.abc import Mapping
from typing import Any, Final

from twin.kubernetes.api import Object

Schema = dict[str, Any]
"""An OpenAPI v3 schema as an API server takes it."""

BOOLEAN: Final[Schema] = {"type": "boolean"}
TEXT: Final[Schema] = {"type": "string"}
ANYTHING: Final[Schema] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
"""An object that is not looked into."""
QUANTITY: Final[Schema] = {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}


def one_of(*values: str) -> Schema:
    """One of these texts."""
    return {"type": "string", "enum": list(values)}


def integer(minimum: int | None = None, maximum: int | None = None) -> Schema:
    """A 32-bit number within the bounds, both included."""
    bounds = {"minimum": minimum, "maximum": maximum}
    return {"type": "integer", "format": "int32"} | {key: value for key, value in bounds.items() if value is not None}


def items(schema: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": schema}


def mapping(schema: Schema) -> Schema:
    """Free keys with values of one shape."""
    return {"type": "object", "additionalProperties": schema}


def structure(properties: Mapping[str, Schema], *required: str) -> Schema:
    """Named fields and no others."""
    return {"type": "object", "properties": dict(properties)} | ({"required": list(required)} if required else {})


LABELS: Final = mapping(TEXT)
REFERENCE: Final = structure({"name": TEXT})
"""An object of the same namespace."""
SECRET_KEY: Final = structure({"name": TEXT, "key": TEXT, "optional": BOOLEAN}, "key")
VARIABLE: Final = structure({"name": TEXT, "value": TEXT, "valueFrom": ANYTHING}, "name")
"""An environment variable of a container."""
VOLUME_MOUNT: Final = structure(
    {
        "name": TEXT,
        "mountPath": TEXT,
        "subPath": TEXT,
        "subPathExpr": TEXT,
        "mountPropagation": TEXT,
        "readOnly": BOOLEAN,
        "recursiveReadOnly": TEXT,
    },
    "name",
    "mountPath",
)
TOLERATION: Final = structure(
    {
        "key": TEXT,
        "operator": TEXT,
        "value": TEXT,
        "effect": TEXT,
        "tolerationSeconds": {"type": "integer", "format": "int64"},
    }
)
RESOURCES: Final = structure(
    {"requests": mapping(QUANTITY), "limits": mapping(QUANTITY), "claims": items(structure({"name": TEXT}, "name"))}
)
"""Processor time, memory and devices of a container."""


def definition(
    api_version: str,
    kind: str,
    plural: str,
    fields: Schema,
    *,
    namespaced: bool = True,
    short_names: tuple[str, ...] = (),
    columns: Mapping[str, str] | None = None,
) -> Object:
    """A definition with the one version of `api_version`; `fields` is what stands beside the metadata.

    `columns` are JSON paths by the heading under which `kubectl get` shows them.
    """
    group, _, version = api_version.partition("/")
    root = structure({"apiVersion": TEXT, "kind": TEXT, "metadata": {"type": "object"}, **fields["properties"]})
    if "required" in fields:
        root["required"] = fields["required"]
    served: Object = {
        "name": version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": root},
        "subresources": {"status": {}},
    }
    if columns:
        served["additionalPrinterColumns"] = [
            {"name": heading, "type": "string", "jsonPath": path} for heading, path in columns.items()
        ]
    names: Object = {
        "kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower(),
    }  # fmt: skip
    if short_names:
        names["shortNames"] = list(short_names)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": names,
            "scope": "Namespaced" if namespaced else "Cluster",
            "versions": [served],
        },
    }
