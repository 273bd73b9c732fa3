"""Disk images that VMs are made from."""

import pulumi
import pulumi_proxmoxve as proxmox

from components.options import child_options
from model.ceph import StorageContent
from model.cluster import SchematicName
from model.exclusive import Colour
from model.guests import ImageName, InstallerImage
from model.hardware import HostName

FACTORY = "https://factory.talos.dev"
PLATFORM_IMAGE = "nocloud-amd64"


class TalosImages(pulumi.ComponentResource):
    """One disk image per schematic that the colour's VMs boot.

    The colour and the version are in the file name: another version is another file, and never touches the other
    colour's.
    """

    file_ids: dict[SchematicName, pulumi.Output[str]]
    """Volume id of each image, as a VM disk imports it."""

    def __init__(
        self,
        name: str,
        *,
        colour: Colour,
        talos_version: str,
        schematic_ids: dict[SchematicName, pulumi.Output[str]],
        host: HostName,
        storage: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("lab:proxmox:TalosImages", name, None, opts)
        self.file_ids = {}
        for schematic, schematic_id in schematic_ids.items():
            image = proxmox.download.File(
                f"image-{schematic}",
                node_name=host,
                datastore_id=storage,
                content_type=StorageContent.IMPORT,
                url=pulumi.Output.concat(FACTORY, "/image/", schematic_id, f"/{talos_version}/{PLATFORM_IMAGE}.qcow2"),
                file_name=pulumi.Output.concat(
                    f"{colour}-talos-", schematic_id, f"-{talos_version}-{PLATFORM_IMAGE}.qcow2"
                ),
                overwrite=False,
                # What a lost state or a cut-off download left behind: the name tells the content.
                overwrite_unmanaged=True,
                opts=child_options(self, opts),
            )
            self.file_ids[schematic] = image.id
        self.register_outputs({"file_ids": dict(self.file_ids)})


class InstallerImages(pulumi.ComponentResource):
    """ISO files that infrastructure guests are installed from."""

    file_ids: dict[ImageName, pulumi.Output[str]]

    def __init__(
        self,
        name: str,
        *,
        images: tuple[InstallerImage, ...],
        host: HostName,
        storage: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("lab:proxmox:InstallerImages", name, None, opts)
        self.file_ids = {}
        for image in images:
            resource = proxmox.download.File(
                f"installer-{image.name}",
                node_name=host,
                datastore_id=storage,
                content_type=StorageContent.ISO,
                url=str(image.url),
                file_name=image.file_name,
                overwrite=False,
                # What a lost state or a cut-off download left behind: the name tells the content.
                overwrite_unmanaged=True,
                opts=child_options(self, opts),
            )
            self.file_ids[image.name] = resource.id
        self.register_outputs({"file_ids": dict(self.file_ids)})
