"""What the API server refuses, in words for people."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

from twin.kubernetes.api import ApiStatusError, Object, UnreachableError
from twin.providers import wire
from twin.providers.errors import ApiError, OutOfReachError
from twin.providers.kubernetes import annotations, objects
from twin.providers.operation import Operation

EXISTS: Final = (
    "Pulumi does not take over what it did not create: if the resource was renamed in the program, give it an alias; "
    "to take over the object, import it or set `upsertExistingObjects` on the provider"
)
FIELDS_OF_OTHERS: Final = (
    "leave the field to the other manager (`ignore_changes`), or take it over with the annotation "
    f'`{annotations.PATCH_FORCE}: "true"`'
)
UNLISTED_IMMUTABLE: Final = (
    "the published provider does not replace the object for this field by itself: name it in `replace_on_changes`"
)
SHORTEST_SECRET: Final = 4
"""Anything shorter is part of many words."""
IMMUTABLE: Final = ("field is immutable", "is immutable after", "updates to ")
"""How the API server says that a field of an object cannot be changed."""


@asynccontextmanager
async def refusals(
    operation: Operation, what: str, inputs: Mapping[str, wire.Value] | None = None
) -> AsyncGenerator[None]:
    """Turn refusals into ApiError and OutOfReachError; `what` did not happen, e.g. `was not created`.

    The API server quotes values that it does not like: those that are secret in `inputs` are left out.
    """
    try:
        yield
    except ApiStatusError as error:
        message = without_secrets(f"{error.message}{_advice(error)}", dict(inputs or {}))
        raise ApiError(error.code, f"{operation.token} {operation.name} {what}: {message}") from error
    except UnreachableError as error:
        raise OutOfReachError(f"{operation.token} {operation.name} {what}: {error}") from error


def without_secrets(text: str, inputs: wire.Properties) -> str:
    """The text without any value that is secret in the inputs."""
    for secret in sorted(objects.secret_texts(inputs), key=len, reverse=True):
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "[secret]")
    return text


def no_such_kind(body: Object) -> ApiError:
    """The cluster does not serve the kind of the object."""
    return ApiError(
        HTTPStatus.NOT_FOUND,
        f'no matches for kind "{body["kind"]}" in version "{body["apiVersion"]}": the cluster has no such kind. Let '
        "the resource depend on what brings its custom resource definition",
    )


def _advice(error: ApiStatusError) -> str:
    if error.reason == "AlreadyExists":
        return f". {EXISTS}"
    if error.code == HTTPStatus.CONFLICT and "conflict with" in error.message:
        return f"; {FIELDS_OF_OTHERS}"
    if error.code == HTTPStatus.UNPROCESSABLE_ENTITY and any(words in error.message for words in IMMUTABLE):
        return f"; {UNLISTED_IMMUTABLE}"
    if error.code == HTTPStatus.NOT_FOUND and error.message.startswith("namespaces "):
        return "; let the resource depend on its namespace"
    return ""
