"""Storages and the volumes on them."""

import uuid
from enum import StrEnum, unique

from pydantic import Field

from model.ceph import Owner, StorageKind
from twin.proxmox.hosts import Hosts
from twin.proxmox.properties import format_size
from twin.proxmox.records import Record, Records
from twin.proxmox.refusal import failed
from twin.proxmox.tasks import TaskFailedError
from twin.store import Store

GIB = 1 << 30
DATASTORE_BYTES = 4000 * GIB
"""Assumed room of a backup server's datastore and of a network file share."""


@unique
class StorageType(StrEnum):
    """Storage plugins that the twin knows."""

    LVM = "lvm"
    CEPHFS = "cephfs"
    PBS = "pbs"
    DIRECTORY = "dir"
    NFS = "nfs"
    CIFS = "cifs"


ALLOWED_CONTENT: dict[StorageType, frozenset[str]] = {
    StorageType.LVM: frozenset({"images", "rootdir"}),
    StorageType.CEPHFS: frozenset({"vztmpl", "iso", "backup", "snippets", "import"}),
    StorageType.PBS: frozenset({"backup"}),
    StorageType.DIRECTORY: frozenset({"images", "rootdir", "vztmpl", "iso", "backup", "snippets", "import"}),
    StorageType.NFS: frozenset({"images", "rootdir", "vztmpl", "iso", "backup", "snippets", "import"}),
    StorageType.CIFS: frozenset({"images", "rootdir", "vztmpl", "iso", "backup", "snippets", "import"}),
}
DEFAULT_CONTENT: dict[StorageType, tuple[str, ...]] = {
    StorageType.LVM: ("images", "rootdir"),
    StorageType.CEPHFS: ("backup", "vztmpl", "iso"),
    StorageType.PBS: ("backup",),
    StorageType.DIRECTORY: ("images", "rootdir", "vztmpl", "iso", "snippets", "backup"),
    StorageType.NFS: ("images",),
    StorageType.CIFS: ("images",),
}
SHARED = frozenset({StorageType.CEPHFS, StorageType.PBS, StorageType.NFS, StorageType.CIFS})
FILE_BASED = frozenset({StorageType.CEPHFS, StorageType.DIRECTORY, StorageType.NFS, StorageType.CIFS})


class StorageConfiguration(Record):
    """An entry of `storage.cfg`."""

    storage: str
    type: StorageType
    content: tuple[str, ...]
    nodes: tuple[str, ...] = ()
    """Empty: every node."""
    disable: bool = False
    shared: bool = False
    options: dict[str, str | int | bool] = Field(default_factory=dict)
    """The plugin's own options as the API reports them."""

    @property
    def is_shared(self) -> bool:
        """Whether every node sees the same volumes."""
        return self.shared or self.type in SHARED


class Volume(Record):
    """A volume on a storage."""

    storage: str
    name: str
    """Without the storage: `vm-110-disk-0`, `import/talos.qcow2`."""
    node: str | None
    """None on a shared storage."""
    content: str
    format: str
    size: int
    """Bytes as the guest sees them."""
    stored: int
    """Bytes taken of the storage."""
    identity: str
    """Changes when the volume is made anew."""
    guest: int | None = None
    image: str | None = None
    """File name of the image the volume was made from."""
    virtual_size: int | None = None
    """Of an image: bytes of the disk made from it."""

    @property
    def volume_id(self) -> str:
        """`storage:name`."""
        return f"{self.storage}:{self.name}"

    @property
    def key(self) -> str:
        """Identity in the store."""
        return f"{self.node or '*'}/{self.volume_id}"


