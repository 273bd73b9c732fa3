"""Applications of others: where they come from, at which version, with which values."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SerializeAsAny, model_validator

from model.base import Value
from model.workloads.camel_case import CamelCase
from model.workloads.custom.selectors import SecretKey
from model.workloads.names import DnsLabel, NamespaceName
from model.workloads.objects import Kind

_VERSION = re.compile(r"^v?\d+\.\d+\.\d+(?:[-+.][0-9A-Za-z.-]+)?$")
_TAG = re.compile(r"^[A-Za-z0-9][\w./-]*\d+\.\d+(?:\.\d+)?[\w.+-]*$|^v\d+[\w.+-]*$")
_COMMIT = re.compile(r"^[0-9a-f]{40}$")
_BRANCH = re.compile(r"^(?:refs/heads/.*|(?:feature|feat|fix|release|hotfix|bugfix)/.*)$")


def _version(text: str) -> str:
    if not _VERSION.match(text):
        raise ValueError(f"`{text}` is no version of a chart: write all three numbers, such as 1.2.3, and no range")
    return text


def _revision(text: str) -> str:
    if _COMMIT.match(text) or (_TAG.match(text) and not _BRANCH.match(text)):
        return text
    raise ValueError(
        f"`{text}` is a branch, or may become one: name a tag with a version in it, or a commit by all 40 digits"
    )


ChartVersion = Annotated[str, AfterValidator(_version)]
"""One released version of a chart."""

Revision = Annotated[str, AfterValidator(_revision)]
"""A git tag with a version in it, or a whole commit id; what it names does not change."""


class HelmRepository(Value):
    """A chart in a Helm repository."""

    kind: Literal["helm"] = "helm"
    url: str = Field(pattern=r"^https://")
    chart: DnsLabel
    version: ChartVersion


class HelmRegistry(Value):
    """A chart in an OCI registry."""

    kind: Literal["oci"] = "oci"
    registry: str = Field(pattern=r"^[a-z0-9.-]+(?::\d+)?(?:/[a-z0-9._-]+)*$")
    """Host and path without `oci://` and without the chart's name."""
    chart: DnsLabel
    version: ChartVersion


class GitChart(Value):
    """A chart in a folder of a git repository."""

    kind: Literal["git-chart"] = "git-chart"
    repository: str = Field(pattern=r"^https://")
    path: str
    revision: Revision


class GitKustomization(Value):
    """A kustomization in a folder of a git repository."""

    kind: Literal["git-kustomization"] = "git-kustomization"
    repository: str = Field(pattern=r"^https://")
    path: str
    revision: Revision


class GitManifests(Value):
    """Plain manifests in a folder of a git repository."""

    kind: Literal["git-manifests"] = "git-manifests"
    repository: str = Field(pattern=r"^https://")
    path: str
    revision: Revision
    include: str | None = None
    """Glob of the files to take; None takes every YAML and JSON file of the folder."""


ChartSource = Annotated[
    HelmRepository | HelmRegistry | GitChart | GitKustomization | GitManifests, Field(discriminator="kind")
]
"""Where an application's manifests come from."""


def repository_url(source: ChartSource) -> str:
    """The repository as Argo CD names it."""
    if isinstance(source, HelmRepository):
        return source.url
    return source.registry if isinstance(source, HelmRegistry) else source.repository


HELM_SOURCES = (HelmRepository, HelmRegistry, GitChart)
"""Sources that are rendered by Helm and so have values."""


class ChartValues(CamelCase):
    """Values of a chart that differ from its defaults; each chart has a class of its own with the names it knows."""


class Switch(CamelCase):
    """A part of a chart that is on or off."""

    enabled: bool


class SecretSource(CamelCase):
    """The value of a variable is a key of a Secret."""

    secret_key_ref: SecretKey


class Variable(CamelCase):
    """An environment variable of a chart's container: with a value, or with one from a Secret."""

    name: str
    value: str | None = None
    value_from: SecretSource | None = None


class IgnoredDifference(Value):
    """Fields that another controller writes, so that Argo CD does not fight over them."""

    group: str = ""
    kind: str
    json_pointers: tuple[str, ...]


class Chart(Value):
    """One application of others as Argo CD applies it."""

    name: DnsLabel
    """Of the application, of the Helm release, and of the resource."""
    namespace: DnsLabel
    source: ChartSource
    values: SerializeAsAny[ChartValues] | None = None
    kinds: tuple[Kind, ...] = ()
    """Custom kinds that it defines. An object of one of them must name this application as what brings its kind."""
    install_definitions: bool = True
    """False where another application brings the chart's custom resource definitions."""
    ignored_differences: tuple[IgnoredDifference, ...] = ()

    @model_validator(mode="after")
    def _only_helm_has_values(self) -> "Chart":
        if self.values is not None and not isinstance(self.source, HELM_SOURCES):
            raise ValueError(f"{self.name}: a source of kind {self.source.kind} takes no values; patch it upstream")
        return self

    @property
    def target(self) -> NamespaceName:
        """The namespace it is installed into, as others refer to it."""
        return NamespaceName(self.namespace)

    @property
    def revision(self) -> str:
        """Version or revision of the source."""
        source = self.source
        return source.version if isinstance(source, HelmRepository | HelmRegistry) else source.revision
