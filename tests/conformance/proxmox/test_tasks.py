"""Tasks: what they tell, and that a daemon killed in the middle leaves no half of one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.proxmox.calls import TaskError, create, finish, prepare, refused, settings
from tests.conformance.proxmox.cluster import Api, Certificates, EmulatedCluster

FOREVER = 3600.0


@pytest.fixture
def sluggish(tmp_path: Path, certificates: Certificates) -> Iterator[EmulatedCluster]:
    """A daemon whose tasks do not end while the test runs."""
    running = EmulatedCluster(tmp_path, certificates, task_duration=FOREVER)
    yield running
    running.stop()


def test_a_task_tells_who_did_what_where(client: Api) -> None:
    prepare(client)
    create(client, "method", 110, settings("10.0.30.60"))
    (task,) = client.nodes("method").tasks.get(vmid=110)
    assert (task["type"], task["id"], task["user"], task["status"], task["exitstatus"]) == (
        "qmcreate", "110", "root@pam!twin", "stopped", "OK",
    )
    assert client.nodes("indy").tasks.get() == []
    assert task["upid"].startswith("UPID:method:")


def test_an_unknown_task(client: Api) -> None:
    upid = "UPID:method:00000001:00000001:00000001:qmstart:110:root@pam:"
    assert refused(client.nodes("method").tasks(upid).status.get).status == 400


def test_a_guest_in_the_making_is_locked(sluggish: EmulatedCluster) -> None:
    client = sluggish.client()
    upid = client.nodes("method").qemu.post(vmid=110, name="slow", memory=1024)
    assert client.nodes("method").tasks(upid).status.get()["status"] == "running"
    guest = client.nodes("method").qemu(110)
    assert guest.status.current.get()["lock"] == "create"
    assert "VM is locked (create)" in refused(guest.status.start.post).message
    assert "already exists" in refused(client.nodes("indy").qemu.post, vmid=110).errors["vmid"]


def test_a_task_begun_by_a_killed_daemon_is_done_by_the_next(
    sluggish: EmulatedCluster, tmp_path: Path, certificates: Certificates
) -> None:
    # The first daemon is left as a kill leaves it: nothing is closed, flushed or cancelled.
    upid = sluggish.client().nodes("method").qemu.post(vmid=110, name="survivor", memory=1024)
    successor = EmulatedCluster(tmp_path, certificates)
    try:
        client = successor.client()
        assert finish(client, upid).endswith("TASK OK")
        config = client.nodes("method").qemu(110).config.get()
        assert config["name"] == "survivor"
        assert "lock" not in config
    finally:
        successor.stop()


def test_a_task_that_can_no_longer_be_done_gives_back_what_it_reserved(
    sluggish: EmulatedCluster, tmp_path: Path, certificates: Certificates
) -> None:
    client = sluggish.client()
    client.storage.post(storage="lvm", type="lvm", vgname="local-vg")
    upid = client.nodes("method").qemu.post(vmid=110, scsi0="lvm:0,import-from=cephfs:import/gone.qcow2", scsi1="lvm:8")
    successor = EmulatedCluster(tmp_path, certificates)
    try:
        with pytest.raises(TaskError, match="volume does not exist"):
            finish(successor.client(), upid)
        assert successor.client().nodes("method").qemu.get() == []
        assert successor.client().nodes("method").storage("lvm").content.get() == []
    finally:
        successor.stop()


def test_everything_outlives_the_daemon(cluster: EmulatedCluster, client: Api) -> None:
    prepare(client)
    create(client, "method", 110, {**settings("10.0.30.60"), "start": 1})
    before = client.nodes("method").qemu(110).config.get()
    cluster.restart()
    client = cluster.client()
    assert client.nodes("method").qemu(110).config.get() == before
    assert client.nodes("method").qemu(110).status.current.get()["status"] == "running"
    assert cluster.within(lambda state: state.world.at("10.0.30.60")) is not None
