"""Volumes: each StorageClass gives what its driver would, and refuses what its driver would refuse."""

import json
from typing import Any

import pytest

from tests.twin.operators.conftest import FSID, Bench
from twin.kubernetes.api import Object
from twin.operators.chart_objects import ANY_NODE, LOCAL_PATH_CONFIGURATION, LOCAL_PATH_NAMESPACE, NODE_PLUGIN_LABEL
from twin.operators.cluster import PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM, Kind

OPERATORS = frozenset({"volumes"})

RBD = {"clusterID": FSID, "pool": "osd"}
CEPHFS = {"clusterID": FSID, "fsName": "cephfs"}


def is_bound(claim: Object) -> bool:
    return claim["status"].get("phase") == "Bound"


async def install(
    bench: Bench, name: str, provisioner: str, parameters: dict[str, str], *nodes: str, **more: Any
) -> str:
    """A class of its own for the test, and its driver."""
    storage_class = f"{name}-{bench.namespace}"
    secret = {
        "csi.storage.k8s.io/provisioner-secret-name": "csi-secret",
        "csi.storage.k8s.io/provisioner-secret-namespace": bench.namespace,
    }
    if provisioner.endswith("ceph.com"):
        driver = {"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": provisioner}}
        await bench.apply({**driver, "spec": {"attachRequired": True}})
        parameters = {**secret, **parameters}
    else:
        await bench.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": LOCAL_PATH_NAMESPACE}})
        paths = [{"node": node, "paths": ["/var/mnt/local"]} for node in nodes or (ANY_NODE,)]
        metadata = {"name": LOCAL_PATH_CONFIGURATION, "namespace": LOCAL_PATH_NAMESPACE}
        data = {"config.json": json.dumps({"nodePathMap": paths})}
        await bench.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    await bench.apply(
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": storage_class},
            "provisioner": provisioner,
            "parameters": parameters,
            "allowVolumeExpansion": True,
            **more,
        }
    )
    return storage_class


