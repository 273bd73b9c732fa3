"""Objects of custom kinds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi

from components.kubernetes.provided import Definitions
from model.workloads.objects import CustomObject

WAIT_FOR = "pulumi.com/waitFor"
"""Annotation by which the provider learns when an object of a custom kind works."""


@dataclass(frozen=True)
class Metadata:
    """Name and labels of an object; `namespace` is None where the kind belongs to the whole cluster."""

    name: str
    namespace: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    finalizers: tuple[str, ...] = ()

    def document(self, ready: str | None) -> dict[str, Any]:
        """As the API has it, with the annotation that says when the object works."""
        annotations = {**({} if ready is None else {WAIT_FOR: ready}), **self.annotations}
        optional = {
            "namespace": self.namespace,
            "labels": dict(self.labels),
            "annotations": annotations,
            "finalizers": list(self.finalizers),
        }
        return {"name": self.name, **{name: value for name, value in optional.items() if value}}


class CustomResource(pulumi.CustomResource):
    """An object of a custom kind. It exists after what brings its kind, and is ready when its status says so.

    The SDK has a class of that name too, but it knows no field beside `spec`.
    """

    def __init__(
        self,
        name: str,
        *,
        metadata: Metadata,
        content: CustomObject,
        definitions: Definitions,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Raises RunError when `definitions` are not of the content's kind."""
        if content.OF not in definitions.kinds:
            brought = ", ".join(str(kind) for kind in definitions.kinds) or "no kinds"
            raise pulumi.RunError(
                f"{name} is a {content.OF}, which {definitions.origin} does not bring; it brings {brought}.\n"
                "  fix: pass the definitions of what does, or add the kind to its chart's `kinds`"
            )
        super().__init__(
            f"kubernetes:{content.OF.api_version}:{content.OF.name}",
            name,
            {
                "apiVersion": content.OF.api_version,
                "kind": content.OF.name,
                "metadata": metadata.document(content.READY),
                **content.document(),
            },
            pulumi.ResourceOptions.merge(pulumi.ResourceOptions(depends_on=[definitions.by]), opts),
        )
