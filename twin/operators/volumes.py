"""Volumes: what the provisioners and resizers of ceph-csi and local-path do. Binding is the real controller's."""

import json
import re
from collections.abc import Mapping
from typing import Final
from uuid import UUID, uuid5

from model.ceph import PoolApplication
from model.lab import Lab
from twin.kubernetes.api import Object
from twin.operators.chart_objects import (
    ANY_NODE,
    CEPH_BLOCK_PROVISIONER,
    CEPH_FILESYSTEM_PROVISIONER,
    LOCAL_PATH_CONFIGURATION,
    LOCAL_PATH_NAMESPACE,
    LOCAL_PATH_PROVISIONER,
    NODE_PLUGIN_LABEL,
)
from twin.operators.cluster import (
    CONFIG_MAP,
    NODE,
    PERSISTENT_VOLUME,
    PERSISTENT_VOLUME_CLAIM,
    SECRET,
    STORAGE_CLASS,
    Cluster,
    Kind,
    NotReadyError,
    Operator,
    owned,
)
from twin.operators.controller import Controller
from twin.operators.node_features import DAEMON_SET, tolerates

VOLUMES: Final = Operator("volumes")

CSI_DRIVER: Final = Kind("storage.k8s.io/v1", "CSIDriver")
CSI_NODE: Final = Kind("storage.k8s.io/v1", "CSINode")
SELECTED_NODE: Final = "volume.kubernetes.io/selected-node"
PROVISIONED_BY: Final = "pv.kubernetes.io/provisioned-by"
HOST_NAME: Final = "kubernetes.io/hostname"

CEPH: Final = (CEPH_BLOCK_PROVISIONER, CEPH_FILESYSTEM_PROVISIONER)
PROVISIONERS: Final = (*CEPH, LOCAL_PATH_PROVISIONER)
MANY_WRITERS: Final = "ReadWriteMany"
SECRET_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    CEPH_BLOCK_PROVISIONER: ("userID", "userKey"),
    CEPH_FILESYSTEM_PROVISIONER: ("adminID", "adminKey"),
}

_TEMPLATE: Final = re.compile(r"\$\{(pvc\.name|pvc\.namespace|pv\.name)\}")


