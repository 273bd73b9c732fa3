"""A Talos VM as the lab declares it, under the real engine."""

from collections.abc import Callable

import pytest
from pulumi import automation

from tests.conformance.proxmox.calls import finish, stop
from tests.conformance.proxmox.cluster import Api, EmulatedCluster
from tests.conformance.proxmox.engine_project import EngineProject
from tests.conformance.proxmox.programs import All, ExistingGuest, PlainGuest, TalosGuest
from twin.faults import Fault, FaultKind
from twin.world import Machine


def machine(cluster: EmulatedCluster, address: str = "10.0.30.60") -> Machine:
    found = cluster.within(lambda state: state.world.at(address))
    assert found is not None
    return found


def test_a_node_is_refresh_clean(cluster: EmulatedCluster, project: EngineProject) -> None:
    project.up(TalosGuest(user_disk=50))
    assert project.preview().changed == {}
    assert project.refresh().changed == {}
    assert project.preview().changed == {}
    assert project.outputs("guest")["ipv4Addresses"] == [["127.0.0.1"], ["10.0.30.60"]]
    found = machine(cluster)
    assert (found.image, found.host, found.tags) == ("talos.qcow2", "indy", ("green", "talos"))
    assert [(d.path, d.size_bytes >> 30) for d in found.block_devices] == [("/dev/sda", 40), ("/dev/sdb", 50)]


def test_without_ignoring_speed_a_preview_is_never_clean(project: EngineProject) -> None:
    # The reason for `ignore_changes` in every VM: upstream has a default for `speed` that it does not read back.
    project.up(PlainGuest())
    assert project.preview().changed == {"guest": "update"}


def test_memory_changes_by_a_restart_disks_grow_in_place(
    cluster: EmulatedCluster, project: EngineProject, client: Api
) -> None:
    project.up(TalosGuest())
    before = machine(cluster)
    assert project.up(TalosGuest(memory=10240, disk=60, user_disk=50, tags=("blue", "talos"))).changed == {
        "guest": "update"
    }
    after = machine(cluster)
    assert after.incarnation == before.incarnation
    assert [d.size_bytes >> 30 for d in after.block_devices] == [60, 50]
    assert after.tags == ("blue", "talos")
    assert client.nodes("indy").qemu(110).config.get(current=1)["memory"] == "10240"
    assert project.preview().changed == {}


def test_another_image_is_another_machine(cluster: EmulatedCluster, project: EngineProject) -> None:
    project.up(TalosGuest())
    before = machine(cluster)
    outcome = project.up(TalosGuest(image="talos-new.qcow2"))
    assert outcome.changed["guest"] == "replace"
    assert machine(cluster).image == "talos-new.qcow2"
    assert machine(cluster).incarnation != before.incarnation
    assert project.preview().changed == {}


def test_another_host_is_another_machine(cluster: EmulatedCluster, project: EngineProject) -> None:
    project.up(TalosGuest())
    assert project.up(TalosGuest(node="method")).changed == {"guest": "replace"}
    assert machine(cluster).host == "method"


def test_a_guest_destroyed_by_hand_is_made_again(
    cluster: EmulatedCluster, project: EngineProject, client: Api
) -> None:
    project.up(TalosGuest())
    stop(client, "indy", 110)
    finish(client, client.nodes("indy").qemu(110).delete())
    assert project.refresh().changed == {"guest": "delete"}
    assert project.up().changed == {"guest": "create"}
    assert machine(cluster).name == "green-talos-master-0"


def test_a_guest_changed_by_hand_is_put_right(project: EngineProject, client: Api) -> None:
    project.up(TalosGuest())
    client.nodes("indy").qemu(110).config.put(memory=2048, tags="by-hand")
    assert project.refresh().changed == {"guest": "update"}
    assert project.up().changed == {"guest": "update"}
    assert client.nodes("indy").qemu(110).config.get(current=1)["memory"] == "9216"


def test_a_guest_can_be_read_by_its_id(new_project: Callable[[str], EngineProject]) -> None:
    new_project("owner").up(TalosGuest())
    adopting = new_project("adopting")
    adopting.up(ExistingGuest("indy/110"))
    outputs = adopting.outputs("guest")
    assert (outputs["name"], outputs["memory"]["dedicated"], outputs["machine"]) == (
        "green-talos-master-0", 9216, "q35",
    )


def test_an_id_that_is_taken_is_not_adopted(
    new_project: Callable[[str], EngineProject], client: Api
) -> None:
    new_project("owner").up(TalosGuest())
    intruder = new_project("intruder")
    with pytest.raises(automation.CommandError, match=r"VM 110 already exists on node 'indy' \(green-talos-master-0\)"):
        intruder.up(TalosGuest(name="blue-talos-master-0", node="method", address="10.0.30.160", with_storage=False))
    intruder.destroy()
    assert client.nodes("indy").qemu(110).status.current.get()["status"] == "running"


def test_a_host_that_is_too_small_says_who_holds_its_memory(project: EngineProject) -> None:
    project.up(TalosGuest(node="stale", memory=40000))
    second = TalosGuest(
        node="stale", vmid=212, address="10.0.30.162", memory=20000, name="blue-talos-master-2", resource="second",
        image="blue.qcow2", with_storage=False,
    )
    with pytest.raises(automation.CommandError) as caught:
        project.up(All((TalosGuest(node="stale", memory=40000), second)))
    told = str(caught.value)
    assert "host 'stale' lacks 6752 MiB for VM 212 (blue-talos-master-2)" in told
    assert "40000 MiB are held by VM 110 (green-talos-master-0)" in told


def test_a_host_without_power_is_no_reason_to_forget_its_guests(
    cluster: EmulatedCluster, project: EngineProject
) -> None:
    project.up(TalosGuest())
    cluster.within(lambda state: state.faults.set(Fault(kind=FaultKind.HOST_DOWN, target="indy")))
    with pytest.raises(automation.CommandError, match="No route to host"):
        project.refresh()
    cluster.within(lambda state: state.faults.clear())
    assert project.refresh().changed == {}
    assert machine(cluster).name == "green-talos-master-0"


def test_a_daemon_killed_between_two_runs_loses_nothing(cluster: EmulatedCluster, project: EngineProject) -> None:
    project.up(TalosGuest())
    cluster.restart()
    assert project.refresh().changed == {}
    assert project.preview().changed == {}
