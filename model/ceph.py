"""The Ceph cluster and the storages that Proxmox VE sees."""

from enum import StrEnum, unique
from typing import NewType
from uuid import UUID

from pydantic import Field

from model.base import Value
from model.hardware import HostName
from model.network import NetworkName

PoolName = NewType("PoolName", str)
StorageName = NewType("StorageName", str)


@unique
class PoolApplication(StrEnum):
    """What a pool is for, as `ceph osd pool application enable` takes it."""

    RBD = "rbd"
    CEPHFS = "cephfs"
    RGW = "rgw"


@unique
class Owner(StrEnum):
    """Who makes a pool or a storage."""

    PROGRAM = "program"
    HOST_PROVISIONING = "host-provisioning"
    """Made with the Ceph cluster when the hosts are installed; the Proxmox API offers no way to declare it."""


class Pool(Value):
    """A replicated Ceph pool."""

    name: PoolName
    application: PoolApplication
    size: int = Field(ge=2)
    """Copies kept."""
    min_size: int = Field(ge=1)
    """Copies that must be writable for a write to be accepted."""
    placement_groups: int = Field(ge=1)
    owner: Owner = Owner.PROGRAM


class CephCluster(Value):
    """One Ceph cluster; `fsid` is written here and nowhere else."""

    fsid: UUID
    release: str
    public_network: NetworkName
    cluster_network: NetworkName
    monitors: tuple[HostName, ...]
    pools: tuple[Pool, ...]
    block_pool: PoolName
    """The pool of the RBD StorageClass."""
    filesystem: str
    filesystem_data_pool: PoolName

    def pool(self, name: PoolName) -> Pool:
        """The named pool; KeyError when there is none."""
        for pool in self.pools:
            if pool.name == name:
                return pool
        raise KeyError(name)


@unique
class StorageKind(StrEnum):
    """Type of a Proxmox storage."""

    LVM = "lvm"
    CEPHFS = "cephfs"
    PROXMOX_BACKUP_SERVER = "pbs"


@unique
class StorageContent(StrEnum):
    """What a Proxmox storage may hold."""

    IMAGES = "images"
    ROOT_DIRECTORIES = "rootdir"
    BACKUP = "backup"
    ISO = "iso"
    CONTAINER_TEMPLATES = "vztmpl"
    SNIPPETS = "snippets"
    IMPORT = "import"


class Storage(Value):
    """A storage of the Proxmox cluster."""

    name: StorageName
    kind: StorageKind
    content: tuple[StorageContent, ...]
    shared: bool
    owner: Owner = Owner.PROGRAM
    hosts: tuple[HostName, ...]
    volume_group: str | None = None
    guest: str | None = None
    """Infrastructure guest that serves the storage."""
    datastore: str | None = None
