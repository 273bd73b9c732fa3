"""Life of a virtual machine."""

import pytest

from tests.conformance.proxmox.calls import TaskError, create, finish, prepare, refused, settings, start, stop
from tests.conformance.proxmox.cluster import Api, EmulatedCluster
from twin.world import Machine


@pytest.fixture
def guest(client: Api) -> Api:
    prepare(client)
    create(client, "method", 110, settings("10.0.30.60", tags="green;talos"))
    return client.nodes("method").qemu(110)


def machine(cluster: EmulatedCluster, address: str) -> Machine | None:
    return cluster.within(lambda state: state.world.at(address))


def test_a_new_guest_is_off_and_has_its_disks(client: Api, guest: Api) -> None:
    assert guest.status.current.get()["status"] == "stopped"
    config = guest.config.get()
    assert config["scsi0"] == "lvm:vm-110-disk-0,discard=on,iothread=1,size=8G"
    assert config["ide2"] == "lvm:vm-110-cloudinit,media=cdrom,size=4M"
    volumes = client.nodes("method").storage("lvm").content.get(vmid=110)
    assert sorted(volume["volid"] for volume in volumes) == ["lvm:vm-110-cloudinit", "lvm:vm-110-disk-0"]


def test_a_network_card_gets_an_address_that_stays(guest: Api) -> None:
    first = guest.config.get()["net0"]
    assert first.startswith("virtio=BC:24:11:")
    guest.config.put(tags="blue")
    assert guest.config.get()["net0"] == first


def test_a_running_guest_is_a_machine_at_its_address(
    cluster: EmulatedCluster, client: Api, guest: Api
) -> None:
    finish(client, guest.resize.put(disk="scsi0", size="40G"))
    assert machine(cluster, "10.0.30.60") is None
    start(client, "method", 110)
    found = machine(cluster, "10.0.30.60")
    assert found is not None
    assert (found.name, found.host, found.image) == ("guest-60", "method", "talos.qcow2")
    assert [(d.path, d.size_bytes, d.transport) for d in found.block_devices] == [
        ("/dev/sda", 40 << 30, "virtio-scsi")
    ]
    assert found.tags == ("green", "talos")
    stop(client, "method", 110)
    assert machine(cluster, "10.0.30.60") is None


def test_a_guest_made_anew_is_another_machine(
    cluster: EmulatedCluster, client: Api, guest: Api
) -> None:
    start(client, "method", 110)
    first = machine(cluster, "10.0.30.60")
    stop(client, "method", 110)
    start(client, "method", 110)
    assert first == machine(cluster, "10.0.30.60")
    stop(client, "method", 110)
    finish(client, guest.delete())
    create(client, "method", 110, settings("10.0.30.60"))
    start(client, "method", 110)
    second = machine(cluster, "10.0.30.60")
    assert first is not None
    assert second is not None
    assert first.incarnation != second.incarnation


def test_a_guest_on_a_vlan_that_the_bridge_does_not_carry_is_not_reached(
    cluster: EmulatedCluster, client: Api, guest: Api
) -> None:
    guest.config.put(net0="virtio,bridge=vmbr0,tag=40")
    start(client, "method", 110)
    assert machine(cluster, "10.0.30.60") is None


def test_the_agent_tells_addresses_of_a_running_guest_only(client: Api, guest: Api) -> None:
    assert "not running" in refused(guest.agent("network-get-interfaces").get).message
    start(client, "method", 110)
    result = guest.agent("network-get-interfaces").get()["result"]
    addresses = {i["name"]: [a["ip-address"] for a in i["ip-addresses"]] for i in result}
    assert addresses == {"lo": ["127.0.0.1"], "eth0": ["10.0.30.60"]}


def test_the_agent_must_be_configured(client: Api, guest: Api) -> None:
    guest.config.put(agent="enabled=0")
    start(client, "method", 110)
    assert "No QEMU guest agent configured" in refused(guest.agent.ping.post).message


def test_memory_changes_at_the_next_start(client: Api, guest: Api) -> None:
    start(client, "method", 110)
    guest.config.put(memory=8192, tags="changed")
    assert guest.config.get()["memory"] == "8192"
    assert guest.config.get(current=1)["memory"] == "4096"
    assert guest.config.get(current=1)["tags"] == "changed"
    pending = {entry["key"]: entry for entry in guest.pending.get() if "pending" in entry}
    assert pending == {"memory": {"key": "memory", "value": "4096", "pending": "8192"}}
    finish(client, guest.status.reboot.post())
    assert guest.config.get(current=1)["memory"] == "8192"


def test_a_new_address_is_taken_at_the_next_start(
    cluster: EmulatedCluster, client: Api, guest: Api
) -> None:
    start(client, "method", 110)
    guest.config.put(ipconfig0="ip=10.0.30.66/24,gw=10.0.30.2")
    assert machine(cluster, "10.0.30.60") is not None
    finish(client, guest.status.reboot.post())
    assert machine(cluster, "10.0.30.60") is None
    assert machine(cluster, "10.0.30.66") is not None


