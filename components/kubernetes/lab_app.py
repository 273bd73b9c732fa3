"""One application of the lab with everything around it."""

from collections.abc import Sequence

import pulumi

from components.kubernetes.access import ServiceAccess
from components.kubernetes.chart_application import ChartApplication
from components.kubernetes.external_secrets import PASSWORD as LOGIN_PASSWORD
from components.kubernetes.external_secrets import NamespaceSecrets
from components.kubernetes.ingress import CLASS, CLASS_ANNOTATION, ENTRY_POINT
from components.kubernetes.namespaces import make_namespace
from components.kubernetes.objects import CustomResource, Metadata
from components.kubernetes.platform import Platform, Tunnel
from components.kubernetes.postgres import ACCESS_KEY, SECRET_KEY, Archive, PostgresCluster
from components.kubernetes.provided import Definitions, Provided
from components.kubernetes.volumes import PASSWORD, Repository, VolumeBackup, VolumeClaims
from components.kubernetes.workload import Ground, make_task, make_workload
from components.options import child_options
from model.secrets import SecretReference, target_secret_name
from model.workloads.annotations import AUTHENTICATION
from model.workloads.applications import Application
from model.workloads.containers import Process
from model.workloads.custom.dragonfly import Dragonfly, DragonflySpec
from model.workloads.custom.prometheus import Endpoint, ServiceMonitor, ServiceMonitorSpec
from model.workloads.custom.selectors import LabelSelector
from model.workloads.custom.traefik import (
    BasicAuthentication,
    IngressRoute,
    IngressRouteSpec,
    Middleware,
    MiddlewareReference,
    MiddlewareSpec,
    RouteService,
    Tls,
)
from model.workloads.custom.traefik import Route as TraefikRoute
from model.workloads.custom.tunnels import Subject, SubjectSpec, TunnelBinding
from model.workloads.images import BuiltImage
from model.workloads.keeping import BackedUp
from model.workloads.namespaces import Namespace
from model.workloads.platform import S3Keys
from model.workloads.routes import BasicAuth, ForwardAuth, Route, login_secret_name
from model.workloads.schedules import BackupJob, Slot
from model.workloads.storage import StorageTier

VOLUME_CREDENTIALS = "backup-repository"
DATABASE_CREDENTIALS = "backup-archive"
"""Secrets that open the backup buckets in the application's namespace."""


