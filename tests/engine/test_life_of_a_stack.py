"""preview → up → no-op → drift → refresh → up → destroy, for every stack."""

import pytest

from engine.events import Step
from engine.operation import Operation, Outcome
from tests.engine.laboratory import Laboratory

VM = "proxmoxve:index/vmLegacy:VmLegacy"

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


@pytest.mark.parametrize("colour", ["blue", "green"])
def test_life_of_a_colour(applied: Laboratory, colour: str) -> None:
    planned = applied.succeed(Operation.PREVIEW, colour)
    assert names(planned, Step.CREATE) == NODES[colour]

    made = applied.succeed(Operation.UP, colour)
    assert names(made, Step.CREATE) == NODES[colour]
    guests = {guest["name"]: guest for guest in applied.proxmox("GET", "/cluster/resources?type=vm")}
    assert {name for name in guests if name.startswith(colour)} == {f"{colour}-talos-{node}" for node in NODES[colour]}
    assert_nothing_to_do(applied, colour)

    lost, changed = guests[f"{colour}-talos-worker-2"], guests[f"{colour}-talos-worker-1"]
    path = f"/nodes/{lost['node']}/qemu/{lost['vmid']}"
    applied.finish_task(applied.proxmox("POST", f"{path}/status/stop"))
    applied.finish_task(applied.proxmox("DELETE", path))
    applied.proxmox("PUT", f"/nodes/{changed['node']}/qemu/{changed['vmid']}/config", {"memory": "4096"})

    seen = applied.succeed(Operation.REFRESH, colour)
    assert names(seen, Step.DELETE) == {"worker-2"}
    assert names(seen, Step.UPDATE) == {"worker-1"}

    mended = applied.succeed(Operation.UP, colour)
    assert names(mended, Step.CREATE) == {"worker-2"}
    assert names(mended, Step.UPDATE) == {"worker-1"}
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
