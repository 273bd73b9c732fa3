"""Storages of the Proxmox cluster and pools of its Ceph cluster."""

import pulumi
import pulumi_proxmoxve as proxmox
import pulumi_random as random

from components.options import child_options
from model.ceph import CephCluster, Owner, PoolName, Storage, StorageKind, StorageName
from model.guests import GuestName, InfrastructureGuest
from model.hardware import HostName
from model.proxmox import BackupJob

PASSWORD_LENGTH = 32


REPLACED_IN_PLACE = pulumi.ResourceOptions(delete_before_replace=True)
"""Its name is its id, so the old one must go before the new one can come."""


class CephPools(pulumi.ComponentResource):
    """The pools of the Ceph cluster."""

    names: dict[PoolName, pulumi.Output[str]]

    def __init__(
        self, name: str, *, ceph: CephCluster, host: HostName, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("lab:proxmox:CephPools", name, None, opts)
        self.names = {}
        for pool in ceph.pools:
            if pool.owner is Owner.HOST_PROVISIONING:
                # Made together with the file system, which the Proxmox API cannot declare.
                self.names[pool.name] = pulumi.Output.from_input(str(pool.name))
                continue
            resource = proxmox.ceph.Pool(
                f"pool-{pool.name.replace('_', '-')}",
                name=pool.name,
                node_name=host,
                application=pool.application,
                size=pool.size,
                min_size=pool.min_size,
                pg_num=pool.placement_groups,
                # No `add_storages`: the API does not tell it, so an imported pool would be replaced for it.
                force_destroy=False,
                remove_storages=False,
                opts=child_options(self, opts, REPLACED_IN_PLACE),
            )
            self.names[pool.name] = resource.name
        self.register_outputs({"names": dict(self.names), "fsid": str(ceph.fsid)})


class Storages(pulumi.ComponentResource):
    """The storages on the hosts themselves; those of the host installation are only named."""

    ids: dict[StorageName, pulumi.Output[str]]

    def __init__(
        self, name: str, *, storages: tuple[Storage, ...], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("lab:proxmox:Storages", name, None, opts)
        self.ids = {}
        for storage in storages:
            if storage.guest is not None:
                continue
            if storage.owner is Owner.HOST_PROVISIONING:
                self.ids[storage.name] = pulumi.Output.from_input(str(storage.name))
            elif storage.kind is StorageKind.LVM:
                self.ids[storage.name] = proxmox.storage.Lvm(
                    f"storage-{storage.name}",
                    resource_id=storage.name,
                    volume_group=_required(storage, "volume_group", storage.volume_group),
                    contents=[str(content) for content in storage.content],
                    nodes=list(storage.hosts),
                    shared=storage.shared,
                    opts=child_options(self, opts, REPLACED_IN_PLACE),
                ).resource_id
            else:
                raise pulumi.RunError(
                    f"storage {storage.name}: the Proxmox API cannot declare a storage of kind {storage.kind}; "
                    f"make it when the hosts are installed and set owner={Owner.HOST_PROVISIONING!r} in the "
                    "inventory"
                )
        self.register_outputs({"ids": dict(self.ids)})


class BackupServer(pulumi.ComponentResource):
    """The storage that a Proxmox Backup Server guest offers to the cluster, and the backup jobs that fill it."""

    id: pulumi.Output[str]
    password: pulumi.Output[str]
    """With which the hosts log in to the server; secret. A person sets it there, once."""

    def __init__(
        self,
        name: str,
        *,
        storage: Storage,
        server: InfrastructureGuest,
        machine: pulumi.Resource,
        jobs: tuple[BackupJob, ...],
        vm_ids: dict[GuestName, pulumi.Output[int]],
        user: str = "root@pam",
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("lab:proxmox:BackupServer", name, None, opts)
        self.password = random.RandomPassword(
            f"{server.name}-password",
            length=PASSWORD_LENGTH,
            special=False,
            # It exists in Pulumi's state alone: there is nothing to leave behind.
            opts=child_options(self, opts, pulumi.ResourceOptions(retain_on_delete=False)),
        ).result
        resource = proxmox.storage.Pbs(
            f"storage-{storage.name}",
            resource_id=storage.name,
            server=str(server.address),
            datastore=_required(storage, "datastore", storage.datastore),
            username=user,
            password=self.password,
            contents=[str(content) for content in storage.content],
            nodes=list(storage.hosts),
            opts=child_options(
                self,
                opts,
                pulumi.ResourceOptions(
                    # Proxmox asks the server before it takes the storage, so the guest must be up.
                    depends_on=[machine],
                    # This is a definition, the backups are the server's. The provider replaces it for another password,
                    # and when a creation that was cut off is taken up, as the API never tells the one it has.
                    protect=False,
                    retain_on_delete=False,
                    delete_before_replace=True,
                ),
            ),
        )
        for job in jobs:
            proxmox.backup.Job(
                job.name,
                resource_id=job.name,
                schedule=job.calendar,
                storage=resource.resource_id,
                vmids=[vm_ids[guest].apply(str) for guest in job.guests],
                mode=job.mode,
                enabled=True,
                prune_backups={
                    "keep-last": str(job.retention.last),
                    "keep-daily": str(job.retention.daily),
                    "keep-weekly": str(job.retention.weekly),
                    "keep-monthly": str(job.retention.monthly),
                },
                opts=child_options(self, opts, REPLACED_IN_PLACE),
            )
        self.id = resource.resource_id
        self.register_outputs({"id": self.id})


def _required(storage: Storage, key: str, value: str | None) -> str:
    if value is None:
        raise pulumi.RunError(f"storage {storage.name} of kind {storage.kind} needs `{key}` in the inventory")
    return value
