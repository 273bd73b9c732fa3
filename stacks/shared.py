"""The `shared` stack: what outlives both clusters. Everything that holds data is protected and kept on delete."""

import pulumi
import pulumi_gcp as gcp
import pulumi_proxmoxve as proxmox
import pulumi_random as random

from components.cloudflare import OffsiteStorage, PublicEdge
from components.google import GoogleServices, SecretsEncryption, VertexInference
from components.leases import LeaseTable
from components.proxmox.images import InstallerImages
from components.proxmox.machines import GuestNetwork, InfrastructureMachine
from components.proxmox.passthrough import PassthroughDevices
from components.proxmox.storage import BackupServer, CephPools, Storages
from model.configuration import Configuration
from model.lab import Lab
from stacks.outputs import LEASES, MAPPINGS, STORAGES


def build(lab: Lab, configuration: Configuration) -> None:
    """Register every resource of the stack and its outputs."""
    # Only this stack talks to Cloudflare, and its SDK is the slowest import of the whole program.
    import pulumi_cloudflare as cloudflare

    on_proxmox = _options(proxmox.Provider("proxmox"))
    on_cloudflare = _options(cloudflare.Provider("cloudflare"))
    google = lab.cloud.google
    on_google = _options(gcp.Provider("google", project=google.project, region=google.region))
    on_random = _options(random.Provider("random"))

    table = LeaseTable(
        "leases", leases=configuration.shared.leases, active_colour=configuration.shared.active_colour
    )
    devices = PassthroughDevices("passthrough", devices=lab.pci_devices, opts=on_proxmox)
    CephPools("ceph", ceph=lab.ceph, host=lab.proxmox.image_host, opts=on_proxmox)
    storages = Storages("storages", storages=lab.storages, opts=on_proxmox)
    installers = InstallerImages(
        "installers",
        images=lab.installers,
        host=lab.proxmox.image_host,
        storage=storages.ids[lab.proxmox.image_storage],
        opts=on_proxmox,
    )
    guests = {
        guest.name: InfrastructureMachine(
            guest.name,
            guest=guest,
            installers=installers.file_ids,
            cluster=lab.proxmox,
            disk_storage=storages.ids[lab.proxmox.disk_storage],
            attached=GuestNetwork(network=lab.network(guest.network), mtu=lab.mtu.of("vm")),
            mappings=devices.names,
            opts=on_proxmox,
        )
        for guest in lab.guests
    }
    backup_servers = {
        storage.name: BackupServer(
            f"backup-{storage.name}",
            storage=storage,
            server=lab.guest(storage.guest),
            machine=guests[lab.guest(storage.guest).name].machine,
            jobs=tuple(job for job in lab.proxmox.backup_jobs if job.storage == storage.name),
            vm_ids={name: machine.vm_id for name, machine in guests.items()},
            opts=pulumi.ResourceOptions.merge(on_proxmox, on_random),
        )
        for storage in lab.storages
        if storage.guest is not None
    }
    storage_ids = {**storages.ids, **{name: server.id for name, server in backup_servers.items()}}

    offsite = OffsiteStorage(
        "offsite",
        account_id=lab.cloud.cloudflare.account_id,
        bucket=lab.cloud.cloudflare.bucket,
        opts=on_cloudflare,
    )
    edge = PublicEdge("edge", domain=lab.domain, account=lab.cloud.cloudflare, opts=on_cloudflare)

    services = GoogleServices("google-services", google=google, opts=on_google)
    encryption = SecretsEncryption("sops", google=google, services=services.services, opts=on_google)
    inference = VertexInference("vertex", google=google, services=services.services, opts=on_google)

    active = configuration.shared.active_colour
    pulumi.export("active_colour", None if active is None else str(active))
    pulumi.export(LEASES, table.holders)
    pulumi.export(MAPPINGS, {str(name): mapping for name, mapping in devices.names.items()})
    pulumi.export(STORAGES, {str(name): storage for name, storage in storage_ids.items()})
    pulumi.export("ceph_fsid", str(lab.ceph.fsid))
    pulumi.export("offsite_bucket", offsite.bucket_name)
    pulumi.export("tunnel_id", edge.tunnel_id)
    pulumi.export("sops_key", encryption.key_id)
    pulumi.export("sops_account_key", pulumi.Output.secret(encryption.account_key))
    pulumi.export("vertex_account", inference.account_email)
    pulumi.export("vertex_account_key", pulumi.Output.secret(inference.account_key))
    pulumi.export(
        "backup_server_passwords",
        {str(name): pulumi.Output.secret(server.password) for name, server in backup_servers.items()},
    )


def _options(provider: pulumi.ProviderResource) -> pulumi.ResourceOptions:
    """Everything of this stack is stateful: no delete by accident, and none of the real thing even then."""
    return pulumi.ResourceOptions(providers=[provider], protect=True, retain_on_delete=True)
