"""Resource types of the provider by their tokens, `kubernetes:GROUP/VERSION:KIND`."""

from typing import Final

from twin.providers import wire
from twin.providers.errors import NotEmulatedError
from twin.providers.kubernetes.objects import split_api_version

COMPONENTS: Final = ("yaml", "kustomize", "helm.sh/v4")
"""Parts of the SDK whose types are not one object."""


def is_object(token: str) -> bool:
    """Whether the type is one object, or a release: not a patch, a list or a component."""
    _, part, name = token.split(":")
    return not name.endswith(("Patch", "List")) and not _is_component(part)


def refuse_others(token: str, inputs: wire.Properties) -> None:
    """NotEmulatedError for a type that is not one object. A custom resource may have a name that looks like one."""
    _, part, name = token.split(":")
    kind = wire.reveal(inputs.get("kind"))
    if _is_component(part):
        raise NotEmulatedError(f"the twin does not emulate {token}: it applies objects, not files or charts of them")
    if name.endswith("Patch") and kind != name:
        raise NotEmulatedError(f"the twin does not emulate {token}: give the whole object that it patches")
    if name.endswith("List") and (kind != name or "items" in inputs):
        raise NotEmulatedError(f"the twin does not emulate {token}: give each of its items as a resource")


def kind_of(token: str, properties: wire.Properties) -> tuple[str, str]:
    """API version and kind, as the properties say them, else as the token does."""
    _, declared, kind = token.split(":")
    group, version = split_api_version(declared)
    given = wire.reveal(properties.get("apiVersion"))
    return (given if isinstance(given, str) else f"{group}/{version}" if group else version), kind


def _is_component(part: str) -> bool:
    return any(part == component or part.startswith(f"{component}/") for component in COMPONENTS)
