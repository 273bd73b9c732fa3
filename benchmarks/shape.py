"""How many resources of which sort a stack holds: what the floor has to match."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

PROVIDER_PREFIX = "pulumi:providers:"


@dataclass(frozen=True)
class Shape:
    """Resources of a stack, without the stack itself."""

    providers: int
    """Explicit ones."""
    components: int
    custom: int
    """What a provider manages, and what is looked up."""

    @property
    def total(self) -> int:
        """Everything that is registered."""
        return self.providers + self.components + self.custom

    def __str__(self) -> str:
        return f"{self.custom} custom resources, {self.components} components, {self.providers} providers"

    def as_dict(self) -> dict[str, int]:
        """The numbers by name."""
        return asdict(self)


def shape_of(resources: Iterable[Mapping[str, Any]]) -> Shape:
    """The shape of a deployment's resources, each with `type` and `custom` as the engine exports them."""
    providers = components = custom = 0
    for resource in resources:
        token = str(resource["type"])
        if token == "pulumi:pulumi:Stack":  # noqa: S105 - a type token is no password
            continue
        if token.startswith(PROVIDER_PREFIX):
            providers += 1
        elif resource.get("custom", False):
            custom += 1
        else:
            components += 1
    return Shape(providers, components, custom)
