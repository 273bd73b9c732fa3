"""The bridged provider under the real engine: every resource type from its creation to its end."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from pulumi import automation

from tests.conformance.proxmox.calls import finish, stop
from tests.conformance.proxmox.cluster import Api
from tests.conformance.proxmox.engine_project import EngineProject
from tests.conformance.proxmox.programs import IMPORT_IDS, Everything

NAMES = {
    "acl", "backup-job", "block-pool", "cifs", "directory", "guest", "image", "lvm", "mapping", "membership", "nfs",
    "pbs", "pool", "role", "token", "user",
}
FIRST = Everything()


def test_create_preview_refresh_destroy(project: EngineProject, client: Api) -> None:
    assert project.up(FIRST).changed == dict.fromkeys(NAMES, "create")
    assert project.preview().changed == {}
    assert project.refresh().changed == {}
    assert project.preview().changed == {}

    assert {s["storage"] for s in client.storage.get()} == {"cephfs", "local", "lvm", "media", "pbs", "share"}
    assert client.cluster.backup("nightly").get()["prune-backups"] == "keep-daily=7,keep-last=3"
    assert client.nodes("indy").ceph.pool("osd").status.get()["size"] == 3
    assert client.access.roles("Lab").get() == {"Sys.Audit": 1, "VM.Audit": 1}

    assert project.destroy().changed == dict.fromkeys(NAMES, "delete")
    assert [s["storage"] for s in client.storage.get()] == ["cephfs"]
    assert client.cluster.resources.get(type="vm") == []
    assert client.cluster.backup.get() == []
    assert client.cluster.mapping.pci.get() == []
    assert client.pools.get() == []
    assert [u["userid"] for u in client.access.users.get()] == ["root@pam"]
    assert client.access.acl.get() == []
    assert {p["pool_name"] for p in client.nodes("indy").ceph.pool.get()} == {"cephfs_data", "cephfs_metadata"}
    assert client.nodes("method").storage("cephfs").content.get() == []


def test_update_in_place(project: EngineProject, client: Api) -> None:
    project.up(FIRST)
    second = replace(
        FIRST, comment="second", privileges=("VM.Audit",), contents=("images",), copies=2, memory=6144, cores=6
    )
    changed = dict.fromkeys(
        ["backup-job", "block-pool", "guest", "lvm", "mapping", "pool", "role", "token", "user"], "update"
    )
    assert project.preview(second).changed == changed
    assert project.up(second).changed == changed
    assert project.preview().changed == {}
    assert client.storage("lvm").get()["content"] == "images"
    assert client.cluster.mapping.pci("truenas-sata").get()["description"] == "second"
    running = client.nodes("method").qemu(198).config.get(current=1)
    assert (running["memory"], running["cores"]) == ("6144", 6)


def test_replace(project: EngineProject, client: Api) -> None:
    project.up(FIRST)
    other = replace(
        FIRST, pool_id="other", block_pool="fast", mapping="other-sata", token_name="other", export="/srv/other",
        job="other", password="two", path="/srv/other", acl_path="/storage", file_name="other.qcow2",
    )
    outcome = project.up(other)
    replaced = {
        "acl", "backup-job", "block-pool", "cifs", "directory", "image", "mapping", "membership", "nfs", "pbs", "pool",
        "token",
    }
    assert {name for name, operation in outcome.changed.items() if operation == "replace"} == replaced
    assert outcome.changed["guest"] == "update"
    assert project.preview().changed == {}
    assert [p["poolid"] for p in client.pools.get()] == ["other"]
    assert [j["id"] for j in client.cluster.backup.get()] == ["other"]
    assert client.nodes("method").qemu(198).config.get()["hostpci0"].startswith("mapping=other-sata")


def test_drift_made_by_hand_is_seen_and_repaired(project: EngineProject, client: Api) -> None:
    project.up(FIRST)
    client.pools.put(poolid="infrastructure", comment="by hand")
    client.storage("lvm").put(content="images")
    client.cluster.backup("nightly").delete()
    client.access.roles("Lab").put(privs="VM.Audit,VM.Console")
    client.cluster.mapping.pci("truenas-sata").put(map="node=method,path=0000:c2:00.0,id=1b21:1064")
    finish(client, client.nodes("method").ceph.pool("osd").put(size=2))
    finish(client, client.nodes("method").storage("cephfs").content("cephfs:import/talos.qcow2").delete())
    stop(client, "method", 198)

    seen = project.refresh().changed
    assert seen == {
        "backup-job": "delete", "block-pool": "update", "guest": "update", "image": "delete", "lvm": "update",
        "mapping": "update", "pool": "update", "role": "update",
    }
    repaired = project.up().changed
    assert repaired == {name: "create" if operation == "delete" else "update" for name, operation in seen.items()}
    assert project.refresh().changed == {}
    assert client.nodes("method").qemu(198).status.current.get()["status"] == "running"
    assert client.nodes("indy").ceph.pool("osd").status.get()["size"] == 3


def test_import(new_project: Callable[[str], EngineProject]) -> None:
    whole = replace(FIRST, with_passwords=False)
    new_project("owner").up(whole)
    adopting = new_project("adopting")
    outcome = adopting.up(replace(whole, imports=True))
    assert outcome.operations == dict.fromkeys(IMPORT_IDS, "import") | {"image": "create"}
    adopting.up(whole)
    assert adopting.preview().changed == {}
    assert adopting.refresh().changed == {}


def test_upstream_checks_inputs_at_preview(project: EngineProject) -> None:
    with pytest.raises(automation.CommandError, match="must be a valid token identifier"):
        project.preview(replace(FIRST, token_name="!"))


def test_a_refusal_of_the_cluster_names_what_is_wrong(project: EngineProject) -> None:
    with pytest.raises(automation.CommandError, match="4 copies need as many hosts with OSDs; there are 3"):
        project.up(replace(FIRST, copies=4))


def test_a_missing_right_is_named(
    new_project: Callable[..., EngineProject], client: Api
) -> None:
    client.access.users.post(userid="weak@pve")
    made = client.access.users("weak@pve").token("automation").post(privsep=0)
    weak = new_project("weak", f"{made['full-tokenid']}={made['value']}")
    with pytest.raises(automation.CommandError, match=r"Permission check failed \(/storage, Datastore\.Allocate\)"):
        weak.up(FIRST)
