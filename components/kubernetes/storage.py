"""Volumes: Ceph block devices and folders, snapshots of both, and folders on the nodes' own disks."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address

import pulumi
from pulumi_kubernetes import meta
from pulumi_kubernetes import storage as kubernetes_storage
from pydantic import Field

from components.kubernetes.chart_application import Delivery
from components.kubernetes.namespaces import BootstrapSecrets
from components.kubernetes.objects import CustomResource, Metadata
from components.kubernetes.provided import Provided
from components.kubernetes.tolerations import Toleration, tolerations
from components.options import child_options
from model.ceph import CephCluster
from model.cluster import NodePlan, Taint
from model.workloads.camel_case import CamelCase
from model.workloads.charts import Chart, ChartValues
from model.workloads.custom.snapshots import VolumeSnapshot, VolumeSnapshotClass, VolumeSnapshotContent
from model.workloads.objects import kinds
from model.workloads.platform import Releases
from model.workloads.storage import AccessMode, StorageClass, StorageTier

CEPH_NAMESPACE = "ceph"
LOCAL_NAMESPACE = "local-path-storage"
BLOCK_SECRET, FILES_SECRET = "csi-rbd-secret", "csi-cephfs-secret"
MESSENGER_PORT = 3300
"""Of Ceph's monitors, version 2 of the protocol."""
LOCAL_PATH = "/var/mnt/local-path-provisioner"
"""Where Talos mounts the user volume of that name."""
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"

BLOCK = StorageClass(
    name="csi-rbd-sc",
    tier=StorageTier.BLOCK,
    provisioner="rbd.csi.ceph.com",
    access_modes=frozenset({AccessMode.ONE_NODE}),
    is_default=True,
)
FILES = StorageClass(
    name="csi-cephfs-sc",
    tier=StorageTier.FILES,
    provisioner="cephfs.csi.ceph.com",
    access_modes=frozenset(AccessMode),
)
LOCAL = StorageClass(
    name="local-path",
    tier=StorageTier.LOCAL,
    provisioner="rancher.io/local-path",
    access_modes=frozenset({AccessMode.ONE_NODE}),
)


class CephConnection(CamelCase):
    """A Ceph cluster as the drivers know it."""

    cluster_id: str = Field(serialization_alias="clusterID")
    monitors: tuple[str, ...] = Field(min_length=1)


class NodePlugin(CamelCase):
    """The part of a driver that mounts volumes: on every node where a pod may want one."""

    tolerations: tuple[Toleration, ...]


class Provisioner(CamelCase):
    """The part of a driver that makes volumes."""

    replica_count: int = 2


class MadeHere(CamelCase):
    """An object that the chart would make, but the program does."""

    create: bool = False


class CephDriverValues(ChartValues):
    """Values of the charts `ceph-csi-rbd` and `ceph-csi-cephfs`."""

    csi_config: tuple[CephConnection, ...]
    nodeplugin: NodePlugin
    provisioner: Provisioner = Provisioner()
    storage_class: MadeHere = MadeHere()
    secret: MadeHere = MadeHere()


class NodePaths(CamelCase):
    """The folders of one node."""

    node: str
    paths: tuple[str, ...]


class LocalPathValues(ChartValues):
    """Values of the chart `local-path-provisioner`."""

    node_path_map: tuple[NodePaths, ...]
    storage_class: MadeHere = MadeHere()


