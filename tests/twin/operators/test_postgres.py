"""PostgreSQL clusters: no two write into one archive, and a recovery needs a backup."""

from typing import Any

import pytest_asyncio

from tests.twin.operators.conftest import FSID, Bench, status_of
from twin.kubernetes.api import Object
from twin.operators.archives import Archives
from twin.operators.cluster import PERSISTENT_VOLUME_CLAIM, POD, SECRET, SERVICE, is_true
from twin.operators.postgres import BACKUP, BARMAN, CLUSTER, DATABASE, OBJECT_STORE, SCHEDULED_BACKUP
from twin.store import Store

OPERATORS = frozenset({"cloudnative-pg", "volumes"})

ENDPOINT = "http://seaweedfs-s3.seaweedfs:8333"


@pytest_asyncio.fixture
async def postgres(bench: Bench) -> Bench:
    """Operator, plugin, a node, a StorageClass, and an object store with its keys."""
    await bench.define("cloudnative-pg", "barman-cloud")
    await bench.node(f"node-{bench.namespace}")
    await bench.secret("csi-secret", {"userID": "kubernetes", "userKey": "key"})
    await bench.secret("s3", {"access": "id", "secret": "key"})
    driver = {"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": "rbd.csi.ceph.com"}}
    await bench.apply({**driver, "spec": {"attachRequired": True}})
    await bench.apply(
        {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": bench.namespace},
         "provisioner": "rbd.csi.ceph.com", "allowVolumeExpansion": True,
         "parameters": {"clusterID": FSID, "pool": "osd"}}
    )  # fmt: skip
    await bench.apply(object_store(bench, "archive"))
    return bench


def object_store(bench: Bench, name: str, keys_in: str = "s3") -> Object:
    keys = {"accessKeyId": {"name": keys_in, "key": "access"}, "secretAccessKey": {"name": keys_in, "key": "secret"}}
    path = f"s3://cnpg-backups/{bench.namespace}"
    configuration = {"destinationPath": path, "endpointURL": ENDPOINT, "s3Credentials": keys}
    return {"apiVersion": OBJECT_STORE.api_version, "kind": OBJECT_STORE.kind, "metadata": {"name": name},
            "spec": {"configuration": configuration}}  # fmt: skip


def plugin(server: str, store: str = "archive", **more: Any) -> Object:
    return {"name": BARMAN, "parameters": {"barmanObjectName": store, "serverName": server}, **more}


def cluster(bench: Bench, name: str, server: str | None, *, source: str | None = None, instances: int = 1) -> Object:
    start = {"database": "app", "owner": "app"}
    bootstrap = {"recovery": {"source": "origin", **start}} if source else {"initdb": start}
    spec: Object = {
        "instances": instances,
        "imageName": "ghcr.io/cloudnative-pg/postgresql:17.5",
        "storage": {"storageClass": bench.namespace, "size": "2Gi"},
        "bootstrap": bootstrap,
    }
    if server is not None:
        spec["plugins"] = [plugin(server, isWALArchiver=True)]
    if source is not None:
        spec["externalClusters"] = [{"name": "origin", "plugin": plugin(source)}]
    return {"apiVersion": CLUSTER.api_version, "kind": CLUSTER.kind, "metadata": {"name": name}, "spec": spec}


def scheduled(name: str, cluster_name: str, schedule: str = "0 30 */12 * * *") -> Object:
    spec = {"schedule": schedule, "cluster": {"name": cluster_name}, "method": "plugin", "immediate": True,
            "pluginConfiguration": {"name": BARMAN}, "backupOwnerReference": "self"}  # fmt: skip
    return {"apiVersion": SCHEDULED_BACKUP.api_version, "kind": SCHEDULED_BACKUP.kind, "metadata": {"name": name},
            "spec": spec}  # fmt: skip


def ready(found: Object) -> bool:
    return is_true(found, "Ready")


def why_not(found: Object) -> str:
    return status_of(found).get("phaseReason") or ""


def key(bench: Bench, server: str) -> str:
    return f"{ENDPOINT} s3://cnpg-backups/{bench.namespace}/{server}"


async def test_a_cluster_has_volumes_pods_services_and_a_secret(postgres: Bench) -> None:
    await postgres.apply(cluster(postgres, "db", "db-1", instances=2))
    found = await postgres.until(CLUSTER, "db", ready)
    assert found["status"]["readyInstances"] == 2
    for name in ("db-1", "db-2"):
        claim = await postgres.until(PERSISTENT_VOLUME_CLAIM, name, lambda one: one["status"]["phase"] == "Bound")
        assert claim["spec"]["storageClassName"] == postgres.namespace
        assert claim["metadata"]["ownerReferences"][0]["uid"] == found["metadata"]["uid"]
        await postgres.until(POD, name, ready)
    for suffix in ("rw", "ro", "r"):
        await postgres.until(SERVICE, f"db-{suffix}")
    secret = await postgres.until(SECRET, "db-app")
    assert {"username", "password", "dbname", "host", "uri"} <= set(secret["data"])