def test_disks_grow_and_never_shrink(client: Api, guest: Api) -> None:
    finish(client, guest.resize.put(disk="scsi0", size="+32G"))
    assert "size=40G" in guest.config.get()["scsi0"]
    with pytest.raises(TaskError, match="shrinking disks is not supported"):
        finish(client, guest.resize.put(disk="scsi0", size="10G"))


def test_a_removed_disk_is_unused_before_it_is_gone(client: Api, guest: Api) -> None:
    guest.config.put(scsi1="lvm:50,discard=on")
    assert "lvm:vm-110-disk-1" in guest.config.get()["scsi1"]
    guest.config.put(delete="scsi1")
    assert guest.config.get()["unused0"] == "lvm:vm-110-disk-1"
    guest.config.put(delete="unused0")
    volumes = client.nodes("method").storage("lvm").content.get()
    assert "lvm:vm-110-disk-1" not in [volume["volid"] for volume in volumes]


def test_a_stale_digest_is_refused(guest: Api) -> None:
    digest = guest.config.get()["digest"]
    guest.config.put(tags="one", digest=digest)
    assert "detected modified configuration" in refused(guest.config.put, tags="two", digest=digest).message


def test_a_running_or_protected_guest_is_not_destroyed(client: Api, guest: Api) -> None:
    guest.config.put(protection=1)
    assert "protection mode enabled" in refused(guest.delete).message
    guest.config.put(protection=0)
    start(client, "method", 110)
    assert "is running - destroy failed" in refused(guest.delete).message
    stop(client, "method", 110)
    finish(client, guest.delete())
    assert "does not exist" in refused(guest.config.get).message
    assert client.nodes("method").storage("lvm").content.get() == []


def test_destroying_leaves_no_trace_in_pools_and_backup_jobs(client: Api, guest: Api) -> None:
    client.pools.post(poolid="infrastructure")
    client.pools.put(poolid="infrastructure", vms="110")
    client.cluster.backup.post(id="nightly", schedule="03:30", storage="cephfs", vmid="110,199")
    finish(client, guest.delete(purge=1))
    assert client.pools.get(poolid="infrastructure")[0]["members"] == []
    assert client.cluster.backup("nightly").get()["vmid"] == "199"


def test_an_id_is_taken_once_in_the_whole_cluster(client: Api, guest: Api) -> None:
    refusal = refused(client.nodes("indy").qemu.post, vmid=110, name="intruder")
    assert refusal.status == 400
    assert "already exists on node 'method' (guest-60)" in refusal.errors["vmid"]
    assert guest.config.get()["name"] == "guest-60"
    assert client.cluster.nextid.get() == "100"


def test_an_image_of_the_wrong_content_type_is_refused(client: Api, guest: Api) -> None:
    wanted = settings("10.0.30.61", scsi0="lvm:0,import-from=cephfs:iso/talos.img")
    refusal = refused(client.nodes("method").qemu.post, vmid=111, **wanted)
    assert refusal.errors == {"scsi0": "cephfs:iso/talos.img has wrong type 'iso' - needs to be 'images' or 'import'"}


def test_a_missing_image_fails_the_task_and_leaves_nothing(client: Api, guest: Api) -> None:
    wanted = settings("10.0.30.61", scsi0="lvm:0,import-from=cephfs:import/gone.qcow2", scsi1="lvm:8")
    with pytest.raises(TaskError, match=r"cannot import from 'cephfs:import/gone\.qcow2' - volume does not exist"):
        create(client, "method", 111, wanted)
    assert [g["vmid"] for g in client.nodes("method").qemu.get()] == [110]
    assert client.nodes("method").storage("lvm").content.get(vmid=111) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"scsi1": "cephfs:8"}, "storage 'cephfs' does not support content-type 'images'"),
        ({"scsi1": "nowhere:8"}, "storage 'nowhere' does not exist"),
        ({"scsi1": "lvm:8,format=qcow2"}, "unsupported format 'qcow2' on storage 'lvm'"),
        ({"scsi1": "lvm:8,colour=green"}, "colour: property is not defined in schema"),
        ({"net1": "virtio,bridge=vmbr0,tag=thirty"}, "tag: value 'thirty' does not match its schema"),
        ({"ipconfig1": "ip=10.0.30.60"}, "ip: value '10.0.30.60' does not match its schema"),
    ],
)
def test_wrong_devices_are_refused_before_anything_is_done(
    client: Api, guest: Api, change: dict[str, str], complaint: str
) -> None:
    before = guest.config.get()
    (name,) = change
    assert complaint in refused(guest.config.put, **change).errors[name]
    assert guest.config.get() == before


def test_raw_pci_addresses_need_more_than_a_token(guest: Api) -> None:
    assert "non-mapped devices" in refused(guest.config.put, hostpci0="0000:83:00,pcie=1").message
