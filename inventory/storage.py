"""Ceph, the Proxmox storages and the settings of the Proxmox cluster."""

from decimal import Decimal
from uuid import UUID

from inventory.names import BACKUP_SERVER, CEPHFS, INDY, LVM, METAL, METHOD, STALE
from inventory.names import CEPH as CEPH_NETWORK
from model.ceph import CephCluster, Owner, Pool, PoolApplication, PoolName, Storage, StorageContent, StorageKind
from model.guests import GuestName
from model.proxmox import BackupJob, BackupMode, BackupRetention, HostReserve, ProxmoxCluster
from model.units import GiB, VlanId, gib_to_mib

_HYPERVISORS = (INDY, METHOD, STALE)


def _pool(name: str, application: PoolApplication, placement_groups: int, owner: Owner) -> Pool:
    return Pool(
        name=PoolName(name),
        application=application,
        size=3,
        min_size=2,
        placement_groups=placement_groups,
        owner=owner,
    )


CEPH = CephCluster(
    fsid=UUID("25afe9dc-2a59-4135-b1fc-6728b065c2a9"),
    release="squid",
    public_network=METAL,
    cluster_network=CEPH_NETWORK,
    monitors=(METHOD, INDY, STALE),
    pools=(
        _pool("osd", PoolApplication.RBD, 128, Owner.PROGRAM),
        _pool("cephfs_data", PoolApplication.CEPHFS, 32, Owner.HOST_PROVISIONING),
        _pool("cephfs_metadata", PoolApplication.CEPHFS, 32, Owner.HOST_PROVISIONING),
    ),
    block_pool=PoolName("osd"),
    filesystem="cephfs",
    filesystem_data_pool=PoolName("cephfs_data"),
)

STORAGES = (
    Storage(
        name=LVM,
        kind=StorageKind.LVM,
        content=(StorageContent.IMAGES, StorageContent.ROOT_DIRECTORIES),
        shared=False,
        hosts=_HYPERVISORS,
        volume_group="local-vg",
    ),
    Storage(
        name=CEPHFS,
        kind=StorageKind.CEPHFS,
        content=(
            StorageContent.BACKUP,
            StorageContent.ISO,
            StorageContent.CONTAINER_TEMPLATES,
            StorageContent.SNIPPETS,
            StorageContent.IMPORT,
        ),
        shared=True,
        owner=Owner.HOST_PROVISIONING,
        hosts=_HYPERVISORS,
    ),
    Storage(
        name=BACKUP_SERVER,
        kind=StorageKind.PROXMOX_BACKUP_SERVER,
        content=(StorageContent.BACKUP,),
        shared=True,
        hosts=_HYPERVISORS,
        guest="proxmox-backup-server",
        datastore="infrastructure",
    ),
)

PROXMOX = ProxmoxCluster(
    name="lab",
    image_host=METHOD,
    disk_storage=LVM,
    image_storage=CEPHFS,
    bridge="vmbr0",
    vlan_ids=(VlanId(1), VlanId(20), VlanId(30)),
    ssh_port=4185,
    reserve=HostReserve(per_osd=gib_to_mib(GiB(4)), system=gib_to_mib(GiB(4))),
    virtual_cpus_per_thread=Decimal(2),
    backup_jobs=(
        BackupJob(
            name="infrastructure-nightly",
            storage=BACKUP_SERVER,
            guests=(GuestName("truenas"),),
            calendar="03:30",
            mode=BackupMode.SNAPSHOT,
            retention=BackupRetention(last=3, daily=7, weekly=4, monthly=3),
        ),
    ),
    resource_pool="infrastructure",
)
