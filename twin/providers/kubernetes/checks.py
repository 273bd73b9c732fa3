"""What is wrong with inputs before any cluster has been asked."""

from collections.abc import Iterable

from twin.providers import wire
from twin.providers.inputs import TypeInputs, Violation, violations
from twin.providers.kubernetes import annotations, objects, paths
from twin.providers.kubernetes.conditions import ExpressionError, read_expressions


def custom_resource_violations(token: str, metadata: TypeInputs, inputs: wire.Properties) -> Iterable[Violation]:
    """Of a custom resource only what all objects have is known; `metadata` is of a type that has it."""
    _, api_version, kind = token.split(":")
    for name, wanted in (("apiVersion", api_version), ("kind", kind)):
        given = wire.reveal(inputs.get(name))
        if given is None:
            yield Violation(name, "is required and missing")
        elif given is not wire.UNKNOWN and given != wanted:
            yield Violation(name, f"must be `{wanted}`, as the resource type says, not `{given}`")
    for name, value in inputs.items():
        if objects.has_asset(value):
            yield Violation(name, "must not hold files or archives")
    if "metadata" in inputs:
        yield from violations(metadata, {"metadata": inputs["metadata"]})


def annotation_violations(inputs: wire.Properties) -> Iterable[Violation]:
    """Annotations that tell the provider something must be understood."""
    known = {name: wire.reveal(value) for name, value in inputs.items() if not wire.has_unknown(value)}
    wanted = annotations.annotation(known, annotations.WAIT_FOR)
    if wanted is None:
        return
    try:
        read_expressions(wanted)
    except ExpressionError as error:
        yield Violation(paths.written(("metadata", "annotations", annotations.WAIT_FOR)), str(error))
