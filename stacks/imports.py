"""The import id of everything that exists in the real lab: how a lost state is rebuilt, and a first run adopts."""

from collections.abc import Sequence
from dataclasses import dataclass

from model.ceph import Owner, StorageKind
from model.cloud import GoogleCloud
from model.colour import plan_nodes
from model.configuration import Configuration, Layer
from model.exclusive import Colour
from model.lab import Lab
from model.registries import RegistryMirror
from model.workloads.harbor import HarborSettings
from model.workloads.platform import Workloads


@dataclass(frozen=True)
class ImportId:
    """A resource that can be imported under a known id."""

    id: str


@dataclass(frozen=True)
class AssignedId:
    """A resource whose id the service assigned: look it up and put it under `adopted_ids` in Pulumi.shared.yaml."""

    where: str
    """Where a person finds the id."""
    prefix: str = ""
    """What comes before it in the import id."""


@dataclass(frozen=True)
class NotImported:
    """A resource that nobody imports: it is computed, or made anew without harm."""

    reason: str


Entry = ImportId | AssignedId | NotImported
Key = tuple[str, str]
"""(type token, logical name)."""


def shared_catalogue(lab: Lab) -> dict[Key, Entry]:
    """Every resource of the `shared` stack."""
    account, zone = lab.cloud.cloudflare.account_id, lab.cloud.cloudflare.zone_id
    bucket = lab.cloud.cloudflare.bucket.name
    cloudflare: dict[Key, Entry] = {
        ("cloudflare:index/r2Bucket:R2Bucket", f"offsite-{bucket}"): ImportId(f"{account}/{bucket}/default"),
        ("cloudflare:index/r2BucketLock:R2BucketLock", f"offsite-{bucket}-lock"): NotImported(
            "replaces the bucket's rules as a whole"
        ),
        ("cloudflare:index/r2BucketLifecycle:R2BucketLifecycle", f"offsite-{bucket}-lifecycle"): NotImported(
            "replaces the bucket's rules as a whole"
        ),
        ("cloudflare:index/zeroTrustTunnelCloudflared:ZeroTrustTunnelCloudflared", "tunnel"): AssignedId(
            "Zero Trust dashboard, Networks, Tunnels", f"{account}/"
        ),
        (
            "cloudflare:index/zeroTrustTunnelCloudflaredConfig:ZeroTrustTunnelCloudflaredConfig",
            "tunnel-config",
        ): AssignedId("the tunnel's id", f"{account}/"),
        ("cloudflare:index/tieredCache:TieredCache", "tiered-cache"): ImportId(zone),
    }
    for public in lab.cloud.cloudflare.tunnel.names:
        cloudflare[("cloudflare:index/dnsRecord:DnsRecord", f"public-{public.label}")] = AssignedId(
            "GET /zones/ZONE/dns_records", f"{zone}/"
        )
    return {**_proxmox(lab), **cloudflare, **_google(lab.cloud.google)}


def colour_catalogue(
    lab: Lab, workloads: Workloads, configuration: Configuration, colour: Colour
) -> dict[Key, Entry]:
    """Every resource of a colour's stack."""
    nodes = plan_nodes(lab, configuration, colour)
    images = dict.fromkeys(node.schematic.name for node in nodes if node.vm_id is not None)
    schematics = dict.fromkeys(node.schematic.name for node in nodes)
    found: dict[Key, Entry] = {
        ("talos:machine/secrets:Secrets", "secrets"): AssignedId("the secrets bundle kept off-line: a file name"),
        ("talos:machine/bootstrap:Bootstrap", "bootstrap"): ImportId("bootstrap"),
        ("talos:cluster/kubeconfig:Kubeconfig", "kubeconfig"): NotImported("fetched from the cluster"),
    }
    for schematic in schematics:
        found[("talos:imageFactory/schematic:Schematic", f"schematic-{schematic}")] = NotImported(
            "its id is computed from its content"
        )
    for schematic in images:
        found[("proxmoxve:download/file:File", f"image-{schematic}")] = NotImported("downloaded again, overwriting")
    for node in nodes:
        found[("talos:machine/configurationApply:ConfigurationApply", f"configuration-{node.logical_name}")] = (
            NotImported("applied again without effect")
        )
        if node.vm_id is not None:
            found[("proxmoxve:index/vmLegacy:VmLegacy", node.logical_name)] = ImportId(f"{node.host}/{node.vm_id}")
    if workloads.harbor is not None and Layer.CORE in configuration.colours[colour].layers:
        found.update(_harbor(workloads.harbor, lab.cluster.mirrors))
    return found


