"""What outlives both clusters: complete, protected, and never deleted with the stack."""

import json
import subprocess
import sys
from collections import Counter

import pytest

from inventory import LAB
from model.configuration import Configuration
from model.exclusive import Colour
from policy.rules.stateful import stateful
from stacks.outputs import LEASES, MAPPINGS, STORAGES
from stacks.program import SHARED
from tests.graph.policy.changed_graph import lab
from tests.graph.policy.recorded import graph_of
from tests.harness.lab_stacks import MAPPING, PROJECT_DIRECTORY, VM, record_stack
from tests.harness.recording import Recording
from twin.providers import wire

COUNTS = {
    "proxmoxve:hardware/mapping/pci:Pci": 4,
    "proxmoxve:ceph/pool:Pool": 1,
    "proxmoxve:storage/lvm:Lvm": 1,
    "proxmoxve:storage/pbs:Pbs": 1,
    "proxmoxve:download/file:File": 2,
    "proxmoxve:index/vmLegacy:VmLegacy": 2,
    "proxmoxve:backup/job:Job": 1,
    "random:index/randomPassword:RandomPassword": 1,
    "cloudflare:index/r2Bucket:R2Bucket": 1,
    "cloudflare:index/r2BucketLock:R2BucketLock": 1,
    "cloudflare:index/r2BucketLifecycle:R2BucketLifecycle": 1,
    "cloudflare:index/zeroTrustTunnelCloudflared:ZeroTrustTunnelCloudflared": 1,
    "cloudflare:index/zeroTrustTunnelCloudflaredConfig:ZeroTrustTunnelCloudflaredConfig": 1,
    "cloudflare:index/dnsRecord:DnsRecord": 2,
    "cloudflare:index/tieredCache:TieredCache": 1,
    "gcp:kms/keyRing:KeyRing": 1,
    "gcp:kms/cryptoKey:CryptoKey": 1,
    "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember": 1,
    "gcp:serviceaccount/account:Account": 2,
    "gcp:serviceaccount/key:Key": 2,
    "gcp:projects/iAMMember:IAMMember": 1,
    "gcp:projects/service:Service": 3,
}
"""The estimate for the real lab is 40 to 55 with tokens and OIDC clients, which come with the applications."""


def test_resources_are_as_many_as_the_lab_has(shared: Recording):
    assert dict(Counter(one.type for one in shared.managed)) == COUNTS


def test_everything_stateful_is_protected_and_left_alone_when_the_stack_goes(shared: Recording):
    assert [str(violation) for violation in stateful(graph_of(shared), lab())] == []


def test_infrastructure_guests_are_as_the_lab_has_them(shared: Recording):
    guests = {
        one.name: (
            one.clear_inputs["nodeName"],
            one.clear_inputs["vmId"],
            one.clear_inputs["cpu"]["cores"],
            one.clear_inputs["memory"]["dedicated"],
            one.clear_inputs["disks"][0]["size"],
            one.clear_inputs["bios"],
        )
        for one in shared.of_type(VM)
    }
    assert guests == {
        "truenas": ("method", 199, 4, 10240, 20, "seabios"),
        "proxmox-backup-server": ("method", 198, 4, 4096, 32, "seabios"),
    }


def test_guests_with_cards_stay_on_the_host(shared: Recording):
    truenas = shared.one(VM, "truenas")
    assert truenas.clear_inputs["migrate"] is False
    assert [device["mapping"] for device in truenas.clear_inputs["hostpcis"]] == ["truenas-sata"]
    assert shared.one(MAPPING, "truenas-sata").urn in truenas.dependencies


def test_every_mapping_names_its_host_and_its_slot(shared: Recording):
    mapped = {
        one.name: tuple((found["node"], found["path"], found["id"]) for found in one.clear_inputs["maps"])
        for one in shared.of_type(MAPPING)
    }
    assert mapped == {
        "arc-a310": (("method", "0000:86:00.0", "8086:56a6"),),
        "arc-a310-audio": (("method", "0000:87:00.0", "8086:4f92"),),
        "r9700": (("method", "0000:83:00", "1002:7551"),),
        "truenas-sata": (("method", "0000:c1:00.0", "1b21:1064"),),
    }


def test_the_backup_storage_follows_its_guest(shared: Recording):
    storage = shared.one("proxmoxve:storage/pbs:Pbs", "storage-pbs")
    assert shared.one(VM, "proxmox-backup-server").urn in storage.dependencies
    job = shared.one("proxmoxve:backup/job:Job", "infrastructure-nightly")
    assert storage.urn in shared.everything_before(job)
    assert job.clear_inputs["vmids"] == ["199"]


