"""How the Proxmox cluster is set up as far as every guest shares it."""

from decimal import Decimal
from enum import StrEnum, unique

from pydantic import Field

from model.base import Value
from model.ceph import StorageName
from model.guests import GuestName
from model.hardware import HostName
from model.units import MiB, VlanId


@unique
class BackupMode(StrEnum):
    """How a guest is held still while it is backed up."""

    SNAPSHOT = "snapshot"
    SUSPEND = "suspend"
    STOP = "stop"


class BackupRetention(Value):
    """How many backups are kept, by age class."""

    last: int = Field(ge=1)
    daily: int = Field(ge=0)
    weekly: int = Field(ge=0)
    monthly: int = Field(ge=0)


class BackupJob(Value):
    """A scheduled backup of infrastructure guests to a backup storage."""

    name: str
    storage: StorageName
    guests: tuple[GuestName, ...]
    calendar: str
    """systemd calendar event in the lab's time zone."""
    mode: BackupMode
    retention: BackupRetention


class HostReserve(Value):
    """Memory of a Proxmox host that no guest may have."""

    per_osd: MiB
    system: MiB
    """Monitor, manager, metadata server and Proxmox VE itself."""


class ProxmoxCluster(Value):
    """Settings of the one Proxmox cluster."""

    name: str
    image_host: HostName
    """Node through which images are downloaded to the shared image storage."""
    disk_storage: StorageName
    image_storage: StorageName
    bridge: str
    vlan_ids: tuple[VlanId, ...]
    """VLANs the bridge passes on."""
    ssh_port: int
    reserve: HostReserve
    virtual_cpus_per_thread: Decimal
    """Most virtual CPUs per hardware thread over all running guests of a host."""
    backup_jobs: tuple[BackupJob, ...]
    resource_pool: str
