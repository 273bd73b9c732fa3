"""Programs of the engine tests: every resource type of the provider that is bridged."""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_proxmoxve as proxmoxve
from pulumi_proxmoxve import backup, ceph, download, hardware, pool, storage, user

from tests.conformance.proxmox.calls import IMAGE, IMAGE_URL
from tests.conformance.proxmox.engine_project import Program

NODES = ["indy", "method", "stale"]

IMPORT_IDS = {
    "acl": "/vms?lab@pve?Lab",
    "backup-job": "nightly",
    "block-pool": "method/osd",
    "directory": "local",
    "guest": "method/198",
    "lvm": "lvm",
    "mapping": "truenas-sata",
    "membership": "infrastructure/storage/cephfs",
    "nfs": "media",
    "pool": "infrastructure",
    "role": "Lab",
    "token": "lab@pve!automation",
    "user": "lab@pve",
}
"""Import id by resource name. `image`, `pbs` and `cifs` are not here: Proxmox VE does not keep the URL or the password,
so the program's own would be a change that replaces them."""


@dataclass(frozen=True)
class Everything:
    """One resource of every type; the fields are what the tests change."""

    comment: str = "first"
    privileges: tuple[str, ...] = ("VM.Audit", "Sys.Audit")
    contents: tuple[str, ...] = ("images", "rootdir")
    copies: int = 3
    pool_id: str = "infrastructure"
    block_pool: str = "osd"
    mapping: str = "truenas-sata"
    token_name: str = "automation"
    export: str = "/srv/media"
    job: str = "nightly"
    password: str = "one"
    path: str = "/srv/local"
    acl_path: str = "/vms"
    file_name: str = IMAGE
    volume_group_nodes: tuple[str, ...] = ("indy", "method", "stale")
    memory: int = 4096
    cores: int = 4
    vmid: int = 198
    imports: bool = False
    with_passwords: bool = True
    """Whether there are storages that need one."""

    def __call__(self, provider: proxmoxve.Provider) -> None:
        def options(name: str, **more: Any) -> pulumi.ResourceOptions:
            return pulumi.ResourceOptions(
                provider=provider,
                # Names on the cluster are taken once: the old one must go before the new one comes.
                delete_before_replace=True,
                # Upstream tries to rename a mapping, which Proxmox VE cannot.
                replace_on_changes=["name"] if name == "mapping" else [],
                import_=IMPORT_IDS.get(name) if self.imports else None,
                **more,
            )

        lvm = storage.Lvm(
            "lvm", resource_id="lvm", volume_group="local-vg", contents=list(self.contents),
            nodes=list(self.volume_group_nodes), opts=options("lvm"),
        )
        download.File(
            "image", content_type="import", datastore_id="cephfs", node_name="method", file_name=self.file_name,
            url=IMAGE_URL, overwrite=False, overwrite_unmanaged=True, opts=options("image"),
        )
        mapping = hardware.mapping.Pci(
            "mapping", name=self.mapping, comment=self.comment,
            maps=[hardware.mapping.PciMapArgs(node="method", path="0000:c1:00.0", id="1b21:1064")],
            opts=options("mapping"),
        )
        resource_pool = proxmoxve.PoolLegacy("pool", pool_id=self.pool_id, comment=self.comment, opts=options("pool"))
        ceph.Pool(
            "block-pool", name=self.block_pool, node_name="method", application="rbd", size=self.copies, min_size=2,
            pg_num=128, opts=options("block-pool"),
        )
        role = proxmoxve.RoleLegacy(
            "role", role_id="Lab", privileges=list(self.privileges), opts=options("role")
        )
        account = proxmoxve.UserLegacy("user", user_id="lab@pve", comment=self.comment, opts=options("user"))
        user.Token(
            "token", user_id=account.user_id, token_name=self.token_name, comment=self.comment, opts=options("token")
        )
        proxmoxve.Acl(
            "acl", path=self.acl_path, role_id=role.role_id, user_id=account.user_id, propagate=True,
            opts=options("acl"),
        )
        guest = proxmoxve.VmLegacy(
            "guest", node_name="method", vm_id=self.vmid, name="proxmox-backup-server", bios="seabios", machine="q35",
            scsi_hardware="virtio-scsi-single", cpu=proxmoxve.VmLegacyCpuArgs(cores=self.cores, type="host"),
            memory=proxmoxve.VmLegacyMemoryArgs(dedicated=self.memory),
            disks=[proxmoxve.VmLegacyDiskArgs(
                interface="scsi0", datastore_id=lvm.resource_id, size=32, file_format="raw"
            )],
            network_devices=[proxmoxve.VmLegacyNetworkDeviceArgs(bridge="vmbr0", vlan_id=20)],
            operating_system=proxmoxve.VmLegacyOperatingSystemArgs(type="l26"),
            hostpcis=[proxmoxve.VmLegacyHostpciArgs(device="hostpci0", mapping=mapping.name, pcie=True, rombar=True)],
            stop_on_destroy=True, on_boot=True, opts=options("guest", ignore_changes=["disks[0].speed"]),
        )
        pool.Membership(
            "membership", pool_id=resource_pool.pool_id, storage_id="cephfs", opts=options("membership")
        )
        directory = storage.Directory(
            "directory", resource_id="local", path=self.path, contents=["iso", "backup"], opts=options("directory")
        )
        server, backups = "10.0.20.198", ["backup"]
        storage.Nfs(
            "nfs", resource_id="media", export=self.export, server=server, contents=backups,
            opts=options("nfs", depends_on=[guest]),
        )
        target = directory.resource_id
        if self.with_passwords:
            storage.Cifs(
                "cifs", resource_id="share", share="backup", username="lab", password=self.password, server=server,
                contents=backups, opts=options("cifs", depends_on=[guest]),
            )
            target = storage.Pbs(
                "pbs", resource_id="pbs", datastore="infrastructure", username="lab@pbs", password=self.password,
                server=server, contents=backups, opts=options("pbs", depends_on=[guest]),
            ).resource_id
        backup.Job(
            "backup-job", resource_id=self.job, schedule="03:30", storage=target, vmids=["199"],
            mode="snapshot", notes_template=self.comment, prune_backups={"keep-last": "3", "keep-daily": "7"},
            opts=options("backup-job"),
        )