async def test_a_recovery_continues_in_an_archive_of_its_own(postgres: Bench) -> None:
    await postgres.apply(cluster(postgres, "old", "old-1"))
    await postgres.apply(scheduled("old", "old"))
    await postgres.until(BACKUP, "old-immediate", lambda found: status_of(found).get("phase") == "completed")
    await postgres.apply(cluster(postgres, "new", "new-1", source="old-1"))
    await postgres.until(CLUSTER, "new", ready)
    same = cluster(postgres, "same", "old-1", source="old-1")
    await postgres.apply(same)
    found = await postgres.until(CLUSTER, "same", why_not)
    assert "Expected empty archive" in why_not(found)
    assert not ready(found)
    # The lab's old way round it: two databases in one archive.
    same["metadata"]["annotations"] = {"cnpg.io/skipEmptyWalArchiveCheck": "enabled"}
    await postgres.apply(same)
    await postgres.until(CLUSTER, "same", ready)


async def test_the_archive_outlives_the_cluster(postgres: Bench, store: Store) -> None:
    await postgres.apply(cluster(postgres, "db", "db-1"))
    await postgres.until(CLUSTER, "db", ready)
    archive = Archives(store).find(key(postgres, "db-1"))
    assert archive is not None
    assert archive.writer == f"green/{postgres.namespace}/db"
    await postgres.cluster.remove(CLUSTER, postgres.namespace, "db")
    await postgres.gone(CLUSTER, "db")
    await postgres.apply(cluster(postgres, "db", "db-1"))
    await postgres.until(CLUSTER, "db", lambda found: "Expected empty archive" in why_not(found))


async def test_there_is_nothing_to_recover_without_a_backup(postgres: Bench) -> None:
    await postgres.apply(cluster(postgres, "db", "db-1"))
    await postgres.until(CLUSTER, "db", ready)
    await postgres.apply(cluster(postgres, "early", "early-1", source="db-1"))
    await postgres.until(CLUSTER, "early", lambda found: "no target backup found" in why_not(found))


async def test_an_archive_needs_its_store_and_keys(postgres: Bench) -> None:
    await postgres.apply(object_store(postgres, "keyless", keys_in="absent"))
    body = cluster(postgres, "db", None)
    body["spec"]["plugins"] = [plugin("db-1", "nowhere", isWALArchiver=True)]
    await postgres.apply(body)
    await postgres.until(CLUSTER, "db", lambda found: '"nowhere" not found' in why_not(found))
    body["spec"]["plugins"] = [plugin("db-1", "keyless", isWALArchiver=True)]
    await postgres.apply(body)
    await postgres.until(CLUSTER, "db", lambda found: 'secrets "absent" not found' in why_not(found))
    await postgres.secret("absent", {"access": "id"})
    await postgres.until(CLUSTER, "db", lambda found: 'has no key "secret"; it has access' in why_not(found))
    await postgres.secret("absent", {"access": "id", "secret": "key"})
    await postgres.until(CLUSTER, "db", ready)


async def test_a_pod_that_cannot_be_placed_keeps_the_cluster_waiting(postgres: Bench) -> None:
    body = cluster(postgres, "large", None)
    body["spec"]["resources"] = {"requests": {"memory": "500Gi"}}
    await postgres.apply(body)
    await postgres.until(CLUSTER, "large", lambda found: "Insufficient memory" in why_not(found))


async def test_a_backup_of_what_archives_nowhere_fails(postgres: Bench) -> None:
    await postgres.apply(cluster(postgres, "db", None))
    await postgres.apply(scheduled("db", "db"))
    found = await postgres.until(
        BACKUP, "db-immediate", lambda one: "archives nowhere" in status_of(one).get("error", "")
    )
    assert found["status"]["phase"] == "failed"


async def test_a_schedule_without_seconds_is_refused(postgres: Bench) -> None:
    await postgres.apply(scheduled("wrong", "db", "30 */12 * * *"))
    assert "expected exactly 6 fields, found 5" in await postgres.event("wrong", "InvalidSchedule")


async def test_a_further_database_waits_for_its_cluster(postgres: Bench) -> None:
    spec = {"name": "mlflow", "owner": "app", "cluster": {"name": "db"}}
    await postgres.apply({"apiVersion": DATABASE.api_version, "kind": DATABASE.kind, "metadata": {"name": "mlflow"},
                          "spec": spec})  # fmt: skip
    found = await postgres.until(DATABASE, "mlflow", lambda one: status_of(one).get("message"))
    assert '"db" not found' in found["status"]["message"]
    await postgres.apply(cluster(postgres, "db", None))
    await postgres.until(DATABASE, "mlflow", lambda one: status_of(one).get("applied") is True)


async def test_a_larger_volume_is_grown(postgres: Bench) -> None:
    body = cluster(postgres, "db", None)
    await postgres.apply(body)
    await postgres.until(CLUSTER, "db", ready)
    body["spec"]["storage"]["size"] = "5Gi"
    await postgres.apply(body)
    await postgres.until(
        PERSISTENT_VOLUME_CLAIM, "db-1", lambda one: one["status"]["capacity"]["storage"] == "5Gi"
    )
