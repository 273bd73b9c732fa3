"""What a program tells the provider through annotations of an object."""

from collections.abc import Mapping
from typing import Any, Final

AUTONAMED: Final = "pulumi.com/autonamed"
SKIP_AWAIT: Final = "pulumi.com/skipAwait"
WAIT_FOR: Final = "pulumi.com/waitFor"
TIMEOUT_SECONDS: Final = "pulumi.com/timeoutSeconds"
REPLACE_UNREADY: Final = "pulumi.com/replaceUnready"
PATCH_FORCE: Final = "pulumi.com/patchForce"
PATCH_FIELD_MANAGER: Final = "pulumi.com/patchFieldManager"
DELETION_PROPAGATION: Final = "pulumi.com/deletionPropagationPolicy"

TRUE: Final = "true"
PROPAGATIONS: Final = {"orphan": "Orphan", "background": "Background"}


def annotation(body: Mapping[str, Any], name: str) -> str | None:
    """The annotation of an object, or of inputs in clear; None when it has none, or none that is known."""
    metadata = body.get("metadata")
    given = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    value = given.get(name) if isinstance(given, Mapping) else None
    return value if isinstance(value, str) else None


def is_true(body: Mapping[str, Any], name: str) -> bool:
    """Whether the annotation says `true`."""
    return annotation(body, name) == TRUE


def timeout_seconds(body: Mapping[str, Any]) -> float | None:
    """The annotated time limit; None without one, and for one that is no whole number, as published."""
    try:
        return float(int(annotation(body, TIMEOUT_SECONDS) or ""))
    except ValueError:
        return None


def propagation(body: Mapping[str, Any]) -> str:
    """How the objects that belong to this one are deleted: before it, unless annotated otherwise."""
    return PROPAGATIONS.get((annotation(body, DELETION_PROPAGATION) or "").lower(), "Foreground")