class Claims(Controller):
    """A volume for each claim, and its growth."""

    operator = VOLUMES
    kind = PERSISTENT_VOLUME_CLAIM

    async def reconcile(self, found: Object) -> None:
        """Provision when the claim's class says so; grow what is bound."""
        spec = found["spec"]
        if spec.get("volumeName"):
            await self._grow(found)
            return
        storage_class = await self._class(found)
        if storage_class is None:
            return
        node = (found["metadata"].get("annotations") or {}).get(SELECTED_NODE)
        if storage_class.get("volumeBindingMode") == "WaitForFirstConsumer" and node is None:
            # The real controller tells that it waits for the first consumer.
            return
        provisioner = storage_class["provisioner"]
        name = f"pvc-{found['metadata']['uid']}"
        if provisioner in CEPH:
            await self._require_driver(provisioner)
            _refuse_ceph(self.cluster.around.lab, found, storage_class)
            source = await self._ceph(found, storage_class, name)
        else:
            source = await self._local(found, storage_class, name, node)
        await self.cluster.create(VOLUMES, _volume(found, storage_class, name, source))
        await self.tell(
            found, "ProvisioningSucceeded", f"Successfully provisioned volume {name}", warning=False
        )

    async def refuse(self, found: Object, problem: NotReadyError) -> None:
        """As external-provisioner tells it."""
        storage_class = found["spec"].get("storageClassName")
        message = f'failed to provision volume with StorageClass "{storage_class}": {problem.message}'
        await self.tell(found, "ProvisioningFailed", message)

    async def _class(self, found: Object) -> Object | None:
        """The class, when it is one of these provisioners'; the real controller tells about any other."""
        name = found["spec"].get("storageClassName")
        storage_class = await self.cluster.find(STORAGE_CLASS, None, name) if name else None
        return storage_class if storage_class is not None and storage_class["provisioner"] in PROVISIONERS else None

    async def _require_driver(self, provisioner: str) -> None:
        if await self.cluster.find(CSI_DRIVER, None, provisioner) is None:
            raise NotReadyError("ProvisioningFailed", f"no provisioner: no CSIDriver {provisioner} is installed")

    async def _ceph(self, found: Object, storage_class: Object, name: str) -> Object:
        provisioner = storage_class["provisioner"]
        parameters: Mapping[str, str] = storage_class["parameters"]
        for use in ("provisioner", "node-stage"):
            reference = _secret_reference(found, parameters, use, name)
            if reference is not None:
                keys = SECRET_KEYS[provisioner] if use == "provisioner" else ()
                await _require_secret(self.cluster, *reference, keys)
        handle = _handle(self.cluster.around.lab, found)
        attributes = {"clusterID": parameters["clusterID"], "storage.kubernetes.io/csiProvisionerIdentity": "twin"}
        told = {key: parameters[key] for key in ("pool", "fsName") if key in parameters}
        csi: Object = {"driver": provisioner, "volumeHandle": handle, "volumeAttributes": {**attributes, **told}}
        if provisioner == CEPH_BLOCK_PROVISIONER:
            csi["fsType"] = parameters.get("csi.storage.k8s.io/fstype", "ext4")
        stage = _secret_reference(found, parameters, "node-stage", name)
        if stage is not None:
            csi["nodeStageSecretRef"] = {"namespace": stage[0], "name": stage[1]}
        return {"csi": csi}

    async def _local(self, found: Object, storage_class: Object, name: str, node: str | None) -> Object:
        modes: list[str] = found["spec"]["accessModes"]
        wrong = [mode for mode in modes if mode not in ("ReadWriteOnce", "ReadWriteOncePod")]
        if wrong:
            raise NotReadyError(
                "ProvisioningFailed",
                "NodePath only supports ReadWriteOnce and ReadWriteOncePod (1.22+) access modes, "
                f"not {', '.join(wrong)}",
            )
        if node is None:
            raise NotReadyError(
                "ProvisioningFailed",
                f"configuration error, no node was specified: class {storage_class['metadata']['name']} must be "
                "WaitForFirstConsumer",
            )
        machine = await self.cluster.find(NODE, None, node)
        if machine is None:
            raise NotReadyError("ProvisioningFailed", f'nodes "{node}" not found')
        metadata = found["metadata"]
        folder = f"{await self._local_directory(node)}/{name}_{metadata['namespace']}_{metadata['name']}"
        label = (machine["metadata"].get("labels") or {}).get(HOST_NAME, node)
        expression = {"key": HOST_NAME, "operator": "In", "values": [label]}
        return {
            "hostPath": {"path": folder, "type": "DirectoryOrCreate"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}},
        }

    async def _local_directory(self, node: str) -> str:
        configuration = await self.cluster.find(CONFIG_MAP, LOCAL_PATH_NAMESPACE, LOCAL_PATH_CONFIGURATION)
        if configuration is None:
            raise NotReadyError("ProvisioningFailed", "no provisioner: local-path-provisioner is not installed")
        listed: list[Object] = json.loads(configuration["data"]["config.json"])["nodePathMap"]
        paths: Mapping[str, list[str]] = {one["node"]: one["paths"] for one in listed}
        if node not in paths and ANY_NODE not in paths:
            raise NotReadyError(
                "ProvisioningFailed",
                f"config doesn't contain node {node}, and no {ANY_NODE} available; it has {', '.join(sorted(paths))}",
            )
        found = paths.get(node, paths.get(ANY_NODE, []))
        if not found:
            raise NotReadyError("ProvisioningFailed", f"no local path available on node {node}")
        return found[0]

    async def _grow(self, found: Object) -> None:
        wanted = found["spec"]["resources"]["requests"]["storage"]
        status: Object = found.get("status") or {}
        present = (status.get("capacity") or {}).get("storage")
        if status.get("phase") != "Bound" or present is None or present == wanted:
            return
        volume = await self.cluster.find(PERSISTENT_VOLUME, None, found["spec"]["volumeName"])
        driver = ((volume or {}).get("spec") or {}).get("csi", {}).get("driver")
        if volume is None or driver not in CEPH or _bytes(wanted) <= _bytes(present):
            return
        await self.cluster.merge(volume, {"spec": {"capacity": {"storage": wanted}}})
        await self.cluster.set_status(found, {"capacity": {"storage": wanted}})
        await self.tell(found, "VolumeResizeSuccessful", "Resize volume succeeded", warning=False)


class Attachments(Controller):
    """What external-attacher does: the volume of a driver that is installed is attached."""

    operator = VOLUMES
    kind = Kind("storage.k8s.io/v1", "VolumeAttachment")

    async def reconcile(self, found: Object) -> None:
        """Attached at once."""
        attacher = found["spec"]["attacher"]
        if attacher in CEPH and await self.cluster.find(CSI_DRIVER, None, attacher) is not None:
            await self.cluster.set_status(found, {"attached": True})


class NodeDrivers(Controller):
    """What the drivers' registrars do: each node tells which volumes it can mount."""

    operator = VOLUMES
    kind = NODE
    wakes_on = (DAEMON_SET,)

    async def reconcile(self, found: Object) -> None:
        """A CSINode with the drivers whose node plugin tolerates the node's taints."""
        name = found["metadata"]["name"]
        drivers: list[Object] = []
        for plugin in await self.cluster.all(DAEMON_SET):
            driver = (plugin["metadata"].get("labels") or {}).get(NODE_PLUGIN_LABEL)
            pod = plugin["spec"]["template"]["spec"]
            if driver is not None and "deletionTimestamp" not in plugin["metadata"] and tolerates(
                found, pod.get("tolerations") or ()
            ):
                drivers.append({"name": driver, "nodeID": name})
        present = await self.cluster.find(CSI_NODE, None, name)
        if present is None:
            kind = {"apiVersion": CSI_NODE.api_version, "kind": CSI_NODE.kind}
            body = owned(found, {**kind, "metadata": {"name": name}, "spec": {"drivers": drivers}})
            await self.cluster.create(VOLUMES, body)
        elif {one["name"] for one in present["spec"].get("drivers") or ()} != {one["name"] for one in drivers}:
            await self.cluster.merge(present, {"spec": {"drivers": drivers}})


