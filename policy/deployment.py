"""A graph of an exported state, as `pulumi stack export` prints it."""

from collections.abc import Mapping
from typing import Any

from policy.graph import Graph, RegisteredResource
from policy.properties import NOTHING, freeze


def exported(document: Mapping[str, Any]) -> Graph:
    """The resources of the state, by their inputs. What is being replaced is there once, as it will be."""
    deployment: Mapping[str, Any] = document.get("deployment") or {}
    entries: list[Mapping[str, Any]] = [
        entry for entry in deployment.get("resources") or () if not entry.get("delete")
    ]
    return Graph(_resource(entry) for entry in entries)


def _resource(entry: Mapping[str, Any]) -> RegisteredResource:
    properties = freeze(entry.get("inputs") or {})
    provider: str | None = entry.get("provider") or None
    return RegisteredResource(
        urn=entry["urn"],
        token=entry["type"],
        name=str(entry["urn"]).rsplit("::", 1)[-1],
        properties=properties if isinstance(properties, Mapping) else NOTHING,
        dependencies=frozenset(entry.get("dependencies") or ()),
        property_dependencies={
            name: frozenset(urns or ()) for name, urns in (entry.get("propertyDependencies") or {}).items()
        },
        parent=entry.get("parent") or None,
        # A reference to a provider is its URN and its id.
        provider=None if provider is None else provider.rsplit("::", 1)[0],
        protect=bool(entry.get("protect")),
        retain_on_delete=bool(entry.get("retainOnDelete")),
    )