class Storages:
    """All storages with their volumes and their room."""

    def __init__(self, store: Store, hosts: Hosts) -> None:
        self.configurations = Records(store, "storages", StorageConfiguration)
        self.volumes = Records(store, "volumes", Volume)
        self._store = store
        self._hosts = hosts

    def install(self) -> None:
        """Make the storages that exist before the program runs: those set up when the hosts were installed."""
        for storage in self._hosts.lab.storages:
            known = self.configurations.get(storage.name) is not None
            if storage.owner is Owner.HOST_PROVISIONING and not known:
                if storage.kind is not StorageKind.CEPHFS:
                    raise ValueError(f"the twin cannot set up storage '{storage.name}' of kind {storage.kind}")
                configuration = StorageConfiguration(
                    storage=storage.name,
                    type=StorageType.CEPHFS,
                    content=tuple(storage.content),
                    options={"path": f"/mnt/pve/{storage.name}"},
                )
                self.configurations.put(storage.name, configuration)

    def get(self, name: str) -> StorageConfiguration:
        """The storage; RefusalError when there is none of that name."""
        found = self.configurations.get(name)
        if found is None:
            raise failed(f"storage '{name}' does not exist")
        return found

    def available(self, name: str, node: str) -> StorageConfiguration:
        """The storage, if it is enabled and the node has it; RefusalError otherwise."""
        configuration = self.get(name)
        if configuration.disable:
            raise failed(f"storage '{name}' is disabled")
        if configuration.nodes and node not in configuration.nodes:
            raise failed(f"storage '{name}' is not available on node '{node}'")
        return configuration

    def on(self, node: str) -> list[StorageConfiguration]:
        """The storages that the node has, disabled ones too."""
        return [c for c in self.configurations.all() if not c.nodes or node in c.nodes]

    def volumes_on(self, name: str, node: str) -> list[Volume]:
        """The volumes of the storage as the node sees them."""
        return [v for v in self.volumes.all() if v.storage == name and v.node in (None, node)]

    def volume(self, volume_id: str, node: str) -> Volume | None:
        """The volume as the node sees it, None when there is none."""
        storage = volume_id.partition(":")[0]
        return next((v for v in self.volumes_on(storage, node) if v.volume_id == volume_id), None)

    def total(self, configuration: StorageConfiguration, node: str) -> int:
        """Bytes the storage can hold as seen from the node."""
        if configuration.type is StorageType.LVM:
            return self._hosts.volume_group_bytes(node)
        if configuration.type is StorageType.CEPHFS:
            pool = self._hosts.lab.ceph.pool(self._hosts.lab.ceph.filesystem_data_pool)
            return self._hosts.ceph_bytes(pool.size)
        if configuration.type is StorageType.DIRECTORY:
            return self._hosts.volume_group_bytes(node)
        return DATASTORE_BYTES

    def used(self, configuration: StorageConfiguration, node: str) -> int:
        """Bytes taken as seen from the node; thick volumes take their whole size."""
        return sum(volume.stored for volume in self.volumes_on(configuration.storage, node))

    def take_room(self, name: str, node: str, wanted: int, purpose: str) -> StorageConfiguration:
        """See to it that `wanted` more bytes fit; TaskFailedError says how much is lacking and who has the room."""
        configuration = self.get(name)
        total, used = self.total(configuration, node), self.used(configuration, node)
        full = self._hosts.faults.disk_is_full(node, name)
        if not full and used + wanted <= total:
            return configuration
        lacking = wanted if full else used + wanted - total
        holders = sorted(self.volumes_on(name, node), key=lambda v: v.stored, reverse=True)
        held = ", ".join(f"{v.name} {format_size(v.stored)}" for v in holders[:5]) or "nothing of the twin's"
        if configuration.type is StorageType.LVM:
            words = f"lvcreate: Volume group '{configuration.options['vgname']}' has insufficient free space"
        else:
            words = "No space left on device"
        raise TaskFailedError(
            f"{words}: {purpose} lacks {_gibibytes(lacking)} GiB on storage '{name}' of node '{node}' "
            f"({_gibibytes(total)} GiB in all; held by {held})"
        )

    def allocate(
        self, name: str, node: str, *, guest: int, size: int, volume_name: str | None = None, image: str | None = None
    ) -> Volume:
        """Make a guest's volume; TaskFailedError when there is no room for it."""
        configuration = self.take_room(name, node, size, f"a disk of {format_size(size)} for VM {guest}")
        owner = None if configuration.is_shared else node
        chosen = volume_name or self._free_name(name, node, guest)
        volume = Volume(
            storage=name, name=chosen, node=owner, content="images", format="raw", size=size, stored=size,
            identity=uuid.uuid4().hex, guest=guest, image=image,
        )
        self.volumes.put(volume.key, volume)
        return volume

    def grow(self, volume: Volume, node: str, size: int) -> Volume:
        """Enlarge a guest's volume to `size` bytes."""
        self.take_room(volume.storage, node, size - volume.size, f"growing {volume.name} to {format_size(size)}")
        grown = volume.model_copy(update={"size": size, "stored": size})
        self.volumes.put(volume.key, grown)
        return grown

    def free(self, volume: Volume) -> None:
        """Remove the volume."""
        self.volumes.delete(volume.key)

    def _free_name(self, name: str, node: str, guest: int) -> str:
        taken = {volume.name for volume in self.volumes_on(name, node)}
        number = 0
        while f"vm-{guest}-disk-{number}" in taken:
            number += 1
        return f"vm-{guest}-disk-{number}"


def _gibibytes(size: int) -> str:
    return f"{size / GIB:.1f}"
