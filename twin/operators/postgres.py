"""CloudNativePG with its Barman plugin: clusters, their databases and backups. No PostgreSQL runs."""

import secrets
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from twin.kubernetes.api import Object
from twin.operators.archives import Archives, BaseBackup
from twin.operators.cluster import (
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SECRET,
    SERVICE,
    Cluster,
    Kind,
    NotReadyError,
    Operator,
    is_true,
    now,
    owned,
    with_condition,
)
from twin.operators.controller import Controller
from twin.operators.pods import pod_ready
from twin.operators.schedules import refuse_schedule

CLOUDNATIVE_PG: Final = Operator("cloudnative-pg")

CLUSTER: Final = Kind("postgresql.cnpg.io/v1", "Cluster")
DATABASE: Final = Kind("postgresql.cnpg.io/v1", "Database")
BACKUP: Final = Kind("postgresql.cnpg.io/v1", "Backup")
SCHEDULED_BACKUP: Final = Kind("postgresql.cnpg.io/v1", "ScheduledBackup")
OBJECT_STORE: Final = Kind("barmancloud.cnpg.io/v1", "ObjectStore")

BARMAN: Final = "barman-cloud.cloudnative-pg.io"
SKIP_CHECK: Final = "cnpg.io/skipEmptyWalArchiveCheck"
HEALTHY: Final = "Cluster in healthy state"
PORT: Final = 5432


@dataclass(frozen=True)
class Place:
    """Where one server's archive is."""

    store: str
    """Name of the ObjectStore."""
    key: str
    """In the object stores of the lab."""


