"""One application of the lab, with everything that it needs: the entry that a person writes to add it."""

from collections import Counter
from collections.abc import Iterator

from pydantic import Field, field_validator, model_validator

from model.base import Value
from model.configuration import Layer
from model.secrets import ApplicationName, SecretReference
from model.workloads.caches import Cache
from model.workloads.charts import Chart
from model.workloads.containers import FromDatabase, FromSecret, PeriodicTask, Process, Workload
from model.workloads.databases import PostgresDatabase
from model.workloads.keeping import BackedUp
from model.workloads.names import DnsLabel, NamespaceName
from model.workloads.namespaces import Namespace
from model.workloads.permissions import Permission, ScrapeTarget
from model.workloads.routes import BasicAuth, Route
from model.workloads.schedules import BackupJob, Slot
from model.workloads.storage import AccessMode, StorageTier, Volume


class Application(Value):
    """What runs in one namespace, and what it needs around it."""

    name: DnsLabel
    namespace: Namespace
    layer: Layer = Layer.APPS
    charts: tuple[Chart, ...] = ()
    """Of others, installed into the namespace."""
    workloads: tuple[Workload, ...] = ()
    tasks: tuple[PeriodicTask, ...] = ()
    routes: tuple[Route, ...] = ()
    secrets: dict[str, SecretReference] = Field(default_factory=dict)
    """Keys of the application's Secret, and where each value comes from."""
    volumes: tuple[Volume, ...] = ()
    database: PostgresDatabase | None = None
    cache: Cache | None = None
    buckets: tuple[DnsLabel, ...] = ()
    """Buckets of the cluster's object storage that it keeps things in itself; it comes after them."""
    permissions: tuple[Permission, ...] = ()
    scraped: tuple[ScrapeTarget, ...] = ()

    @field_validator("volumes", "workloads", "tasks", "charts")
    @classmethod
    def _named_once(cls, values: tuple[Volume | Process | Chart, ...]) -> tuple[Volume | Process | Chart, ...]:
        twice = [name for name, times in Counter(one.name for one in values).items() if times > 1]
        if twice:
            raise ValueError(f"{', '.join(twice)}: the name is taken more than once")
        return values

    @model_validator(mode="after")
    def _everything_named_exists(self) -> "Application":
        problems = [*self._processes(), *self._services(), *self._storage(), *self._places()]
        if problems:
            raise ValueError(f"application {self.name}: " + "; ".join(problems))
        return self

    @property
    def key(self) -> ApplicationName:
        """Its name as others refer to it."""
        return ApplicationName(self.name)

    @property
    def target(self) -> NamespaceName:
        """Its namespace as others refer to it."""
        return self.namespace.key

    @property
    def database_name(self) -> str:
        """Name of its PostgreSQL cluster, which is also the first part of its archive's name."""
        return f"{self.name}-postgresql"

    @property
    def cache_name(self) -> str:
        """Name of its Dragonfly and of the service in front of it."""
        return f"{self.name}-dragonfly"

    @property
    def backed_up_volumes(self) -> tuple[Volume, ...]:
        """The volumes whose content is kept."""
        return tuple(volume for volume in self.volumes if isinstance(volume.keeping, BackedUp))

    @property
    def cards(self) -> tuple[str, ...]:
        """The extended resources that its processes claim, e.g. `amd.com/gpu`."""
        processes = (*self.workloads, *self.tasks)
        claimed = (process.resources.gpu for process in processes)
        return tuple(dict.fromkeys(claim.resource for claim in claimed if claim is not None))

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The backup jobs that it needs a time for."""
        jobs: list[BackupJob] = []
        if self.backed_up_volumes:
            jobs.append(BackupJob.VOLUMES)
        if self.database is not None and isinstance(self.database.keeping, BackedUp):
            jobs.append(BackupJob.DATABASES)
        return tuple(Slot(namespace=self.target, job=job) for job in jobs)

    @property
    def secret_references(self) -> tuple[SecretReference, ...]:
        """Every secret that it reads, or that the ingress asks for before it, each once."""
        logins = (route.authentication for route in self.routes)
        asked = (login.password for login in logins if isinstance(login, BasicAuth))
        return tuple(dict.fromkeys((*self.secrets.values(), *asked)))

    def _processes(self) -> Iterator[str]:
        volumes = [volume.name for volume in self.volumes]
        for process in (*self.workloads, *self.tasks):
            for mount in process.mounts:
                if mount.volume not in volumes:
                    yield f"{process.name} mounts the volume `{mount.volume}`; there are {_listed(volumes)}"
            for variable, setting in process.environment.items():
                if isinstance(setting, FromSecret) and setting.key not in self.secrets:
                    yield f"{process.name} reads {variable} from key `{setting.key}`, not in {_listed(self.secrets)}"
                if isinstance(setting, FromDatabase) and self.database is None:
                    yield f"{process.name} reads {variable} from a database, but the application has none"

    def _services(self) -> Iterator[str]:
        ports = {workload.name: workload.ports for workload in self.workloads}
        for route in self.routes:
            known = ports.get(route.service)
            if known is not None and route.port not in known:
                yield f"route {route.host} leads to port {route.port} of {route.service}, which has {_listed(known)}"
            if known is None and not self.charts:
                yield f"route {route.host} leads to the service `{route.service}`; there are {_listed(ports)}"

    def _storage(self) -> Iterator[str]:
        for volume in self.volumes:
            if volume.access is AccessMode.MANY_NODES and volume.tier is not StorageTier.FILES:
                yield f"volume {volume.name} is for many nodes, which only tier {StorageTier.FILES} offers"
            if volume.tier is StorageTier.LOCAL and isinstance(volume.keeping, BackedUp):
                yield f"volume {volume.name} is on one node's disk, which no backup reaches; make it disposable"
        single = {volume.name for volume in self.volumes if volume.access is AccessMode.ONE_NODE}
        for workload in self.workloads:
            mounted = [mount.volume for mount in workload.mounts if mount.volume in single]
            if workload.replicas > 1 and mounted:
                yield f"{workload.name} runs {workload.replicas} times, but {_listed(mounted)} can be on one node only"

    def _places(self) -> Iterator[str]:
        for chart in self.charts:
            if chart.namespace != self.namespace.name:
                yield f"chart {chart.name} goes to {chart.namespace}, not to {self.namespace.name}"


def _listed(names: object) -> str:
    values = [f"`{name}`" for name in names] if isinstance(names, (list, tuple, dict)) else []
    return ", ".join(values) or "none"