class CephStorage(pulumi.ComponentResource):
    """Both Ceph drivers, their classes of volumes, and snapshots."""

    classes: Mapping[StorageTier, Provided[StorageClass]]

    def __init__(
        self,
        name: str,
        *,
        ceph: CephCluster,
        monitors: Sequence[IPv4Address],
        taints: Sequence[Taint],
        releases: Releases,
        delivery: Delivery,
        secrets: BootstrapSecrets,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`taints` are all those of the colour's nodes: a pod can only be where its volumes can be mounted."""
        super().__init__("lab:kubernetes:CephStorage", name, None, opts)
        snapshots = delivery.apply(
            Chart(
                name="snapshot-definitions",
                namespace=CEPH_NAMESPACE,
                source=releases.snapshot_definitions,
                kinds=kinds(VolumeSnapshotClass, VolumeSnapshot, VolumeSnapshotContent),
            ),
            opts=child_options(self, opts),
        )
        delivery.apply(
            Chart(name="snapshot-controller", namespace=CEPH_NAMESPACE, source=releases.snapshot_controller),
            needs=[snapshots],
            opts=child_options(self, opts),
        )
        connection = CephConnection(
            cluster_id=str(ceph.fsid), monitors=tuple(f"{monitor}:{MESSENGER_PORT}" for monitor in monitors)
        )
        values = CephDriverValues(csi_config=(connection,), nodeplugin=NodePlugin(tolerations=tolerations(taints)))
        made: dict[StorageTier, Provided[StorageClass]] = {}
        for storage_class, driver, source, secret, parameters in (
            (BLOCK, "ceph-csi-rbd", releases.ceph_block, BLOCK_SECRET, {"pool": ceph.block_pool}),
            (FILES, "ceph-csi-cephfs", releases.ceph_files, FILES_SECRET, {"fsName": ceph.filesystem}),
        ):
            application = delivery.apply(
                Chart(name=driver, namespace=CEPH_NAMESPACE, source=source, values=values),
                needs=[secrets.secret(CEPH_NAMESPACE, secret).by, snapshots],
                opts=child_options(self, opts),
            )
            made[storage_class.tier] = _storage_class(
                storage_class,
                parameters={
                    "clusterID": str(ceph.fsid),
                    **{key: str(value) for key, value in parameters.items()},
                    **_secrets(secret, ("provisioner", "controller-expand", "node-stage")),
                },
                opts=child_options(self, opts, pulumi.ResourceOptions(depends_on=[application])),
            )
            CustomResource(
                f"snapshots-{storage_class.tier}",
                metadata=Metadata(name=f"ceph-{storage_class.tier}-snapshots"),
                content=VolumeSnapshotClass(
                    driver=storage_class.provisioner,
                    deletion_policy="Delete",
                    parameters={"clusterID": str(ceph.fsid), **_secrets(secret, ("snapshotter",))},
                ),
                definitions=snapshots.definitions,
                opts=child_options(self, opts, pulumi.ResourceOptions(depends_on=[application])),
            )
        self.classes = made
        self.register_outputs({"classes": [storage_class.value.name for storage_class in made.values()]})


class LocalStorage(pulumi.ComponentResource):
    """Folders on the nodes that have a disk for it; named one by one, so that a volume is nowhere else by accident."""

    classes: Mapping[StorageTier, Provided[StorageClass]]

    def __init__(
        self,
        name: str,
        *,
        nodes: Sequence[NodePlan],
        releases: Releases,
        delivery: Delivery,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`nodes` are those with a volume for it."""
        super().__init__("lab:kubernetes:LocalStorage", name, None, opts)
        paths = tuple(NodePaths(node=node.name, paths=(LOCAL_PATH,)) for node in nodes)
        application = delivery.apply(
            Chart(
                name="local-path-provisioner",
                namespace=LOCAL_NAMESPACE,
                source=releases.local_path,
                values=LocalPathValues(node_path_map=paths),
            ),
            opts=child_options(self, opts),
        )
        made = _storage_class(
            LOCAL, parameters={}, opts=child_options(self, opts, pulumi.ResourceOptions(depends_on=[application]))
        )
        self.classes = {StorageTier.LOCAL: made}
        self.register_outputs({"classes": [LOCAL.name]})


def _storage_class(
    storage_class: StorageClass, *, parameters: Mapping[str, str], opts: pulumi.ResourceOptions
) -> Provided[StorageClass]:
    """Volumes go with their claims: what a colour leaves behind on Ceph when it is destroyed, nobody would ever find.

    A folder is made where its pod is; everything else at once, so that a claim can be filled before any pod wants it.
    """
    local = storage_class.tier is StorageTier.LOCAL
    resource = kubernetes_storage.v1.StorageClass(
        f"class-{storage_class.tier}",
        metadata=meta.v1.ObjectMetaArgs(
            name=storage_class.name,
            annotations={DEFAULT_CLASS: "true"} if storage_class.is_default else None,
        ),
        provisioner=storage_class.provisioner,
        parameters=dict(parameters),
        reclaim_policy="Delete",
        allow_volume_expansion=not local,
        volume_binding_mode="WaitForFirstConsumer" if local else "Immediate",
        opts=opts,
    )
    return Provided(storage_class, by=resource)


def _secrets(name: str, purposes: Sequence[str]) -> dict[str, str]:
    """Where the driver finds its key for each purpose."""
    return {
        f"csi.storage.k8s.io/{purpose}-secret-{field}": value
        for purpose in purposes
        for field, value in (("name", name), ("namespace", CEPH_NAMESPACE))
    }