class Clusters(Controller):
    """PostgreSQL clusters."""

    operator = CLOUDNATIVE_PG
    kind = CLUSTER

    async def reconcile(self, found: Object) -> None:
        """Ready when archive, source and every instance are."""
        metadata, spec = found["metadata"], found["spec"]
        name, namespace = metadata["name"], metadata["namespace"]
        await self._check_archives(found)
        await self._make_secrets(found)
        for service in _services(found):
            await self.cluster.apply(CLOUDNATIVE_PG, owned(found, service))
        instances = spec.get("instances", 1)
        pods = [f"{name}-{index}" for index in range(1, instances + 1)]
        for index, pod in enumerate(pods):
            await self._make_instance(found, pod, primary=index == 0)
        for pod in pods:
            await pod_ready(self.cluster, namespace, pod)
        status: Object = {
            "instances": instances,
            "readyInstances": instances,
            "phase": HEALTHY,
            "phaseReason": None,
            "currentPrimary": pods[0],
            "targetPrimary": pods[0],
            "instanceNames": pods,
            "pvcCount": instances,
            "healthyPVC": pods,
            "writeService": f"{name}-rw",
            "readService": f"{name}-r",
            "latestGeneratedNode": instances,
            "timelineID": 1,
            "conditions": with_condition(
                found, "Ready", true=True, reason="ClusterIsReady", message="Cluster is Ready"
            ),
        }
        await self.cluster.set_status(found, status)

    async def refuse(self, found: Object, problem: NotReadyError) -> None:
        """Not ready, the phase, and why."""
        conditions = with_condition(
            found, "Ready", true=False, reason="ClusterIsNotReady", message=problem.message
        )
        phase = "Setting up primary" if problem.reason.startswith("Pod") else "Cluster cannot proceed to reconciliation"
        await self.cluster.set_status(
            found, {"phase": phase, "phaseReason": problem.message, "conditions": conditions, "readyInstances": 0}
        )
        await self.tell(found, problem.reason, problem.message)

    async def _check_archives(self, found: Object) -> None:
        archives = Archives(self.cluster.around.store)
        metadata = found["metadata"]
        started = is_true(found, "Ready")
        recovery = (found["spec"].get("bootstrap") or {}).get("recovery")
        if recovery is not None and not started:
            source = await self._source(found, recovery)
            archive = archives.find(source.key)
            if archive is None or not archive.backups:
                raise NotReadyError("RecoveryFailed", f"no target backup found in {source.key}")
        place = await archive_of(self.cluster, found)
        if place is not None:
            check = (metadata.get("annotations") or {}).get(SKIP_CHECK) != "enabled"
            writer = f"{self.cluster.name}/{metadata['namespace']}/{metadata['name']}"
            archives.write(place.key, writer, metadata["uid"], check_empty=check)

    async def _source(self, found: Object, recovery: Object) -> Place:
        name = recovery.get("source")
        others: list[Object] = found["spec"].get("externalClusters") or []
        other = next((one for one in others if one["name"] == name), None)
        if other is None:
            raise NotReadyError("RecoveryFailed", f"external cluster {name} is not defined in spec.externalClusters")
        plugin = other.get("plugin") or {}
        if plugin.get("name") != BARMAN:
            raise NotReadyError("RecoveryFailed", f"external cluster {name}: the twin recovers by plugin {BARMAN} only")
        return await _place(self.cluster, found, plugin.get("parameters") or {}, default_server=other["name"])

    async def _make_secrets(self, found: Object) -> None:
        metadata, spec = found["metadata"], found["spec"]
        bootstrap = spec.get("bootstrap") or {}
        start: Mapping[str, Any] = bootstrap.get("recovery") or bootstrap.get("initdb") or {}
        given = (start.get("secret") or {}).get("name")
        if given is not None:
            for key in ("username", "password"):
                await self.cluster.secret_value(metadata["namespace"], given, key)
            return
        name = f"{metadata['name']}-app"
        if await self.cluster.find(SECRET, metadata["namespace"], name) is None:
            database = start.get("database") or "app"
            body = _application_secret(metadata, name, database, start.get("owner") or database)
            await self.cluster.create(CLOUDNATIVE_PG, owned(found, body))

    async def _make_instance(self, found: Object, pod: str, *, primary: bool) -> None:
        namespace, spec = found["metadata"]["namespace"], found["spec"]
        claims = {pod: spec["storage"]} | ({f"{pod}-wal": spec["walStorage"]} if "walStorage" in spec else {})
        for claim, storage in claims.items():
            present = await self.cluster.find(PERSISTENT_VOLUME_CLAIM, namespace, claim)
            size = storage.get("size")
            if present is None:
                await self.cluster.create(CLOUDNATIVE_PG, owned(found, _claim(found, claim, storage)))
            elif size is not None and present["spec"]["resources"]["requests"]["storage"] != size:
                await self.cluster.merge(present, {"spec": {"resources": {"requests": {"storage": size}}}})
        if await self.cluster.find(POD, namespace, pod) is None:
            await self.cluster.create(CLOUDNATIVE_PG, owned(found, _pod(found, pod, tuple(claims), primary=primary)))


class Databases(Controller):
    """Further databases of a cluster."""

    operator = CLOUDNATIVE_PG
    kind = DATABASE

    async def reconcile(self, found: Object) -> None:
        """Applied when the cluster is ready."""
        await _ready_cluster(self.cluster, found)
        generation = found["metadata"].get("generation", 1)
        await self.cluster.set_status(found, {"applied": True, "observedGeneration": generation, "message": None})

    async def refuse(self, found: Object, problem: NotReadyError) -> None:
        """Not applied, and why."""
        await self.cluster.set_status(found, {"applied": False, "message": problem.message})


class Backups(Controller):
    """Base backups."""

    operator = CLOUDNATIVE_PG
    kind = BACKUP

    async def reconcile(self, found: Object) -> None:
        """Completed when the cluster is ready and its object store can be written."""
        if (found.get("status") or {}).get("phase") == "completed":
            return
        cluster = await _ready_cluster(self.cluster, found)
        place = await archive_of(self.cluster, cluster)
        if place is None:
            raise NotReadyError("BackupFailed", f"cluster {cluster['metadata']['name']} archives nowhere")
        moment = now()
        backup = f"backup-{found['metadata']['name']}"
        Archives(self.cluster.around.store).add_backup(place.key, BaseBackup(id=backup, at=moment))
        status: Object = {"phase": "completed", "backupId": backup, "backupName": backup, "error": None}
        await self.cluster.set_status(
            found, {**status, "startedAt": moment, "stoppedAt": moment, "method": found["spec"].get("method", "plugin")}
        )

    async def refuse(self, found: Object, problem: NotReadyError) -> None:
        """Failed for now, and why."""
        await self.cluster.set_status(found, {"phase": "failed", "error": problem.message})
        await self.tell(found, problem.reason, problem.message)


