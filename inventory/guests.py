"""Virtual machines that outlive every cluster."""

from ipaddress import IPv4Address

from pydantic import HttpUrl

from inventory.names import METAL, METHOD, TRUENAS_SATA
from model.guests import Firmware, GuestName, ImageName, InfrastructureGuest, InstallerImage
from model.units import GiB, MiB, VmId

_TRUENAS = ImageName("truenas-scale")
_BACKUP_SERVER = ImageName("proxmox-backup-server")

INSTALLERS = (
    InstallerImage(
        name=_TRUENAS,
        file_name="TrueNAS-SCALE-25.04.2.4.iso",
        url=HttpUrl("https://download.sys.truenas.net/TrueNAS-SCALE-Fangtooth/25.04.2.4/TrueNAS-SCALE-25.04.2.4.iso"),
    ),
    InstallerImage(
        name=_BACKUP_SERVER,
        file_name="proxmox-backup-server_4.0-1.iso",
        url=HttpUrl("https://enterprise.proxmox.com/iso/proxmox-backup-server_4.0-1.iso"),
    ),
)

GUESTS = (
    InfrastructureGuest(
        name=GuestName("truenas"),
        purpose="Cold storage: ZFS and MinIO on disks of its own",
        host=METHOD,
        vm_id=VmId(199),
        network=METAL,
        address=IPv4Address("10.0.20.199"),
        virtual_cpus=4,
        memory=MiB(10240),
        disk=GiB(20),
        firmware=Firmware.SEABIOS,
        installer=_TRUENAS,
        passthrough=(TRUENAS_SATA,),
    ),
    InfrastructureGuest(
        name=GuestName("proxmox-backup-server"),
        purpose="Backups of the infrastructure guests",
        host=METHOD,
        vm_id=VmId(198),
        network=METAL,
        address=IPv4Address("10.0.20.198"),
        virtual_cpus=4,
        memory=MiB(4096),
        disk=GiB(32),
        firmware=Firmware.SEABIOS,
        installer=_BACKUP_SERVER,
    ),
)
