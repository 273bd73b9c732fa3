"""The hosts' limits."""

import pytest

from tests.conformance.proxmox.calls import TaskError, create, finish, prepare, settings, start, stop
from tests.conformance.proxmox.cluster import Api, EmulatedCluster
from twin.faults import Fault, FaultKind


@pytest.fixture(autouse=True)
def prepared(client: Api) -> None:
    prepare(client)


def map_device(client: Api, name: str, node: str, path: str, identity: str) -> None:
    client.cluster.mapping.pci.post(id=name, map=f"node={node},path={path},id={identity}")


def test_memory_of_running_guests_and_the_reserve_must_fit(cluster: EmulatedCluster, client: Api) -> None:
    # 64 GiB less 12 GiB for two OSDs and the host leave 53248 MiB on the smallest host.
    create(client, "stale", 112, settings("10.0.30.62", memory=40000))
    create(client, "stale", 122, settings("10.0.30.72", memory=14336))
    start(client, "stale", 112)
    with pytest.raises(TaskError) as caught:
        start(client, "stale", 122)
    assert "host 'stale' lacks 1088 MiB for VM 122 (guest-72), which wants 14336 MiB" in caught.value.status
    assert "40000 MiB are held by VM 112 (guest-62)" in caught.value.log
    assert "12288 MiB are kept for Ceph and the host" in caught.value.log
    stale = next(m for m in cluster.within(lambda state: state.server.capacity()) if m.host == "stale")
    assert (stale.free, [h.name for h in stale.holders]) == (13248, ["guest-62"])
    stop(client, "stale", 112)
    start(client, "stale", 122)


def test_a_guest_that_is_off_holds_no_memory(client: Api) -> None:
    for number, vmid in enumerate((112, 113, 114)):
        create(client, "stale", vmid, settings(f"10.0.30.6{number}", memory=50000))
    start(client, "stale", 113)


def test_a_restart_with_more_memory_than_there_is_leaves_the_guest_as_it_was(client: Api) -> None:
    create(client, "stale", 112, settings("10.0.30.62", memory=40000))
    start(client, "stale", 112)
    guest = client.nodes("stale").qemu(112)
    guest.config.put(memory=60000)
    upid = guest.status.reboot.post()
    with pytest.raises(TaskError, match="lacks 6752 MiB"):
        finish(client, upid)
    assert guest.config.get(current=1)["memory"] == "40000"


def test_a_device_is_in_one_running_guest_at_a_time(client: Api) -> None:
    map_device(client, "r9700", "method", "0000:83:00", "1002:7551")
    map_device(client, "r9700-again", "method", "0000:83:00", "1002:7551")
    create(client, "method", 124, settings("10.0.30.74", hostpci0="mapping=r9700,pcie=1"))
    create(client, "method", 224, settings("10.0.30.174", hostpci0="mapping=r9700-again,pcie=1"))
    start(client, "method", 124)
    with pytest.raises(TaskError, match=r"PCI device '0000:83:00' already in use by VMID '124' \(guest-74\)"):
        start(client, "method", 224)
    stop(client, "method", 124)
    start(client, "method", 224)


def test_a_mapping_works_on_the_node_it_names(client: Api) -> None:
    map_device(client, "r9700", "method", "0000:83:00", "1002:7551")
    create(client, "indy", 124, settings("10.0.30.74", hostpci0="mapping=r9700,pcie=1"))
    with pytest.raises(TaskError, match="mapping not found for 'r9700' on node 'indy'; it is mapped on 'method'"):
        start(client, "indy", 124)


@pytest.mark.parametrize(
    ("path", "identity", "words"),
    [
        ("0000:99:00.0", "1002:7551", "pci device '0000:99:00.0' not found"),
        ("0000:83:00", "8086:56a6", r"'id' does not match for 'card' \(1002:7551 != 8086:56a6\)"),
    ],
)
def test_a_mapping_must_fit_the_hardware(client: Api, path: str, identity: str, words: str) -> None:
    map_device(client, "card", "method", path, identity)
    create(client, "method", 124, settings("10.0.30.74", hostpci0="mapping=card,pcie=1"))
    with pytest.raises(TaskError, match=words):
        start(client, "method", 124)


def test_pci_express_needs_the_q35_machine(client: Api) -> None:
    map_device(client, "r9700", "method", "0000:83:00", "1002:7551")
    create(client, "method", 124, settings("10.0.30.74", machine=None, hostpci0="mapping=r9700,pcie=1"))
    with pytest.raises(TaskError, match="q35 machine model is not enabled"):
        start(client, "method", 124)


def test_a_guest_has_no_more_processors_than_its_host(client: Api) -> None:
    create(client, "stale", 112, settings("10.0.30.62", cores=9))
    with pytest.raises(TaskError, match="MAX 8 vcpus allowed per VM on this node"):
        start(client, "stale", 112)


def test_two_running_guests_do_not_share_an_address(client: Api) -> None:
    create(client, "method", 111, settings("10.0.30.61", name="green-master"))
    create(client, "indy", 211, settings("10.0.30.61", name="blue-master"))
    start(client, "method", 111)
    with pytest.raises(TaskError, match=r"10\.0\.30\.61 on VLAN 30 is in use by VM 111 \(green-master\).*blue-master"):
        start(client, "indy", 211)


def test_the_same_address_on_another_vlan_is_no_conflict(client: Api) -> None:
    create(client, "method", 111, settings("10.0.30.61"))
    create(client, "indy", 211, settings("10.0.30.61", net0="virtio,bridge=vmbr0,tag=20"))
    start(client, "method", 111)
    start(client, "indy", 211)


@pytest.mark.parametrize(("address", "owner"), [("10.0.30.11", "host 'method'"), ("10.0.30.78", "host 'nose'"),
                                                ("10.0.30.2", "network 'k8s'")])
def test_a_guest_does_not_take_the_address_of_a_server_or_gateway(
    client: Api, address: str, owner: str
) -> None:
    create(client, "method", 111, settings(address))
    with pytest.raises(TaskError, match=f"belongs to {owner}"):
        start(client, "method", 111)


def test_a_volume_group_has_an_end(client: Api) -> None:
    create(client, "method", 111, settings("10.0.30.61", scsi1="lvm:900"))
    with pytest.raises(TaskError) as caught:
        create(client, "method", 112, settings("10.0.30.62", scsi1="lvm:60"))
    assert "Volume group 'local-vg' has insufficient free space" in caught.value.status
    assert "vm-111-disk-1 900G" in caught.value.status
    create(client, "indy", 112, settings("10.0.30.62", scsi1="lvm:60"))


def test_a_full_disk(cluster: EmulatedCluster, client: Api) -> None:
    cluster.within(lambda state: state.faults.set(Fault(kind=FaultKind.DISK_FULL, target="method/lvm")))
    with pytest.raises(TaskError, match="insufficient free space"):
        create(client, "method", 111, settings("10.0.30.61"))
    status = client.nodes("method").storage("lvm").status.get()
    assert status["avail"] == 0
    create(client, "indy", 111, settings("10.0.30.61"))


def test_a_bridge_must_exist(client: Api) -> None:
    create(client, "method", 111, settings("10.0.30.61", net0="virtio,bridge=vmbr9"))
    with pytest.raises(TaskError, match="bridge 'vmbr9' does not exist on node 'method'"):
        start(client, "method", 111)