def test_the_backup_server_does_not_back_itself_up(shared: Recording):
    server = str(shared.one(VM, "proxmox-backup-server").clear_inputs["vmId"])
    assert not [str(job) for job in shared.of_type("proxmoxve:backup/job:Job") if server in job.clear_inputs["vmids"]]


def test_the_block_pool_keeps_three_copies(shared: Recording):
    pool = shared.one("proxmoxve:ceph/pool:Pool", "pool-osd")
    assert (pool.clear_inputs["size"], pool.clear_inputs["minSize"]) == (3, 2)
    assert pool.clear_inputs["forceDestroy"] is False


def test_offsite_copies_expire_only_after_their_lock(shared: Recording):
    locking = shared.one("cloudflare:index/r2BucketLock:R2BucketLock", "offsite-seaweedfs-lock")
    expiring = shared.one("cloudflare:index/r2BucketLifecycle:R2BucketLifecycle", "offsite-seaweedfs-lifecycle")
    (lock,), (rule,) = locking.clear_inputs["rules"], expiring.clear_inputs["rules"]
    locked = lock["condition"]["maxAgeSeconds"]
    kept = rule["deleteObjectsTransition"]["condition"]["maxAge"]
    assert 0 < locked < kept


def test_the_tunnel_serves_two_names_and_refuses_the_rest(shared: Recording):
    (configured,) = shared.of_type(
        "cloudflare:index/zeroTrustTunnelCloudflaredConfig:ZeroTrustTunnelCloudflaredConfig"
    )
    *served, last = configured.clear_inputs["config"]["ingresses"]
    assert [one["hostname"] for one in served] == ["docs.bhamm-lab.com", "site.bhamm-lab.com"]
    assert last == {"service": "http_status:404"}


def test_public_names_point_at_the_tunnel(shared: Recording):
    tunnel = shared.clear_outputs["tunnel_id"]
    records = shared.of_type("cloudflare:index/dnsRecord:DnsRecord")
    assert {one.clear_inputs["name"] for one in records} == {"docs.bhamm-lab.com", "site.bhamm-lab.com"}
    assert {one.clear_inputs["content"] for one in records} == {f"{tunnel}.cfargotunnel.com"}
    assert {one.clear_inputs["proxied"] for one in records} == {True}


def test_the_decrypting_account_can_decrypt_and_nothing_else(shared: Recording):
    account = next(one for one in shared.of_type("gcp:serviceaccount/account:Account") if one.name == "sops-decrypt")
    grants = [
        (one.type.split(":")[-1], one.clear_inputs["role"])
        for one in shared.managed
        if account.urn in one.dependencies and "role" in one.inputs
    ]
    assert grants == [("CryptoKeyIAMMember", "roles/cloudkms.cryptoKeyDecrypter")]


def test_apis_stay_on_when_the_stack_goes(shared: Recording):
    assert {one.clear_inputs["disableOnDestroy"] for one in shared.of_type("gcp:projects/service:Service")} == {False}


def test_the_applied_table_says_who_holds_what(shared: Recording, configuration: Configuration):
    assert shared.clear_outputs[LEASES] == {str(k): str(v) for k, v in configuration.shared.leases.items()}
    assert shared.clear_outputs["active_colour"] == "green"
    assert set(shared.clear_outputs[STORAGES]) == {str(storage.name) for storage in LAB.storages}
    assert set(shared.clear_outputs[MAPPINGS]) == {str(device.mapping) for _, device in LAB.pci_devices}


def test_no_secret_leaves_the_stack_in_clear(shared: Recording):
    shown = {name: value for name, value in shared.outputs.items() if not isinstance(value, wire.Secret)}
    assert "sentinel" not in json.dumps(shown, default=lambda _: "secret")


@pytest.mark.parametrize("live", [*Colour, None])
def test_what_shared_makes_does_not_depend_on_who_is_live(
    shared: Recording, configuration: Configuration, live: Colour | None
):
    changed = configuration.model_copy(
        update={"shared": configuration.shared.model_copy(update={"active_colour": live, "leases": {}})}
    )
    recording = record_stack(SHARED, changed)
    assert {one.urn: one.inputs for one in recording.managed} == {one.urn: one.inputs for one in shared.managed}


IMPORT_PROBE = """
import sys
from tests.harness.lab_stacks import read_configuration, record_stack
record_stack("green", read_configuration())
print("\\n".join(name for name in sys.modules if name.startswith("pulumi")))
"""


def test_only_shared_pays_for_the_largest_sdk(shared: Recording):
    """It costs more time and memory than all others together."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_PROBE], cwd=PROJECT_DIRECTORY, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "pulumi_proxmoxve" in loaded
    assert not {"pulumi_cloudflare", "pulumi_gcp"} & loaded
    assert shared.of_type("cloudflare:index/r2Bucket:R2Bucket")
    assert "pulumi_cloudflare" in sys.modules
