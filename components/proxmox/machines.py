"""Virtual machines: the nodes of a colour, and the guests that outlive every colour."""

from dataclasses import dataclass

import pulumi
import pulumi_proxmoxve as proxmox

from components.options import child_options
from model.cluster import NodePlan
from model.guests import Firmware, ImageName, InfrastructureGuest
from model.hardware import MappingName
from model.network import Network
from model.proxmox import ProxmoxCluster
from model.units import GiB, Mtu

SCSI_CONTROLLER = "virtio-scsi-single"
MACHINE = "q35"
OPERATING_SYSTEM = "l26"

@dataclass(frozen=True)
class GuestNetwork:
    """How the VMs of a network reach it."""

    network: Network
    mtu: Mtu


class ClusterNode(pulumi.ComponentResource):
    """A Talos VM of a colour, made from its image and switched on."""

    vm_id: pulumi.Output[int]
    machine: proxmox.VmLegacy

    def __init__(
        self,
        name: str,
        *,
        node: NodePlan,
        image: pulumi.Input[str],
        cluster: ProxmoxCluster,
        disk_storage: pulumi.Input[str],
        attached: GuestNetwork,
        mappings: dict[MappingName, pulumi.Output[str]],
        protect: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("lab:proxmox:ClusterNode", name, None, opts)
        disks = [_disk("scsi0", disk_storage, _size(node.disk, node.name), image)]
        if node.user_disk is not None:
            disks.append(_disk("scsi1", disk_storage, node.user_disk))
        self.machine = proxmox.VmLegacy(
            name,
            name=node.name,
            vm_id=node.vm_id,
            node_name=node.host,
            description="Managed by Pulumi",
            tags=list(node.tags),
            machine=MACHINE,
            bios=node.firmware,
            efi_disk=_efi_disk(node.firmware, disk_storage),
            scsi_hardware=SCSI_CONTROLLER,
            operating_system=proxmox.VmLegacyOperatingSystemArgs(type=OPERATING_SYSTEM),
            cpu=proxmox.VmLegacyCpuArgs(cores=node.virtual_cpus, type="host"),
            # Talos frees no memory for a balloon, and passed-through devices pin all of it.
            memory=proxmox.VmLegacyMemoryArgs(dedicated=node.memory, floating=0),
            agent=proxmox.VmLegacyAgentArgs(enabled=True, trim=True),
            disks=disks,
            boot_orders=["scsi0"],
            network_devices=[_network_device(cluster, attached)],
            hostpcis=_passthrough(node.mappings, mappings),
            initialization=_initialization(node, disk_storage, attached.network),
            on_boot=True,
            started=True,
            stop_on_destroy=True,
            # A VM with a card in it cannot move; the others may.
            migrate=not node.mappings,
            opts=child_options(
                self, opts, machine_options(len(disks), protect=protect)
            ),
        )
        self.vm_id = self.machine.vm_id
        self.register_outputs({"vm_id": self.vm_id})


class InfrastructureMachine(pulumi.ComponentResource):
    """A guest that is installed once by hand from its ISO and then only kept."""

    vm_id: pulumi.Output[int]
    machine: proxmox.VmLegacy

    def __init__(
        self,
        name: str,
        *,
        guest: InfrastructureGuest,
        installers: dict[ImageName, pulumi.Output[str]],
        cluster: ProxmoxCluster,
        disk_storage: pulumi.Input[str],
        attached: GuestNetwork,
        mappings: dict[MappingName, pulumi.Output[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("lab:proxmox:InfrastructureMachine", name, None, opts)
        self.machine = proxmox.VmLegacy(
            guest.name,
            name=guest.name,
            vm_id=guest.vm_id,
            node_name=guest.host,
            description=guest.purpose,
            tags=["infrastructure", "pulumi"],
            machine=MACHINE,
            bios=guest.firmware,
            efi_disk=_efi_disk(guest.firmware, disk_storage),
            scsi_hardware=SCSI_CONTROLLER,
            operating_system=proxmox.VmLegacyOperatingSystemArgs(type=OPERATING_SYSTEM),
            cpu=proxmox.VmLegacyCpuArgs(cores=guest.virtual_cpus, type="host"),
            memory=proxmox.VmLegacyMemoryArgs(dedicated=guest.memory, floating=0),
            cdrom=proxmox.VmLegacyCdromArgs(file_id=installers[guest.installer], interface="ide3"),
            disks=[_disk("scsi0", disk_storage, guest.disk)],
            boot_orders=["scsi0", "ide3"],
            network_devices=[_network_device(cluster, attached)],
            hostpcis=_passthrough(guest.passthrough, mappings),
            on_boot=True,
            started=True,
            migrate=not guest.passthrough,
            opts=child_options(self, opts, machine_options(disks=1)),
        )
        self.vm_id = self.machine.vm_id
        self.register_outputs({"vm_id": self.vm_id})


def _size(disk: GiB | None, name: str) -> GiB:
    if disk is None:
        raise pulumi.RunError(f"{name} is a VM without a disk: give its shape one in the inventory")
    return disk


def machine_options(disks: int, *, protect: bool | None = None) -> pulumi.ResourceOptions:
    """What the engine must know of every VM with so many disks.

    A VM's id is taken until it is deleted, so a replacement deletes first. Ignored are a speed limit that the provider
    defaults to but does not read back, and the image that a disk once came from, which must not replace a VM by itself.
    """
    noise = [f"disks[{index}].{name}" for index in range(disks) for name in ("speed", "importFrom")]
    return pulumi.ResourceOptions(protect=protect, delete_before_replace=True, ignore_changes=noise)


def _disk(
    interface: str, storage: pulumi.Input[str], size: GiB, image: pulumi.Input[str] | None = None
) -> proxmox.VmLegacyDiskArgs:
    return proxmox.VmLegacyDiskArgs(
        interface=interface,
        datastore_id=storage,
        size=size,
        file_format="raw",
        import_from=image,
        cache="writethrough",
        discard="on",
        iothread=True,
        ssd=True,
    )


def _network_device(cluster: ProxmoxCluster, attached: GuestNetwork) -> proxmox.VmLegacyNetworkDeviceArgs:
    return proxmox.VmLegacyNetworkDeviceArgs(
        bridge=cluster.bridge,
        model="virtio",
        vlan_id=attached.network.vlan,
        trunks=";".join(str(vlan) for vlan in cluster.vlan_ids),
        mtu=attached.mtu,
    )


def _passthrough(
    wanted: tuple[MappingName, ...], mappings: dict[MappingName, pulumi.Output[str]]
) -> list[proxmox.VmLegacyHostpciArgs]:
    return [
        proxmox.VmLegacyHostpciArgs(device=f"hostpci{index}", mapping=mappings[mapping], pcie=True, rombar=True)
        for index, mapping in enumerate(wanted)
    ]


def _initialization(
    node: NodePlan, disk_storage: pulumi.Input[str], network: Network
) -> proxmox.VmLegacyInitializationArgs:
    return proxmox.VmLegacyInitializationArgs(
        datastore_id=disk_storage,
        ip_configs=[
            proxmox.VmLegacyInitializationIpConfigArgs(
                ipv4=proxmox.VmLegacyInitializationIpConfigIpv4Args(
                    address=f"{node.address}/{network.subnet.prefixlen}",
                    gateway=str(network.switch_gateway or network.firewall),
                ),
                ipv6=proxmox.VmLegacyInitializationIpConfigIpv6Args(address="dhcp"),
            )
        ],
        dns=None
        if network.dns is None
        else proxmox.VmLegacyInitializationDnsArgs(servers=[str(network.dns)]),
    )


def _efi_disk(firmware: Firmware, storage: pulumi.Input[str]) -> proxmox.VmLegacyEfiDiskArgs | None:
    if firmware is Firmware.SEABIOS:
        return None
    return proxmox.VmLegacyEfiDiskArgs(datastore_id=storage, file_format="raw", type="4m")
