"""What every application stands on: releases of the platform's parts, buckets, issuers, backup times."""

from collections import Counter
from collections.abc import Iterator

from pydantic import Field, model_validator

from model.base import Value
from model.configuration import Layer
from model.object_storage import Bucket, S3Keys, S3User, WriteOnce
from model.secrets import Access, SecretPath, SecretReference, SecretSchema
from model.units import GiB, Seconds
from model.workloads.applications import Application
from model.workloads.caches import CacheSettings
from model.workloads.charts import (
    ChartSource,
    GitChart,
    GitKustomization,
    GitManifests,
    HelmRegistry,
    HelmRepository,
    repository_url,
)
from model.workloads.copies import Copies
from model.workloads.custom.argo_cd import AppProjectSpec, GroupKind, ProjectDestination
from model.workloads.harbor import HarborSettings
from model.workloads.images import Image
from model.workloads.names import DnsLabel, NamespaceName
from model.workloads.namespaces import Namespace
from model.workloads.observability.lab_rules import Canary
from model.workloads.observability.settings import Observability
from model.workloads.retention import Retention
from model.workloads.routes import NativeOidc, OpenRoute
from model.workloads.schedules import BackupJob, Hours, Minutes, Timetable, timetable

PLATFORM_LAYERS = (Layer.SUBSTRATE, Layer.BASE)
"""The layers that the platform itself is made of."""

FILERS = 2
"""Of SeaweedFS, each with an S3 endpoint."""

_SOURCES = (HelmRepository, HelmRegistry, GitChart, GitKustomization, GitManifests)


class Releases(Value):
    """Every part of the platform at its version. A part is replaced by changing its line."""

    argo_cd: HelmRepository
    ceph_block: HelmRepository
    ceph_files: HelmRepository
    snapshot_definitions: GitKustomization
    snapshot_controller: GitKustomization
    local_path: GitChart
    node_feature_discovery: HelmRepository
    vault_operator: HelmRegistry
    vault_permissions: GitKustomization
    external_secrets: HelmRepository
    argo_workflows: HelmRepository
    cloudnative_pg: HelmRepository
    barman_plugin: GitManifests
    k8up_definitions: GitManifests
    k8up: HelmRepository
    dragonfly_operator: GitChart
    cert_manager: HelmRepository
    traefik: HelmRepository
    seaweedfs: HelmRepository
    intel_device_plugins: HelmRepository
    amd_gpu_operator: HelmRepository
    kube_prometheus_stack: HelmRepository
    prometheus_pushgateway: HelmRepository
    metrics_server: HelmRepository

    vault: Image
    sops: Image
    postgres: Image
    restic: Image
    intel_gpu_plugin: Image
    amd_device_plugin: Image
    amd_node_labeller: Image
    amd_metrics_exporter: Image
    amd_test_runner: Image
    rclone: Image
    minio_client: Image
    network_probe: Image
    """Any small image that ends with success when it runs `true`."""

    @model_validator(mode="after")
    def _vault_is_of_one_version(self) -> "Releases":
        chart, permissions = self.vault_operator.version, self.vault_permissions.revision
        if chart.removeprefix("v") != permissions.removeprefix("v"):
            raise ValueError(
                f"the Vault operator is {chart} but its permissions are of {permissions}; use one version for both"
            )
        return self

    @property
    def sources(self) -> tuple[ChartSource, ...]:
        """Where the charts of the platform come from."""
        parts = (getattr(self, name) for name in type(self).model_fields)
        return tuple(part for part in parts if isinstance(part, _SOURCES))


class Project(Value):
    """A group of applications in Argo CD, and the cluster-wide kinds that they may make."""

    layer: Layer
    description: str
    cluster_kinds: tuple[GroupKind, ...]
    also: tuple[NamespaceName, ...] = ()
    """Namespaces of others that its charts write to, such as `kube-system`."""


class BackupBucket(Value):
    """A bucket that backups go to, and the keys that open it and no other."""

    name: DnsLabel
    keys: S3Keys


