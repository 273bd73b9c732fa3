"""Values whose fields are in camel case where they go: Kubernetes objects and the values of charts."""

from typing import Any

from pydantic import AliasGenerator, ConfigDict

from model.base import Value


def camel_case(name: str) -> str:
    """The name as JSON has it, e.g. `storage_class_name` becomes `storageClassName`."""
    first, *others = name.rstrip("_").split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in others)


class CamelCase(Value):
    """A frozen value that is written in Python's spelling and serialised in the API's.

    A field that no Python name can spell has its own `serialization_alias`.
    """

    # There are many such classes, and a stack uses few of them: each is prepared when it is first used.
    model_config = ConfigDict(alias_generator=AliasGenerator(serialization_alias=camel_case), defer_build=True)

    def document(self) -> dict[str, Any]:
        """As JSON data under the names of the API; what is None is left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