class LabApp(pulumi.ComponentResource):
    """An application: namespace, secrets, volumes, database, cache, account, workloads, charts, routes, backups.

    Everything is made in the order in which it is needed, and a rebuilt cluster begins with the data of the one before.
    """

    namespace: Provided[Namespace]
    ready: Sequence[pulumi.Resource]
    """What runs; there once it is healthy."""
    routes: Sequence[pulumi.Resource]
    """The ways in, in the order of the application's routes."""

    def __init__(
        self,
        name: str,
        *,
        application: Application,
        platform: Platform,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("lab:kubernetes:LabApp", name, None, opts)
        self._opts = opts
        self._application = application
        self._platform = platform
        there = platform.namespaces.of(application.namespace)
        self.namespace = make_namespace(application.namespace, self._child()) if there is None else there
        secrets = self._secrets()
        needs: list[pulumi.Resource] = [secret.by for secret in secrets.values()]
        needs += platform.installed.get(application.target, ())
        if application.buckets:
            needs.append(platform.object_storage.by)

        if application.volumes:
            repository = self._repository(secrets)
            claims = self._volumes(repository)
            needs += [claim.by for claim in claims.made.values()]
            self._volume_backup(claims, repository)
        database = self._database(secrets)
        if database is not None:
            needs.append(database.by)
        if application.cache is not None:
            needs.append(self._cache())

        needs += [platform.card(resource) for resource in application.cards]
        account = ServiceAccess(
            application.name,
            namespace=self.namespace,
            permissions=application.permissions,
            opts=self._child(),
        ).account
        needs.append(account.by)
        ground = Ground(
            application=application,
            account=account.value,
            database_secret=None if database is None else database.value,
            permitted=bool(application.permissions),
            registry=None if platform.registry is None else platform.registry.host,
        )
        self.ready = self._run(ground, needs)
        self.routes = [self._route(route) for route in application.routes]
        self._tunnel_binding()
        self._scraping()
        ingress = platform.ingress
        hosts = [route.name_at(ingress.address, ingress.domain) for route in application.routes]
        self.register_outputs({"hosts": hosts})

    def _child(self, *needs: pulumi.Resource) -> pulumi.ResourceOptions:
        return child_options(self, self._opts, pulumi.ResourceOptions(depends_on=list(needs)))

    def _metadata(self, name: str) -> Metadata:
        return Metadata(name=name, namespace=self.namespace.value.name)

    def _has_slot(self, job: BackupJob) -> bool:
        return any(slot.job is job for slot in self._application.slots)

    def _secrets(self) -> dict[str, Provided[str]]:
        """The application's own Secret, and the keys of the buckets that its backups go to."""
        wanted: dict[str, dict[str, SecretReference]] = {}
        logins: dict[str, str] = {}
        if self._application.secrets:
            wanted[target_secret_name(self._application.key)] = dict(self._application.secrets)
        storage = self._platform.workloads.object_storage
        if self._has_slot(BackupJob.VOLUMES):
            password = self._platform.workloads.backups.repository_password
            wanted[VOLUME_CREDENTIALS] = {**bucket_keys(storage.snapshots.keys), PASSWORD: password}
        if self._has_slot(BackupJob.DATABASES):
            wanted[DATABASE_CREDENTIALS] = bucket_keys(storage.archives.keys)
        for route in self._application.routes:
            if isinstance(route.authentication, BasicAuth):
                secret = login_secret_name(route)
                wanted[secret] = {LOGIN_PASSWORD: route.authentication.password}
                logins[secret] = route.authentication.username
        if not wanted:
            return {}
        made = NamespaceSecrets(
            f"{self._application.name}-secrets",
            namespace=self.namespace,
            wanted=wanted,
            logins=logins,
            stores=self._platform.stores,
            opts=self._child(),
        )
        return dict(made.made)

    def _repository(self, secrets: dict[str, Provided[str]]) -> Repository | None:
        if VOLUME_CREDENTIALS not in secrets:
            return None
        return Repository(
            storage=self._platform.object_storage,
            credentials=secrets[VOLUME_CREDENTIALS],
            definitions=self._platform.operated.backups,
        )

    def _volumes(self, repository: Repository | None) -> VolumeClaims:
        return VolumeClaims(
            self._application.name,
            volumes=[(volume, self._platform.storage_class(volume.tier)) for volume in self._application.volumes],
            namespace=self.namespace,
            lineage=self._platform.lineage,
            repository=repository,
            image=self._platform.workloads.releases.restic,
            opts=self._child(),
        )

    def _volume_backup(self, claims: VolumeClaims, repository: Repository | None) -> None:
        if repository is None or not self._platform.writes_backups:
            return
        VolumeBackup(
            f"{self._application.name}-volumes",
            volumes=[claims.made[volume.name] for volume in self._application.backed_up_volumes],
            namespace=self.namespace,
            repository=repository,
            incarnation=self._platform.lineage.own,
            schedule=self._platform.workloads.timetable.cron(self._slot(BackupJob.VOLUMES)),
            opts=self._child(),
        )

    def _database(self, secrets: dict[str, Provided[str]]) -> Provided[str] | None:
        application, platform = self._application, self._platform
        if application.database is None:
            return None
        return PostgresCluster(
            application.database_name,
            database=application.database,
            namespace=self.namespace,
            storage_class=platform.storage_class(StorageTier.BLOCK),
            image=platform.workloads.releases.postgres,
            operated=platform.operated,
            archive=self._archive(secrets) if isinstance(application.database.keeping, BackedUp) else None,
            scraping=platform.scraping,
            opts=self._child(),
        ).credentials

    def _archive(self, secrets: dict[str, Provided[str]]) -> Archive:
        workloads = self._platform.workloads
        return Archive(
            storage=self._platform.object_storage,
            credentials=secrets[DATABASE_CREDENTIALS],
            lineage=self._platform.lineage,
            writes=self._platform.writes_backups,
            schedule=workloads.timetable.cron(self._slot(BackupJob.DATABASES)),
            retention=workloads.backups.retention.database(self._application.key),
        )

    def _slot(self, job: BackupJob) -> Slot:
        return Slot(namespace=self._application.target, job=job)

    def _cache(self) -> pulumi.Resource:
        settings = self._platform.workloads.caches
        cache = self._application.cache
        resources = settings.resources if cache is None or cache.resources is None else cache.resources
        spec = DragonflySpec(
            replicas=1 if cache is None else cache.replicas,
            image=settings.image,
            args=None if cache is None else cache.arguments or None,
            resources={"requests": resources.requests.quantities, "limits": resources.limits.quantities},
        )
        return CustomResource(
            self._application.cache_name,
            metadata=self._metadata(self._application.cache_name),
            content=Dragonfly(spec=spec),
            definitions=self._platform.operated.caches,
            opts=self._child(self.namespace.by),
        )

    def _run(self, ground: Ground, needs: Sequence[pulumi.Resource]) -> Sequence[pulumi.Resource]:
        made: list[pulumi.Resource] = [
            ChartApplication(
                chart=chart,
                namespace=self.namespace,
                argo_cd=self._platform.argo_cd,
                project=self._application.layer,
                needs=needs,
                opts=self._child(),
            )
            for chart in self._application.charts
        ]
        for workload in self._application.workloads:
            made += make_workload(workload, ground, self._child(*needs, *self._images(workload)))
        made += [
            make_task(task, ground, self._child(*needs, *self._images(task))) for task in self._application.tasks
        ]
        return made

    def _images(self, process: Process) -> Sequence[pulumi.Resource]:
        """What must be ready before the lab's own images can be pulled."""
        registry = self._platform.registry
        return registry.needs if registry is not None and isinstance(process.image, BuiltImage) else ()

    def _route(self, route: Route) -> pulumi.Resource:
        """The route, once what answers is there; the certificate is the ingress' own for the whole domain."""
        ingress = self._platform.ingress
        passed = [ingress.headers]
        if isinstance(route.authentication, ForwardAuth):
            passed.append(ingress.forward_auth)
        elif isinstance(route.authentication, BasicAuth):
            passed.append(self._login(route))
        host = route.name_at(ingress.address, ingress.domain)
        match = f"Host(`{host}`)"
        if route.with_own_name:
            match = f"({match} || Host(`{route.own_name(ingress.domain, self._platform.lineage.own.colour)}`))"
        if route.path != "/":
            match = f"{match} && PathPrefix(`{route.path}`)"
        suffix = "" if route.path == "/" else "-" + route.path.strip("/").replace("/", "-")
        return CustomResource(
            f"{self._application.name}-{route.host}{suffix}",
            metadata=Metadata(
                name=f"{route.host}{suffix}",
                namespace=self.namespace.value.name,
                annotations={CLASS_ANNOTATION: CLASS, AUTHENTICATION: route.authentication.kind},
            ),
            content=IngressRoute(
                spec=IngressRouteSpec(
                    entry_points=(ENTRY_POINT,),
                    routes=(
                        TraefikRoute(
                            match=match,
                            middlewares=tuple(middleware.value for middleware in passed),
                            services=(RouteService(name=route.service, port=route.port),),
                        ),
                    ),
                    tls=Tls(),
                )
            ),
            definitions=ingress.routes,
            opts=self._child(*(middleware.by for middleware in passed), *self.ready),
        )

    def _login(self, route: Route) -> Provided[MiddlewareReference]:
        """What asks for the name and the password of the route; its Secret is among those of the namespace."""
        name, namespace = login_secret_name(route), self.namespace.value.name
        middleware = CustomResource(
            f"{self._application.name}-{name}",
            metadata=Metadata(name=name, namespace=namespace, annotations={CLASS_ANNOTATION: CLASS}),
            content=Middleware(spec=MiddlewareSpec(basic_auth=BasicAuthentication(secret=name))),
            definitions=self._platform.ingress.routes,
            opts=self._child(*self.ready),
        )
        return Provided(MiddlewareReference(name=name, namespace=namespace), by=middleware)

    def _tunnel_binding(self) -> None:
        tunnel = self._platform.tunnel
        routes = [route for route in self._application.routes if route.tunnelled]
        if tunnel is None or not routes:
            return
        CustomResource(
            f"{self._application.name}-tunnel",
            metadata=self._metadata(self._application.name),
            content=_binding(routes, tunnel, self._platform.ingress.domain, self.namespace.value.name),
            definitions=tunnel.definitions,
            opts=self._child(tunnel.tunnel.by, *self.ready),
        )

    def _scraping(self) -> None:
        scraping: Definitions | None = self._platform.scraping
        if scraping is None:
            return
        for target in self._application.scraped:
            CustomResource(
                f"{self._application.name}-{target.service}",
                metadata=self._metadata(target.service),
                content=ServiceMonitor(
                    spec=ServiceMonitorSpec(
                        selector=LabelSelector(match_labels={"app.kubernetes.io/name": target.service}),
                        endpoints=(
                            Endpoint(
                                port=target.port, path=target.path, interval=f"{target.interval_seconds}s",
                            ),
                        ),
                    )
                ),
                definitions=scraping,
                opts=self._child(*self.ready),
            )


def bucket_keys(keys: S3Keys) -> dict[str, SecretReference]:
    """The keys of a bucket under the names that the backups' Secrets have."""
    return {ACCESS_KEY: keys.access_key, SECRET_KEY: keys.secret_key}


def _binding(routes: Sequence[Route], tunnel: Tunnel, domain: str, namespace: str) -> TunnelBinding:
    return TunnelBinding(
        subjects=tuple(
            Subject(
                name=route.service,
                spec=SubjectSpec(
                    fqdn=route.name(domain),
                    target=f"http://{route.service}.{namespace}.svc.cluster.local:{route.port}",
                ),
            )
            for route in routes
        ),
        tunnel_ref=tunnel.tunnel.value,
    )
