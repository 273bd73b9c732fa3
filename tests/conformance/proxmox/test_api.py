"""What every call has in common: TLS, tokens, parameters, faults, nodes that are down."""

import httpx
import pytest
from proxmoxer import ProxmoxAPI
from requests.exceptions import SSLError

from tests.conformance.proxmox.calls import create, prepare, refused, settings
from tests.conformance.proxmox.cluster import Api, EmulatedCluster
from twin.faults import Fault, FaultKind


def test_the_certificate_is_verified(cluster: EmulatedCluster) -> None:
    client: Api = ProxmoxAPI("127.0.0.1", port=cluster.port, user="root@pam", token_name="x", token_value="y")
    with pytest.raises(SSLError):
        client.version.get()


def test_version_is_one_whose_disks_can_be_imported_by_the_api(client: Api) -> None:
    major, minor = client.version.get()["version"].split(".")[:2]
    assert (int(major), int(minor)) >= (8, 4)


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("root@pam!twin=00000000-0000-0000-0000-000000000000", "invalid token value"),
        ("root@pam!other=00000000-0000-0000-0000-000000000000", "no such token 'other'"),
        ("ghost@pve!x=00000000-0000-0000-0000-000000000000", "no such token 'x' for user 'ghost@pve'"),
    ],
)
def test_a_wrong_token_is_refused(cluster: EmulatedCluster, token: str, words: str) -> None:
    assert cluster.token.startswith("root@pam!twin=")
    refusal = refused(cluster.client(token).version.get)
    assert refusal.status == 401
    assert words in refusal.message


def test_the_initial_token_outlives_the_daemon(cluster: EmulatedCluster) -> None:
    token = cluster.token
    cluster.restart()
    assert cluster.token == token
    assert cluster.client(token).version.get()["release"] == "8.4"


def test_log_in_by_password_is_not_emulated_and_says_so(cluster: EmulatedCluster) -> None:
    answer = httpx.post(
        f"{cluster.endpoint}api2/json/access/ticket", data={"username": "root@pam", "password": "x"},
        verify=cluster.verification(), headers={"Authorization": f"PVEAPIToken={cluster.token}"},
    )
    assert answer.status_code == 501
    assert "POST /access/ticket" in answer.json()["message"]


def test_a_path_that_is_not_emulated_is_named(client: Api) -> None:
    refusal = refused(client.nodes("method").lxc.get)
    assert refusal.status == 501
    assert "GET /nodes/method/lxc" in refusal.message


def test_every_wrong_parameter_is_reported(client: Api) -> None:
    refusal = refused(client.nodes("method").qemu.post, vmid=99, memory="lots", bios="ovmff", colour="green")
    assert refusal.status == 400
    assert refusal.errors == {
        "vmid": "value must have a minimum value of 100",
        "memory": "type check ('integer') failed - got 'lots'",
        "bios": "value 'ovmff' does not have a value in the enumeration 'seabios, ovmf'",
        "colour": "property is not defined in schema and the schema does not allow additional properties",
    }


def test_a_missing_parameter_is_reported(client: Api) -> None:
    assert refused(client.nodes("method").qemu.post, name="x").errors == {
        "vmid": "property is missing and it is not optional"
    }


def test_a_parameter_that_is_not_emulated_is_named(client: Api) -> None:
    refusal = refused(client.nodes("method").qemu.post, vmid=100, usb0="host=1234:5678")
    assert refusal.status == 501
    assert "'usb0'" in refusal.message


def test_malformed_json_is_the_callers_mistake(cluster: EmulatedCluster) -> None:
    answer = httpx.post(
        f"{cluster.endpoint}api2/json/pools", content="{", verify=cluster.verification(),
        headers={"Authorization": f"PVEAPIToken={cluster.token}", "Content-Type": "application/json"},
    )
    assert answer.status_code == 400


def test_an_injected_fault_strikes_as_often_as_it_should(cluster: EmulatedCluster, client: Api) -> None:
    fault = Fault(
        kind=FaultKind.API_ERROR, target="proxmox", operation="GET /nodes/method/*", status=503, remaining=2
    )
    cluster.within(lambda state: state.faults.set(fault))
    answers = [refused(client.nodes("method").status.get).status for _ in range(2)]
    assert answers == [503, 503]
    assert client.nodes("method").status.get()["cpuinfo"]["cpus"] == 64
    assert client.nodes("indy").status.get()["cpuinfo"]["cpus"] == 16


def test_a_host_without_power(cluster: EmulatedCluster, client: Api) -> None:
    prepare(client)
    create(client, "stale", 112, settings("10.0.30.62"))
    cluster.within(lambda state: state.faults.set(Fault(kind=FaultKind.HOST_DOWN, target="stale")))

    assert refused(client.nodes("stale").qemu(112).config.get).status == 595
    assert {n["node"]: n["status"] for n in client.nodes.get()} == {
        "indy": "online", "method": "online", "stale": "offline",
    }
    (guest,) = client.cluster.resources.get(type="vm")
    assert (guest["vmid"], guest["status"]) == (112, "unknown")
    quorum = next(e for e in client.cluster.status.get() if e["type"] == "cluster")
    assert quorum["quorate"] == 1
    assert client.nodes("method").ceph.status.get()["health"]["status"] == "HEALTH_WARN"


def test_an_unknown_node_is_refused(client: Api) -> None:
    assert "hostname lookup 'aorus' failed" in refused(client.nodes("aorus").qemu.get).message


def test_nodes_have_the_hardware_of_the_lab(client: Api) -> None:
    sizes = {node["node"]: (node["maxmem"] >> 30, node["maxcpu"]) for node in client.nodes.get()}
    assert sizes == {"indy": (128, 16), "method": (128, 64), "stale": (64, 8)}
