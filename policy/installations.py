"""Applications of others among the resources: what Argo CD applies, and what Helm installs."""

from collections.abc import Iterator
from dataclasses import dataclass

from policy.properties import Path, Properties, Property, at, entries, is_withheld, text

APPLICATION = "kubernetes:argoproj.io/v1alpha1:Application"
RELEASE = "kubernetes:helm.sh/v3:Release"


@dataclass(frozen=True, eq=False)
class Installation:
    """One chart, kustomization or folder of manifests."""

    urn: str
    stack: str
    name: str
    """Of the Application or the release, for people."""
    path: Path
    """Where in the resource its source stands."""
    repository: str
    """URL; empty when it cannot be read."""
    chart: str
    """Name of the chart, or path within a git repository; empty when it cannot be read."""
    is_chart: bool
    """Whether it is of a chart repository, so that its revision is a version."""
    revision: Property
    revision_path: Path
    namespace: str | None
    """Where it is installed; None when it cannot be read."""
    values: Property
    values_path: Path
    is_hidden: bool
    """Whether what it installs, or where, is not known yet."""

    def __str__(self) -> str:
        return f"application {self.name}"


def installations(urn: str, token: str, stack: str, properties: Properties) -> Iterator[Installation]:
    """What the resource installs."""
    logical = urn.rsplit("::", 1)[-1]
    if token == APPLICATION:
        sources = entries(properties, "spec", "sources")
        paths: list[Path] = [("spec", "sources", index) for index in range(len(sources))] or [("spec", "source")]
        for path in paths:
            source = at(properties, *path)
            yield Installation(
                urn=urn, stack=stack, name=text(properties, "metadata", "name") or logical, path=path,
                repository=text(source, "repoURL") or "",
                chart=text(source, "chart") or text(source, "path") or "",
                is_chart=at(source, "chart") is not None,
                revision=at(properties, *path, "targetRevision"), revision_path=(*path, "targetRevision"),
                namespace=text(properties, "spec", "destination", "namespace"),
                values=at(source, "helm", "valuesObject"), values_path=(*path, "helm", "valuesObject"),
                is_hidden=any(is_withheld(source, field) for field in ("repoURL", "chart", "path"))
                or is_withheld(properties, "spec", "destination", "namespace"),
            )  # fmt: skip
    elif token == RELEASE:
        yield Installation(
            urn=urn, stack=stack, name=text(properties, "name") or logical, path=(),
            repository=text(properties, "repositoryOpts", "repo") or "",
            chart=(text(properties, "chart") or "").rsplit("/", 1)[-1], is_chart=True,
            revision=at(properties, "version"), revision_path=("version",),
            namespace=text(properties, "namespace"), values=at(properties, "values"), values_path=("values",),
            is_hidden=any(is_withheld(properties, field) for field in ("chart", "namespace")),
        )  # fmt: skip