class ObjectStorage(Value):
    """The S3 endpoint inside the cluster, its buckets and its users."""

    namespace: DnsLabel
    service: DnsLabel
    port: int
    volume_size: GiB
    """Of each of the volume servers."""
    volume_servers: int = Field(ge=1)
    metadata_size: GiB
    """Of master, filer and index volumes."""
    buckets: tuple[Bucket, ...]
    users: tuple[S3User, ...]
    snapshots: BackupBucket
    """The restic repository."""
    archives: BackupBucket
    """The PostgreSQL archives."""

    @model_validator(mode="after")
    def _is_sound(self) -> "ObjectStorage":
        names = [bucket.name for bucket in self.buckets]
        problems = [
            f"backups go to {one.name}, which is not among the buckets that are copied"
            for one in (self.snapshots, self.archives)
            if one.name not in {bucket.name for bucket in self.copied}
        ]
        problems += [
            f"user {user.name} may use {grant.bucket}, which is not among the buckets"
            for user in self.users
            for grant in user.grants
            if grant.bucket not in names
        ]
        problems += [f"{name} is named {times} times; keep one of them" for name, times in self._repeated(names)]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _repeated(self, names: list[str]) -> list[tuple[str, int]]:
        counted = Counter((*names, *(f"user {user.name}" for user in self.users)))
        return [(name, times) for name, times in counted.items() if times > 1]

    @property
    def endpoint(self) -> str:
        """URL within the cluster."""
        return f"http://{self.service}.{self.namespace}.svc.cluster.local:{self.port}"

    @property
    def copied(self) -> tuple[Bucket, ...]:
        """The buckets that the other tiers have copies of."""
        return tuple(bucket for bucket in self.buckets if isinstance(bucket.content, WriteOnce))

    @property
    def claimed(self) -> GiB:
        """All that it claims of the storage below: master, two filers, and each volume server with its index."""
        return GiB(self.volume_servers * (self.volume_size + self.metadata_size) + (1 + FILERS) * self.metadata_size)

    def user(self, name: str) -> S3User:
        """The named user; KeyError when there is none."""
        for user in self.users:
            if user.name == name:
                return user
        raise KeyError(f"user {name} of the object storage")


class BackupTimes(Value):
    """When backups begin, and how far apart."""

    begin: Minutes
    period: Hours
    spacing: Minutes
    upkeep: NamespaceName
    """Namespace that checks and prunes the repository for everybody."""


class Backups(Value):
    """How the lab's data is backed up within a cluster."""

    times: BackupTimes
    retention: Retention
    repository_password: SecretReference
    """Of the one restic repository; without it there is no restore."""
    log_every: Seconds
    """The longest that a database keeps what was committed before it archives it."""
    copies: Copies
    """What is done with the backups afterwards."""


class Certificates(Value):
    """Who signs the lab's certificates."""

    issuer: DnsLabel
    server: str = Field(pattern=r"^https://")
    dns_token: SecretReference
    """Token with which the domain is proved at Cloudflare."""


class VaultAccess(Value):
    """The Vault paths that one namespace may read, and nothing else of it."""

    namespace: NamespaceName
    paths: tuple[SecretPath, ...] = Field(min_length=1)


class OidcClient(Value):
    """An application that logs its users in at Authelia itself."""

    client: str
    secret: SecretReference | None
    redirect: str
    """URL to which users are sent back."""
    scopes: tuple[str, ...]


