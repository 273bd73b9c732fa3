"""Who manages which fields of an object, and the name under which the provider does."""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from twin.kubernetes.api import KubernetesApi, Object, ResourceType
from twin.providers import wire
from twin.providers.kubernetes import annotations, objects
from twin.providers.kubernetes.paths import Path

PREFIX: Final = "pulumi-kubernetes-"
TAKEN_OVER: Final = frozenset(
    {("kubectl", "Apply"), ("kubectl", "Update"), ("before-first-apply", "Update"), ("pulumi-kubernetes", "Update")}
)
"""Managers, and how they wrote, whose fields the provider makes its own before it applies."""


def field_manager(body: Object, outputs: wire.Properties, live: Object | None = None) -> str:
    """The annotated name, else the one it had, else a new one.

    Where the outputs are lost but the object is there, it had the name that the object tells.
    """
    annotated = annotations.annotation(body, annotations.PATCH_FIELD_MANAGER)
    remembered = wire.reveal(outputs.get(objects.FIELD_MANAGER))
    if annotated:
        return annotated
    if isinstance(remembered, str):
        return remembered
    told = [name for name, _, _ in _managers(live or {}) if name.startswith(PREFIX)]
    return told[0] if told else f"{PREFIX}{secrets.token_hex(4)}"


async def take_over(
    api: KubernetesApi, resource_type: ResourceType, live: Object, manager: str, previous: str
) -> Object:
    """Make `manager` the one that applied what it created itself, what it did under its `previous` name, and what
    `kubectl` did. Returns the object as then.

    A create is no apply: without this, the first apply would share its fields with the create, and never remove one.
    """
    entries: list[Object] = live["metadata"].get("managedFields") or []
    mine = [entry for entry in entries if _is_taken_over(entry, manager, previous)]
    if not mine:
        return live
    applied = [entry for entry in entries if (entry.get("manager"), entry.get("operation")) == (manager, "Apply")]
    fields: Object = {}
    for entry in [*applied, *mine]:
        _add(fields, entry.get("fieldsV1") or {})
    kept = [entry for entry in entries if entry not in mine and entry not in applied]
    united = {**(applied or mine)[0], "manager": manager, "operation": "Apply", "fieldsV1": fields}
    identity = objects.identity_of(live)
    changed = {"managedFields": [united, *kept], "resourceVersion": live["metadata"]["resourceVersion"]}
    return await api.merge(resource_type, identity.namespace, identity.name, {"metadata": changed})


def created_by_provider(live: Object) -> bool:
    """Whether some fields still belong to a create of the provider, and not to an apply."""
    return any(name.startswith("pulumi-kubernetes") and how == "Update" for name, how, _ in _managers(live))


def without_others_fields(body: Object, live: Object, ignored: Iterable[Path], manager: str) -> Object:
    """The body to apply, in which what is under `ignoreChanges` stays as it is.

    A field that another manager alone has is left out, so that the two do not fight; any other is sent as it is now.
    """
    mine = [fields for name, _, fields in _managers(live) if name == manager]
    theirs = [fields for name, _, fields in _managers(live) if name != manager]
    for path in ignored:
        others = any(_has(fields, path) for fields in theirs) and not any(_has(fields, path) for fields in mine)
        body = _replaced(body, path, None if others else _value(live, path))
    return body


def _managers(live: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for entry in (live.get("metadata") or {}).get("managedFields") or ():
        if not entry.get("subresource"):
            yield entry.get("manager", ""), entry.get("operation", ""), entry.get("fieldsV1") or {}


def _is_taken_over(entry: Mapping[str, Any], manager: str, previous: str) -> bool:
    name, how = entry.get("manager", ""), entry.get("operation", "")
    own = (name, how) == (manager, "Update") or (name == previous and name != manager)
    return not entry.get("subresource") and (own or (name, how) in TAKEN_OVER)


def _add(fields: Object, more: Mapping[str, Any]) -> None:
    for name, inner in more.items():
        _add(fields.setdefault(name, {}), inner)


def _has(fields: Mapping[str, Any], path: Path) -> bool:
    """Whether a set of fields has the path or something below it; lists are not looked into."""
    for part in path:
        inner = fields.get(f"f:{part}")
        if inner is None:
            return False
        fields = inner
    return True


def _value(body: Any, path: Path) -> Any:
    for part in path:
        if isinstance(body, dict):
            body = body.get(part)
        elif isinstance(body, list) and isinstance(part, int) and part < len(body):
            body = body[part]
        else:
            return None
    return body


def _replaced(body: Any, path: Path, value: Any) -> Any:
    """The body with another value at the path, without it when that is None; unchanged where the path leads nowhere."""
    if not path or not isinstance(body, dict):
        return body
    name, rest = str(path[0]), path[1:]
    if rest:
        return {**body, name: _replaced(body[name], rest, value)} if name in body else body
    others = {key: inner for key, inner in body.items() if key != name}
    return others if value is None else {**others, name: value}