class ScheduledBackups(Controller):
    """Plans of backups: the immediate one is made."""

    operator = CLOUDNATIVE_PG
    kind = SCHEDULED_BACKUP

    async def reconcile(self, found: Object) -> None:
        """Understand the schedule, and make the immediate backup once the cluster is ready."""
        spec, metadata = found["spec"], found["metadata"]
        refuse_schedule(spec["schedule"], where="spec.schedule", fields=6)
        before = found.get("status") or {}
        if spec.get("suspend") or before.get("lastCheckTime"):
            return
        await _ready_cluster(self.cluster, found)
        if spec.get("immediate"):
            body: Object = {
                "apiVersion": BACKUP.api_version,
                "kind": BACKUP.kind,
                "metadata": {"name": f"{metadata['name']}-immediate", "namespace": metadata["namespace"]},
                "spec": {key: spec[key] for key in ("cluster", "method", "pluginConfiguration") if key in spec},
            }
            await self.cluster.create(CLOUDNATIVE_PG, owned(found, body))
        moment = now()
        await self.cluster.set_status(found, {"lastCheckTime": moment, "lastScheduleTime": moment})


class ObjectStores(Controller):
    """Archives' places: only their keys are looked at."""

    operator = CLOUDNATIVE_PG
    kind = OBJECT_STORE

    async def reconcile(self, found: Object) -> None:
        """An event when a key is missing; the real plugin finds out with the first segment."""
        await check_credentials(self.cluster, found)


async def archive_of(cluster: Cluster, found: Object) -> Place | None:
    """Where the Cluster archives; None when it does not. NotReadyError when it cannot."""
    for plugin in found["spec"].get("plugins") or ():
        if plugin["name"] != BARMAN:
            raise NotReadyError("UnknownPlugin", f"unknown plugin: {plugin['name']}; the lab installs {BARMAN}")
        if plugin.get("enabled", True) and plugin.get("isWALArchiver"):
            parameters = plugin.get("parameters") or {}
            return await _place(cluster, found, parameters, default_server=found["metadata"]["name"])
    if (found["spec"].get("backup") or {}).get("barmanObjectStore"):
        raise NotReadyError("Unsupported", "spec.backup.barmanObjectStore: the twin archives by the plugin only")
    return None


async def check_credentials(cluster: Cluster, store: Object) -> None:
    """NotReadyError when a key of the object store's credentials is missing."""
    s3 = store["spec"]["configuration"].get("s3Credentials") or {}
    for reference in s3.values():
        if isinstance(reference, dict):
            await cluster.secret_value(store["metadata"]["namespace"], reference["name"], reference["key"])


async def _place(
    cluster: Cluster, found: Object, parameters: Mapping[str, str], *, default_server: str
) -> Place:
    name = parameters.get("barmanObjectName")
    if name is None:
        raise NotReadyError("InvalidPlugin", f"plugin {BARMAN} has no parameter barmanObjectName")
    namespace = found["metadata"]["namespace"]
    store = await cluster.find(OBJECT_STORE, namespace, name)
    if store is None:
        message = f'objectstores.barmancloud.cnpg.io "{name}" not found in {namespace}'
        raise NotReadyError("ObjectStoreNotFound", message)
    await check_credentials(cluster, store)
    configuration = store["spec"]["configuration"]
    server = parameters.get("serverName") or configuration.get("serverName") or default_server
    path = configuration["destinationPath"].rstrip("/")
    return Place(name, f"{configuration.get('endpointURL', 's3')} {path}/{server}")


async def _ready_cluster(cluster: Cluster, found: Object) -> Object:
    name, namespace = found["spec"]["cluster"]["name"], found["metadata"]["namespace"]
    target = await cluster.find(CLUSTER, namespace, name)
    if target is None:
        raise NotReadyError("ClusterNotFound", f'clusters.postgresql.cnpg.io "{name}" not found in {namespace}')
    if not is_true(target, "Ready"):
        raise NotReadyError("ClusterNotReady", f"cluster {namespace}/{name} is not ready")
    return target