@dataclass(frozen=True)
class TalosGuest:
    """The VM as the lab declares its nodes, with the image it needs and, if wanted, the storage."""

    resource: str = "guest"
    name: str = "green-talos-master-0"
    node: str = "indy"
    vmid: int = 110
    address: str = "10.0.30.60"
    image: str = IMAGE
    memory: int = 9216
    disk: int = 40
    user_disk: int | None = None
    mapping: str | None = None
    tags: tuple[str, ...] = ("green", "talos")
    with_storage: bool = True

    def __call__(self, provider: proxmoxve.Provider) -> None:
        options = pulumi.ResourceOptions(provider=provider)
        needed: list[pulumi.Resource] = []
        if self.with_storage:
            needed.append(storage.Lvm(
                "lvm", resource_id="lvm", volume_group="local-vg", contents=["images", "rootdir"], nodes=NODES,
                opts=options,
            ))
        file = download.File(
            f"{self.resource}-image", content_type="import", datastore_id="cephfs", node_name="method",
            file_name=self.image, url=IMAGE_URL, overwrite=False, overwrite_unmanaged=True, opts=options,
        )
        disks = [_disk("scsi0", self.disk, file.id)]
        if self.user_disk is not None:
            disks.append(_disk("scsi1", self.user_disk, None))
        proxmoxve.VmLegacy(
            self.resource, node_name=self.node, vm_id=self.vmid, name=self.name, tags=sorted(self.tags), machine="q35",
            bios="ovmf", scsi_hardware="virtio-scsi-single",
            agent=proxmoxve.VmLegacyAgentArgs(enabled=True, trim=True),
            cpu=proxmoxve.VmLegacyCpuArgs(cores=2, type="host"),
            memory=proxmoxve.VmLegacyMemoryArgs(dedicated=self.memory),
            operating_system=proxmoxve.VmLegacyOperatingSystemArgs(type="l26"),
            efi_disk=proxmoxve.VmLegacyEfiDiskArgs(datastore_id="lvm", file_format="raw", type="4m"),
            disks=disks, boot_orders=["scsi0"],
            network_devices=[proxmoxve.VmLegacyNetworkDeviceArgs(
                bridge="vmbr0", vlan_id=30, trunks="1;20;30", mtu=9000, model="virtio"
            )],
            initialization=proxmoxve.VmLegacyInitializationArgs(
                datastore_id="lvm", type="nocloud",
                ip_configs=[proxmoxve.VmLegacyInitializationIpConfigArgs(
                    ipv4=proxmoxve.VmLegacyInitializationIpConfigIpv4Args(
                        address=f"{self.address}/24", gateway="10.0.30.2"
                    ),
                    ipv6=proxmoxve.VmLegacyInitializationIpConfigIpv6Args(address="dhcp"),
                )],
            ),
            hostpcis=[] if self.mapping is None else [
                proxmoxve.VmLegacyHostpciArgs(device="hostpci0", mapping=self.mapping, pcie=True, rombar=True)
            ],
            started=True, on_boot=True, stop_on_destroy=True,
            opts=pulumi.ResourceOptions(
                provider=provider,
                depends_on=needed,
                ignore_changes=[f"disks[{number}].speed" for number in range(len(disks))],
                replace_on_changes=["disks[0].importFrom"],
                delete_before_replace=True,
            ),
        )


@dataclass(frozen=True)
class All:
    """Several programs as one."""

    programs: tuple[Program, ...]

    def __call__(self, provider: proxmoxve.Provider) -> None:
        for program in self.programs:
            program(provider)


@dataclass(frozen=True)
class PlainGuest:
    """A VM without the options that the lab's VMs have."""

    def __call__(self, provider: proxmoxve.Provider) -> None:
        options = pulumi.ResourceOptions(provider=provider)
        lvm = storage.Lvm("lvm", resource_id="lvm", volume_group="local-vg", opts=options)
        proxmoxve.VmLegacy(
            "guest", node_name="indy", vm_id=110, started=False,
            disks=[proxmoxve.VmLegacyDiskArgs(interface="scsi0", datastore_id=lvm.resource_id, size=8)], opts=options,
        )


@dataclass(frozen=True)
class ExistingGuest:
    """Reads a VM that is already there."""

    identity: str

    def __call__(self, provider: proxmoxve.Provider) -> None:
        proxmoxve.VmLegacy.get("guest", self.identity, opts=pulumi.ResourceOptions(provider=provider))


def _disk(interface: str, size: int, source: pulumi.Input[str] | None) -> proxmoxve.VmLegacyDiskArgs:
    return proxmoxve.VmLegacyDiskArgs(
        interface=interface, datastore_id="lvm", import_from=source, size=size, file_format="raw", iothread=True,
        cache="writethrough", discard="on", ssd=True,
    )