class Workloads(Value):
    """Everything that runs on a colour's cluster; `inventory.workloads.WORKLOADS` is the one of this checkout."""

    releases: Releases
    projects: tuple[Project, ...]
    namespaces: tuple[Namespace, ...]
    """Of the platform itself; an application brings its own."""
    object_storage: ObjectStorage
    backups: Backups
    certificates: Certificates
    caches: CacheSettings
    authentication: str = Field(pattern=r"^https?://")
    """URL that the ingress asks before a request passes."""
    open_routes: tuple[OpenRoute, ...]
    observability: Observability
    secrets: SecretSchema
    harbor: HarborSettings | None
    """None in a lab without a registry of its own."""
    applications: tuple[Application, ...]

    @model_validator(mode="after")
    def _is_sound(self) -> "Workloads":
        problems = [
            *self._names(),
            *self._routes(),
            *self._secrets(),
            *self._clients(),
            *self._projects(),
            *self._buckets(),
            *self._watched(),
            *self._harbor(),
        ]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def of(self, layer: Layer) -> tuple[Application, ...]:
        """The applications of a layer in the order of the inventory."""
        return tuple(application for application in self.applications if application.layer is layer)

    def application(self, name: str) -> Application:
        """The application of that name; KeyError when there is none."""
        for application in self.applications:
            if application.name == name:
                return application
        raise KeyError(f"application {name}")

    def namespace(self, name: str) -> Namespace:
        """The namespace of the platform or of an application; KeyError when there is none."""
        for namespace in (*self.namespaces, *(application.namespace for application in self.applications)):
            if namespace.name == name:
                return namespace
        raise KeyError(f"namespace {name}")

    def bounds(self, project: Project) -> AppProjectSpec:
        """What the applications of a project may read and write: what the layer's own need, and nothing else."""
        applications = self.of(project.layer)
        platform = project.layer in PLATFORM_LAYERS
        sources = [chart.source for application in applications for chart in application.charts]
        namespaces = [application.namespace.name for application in applications]
        if platform:
            sources += self.releases.sources
            namespaces += [namespace.name for namespace in self.namespaces]
        return AppProjectSpec(
            description=project.description,
            source_repos=tuple(sorted({repository_url(source) for source in sources})),
            destinations=tuple(
                ProjectDestination(namespace=name) for name in dict.fromkeys((*namespaces, *project.also))
            ),
            cluster_resource_whitelist=project.cluster_kinds,
        )

    def oidc_clients(self, domain: str) -> tuple[OidcClient, ...]:
        """What Authelia must know of every application that logs in there itself, by the routes that say so."""
        return tuple(
            OidcClient(
                client=route.authentication.client,
                secret=route.authentication.client_secret,
                redirect=f"https://{route.name(domain)}{route.authentication.callback}",
                scopes=route.authentication.scopes,
            )
            for application in self.applications
            for route in application.routes
            if isinstance(route.authentication, NativeOidc)
        )

    @property
    def registries(self) -> tuple[str, ...]:
        """The OCI registries that charts come from; Argo CD must be told of each."""
        charts = (chart.source for application in self.applications for chart in application.charts)
        found = (one.registry for one in (*self.releases.sources, *charts) if isinstance(one, HelmRegistry))
        return tuple(dict.fromkeys(found))

    @property
    def timetable(self) -> Timetable:
        """The slot of every backup job of the lab."""
        times = self.backups.times
        slots = (slot for application in self.applications for slot in application.slots)
        return timetable(slots, times.upkeep, begin=times.begin, period=times.period, spacing=times.spacing)

    @property
    def watched_canary(self) -> Canary:
        """What the canary is to do, and when its silence means something."""
        canary = next(one for one in self.applications if one.name == self.observability.canary)
        return Canary(
            namespace=canary.namespace.name,
            tasks=tuple(task.name for task in canary.tasks),
            stale_after=self.observability.canary_stale_after,
        )

    @property
    def vault_access(self) -> tuple[VaultAccess, ...]:
        """What each namespace may read, by who consumes which key and by who is backed up."""
        found: list[VaultAccess] = []
        for name in self._namespace_names():
            paths = (*self.secrets.paths_read_in(name), *self._backup_paths(name))
            if paths:
                found.append(VaultAccess(namespace=NamespaceName(name), paths=tuple(dict.fromkeys(paths))))
        return tuple(found)

    def _namespace_names(self) -> tuple[str, ...]:
        platform = (namespace.name for namespace in self.namespaces)
        return tuple(dict.fromkeys((*platform, *(one.namespace.name for one in self.applications))))

    def _backup_paths(self, namespace: str) -> Iterator[str]:
        """Paths of the keys that the namespace's backup jobs open their buckets with."""
        jobs = {slot.job for slot in self.timetable.slots if slot.namespace == namespace}
        storage = self.object_storage
        if jobs - {BackupJob.DATABASES}:
            yield storage.snapshots.keys.access_key.path
            yield self.backups.repository_password.path
        if BackupJob.DATABASES in jobs:
            yield storage.archives.keys.access_key.path

    def _names(self) -> Iterator[str]:
        kinds = (
            ("application", [application.name for application in self.applications]),
            ("namespace of an application", [application.namespace.name for application in self.applications]),
            ("namespace of the platform", [namespace.name for namespace in self.namespaces]),
            ("project", [str(project.layer) for project in self.projects]),
        )
        for kind, names in kinds:
            for name, times in Counter(names).items():
                if times > 1:
                    yield f"the {kind} `{name}` is declared {times} times; keep one of them"
        platform = {namespace.name: namespace for namespace in self.namespaces}
        for application in self.applications:
            there = platform.get(application.namespace.name)
            if there is not None and there != application.namespace:
                yield (
                    f"application {application.name} declares the namespace {there.name} otherwise than the platform; "
                    "take the platform's"
                )

    def _routes(self) -> Iterator[str]:
        owners: dict[tuple[str, str], list[str]] = {}
        for application in self.applications:
            for route in application.routes:
                owners.setdefault((route.host, route.path), []).append(application.name)
        for (host, path), names in owners.items():
            if len(names) > 1:
                yield f"{' and '.join(names)} both have the route {host}{path}; give one of them another host"
        listed = {(route.host, route.path) for route in self.open_routes}
        for application in self.applications:
            for route in application.routes:
                if route.needs_listing and (route.host, route.path) not in listed:
                    yield (
                        f"application {application.name}: {route.host}{route.path} lets everybody in "
                        f"({route.authentication.kind}); choose another authentication, or list it with a reason among "
                        "the open routes"
                    )
        unused = listed - {
            (route.host, route.path)
            for application in self.applications
            for route in application.routes
            if route.needs_listing
        }
        for host, path in sorted(unused):
            yield f"{host}{path} is listed as an open route, but no application has it; remove the line"

    def _secrets(self) -> Iterator[str]:
        storage = self.object_storage
        platform = (
            *((key, bucket.name) for bucket in (storage.snapshots, storage.archives) for key in bucket.keys.both),
            (self.backups.repository_password, "the restic repository"),
            (self.certificates.dns_token, f"the issuer {self.certificates.issuer}"),
        )
        for reference, reader in platform:
            if self.secrets.at(reference.place()) is None:
                yield f"{reader} is opened with {reference}, which the schema of secrets does not have"
        for application in self.applications:
            readable = self.secrets.paths_read_in(application.namespace.name)
            for reference in application.secret_references:
                if self.secrets.at(reference.place()) is None:
                    yield f"application {application.name} reads {reference}, which the schema of secrets does not have"
                elif reference.path not in readable:
                    yield (
                        f"application {application.name} reads {reference}, whose consumers do not include "
                        f"{application.namespace.name}; add it to the key's consumers"
                    )

    def _clients(self) -> Iterator[str]:
        for application in self.applications:
            for route in application.routes:
                login = route.authentication
                if not isinstance(login, NativeOidc) or login.client_secret is None:
                    continue
                key = self.secrets.at(login.client_secret.place())
                if key is None or key.client != login.client:
                    yield (
                        f"application {application.name}: {login.client_secret} is not the secret of the OIDC client "
                        f"`{login.client}`; take the key whose client it is"
                    )

    def _buckets(self) -> Iterator[str]:
        there = [bucket.name for bucket in self.object_storage.buckets]
        for application in self.applications:
            for bucket in application.buckets:
                if bucket not in there:
                    yield (
                        f"application {application.name} uses the bucket `{bucket}`; the object storage has "
                        f"{', '.join(there)}"
                    )

    def _watched(self) -> Iterator[str]:
        name = self.observability.canary
        found = next((application for application in self.applications if application.name == name), None)
        if found is None or not found.tasks:
            yield f"alerts wait for the times that `{name}` writes, but there is no such application with tasks"

    def _projects(self) -> Iterator[str]:
        layers = {project.layer for project in self.projects}
        for application in self.applications:
            if application.charts and application.layer not in layers:
                yield f"application {application.name} has charts, but layer {application.layer} has no project"

    def _harbor(self) -> Iterator[str]:
        harbor = self.harbor
        if harbor is None:
            return
        references = (harbor.administrator, *(robot.token for robot in harbor.robots))
        for reference in references:
            key = self.secrets.at(reference.place())
            read = key is not None and any(
                one.name == harbor.application and one.access is Access.PROGRAM for one in key.consumers
            )
            if not read:
                yield f"Harbor is set up with {reference}, which the program may not read for {harbor.application}"
        found = [one for one in self.applications if one.name == harbor.application]
        routes = [route for one in found for route in one.routes if isinstance(route.authentication, NativeOidc)]
        if not any(route.with_own_name for route in routes):
            yield (
                f"Harbor is the application `{harbor.application}`, which has no route with a name of the colour's own "
                "and a login at Authelia: it could not be set up"
            )