def pod(name: str, claim: str, **spec: Any) -> Object:
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": claim}}
    containers = [{"name": "main", "image": "example.org/main:1"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": containers, "volumes": [volume], **spec},
    }


async def test_a_block_volume_is_bound_grown_and_deleted_with_its_claim(bench: Bench) -> None:
    storage_class = await install(bench, "rbd", "rbd.csi.ceph.com", RBD)
    await bench.secret("csi-secret", {"userID": "kubernetes", "userKey": "key"})
    await bench.claim("data", storage_class)
    claim = await bench.until(PERSISTENT_VOLUME_CLAIM, "data", is_bound)
    name = claim["spec"]["volumeName"]
    volume = await bench.until(PERSISTENT_VOLUME, name, namespace=None)
    assert volume["spec"]["csi"]["driver"] == "rbd.csi.ceph.com"
    assert volume["spec"]["csi"]["volumeAttributes"]["clusterID"] == FSID
    await bench.cluster.merge(claim, {"spec": {"resources": {"requests": {"storage": "3Gi"}}}})
    await bench.until(
        PERSISTENT_VOLUME_CLAIM, "data", lambda found: found["status"]["capacity"]["storage"] == "3Gi"
    )
    await bench.cluster.remove(PERSISTENT_VOLUME_CLAIM, bench.namespace, "data")
    await bench.gone(PERSISTENT_VOLUME, name, namespace=None)


async def test_a_retained_volume_outlives_its_claim(bench: Bench) -> None:
    storage_class = await install(bench, "kept", "rbd.csi.ceph.com", RBD, reclaimPolicy="Retain")
    await bench.secret("csi-secret", {"userID": "kubernetes", "userKey": "key"})
    await bench.claim("data", storage_class)
    claim = await bench.until(PERSISTENT_VOLUME_CLAIM, "data", is_bound)
    await bench.cluster.remove(PERSISTENT_VOLUME_CLAIM, bench.namespace, "data")
    name = claim["spec"]["volumeName"]
    await bench.until(
        PERSISTENT_VOLUME, name, lambda found: found["status"]["phase"] == "Released", namespace=None
    )


@pytest.mark.parametrize(
    ("parameters", "modes", "keys", "message"),
    [
        ({"clusterID": "7b02e4a9-0000-0000-0000-000000000000", "pool": "osd"}, [], ["userID", "userKey"],
         "missing configuration for cluster ID"),
        ({"clusterID": FSID, "pool": "rbd"}, [], ["userID", "userKey"], "pool not found: rbd"),
        (RBD, ["ReadWriteMany"], ["userID", "userKey"], "multi node access modes"),
        (RBD, [], ["userID"], "missing ID field 'userKey'"),
        (RBD, [], [], 'secrets "csi-secret" not found'),
    ],
)  # fmt: skip
async def test_a_block_volume_is_refused(
    bench: Bench, parameters: dict[str, str], modes: list[str], keys: list[str], message: str
) -> None:
    storage_class = await install(bench, "rbd", "rbd.csi.ceph.com", parameters)
    if keys:
        await bench.secret("csi-secret", dict.fromkeys(keys, "value"))
    await bench.claim("data", storage_class, *modes)
    assert message in await bench.event("data", "ProvisioningFailed")
    claim = await bench.cluster.find(PERSISTENT_VOLUME_CLAIM, bench.namespace, "data")
    assert claim is not None
    assert claim["status"]["phase"] == "Pending"


async def test_a_secret_that_comes_later_is_noticed(bench: Bench) -> None:
    storage_class = await install(bench, "rbd", "rbd.csi.ceph.com", RBD)
    await bench.claim("data", storage_class)
    await bench.event("data", "ProvisioningFailed")
    await bench.secret("csi-secret", {"userID": "kubernetes", "userKey": "key"})
    await bench.until(PERSISTENT_VOLUME_CLAIM, "data", is_bound)


async def test_a_shared_filesystem_takes_many_writers_and_its_own_keys(bench: Bench) -> None:
    storage_class = await install(bench, "cephfs", "cephfs.csi.ceph.com", CEPHFS)
    await bench.secret("csi-secret", {"adminID": "admin", "adminKey": "key"})
    await bench.claim("data", storage_class, "ReadWriteMany")
    await bench.until(PERSISTENT_VOLUME_CLAIM, "data", is_bound)


async def test_a_local_volume_is_where_its_first_pod_is(bench: Bench) -> None:
    first, second = f"first-{bench.namespace}", f"second-{bench.namespace}"
    await bench.node(first)
    await bench.node(second)
    storage_class = await install(
        bench, "local", "rancher.io/local-path", {}, volumeBindingMode="WaitForFirstConsumer"
    )
    await bench.claim("cache", storage_class)
    waiting = await bench.event("cache", "WaitForFirstConsumer")
    assert "first consumer" in waiting
    await bench.apply(pod("model", "cache", nodeSelector={"kubernetes.io/hostname": second}))
    claim = await bench.until(PERSISTENT_VOLUME_CLAIM, "cache", is_bound)
    volume = await bench.until(PERSISTENT_VOLUME, claim["spec"]["volumeName"], namespace=None)
    terms = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert terms[0]["matchExpressions"][0]["values"] == [second]
    await bench.apply(pod("elsewhere", "cache", nodeSelector={"kubernetes.io/hostname": first}))
    message = await bench.event("elsewhere", "FailedScheduling")
    assert "volume node affinity conflict" in message or "didn't match PersistentVolume's node affinity" in message


async def test_a_local_volume_takes_one_writer_only(bench: Bench) -> None:
    node = f"node-{bench.namespace}"
    await bench.node(node)
    storage_class = await install(
        bench, "local", "rancher.io/local-path", {}, volumeBindingMode="WaitForFirstConsumer"
    )
    await bench.claim("shared", storage_class, "ReadWriteMany")
    await bench.apply(pod("user", "shared", nodeSelector={"kubernetes.io/hostname": node}))
    assert "only supports ReadWriteOnce" in await bench.event("shared", "ProvisioningFailed")


async def test_a_node_without_a_folder_for_it_gets_no_local_volume(bench: Bench) -> None:
    node = f"node-{bench.namespace}"
    await bench.node(node)
    storage_class = await install(
        bench, "local", "rancher.io/local-path", {}, "another", volumeBindingMode="WaitForFirstConsumer"
    )
    await bench.claim("cache", storage_class)
    await bench.apply(pod("user", "cache", nodeSelector={"kubernetes.io/hostname": node}))
    assert f"config doesn't contain node {node}" in await bench.event("cache", "ProvisioningFailed")


async def test_a_node_tells_which_drivers_its_taints_let_in(bench: Bench) -> None:
    taint = {"key": "amd.com/gpu", "value": "present", "effect": "NoSchedule"}
    plain, tainted = f"plain-{bench.namespace}", f"tainted-{bench.namespace}"
    await bench.node(plain)
    await bench.node(tainted, taints=[taint])
    labels = {"app": "plugin"}
    template: Object = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "p", "image": "e.org/p:1"}]}}
    plugin: Object = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "plugin", "labels": {NODE_PLUGIN_LABEL: "rbd.csi.ceph.com"}},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }
    await bench.apply(plugin)
    csi_node = Kind("storage.k8s.io/v1", "CSINode")
    await bench.until(csi_node, plain, lambda found: found["spec"]["drivers"], namespace=None)
    await bench.until(csi_node, tainted, lambda found: not found["spec"]["drivers"], namespace=None)
    template["spec"]["tolerations"] = [{"key": "amd.com/gpu", "operator": "Exists"}]
    await bench.apply(plugin)
    await bench.until(csi_node, tainted, lambda found: found["spec"]["drivers"], namespace=None)
