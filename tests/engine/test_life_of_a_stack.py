"""preview → up → no-op → drift → refresh → up → destroy, for every stack."""

import json
import time

import pytest

from engine.events import Step
from engine.operation import Operation, Outcome
from tests.engine.laboratory import Laboratory

VM = "proxmoxve:index/vmLegacy:VmLegacy"
SERVICE = "kubernetes:core/v1:Service"
PATIENCE_SECONDS = 30.0

NODES = {
    "blue": {"master-0", "master-1", "master-2", "worker-0", "worker-1", "worker-2"},
    "green": {
        "master-0", "master-1", "master-2", "worker-0", "worker-1", "worker-2", "worker-intel-gpu", "worker-amd-gpu",
    },
}  # fmt: skip


def names(outcome: Outcome, step: Step, token: str = VM) -> set[str]:
    return {found.name for found in outcome.steps if found.op is step and found.type == token}


def assert_nothing_to_do(laboratory: Laboratory, stack: str) -> None:
    outcome = laboratory.do(Operation.PREVIEW, stack, "--expect-no-changes")
    assert outcome.succeeded, [f"{step.op} {step.name} {step.changed}" for step in outcome.steps]


def kubectl(laboratory: Laboratory, colour: str, *arguments: str) -> str:
    answer = laboratory.command("kubectl", colour, *arguments)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def assert_cluster_is_as_planned(laboratory: Laboratory, colour: str) -> None:
    nodes = json.loads(kubectl(laboratory, colour, "get", "nodes", "--output", "json"))["items"]
    metal = {"worker-nose", "worker-tail"} if colour == "green" else set[str]()
    assert {node["metadata"]["name"] for node in nodes} == {f"{colour}-talos-{name}" for name in NODES[colour] | metal}
    for node in nodes:
        ready = {condition["type"]: condition["status"] for condition in node["status"]["conditions"]}
        assert ready["Ready"] == "True", node["metadata"]["name"]
    applications = json.loads(kubectl(laboratory, colour, "get", "applications", "-A", "--output", "json"))["items"]
    states = {one["metadata"]["name"]: one["status"]["health"]["status"] for one in applications}
    assert "seaweedfs" in states
    assert set(states.values()) == {"Healthy"}, states
    canary = json.loads(kubectl(laboratory, colour, "get", "deployment", "test", "-n", "test", "--output", "json"))
    assert canary["status"]["readyReplicas"] == 1


def assert_no_cluster_is_left(laboratory: Laboratory, colour: str) -> None:
    """Its processes end once the last machine is gone."""
    folder = laboratory.workspace.twin / "kubernetes" / colour
    deadline = time.monotonic() + PATIENCE_SECONDS
    while folder.exists() or any(plane["name"] == colour for plane in laboratory.twin.planes()):
        assert time.monotonic() < deadline, laboratory.twin.planes()
        time.sleep(0.2)


@pytest.mark.parametrize("colour", ["blue", "green"])
def test_life_of_a_colour(applied: Laboratory, colour: str) -> None:
    planned = applied.succeed(Operation.PREVIEW, colour)
    assert names(planned, Step.CREATE) == NODES[colour]

    made = applied.succeed(Operation.UP, colour)
    assert names(made, Step.CREATE) == NODES[colour]
    guests = {guest["name"]: guest for guest in applied.proxmox("GET", "/cluster/resources?type=vm")}
    assert {name for name in guests if name.startswith(colour)} == {f"{colour}-talos-{node}" for node in NODES[colour]}
    assert_nothing_to_do(applied, colour)
    assert_cluster_is_as_planned(applied, colour)

    # Somebody deletes an object of the cluster by hand.
    kubectl(applied, colour, "delete", "service", "test", "--namespace", "test")

    lost, changed = guests[f"{colour}-talos-worker-2"], guests[f"{colour}-talos-worker-1"]
    path = f"/nodes/{lost['node']}/qemu/{lost['vmid']}"
    applied.finish_task(applied.proxmox("POST", f"{path}/status/stop"))
    applied.finish_task(applied.proxmox("DELETE", path))
    applied.proxmox("PUT", f"/nodes/{changed['node']}/qemu/{changed['vmid']}/config", {"memory": "4096"})

    seen = applied.succeed(Operation.REFRESH, colour)
    assert names(seen, Step.DELETE) == {"worker-2"}
    assert names(seen, Step.UPDATE) == {"worker-1"}
    assert names(seen, Step.DELETE, SERVICE) == {"test-test"}

    mended = applied.succeed(Operation.UP, colour)
    assert names(mended, Step.CREATE) == {"worker-2"}
    assert names(mended, Step.UPDATE) == {"worker-1"}
    assert names(mended, Step.CREATE, SERVICE) == {"test-test"}
    again = applied.proxmox("GET", f"/nodes/{changed['node']}/qemu/{changed['vmid']}/config")
    assert int(again["memory"]) == 20070
    assert_nothing_to_do(applied, colour)

    if colour == "green":
        refused = applied.do(Operation.DESTROY, colour)
        assert not refused.succeeded
        assert any("protected" in error for error in refused.errors), refused.errors
        applied.state.unprotect(colour)
    applied.succeed(Operation.DESTROY, colour)
    assert applied.state.resources(colour) == []
    assert_no_cluster_is_left(applied, colour)
    left = applied.proxmox("GET", "/cluster/resources?type=vm")
    assert [guest["name"] for guest in left if guest["name"].startswith(colour)] == []


def test_life_of_shared(laboratory: Laboratory) -> None:
    planned = laboratory.succeed(Operation.PREVIEW, "shared")
    assert names(planned, Step.CREATE) == {"truenas", "proxmox-backup-server"}
    laboratory.succeed(Operation.UP, "shared")
    assert_nothing_to_do(laboratory, "shared")

    laboratory.proxmox("PUT", "/nodes/method/qemu/199/config", {"cores": "2"})
    seen = laboratory.succeed(Operation.REFRESH, "shared")
    assert names(seen, Step.UPDATE) == {"truenas"}
    laboratory.succeed(Operation.UP, "shared")
    assert int(laboratory.proxmox("GET", "/nodes/method/qemu/199/config")["cores"]) == 4

    refused = laboratory.do(Operation.DESTROY, "shared")
    assert not refused.succeeded
    assert any("protected" in error for error in refused.errors), refused.errors

    laboratory.state.unprotect("shared")
    laboratory.succeed(Operation.DESTROY, "shared")
    assert laboratory.state.resources("shared") == []
    kept = {guest["name"] for guest in laboratory.proxmox("GET", "/cluster/resources?type=vm")}
    assert kept == {"truenas", "proxmox-backup-server"}, "what holds data stays in the lab"
