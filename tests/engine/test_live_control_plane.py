"""What the engine refuses to do to the colour that serves the lab."""

from typing import Any

import yaml

from engine.events import Step
from engine.operation import Operation
from tests.engine.laboratory import Laboratory
from tests.engine.test_life_of_a_stack import VM, assert_nothing_to_do, names

REPLACES = (Step.REPLACE, Step.CREATE_REPLACEMENT, Step.DELETE_REPLACED)


def moved(laboratory: Laboratory, colour: str, start: int) -> dict[str, Any]:
    document = yaml.safe_load((laboratory.project / f"Pulumi.{colour}.yaml").read_text())
    plan: dict[str, Any] = document["config"]["bhamm-lab:address_plan"]
    return {"address_plan": {**plan, "control_plane_vm_id_start": start}}


def test_its_control_plane_is_never_replaced_at_once(laboratory: Laboratory) -> None:
    laboratory.succeed(Operation.UP, "shared")
    laboratory.succeed(Operation.UP, "green")
    laboratory.configure("green", moved(laboratory, "green", 310))
    for operation in (Operation.PREVIEW, Operation.UP):
        refused = laboratory.do(operation, "green")
        assert not refused.succeeded
        # Three nodes are refused at once; the engine may stop before it has told all of them.
        assert any("::master-" in error and "protect" in error for error in refused.errors), refused.errors
    left = {guest["vmid"] for guest in laboratory.proxmox("GET", "/cluster/resources?type=vm")}
    assert {110, 111, 112} <= left


def test_a_new_talos_version_replaces_images_and_no_machine(laboratory: Laboratory) -> None:
    laboratory.configure("shared", {"leases": {}, "active_colour": "green"})
    laboratory.configure("green", {"leases_wanted": [], "backup_role": "idle"})
    laboratory.configure("shared", {"leases": {"public-dns": "green", "tunnel-connector": "green"}})
    laboratory.configure("green", {"leases_wanted": ["public-dns", "tunnel-connector"]})
    laboratory.succeed(Operation.UP, "shared")
    laboratory.succeed(Operation.UP, "green")
    laboratory.succeed(Operation.UP, "blue")
    laboratory.configure("blue", {"talos_version": "v1.11.5"})
    outcome = laboratory.succeed(Operation.UP, "blue")
    replaced = {step.name for step in outcome.steps if step.op in REPLACES}
    assert "image-base" in replaced
    assert not any(names(outcome, step, VM) for step in REPLACES)
    assert_nothing_to_do(laboratory, "blue")
    assert_nothing_to_do(laboratory, "green")
