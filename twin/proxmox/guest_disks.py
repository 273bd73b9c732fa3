"""Drives of a guest: allocation, import of images, cloud-init and firmware disks, what becomes of removed ones."""

import re

from twin.proxmox.guests import Guest, drives
from twin.proxmox.parameters import Values
from twin.proxmox.privileges import Privilege
from twin.proxmox.properties import PropertyString, format_size
from twin.proxmox.refusal import RefusalError, failed, wrong_parameters
from twin.proxmox.routing import Call
from twin.proxmox.storages import FILE_BASED, GIB, Storages
from twin.proxmox.tasks import Journal, TaskFailedError

_DRIVE = re.compile(r"(?:(?:scsi|sata|ide|virtio)\d+|efidisk0)")
_NEW = re.compile(r"(?P<storage>[A-Za-z][\w.-]*):(?P<what>\d+(?:\.\d+)?|cloudinit)")
_SMALL = 4 << 20
"""Bytes of a cloud-init drive and of a 4m firmware disk."""


def is_drive(name: str) -> bool:
    """Whether the setting is a drive."""
    return _DRIVE.fullmatch(name) is not None


class GuestDisks:
    """Makes and removes the volumes behind drive settings."""

    def __init__(self, storages: Storages) -> None:
        self._storages = storages

    def check(self, call: Call, node: str, vmid: int, name: str, value: str) -> None:
        """RefusalError when the caller may not have this drive or its setting cannot be right."""
        drive = PropertyString.parse(value, "file")
        file = drive.get("file") or ""
        if file in ("none", "cdrom"):
            return
        storage, _, path = file.partition(":")
        if not path:
            raise wrong_parameters({name: f"unable to parse volume ID '{file}'"})
        try:
            configuration = self._storages.available(storage, node)
        except RefusalError as refusal:
            raise wrong_parameters({name: refusal.message}) from refusal
        new = _NEW.fullmatch(file)
        if new is None:
            self._check_existing(call, configuration.storage, node, vmid, name, file, drive)
            return
        call.require(f"/storage/{storage}", Privilege.DATASTORE_ALLOCATE_SPACE)
        if "images" not in configuration.content:
            raise wrong_parameters({name: f"storage '{storage}' does not support content-type 'images'"})
        if drive.get("format") not in (None, "raw") and configuration.type not in FILE_BASED:
            raise wrong_parameters({name: f"unsupported format '{drive.get('format')}' on storage '{storage}'"})
        source = drive.get("import-from")
        if source is None:
            return
        if new["what"] != "0":
            raise wrong_parameters({name: "import requires special syntax - use <storage ID>:0,import-from=<source>"})
        if ":" not in source:
            raise failed("only root can use absolute paths")
        kind = source.partition(":")[2].partition("/")[0]
        if kind in ("iso", "vztmpl", "snippets", "backup"):
            raise wrong_parameters({name: f"{source} has wrong type '{kind}' - needs to be 'images' or 'import'"})
        call.require_any(
            f"/storage/{source.partition(':')[0]}", Privilege.DATASTORE_AUDIT, Privilege.DATASTORE_ALLOCATE_SPACE
        )

    def _check_existing(
        self, call: Call, storage: str, node: str, vmid: int, name: str, file: str, drive: PropertyString
    ) -> None:
        call.require_any(f"/storage/{storage}", Privilege.DATASTORE_AUDIT, Privilege.DATASTORE_ALLOCATE_SPACE)
        volume = self._storages.volume(file, node)
        if volume is None:
            raise failed(f"{name}: volume '{file}' does not exist")
        if volume.guest is not None and volume.guest != vmid:
            raise wrong_parameters({name: f"volume '{file}' is owned by VM {volume.guest}"})
        if volume.content == "iso" and drive.get("media") != "cdrom":
            raise wrong_parameters({name: f"explicit media parameter is required for iso images ('{file}')"})

    def make(self, guest: Guest, name: str, value: str, journal: Journal) -> str:
        """The drive as it is stored, its volume made if it is a new one; TaskFailedError when that cannot be."""
        drive = PropertyString.parse(value, "file")
        file = drive.get("file") or ""
        new = _NEW.fullmatch(file)
        if new is None:
            return self._existing(guest, drive, file)
        storage, source = new["storage"], drive.get("import-from")
        stored = drive.with_properties(format=None, import_from=None, size=None)
        if new["what"] == "cloudinit":
            volume = self._storages.allocate(
                storage, guest.node, guest=guest.vmid, size=_SMALL, volume_name=f"vm-{guest.vmid}-cloudinit"
            )
            return str(stored.with_properties(file=volume.volume_id, media="cdrom", size=format_size(volume.size)))
        if source is not None:
            image = self._storages.volume(source, guest.node)
            if image is None:
                raise TaskFailedError(f"cannot import from '{source}' - volume does not exist")
            volume = self._storages.allocate(
                storage, guest.node, guest=guest.vmid, size=image.virtual_size or image.size, image=image.image
            )
            journal.write(f"{name}: successfully created disk '{volume.volume_id}' from '{source}'")
        elif name.startswith("efidisk"):
            volume = self._storages.allocate(storage, guest.node, guest=guest.vmid, size=_SMALL)
        else:
            size = int(float(new["what"]) * GIB)
            if size == 0:
                raise TaskFailedError(f"{name}: a disk of size 0 needs 'import-from'")
            volume = self._storages.allocate(storage, guest.node, guest=guest.vmid, size=size)
            journal.write(f"{name}: successfully created disk '{volume.volume_id}'")
        return str(stored.with_properties(file=volume.volume_id, size=format_size(volume.size)))

    def _existing(self, guest: Guest, drive: PropertyString, file: str) -> str:
        volume = None if file in ("none", "cdrom") else self._storages.volume(file, guest.node)
        size = None if volume is None else format_size(volume.size)
        return str(drive.with_properties(format=None, import_from=None, size=size))

    def resize(self, guest: Guest, name: str, size: int) -> str:
        """The drive's setting after it has grown to `size` bytes."""
        drive = PropertyString.parse(str(guest.config[name]), "file")
        volume = self._storages.volume(drive.get("file") or "", guest.node)
        if volume is None:
            raise TaskFailedError(f"{name}: volume '{drive.get('file')}' does not exist")
        if size < volume.size:
            raise TaskFailedError(
                f"shrinking disks is not supported: {name} has {format_size(volume.size)}, "
                f"asked for {format_size(size)}"
            )
        grown = self._storages.grow(volume, guest.node, size) if size > volume.size else volume
        return str(drive.with_properties(size=format_size(grown.size)))

    def drop(self, guest: Guest, config: Values, name: str) -> None:
        """Take the drive out of `config`: its volume becomes `unusedN`, or goes when it was unused or cloud-init."""
        drive = PropertyString.parse(str(config.pop(name)), "file")
        volume = self._storages.volume(drive.get("file") or "", guest.node)
        if volume is None or volume.guest != guest.vmid:
            return
        if name.startswith("unused") or volume.name.endswith("-cloudinit"):
            self._storages.free(volume)
            return
        number = next(n for n in range(256) if f"unused{n}" not in config)
        config[f"unused{number}"] = volume.volume_id

    def remove_all(self, guest: Guest) -> list[str]:
        """Free every volume of the guest; returns their ids."""
        removed: list[str] = []
        for volume in self._storages.volumes.all():
            if volume.guest == guest.vmid:
                self._storages.free(volume)
                removed.append(volume.volume_id)
        return removed

    def image(self, guest: Guest, config: Values) -> tuple[str | None, str]:
        """File name of the image of the system disk, and the identity of that disk (the guest's when it has none)."""
        for name, drive in drives(config):
            if drive.get("media") == "cdrom" or name.startswith("efidisk"):
                continue
            volume = self._storages.volume(drive.get("file") or "", guest.node)
            if volume is not None:
                return volume.image, volume.identity
        return None, guest.incarnation