def _harbor(settings: HarborSettings, mirrors: Sequence[RegistryMirror]) -> dict[Key, Entry]:
    """What was clicked together in the lab's Harbor; a Harbor that is new is set up anew."""
    found: dict[Key, Entry] = {
        ("harbor:index/configAuth:ConfigAuth", "harbor-login"): ImportId("/configurations"),
        ("harbor:index/configSystem:ConfigSystem", "harbor-system"): NotImported("set anew without harm"),
        ("harbor:index/garbageCollection:GarbageCollection", "harbor-collection"): NotImported("set anew without harm"),
        ("harbor:index/interrogationServices:InterrogationServices", "harbor-scan"): NotImported(
            "set anew without harm"
        ),
        ("harbor:index/immutableTagRule:ImmutableTagRule", "harbor-library-tags"): AssignedId(
            "GET /api/v2.0/projects/library/immutabletagrules", "/projects/1/immutabletagrules/"
        ),
    }
    for mirror in mirrors:
        name = mirror.project
        found[("harbor:index/registry:Registry", f"registry-{name}")] = AssignedId(
            "GET /api/v2.0/registries", "/registries/"
        )
        found[("harbor:index/project:Project", f"project-{name}")] = AssignedId("GET /api/v2.0/projects", "/projects/")
        found[("harbor:index/retentionPolicy:RetentionPolicy", f"retention-{name}")] = NotImported(
            "takes the place of the one that the project has"
        )
    for robot in settings.robots:
        found[("harbor:index/robotAccount:RobotAccount", f"robot-{robot.name}")] = AssignedId(
            "GET /api/v2.0/robots", "/robots/"
        )
    return found


def _proxmox(lab: Lab) -> dict[Key, Entry]:
    found: dict[Key, Entry] = {}
    for _, device in lab.pci_devices:
        found[("proxmoxve:hardware/mapping/pci:Pci", device.mapping)] = ImportId(device.mapping)
    for pool in lab.ceph.pools:
        if pool.owner is Owner.PROGRAM:
            found[("proxmoxve:ceph/pool:Pool", f"pool-{pool.name.replace('_', '-')}")] = ImportId(
                f"{lab.proxmox.image_host}/{pool.name}"
            )
    for storage in lab.storages:
        if storage.owner is Owner.PROGRAM and storage.kind is StorageKind.LVM:
            found[("proxmoxve:storage/lvm:Lvm", f"storage-{storage.name}")] = ImportId(storage.name)
        if storage.guest is not None:
            found[("random:index/randomPassword:RandomPassword", f"{storage.guest}-password")] = NotImported(
                "made anew and set on the backup server"
            )
            found[("proxmoxve:storage/pbs:Pbs", f"storage-{storage.name}")] = NotImported(
                "its password cannot be read: remove its definition first, the backups stay on the server"
            )
    for image in lab.installers:
        found[("proxmoxve:download/file:File", f"installer-{image.name}")] = NotImported(
            "downloaded again, overwriting"
        )
    for guest in lab.guests:
        found[("proxmoxve:index/vmLegacy:VmLegacy", guest.name)] = ImportId(f"{guest.host}/{guest.vm_id}")
    for job in lab.proxmox.backup_jobs:
        found[("proxmoxve:backup/job:Job", job.name)] = ImportId(job.name)
    return found


def _google(google: GoogleCloud) -> dict[Key, Entry]:
    key = google.encryption_key
    ring = f"projects/{google.project}/locations/{google.region}/keyRings/{key.ring}"
    found: dict[Key, Entry] = {
        ("gcp:kms/keyRing:KeyRing", "sops-key-ring"): ImportId(ring),
        ("gcp:kms/cryptoKey:CryptoKey", "sops-key"): ImportId(f"{ring}/cryptoKeys/{key.name}"),
    }
    for service in google.services:
        found[("gcp:projects/service:Service", "api-" + service.split(".", 1)[0])] = ImportId(
            f"{google.project}/{service}"
        )
    for name, account in (("sops-decrypt", google.secrets_account), ("vertex", google.inference_account)):
        email = f"{account.account_id}@{google.project}.iam.gserviceaccount.com"
        found[("gcp:serviceaccount/account:Account", name)] = ImportId(
            f"projects/{google.project}/serviceAccounts/{email}"
        )
        found[("gcp:serviceaccount/key:Key", f"{name}-key")] = NotImported("a private key cannot be read again")
        member = f"serviceAccount:{email}"
        for role in account.key_roles:
            logical = f"{name}-" + role.rsplit(".", 1)[-1].lower()
            found[("gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember", logical)] = ImportId(
                f"{ring}/cryptoKeys/{key.name} {role} {member}"
            )
        for role in account.project_roles:
            logical = f"{name}-" + role.rsplit("/", 1)[-1].replace(".", "-").lower()
            found[("gcp:projects/iAMMember:IAMMember", logical)] = ImportId(f"{google.project} {role} {member}")
    return found
