"""Kubernetes objects among the resources."""

from dataclasses import dataclass

from policy.properties import Properties, Property, Withheld, at, is_withheld, text

PREFIX = "kubernetes:"
NOT_OBJECTS = ("kubernetes:helm.sh/", "kubernetes:yaml", "kubernetes:kustomize")
"""Resources of the provider that are no objects themselves."""
BUILT_IN_NAMESPACES = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})
"""Every cluster has them."""


@dataclass(frozen=True, eq=False)
class KubernetesObject:
    """One object, by what the API would call it."""

    urn: str
    stack: str
    group: str
    """Empty for the core group."""
    kind: str
    namespace: str | Withheld | None
    """None where none is given: the whole cluster, or `default`."""
    name: str | Withheld
    content: Properties

    @property
    def is_hidden(self) -> bool:
        """Whether its name or namespace is not known yet."""
        return isinstance(self.name, Withheld) or isinstance(self.namespace, Withheld)

    @property
    def annotations(self) -> Property:
        """Its annotations."""
        return self.at("metadata", "annotations")

    @property
    def place(self) -> str | None:
        """The namespace that what it names without one is in; None when it is not known."""
        return None if isinstance(self.namespace, Withheld) else self.namespace or "default"

    def at(self, *path: str | int) -> Property:
        """What stands in it there."""
        return at(self.content, *path)

    def text(self, *path: str | int) -> str | None:
        """The text in it there; None when there is none that can be read."""
        return text(self.content, *path)

    def __str__(self) -> str:
        name = self.name if isinstance(self.name, str) else self.urn.rsplit("::", 1)[-1]
        return f"{self.kind} {self.namespace}/{name}" if isinstance(self.namespace, str) else f"{self.kind} {name}"


def kubernetes_object(urn: str, token: str, stack: str, properties: Properties) -> KubernetesObject | None:
    """The resource as a Kubernetes object; None when it is none. What is patched is somebody else's object."""
    if not token.startswith(PREFIX) or token.startswith(NOT_OBJECTS):
        return None
    api_version, _, kind = token.removeprefix(PREFIX).partition(":")
    if not kind or kind.endswith(("Patch", "List")):
        return None
    group = api_version.split("/")[0]
    # The SDK calls the group without a name `core`; other built-in groups have short names of their own there.
    said = text(properties, "apiVersion")
    if said is not None:
        group = said.split("/")[0] if "/" in said else ""
    elif group in ("core", "v1"):
        group = ""
    name = at(properties, "metadata", "name")
    namespace = at(properties, "metadata", "namespace")
    return KubernetesObject(
        urn=urn,
        stack=stack,
        group=group,
        kind=kind,
        namespace=namespace if isinstance(namespace, str | Withheld) else _hidden(properties),
        # Without a name the provider makes one up.
        name=name if isinstance(name, str) else Withheld.UNKNOWN,
        content=properties,
    )


def _hidden(properties: Properties) -> Withheld | None:
    return Withheld.UNKNOWN if is_withheld(properties, "metadata") else None