class Releases(Controller):
    """Deletes the volume whose claim is gone, where the reclaim policy says so."""

    operator = VOLUMES
    kind = PERSISTENT_VOLUME

    async def reconcile(self, found: Object) -> None:
        """Delete a released volume that these provisioners made."""
        by = (found["metadata"].get("annotations") or {}).get(PROVISIONED_BY)
        released = (found.get("status") or {}).get("phase") == "Released"
        if by in PROVISIONERS and released and found["spec"].get("persistentVolumeReclaimPolicy") == "Delete":
            await self.cluster.remove(PERSISTENT_VOLUME, None, found["metadata"]["name"])


def refuse_cluster_id(lab: Lab, parameters: Mapping[str, str]) -> None:
    """NotReadyError unless the parameters name the lab's Ceph cluster."""
    given = parameters.get("clusterID")
    if given is None:
        raise NotReadyError("InvalidArgument", "missing required parameter: clusterID")
    if given != str(lab.ceph.fsid):
        raise NotReadyError(
            "InvalidArgument",
            f'failed to fetch monitor list using clusterID ({given}): missing configuration for cluster ID "{given}"; '
            f"the lab's Ceph cluster is {lab.ceph.fsid}",
        )


def _refuse_ceph(lab: Lab, found: Object, storage_class: Object) -> None:
    parameters: Mapping[str, str] = storage_class.get("parameters") or {}
    refuse_cluster_id(lab, parameters)
    provisioner = storage_class["provisioner"]
    spec = found["spec"]
    if provisioner == CEPH_BLOCK_PROVISIONER:
        if MANY_WRITERS in spec["accessModes"] and spec.get("volumeMode", "Filesystem") != "Block":
            raise NotReadyError(
                "InvalidArgument",
                "multi node access modes are only supported on rbd `block` type volumes; use a CephFS class",
            )
        pools = {str(pool.name) for pool in lab.ceph.pools if pool.application is PoolApplication.RBD}
        if parameters.get("pool") not in pools:
            raise NotReadyError("InvalidArgument", f"pool not found: {parameters.get('pool')}; {_known(pools)}")
    elif parameters.get("fsName") != lab.ceph.filesystem:
        raise NotReadyError(
            "InvalidArgument", f"file system {parameters.get('fsName')} not found; {_known({lab.ceph.filesystem})}"
        )


def _known(names: set[str]) -> str:
    return f"the lab has {', '.join(sorted(names))}"


def _volume(found: Object, storage_class: Object, name: str, source: Object) -> Object:
    metadata, spec = found["metadata"], found["spec"]
    return {
        "apiVersion": PERSISTENT_VOLUME.api_version,
        "kind": PERSISTENT_VOLUME.kind,
        "metadata": {"name": name, "annotations": {PROVISIONED_BY: storage_class["provisioner"]}},
        "spec": {
            "accessModes": spec["accessModes"],
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy", "Delete"),
            "storageClassName": storage_class["metadata"]["name"],
            "volumeMode": spec.get("volumeMode", "Filesystem"),
            **source,
        },
    }


def _secret_reference(
    found: Object, parameters: Mapping[str, str], use: str, volume: str
) -> tuple[str, str] | None:
    name = parameters.get(f"csi.storage.k8s.io/{use}-secret-name")
    namespace = parameters.get(f"csi.storage.k8s.io/{use}-secret-namespace")
    if name is None and namespace is None:
        return None
    if name is None or namespace is None:
        raise NotReadyError("InvalidArgument", f"the {use} secret needs both a name and a namespace")
    metadata = found["metadata"]
    words = {"pvc.name": metadata["name"], "pvc.namespace": metadata["namespace"], "pv.name": volume}
    namespace, name = (_TEMPLATE.sub(lambda match: words[match[1]], text) for text in (namespace, name))
    return namespace, name


async def _require_secret(cluster: Cluster, namespace: str, name: str, keys: tuple[str, ...]) -> None:
    secret = await cluster.find(SECRET, namespace, name)
    if secret is None:
        message = f'error getting secret {name} in namespace {namespace}: secrets "{name}" not found'
        raise NotReadyError("ProvisioningFailed", message)
    for key in keys:
        if not (secret.get("data") or {}).get(key):
            raise NotReadyError("InvalidArgument", f"missing ID field '{key}' in secret {namespace}/{name}")


def _handle(lab: Lab, found: Object) -> str:
    """As ceph-csi composes it: version, length and text of the cluster id, pool, and an id of its own."""
    own = uuid5(UUID(found["metadata"]["uid"]), "volume")
    return f"0001-0024-{lab.ceph.fsid}-0000000000000001-{own}"


_UNITS: Final[Mapping[str, int]] = {
    "": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50,
}  # fmt: skip


def _bytes(quantity: str) -> float:
    match = re.fullmatch(r"([0-9.]+)([a-zA-Z]*)", quantity)
    return float(match[1]) * _UNITS.get(match[2], 1) if match else 0.0