def _application_secret(metadata: Object, name: str, database: str, owner: str) -> Object:
    host, password = f"{metadata['name']}-rw", secrets.token_urlsafe(32)
    place = f"{host}.{metadata['namespace']}:{PORT}/{database}"
    values = {
        "username": owner,
        "user": owner,
        "password": password,
        "dbname": database,
        "host": host,
        "port": str(PORT),
        "pgpass": f"{host}:{PORT}:{database}:{owner}:{password}\n",
        "uri": f"postgresql://{owner}:{password}@{place}",
        "jdbc-uri": f"jdbc:postgresql://{place}?password={password}&user={owner}",
    }
    return {
        "apiVersion": SECRET.api_version,
        "kind": SECRET.kind,
        "metadata": {"name": name, "namespace": metadata["namespace"], "labels": {"cnpg.io/cluster": metadata["name"]}},
        "type": "kubernetes.io/basic-auth",
        "data": {key: b64encode(value.encode()).decode() for key, value in values.items()},
    }


def _services(found: Object) -> Iterator[Object]:
    name, namespace = found["metadata"]["name"], found["metadata"]["namespace"]
    roles: Mapping[str, Mapping[str, str]] = {
        "rw": {"cnpg.io/instanceRole": "primary"},
        "ro": {"cnpg.io/instanceRole": "replica"},
        "r": {"cnpg.io/podRole": "instance"},
    }
    for suffix, labels in roles.items():
        yield {
            "apiVersion": SERVICE.api_version,
            "kind": SERVICE.kind,
            "metadata": {"name": f"{name}-{suffix}", "namespace": namespace},
            "spec": {
                "selector": {"cnpg.io/cluster": name, **labels},
                "ports": [{"name": "postgres", "port": PORT}],
            },
        }


def _claim(found: Object, name: str, storage: Mapping[str, Any]) -> Object:
    template: Mapping[str, Any] = storage.get("pvcTemplate") or {}
    spec: Object = {"accessModes": ["ReadWriteOnce"], **template}
    if storage.get("size"):
        spec["resources"] = {"requests": {"storage": storage["size"]}}
    if storage.get("storageClass"):
        spec["storageClassName"] = storage["storageClass"]
    inherited = (found["spec"].get("inheritedMetadata") or {}).get("annotations") or {}
    return {
        "apiVersion": PERSISTENT_VOLUME_CLAIM.api_version,
        "kind": PERSISTENT_VOLUME_CLAIM.kind,
        "metadata": {
            "name": name, "namespace": found["metadata"]["namespace"], "annotations": inherited,
            "labels": {"cnpg.io/cluster": found["metadata"]["name"], "cnpg.io/instanceName": name},
        },
        "spec": spec,
    }  # fmt: skip


def _pod(found: Object, name: str, claims: tuple[str, ...], *, primary: bool) -> Object:
    spec, cluster = found["spec"], found["metadata"]["name"]
    affinity: Mapping[str, Any] = spec.get("affinity") or {}
    placed = {key: affinity[key] for key in ("nodeSelector", "tolerations") if affinity.get(key)}
    container: Object = {
        "name": "postgres",
        "image": spec.get("imageName") or "ghcr.io/cloudnative-pg/postgresql",
        "resources": spec.get("resources") or {},
        "securityContext": {
            "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }  # fmt: skip
    return {
        "apiVersion": POD.api_version,
        "kind": POD.kind,
        "metadata": {
            "name": name,
            "namespace": found["metadata"]["namespace"],
            "labels": {
                "cnpg.io/cluster": cluster,
                "cnpg.io/instanceName": name,
                "cnpg.io/podRole": "instance",
                "cnpg.io/instanceRole": "primary" if primary else "replica",
            },
        },
        "spec": {
            "containers": [container],
            "volumes": [{"name": claim, "persistentVolumeClaim": {"claimName": claim}} for claim in claims],
            **placed,
        },
    }
