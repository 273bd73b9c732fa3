"""Where backups of databases and volumes go, and where they are restored from."""

from collections.abc import Iterator
from dataclasses import dataclass

from policy.graph import Graph
from policy.objects import KubernetesObject
from policy.properties import Path, at, entries, is_withheld, text

CLUSTER_GROUP = "postgresql.cnpg.io"
BARMAN_GROUP = "barmancloud.cnpg.io"
K8UP_GROUP = "k8up.io"
_IN_CLUSTER = ".svc"


@dataclass(frozen=True, eq=False)
class ArchiveUse:
    """A database cluster's use of one archive."""

    cluster: KubernetesObject
    path: Path
    """Where in the cluster it is said."""
    key: tuple[str, ...]
    """The same for two uses of one archive."""
    archive: str
    """For people."""
    store: KubernetesObject | None
    """None when the graph does not have it."""


def clusters(graph: Graph) -> tuple[KubernetesObject, ...]:
    """Every database cluster."""
    return graph.of_kind("Cluster", group=CLUSTER_GROUP)


def written(graph: Graph, cluster: KubernetesObject) -> Iterator[ArchiveUse]:
    """The archives that a database cluster writes to."""
    for index, plugin in enumerate(entries(cluster.at("spec", "plugins"))):
        path: Path = ("spec", "plugins", index)
        if cluster.at(*path, "enabled") is not False and text(plugin, "parameters", "barmanObjectName") is not None:
            yield from _use(graph, cluster, (*path, "parameters"), text(cluster.name))


def may_write(cluster: KubernetesObject) -> bool:
    """Whether a database cluster names an archive to write to, as far as can be read."""
    plugins = cluster.at("spec", "plugins")
    return is_withheld(plugins) or any(
        at(plugin, "parameters", "barmanObjectName") is not None and at(plugin, "enabled") is not False
        for plugin in entries(plugins)
    )


def recovered(graph: Graph, cluster: KubernetesObject) -> Iterator[ArchiveUse]:
    """The archives that a database cluster begins with."""
    source = cluster.text("spec", "bootstrap", "recovery", "source")
    for index, external in enumerate(entries(cluster.at("spec", "externalClusters"))):
        if source is not None and text(external, "name") == source:
            path: Path = ("spec", "externalClusters", index, "plugin", "parameters")
            yield from _use(graph, cluster, path, source)


def _use(graph: Graph, cluster: KubernetesObject, path: Path, otherwise: str | None) -> Iterator[ArchiveUse]:
    name = cluster.text(*path, "barmanObjectName")
    given = cluster.at(*path, "serverName")
    server = otherwise if given is None else text(given)
    if name is None or server is None or cluster.place is None:
        return
    store = graph.find(cluster.stack, "ObjectStore", name, cluster.place)
    if store is None:
        key = (cluster.stack, cluster.place, name, server)
        yield ArchiveUse(cluster, path, key, f"{server} in the store {name}", None)
        return
    configuration = ("spec", "configuration")
    folder = store.text(*configuration, "destinationPath")
    if folder is not None:
        endpoint = store.text(*configuration, "endpointURL") or ""
        key = (*_where(endpoint, cluster.stack), folder.rstrip("/"), server)
        yield ArchiveUse(cluster, path, key, f"{folder.rstrip('/')}/{server}", store)


@dataclass(frozen=True, eq=False)
class Repository:
    """The restic repository of a K8up schedule."""

    schedule: KubernetesObject
    key: tuple[str, ...]
    name: str
    """For people."""


def schedules(graph: Graph) -> tuple[KubernetesObject, ...]:
    """Every K8up schedule."""
    return graph.of_kind("Schedule", group=K8UP_GROUP)


def repository(schedule: KubernetesObject) -> Repository | None:
    """The repository of a schedule; None when it cannot be read."""
    endpoint, bucket = (schedule.text("spec", "backend", "s3", step) for step in ("endpoint", "bucket"))
    if endpoint is None or bucket is None:
        return None
    return Repository(schedule, (*_where(endpoint, schedule.stack), bucket), f"{bucket} at {endpoint}")


def _where(endpoint: str, stack: str) -> tuple[str, str]:
    """An endpoint inside a cluster is another one in each cluster."""
    return (endpoint.rstrip("/"), stack if _IN_CLUSTER in endpoint else "")
