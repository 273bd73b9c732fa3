"""Argo CD: applications and the projects that bound them."""

from typing import Any

from pydantic import Field

from model.workloads.camel_case import CamelCase
from model.workloads.objects import CustomObject, Kind

GROUP, VERSION = "argoproj.io", "v1alpha1"


class HelmOptions(CamelCase):
    """How Helm renders a source."""

    release_name: str
    values_object: dict[str, Any] | None = None
    skip_crds: bool | None = None


class DirectoryOptions(CamelCase):
    """Which files of a folder are taken."""

    recurse: bool | None = None
    include: str | None = None


class ApplicationSource(CamelCase):
    """Where manifests come from."""

    repo_url: str = Field(serialization_alias="repoURL")
    chart: str | None = None
    path: str | None = None
    target_revision: str
    helm: HelmOptions | None = None
    directory: DirectoryOptions | None = None


class Destination(CamelCase):
    """Where manifests go."""

    server: str = "https://kubernetes.default.svc"
    namespace: str


class AutomatedSync(CamelCase):
    """Sync without being told to."""

    prune: bool = True
    self_heal: bool = True


class Backoff(CamelCase):
    """Pause between tries: `duration`, then `factor` times as long each time, up to `max_duration`."""

    duration: str = "5s"
    factor: int = 2
    max_duration: str = "10m"


class RetryStrategy(CamelCase):
    """How often a failed sync is tried again."""

    limit: int = 10
    backoff: Backoff = Backoff()


class SyncPolicy(CamelCase):
    """When and how an application is synced."""

    automated: AutomatedSync = AutomatedSync()
    sync_options: tuple[str, ...] = ()
    retry: RetryStrategy = RetryStrategy()


class IgnoreDifferences(CamelCase):
    """Fields that are someone else's."""

    group: str | None = None
    kind: str
    json_pointers: tuple[str, ...]


class ApplicationSpec(CamelCase):
    """Spec of an Application."""

    project: str
    source: ApplicationSource
    destination: Destination
    sync_policy: SyncPolicy = SyncPolicy()
    ignore_differences: tuple[IgnoreDifferences, ...] | None = None


class Application(CustomObject):
    """One chart, kustomization or folder that Argo CD keeps applied."""

    OF = Kind(group=GROUP, version=VERSION, name="Application")
    READY = "jsonpath={.status.health.status}=Healthy"
    spec: ApplicationSpec


class ProjectDestination(CamelCase):
    """A cluster and namespace that a project may write to."""

    server: str = "https://kubernetes.default.svc"
    namespace: str


class GroupKind(CamelCase):
    """A kind of object; `*` for any."""

    group: str = "*"
    kind: str = "*"


class AppProjectSpec(CamelCase):
    """Spec of an AppProject: what its applications may read and write."""

    description: str
    source_repos: tuple[str, ...]
    destinations: tuple[ProjectDestination, ...]
    cluster_resource_whitelist: tuple[GroupKind, ...] = ()


class AppProject(CustomObject):
    """Bounds of a group of applications."""

    OF = Kind(group=GROUP, version=VERSION, name="AppProject")
    spec: AppProjectSpec
