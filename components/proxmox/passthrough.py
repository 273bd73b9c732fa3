"""PCI devices under names of their own, so that a VM asks for a card and not for a slot."""

import pulumi
import pulumi_proxmoxve as proxmox

from components.options import child_options
from model.hardware import HostName, MappingName, PciDevice


class PassthroughDevices(pulumi.ComponentResource):
    """Resource mappings of every PCI device that a VM may be given."""

    names: dict[MappingName, pulumi.Output[str]]
    """Name of each mapping once it exists."""

    def __init__(
        self,
        name: str,
        *,
        devices: tuple[tuple[HostName, PciDevice], ...],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("lab:proxmox:PassthroughDevices", name, None, opts)
        self.names = {}
        for host, device in devices:
            mapping = proxmox.hardware.mapping.Pci(
                device.mapping,
                name=device.mapping,
                comment=f"{device.mapping} in {host}",
                maps=[
                    proxmox.hardware.mapping.PciMapArgs(
                        node=host, path=device.address, id=device.id, iommu_group=device.iommu_group
                    )
                ],
                opts=child_options(
                    self,
                    opts,
                    # The provider would look for a renamed mapping under its new name.
                    pulumi.ResourceOptions(delete_before_replace=True, replace_on_changes=["name"]),
                ),
            )
            self.names[device.mapping] = mapping.name
        self.register_outputs({"names": dict(self.names)})
