"""A lab that exists and a state that does not: the import catalogue, tried on the engine."""

from typing import Any

from engine.operation import Operation
from engine.repair import CREATING, derived_id
from engine.state import PendingOperation
from inventory import LAB
from model.configuration import PROJECT
from stacks.imports import AssignedId, ImportId, shared_catalogue
from tests.engine.laboratory import Laboratory

STACK = "shared"


def test_repair_derives_the_ids_that_providers_give(applied: Laboratory):
    derived = {
        one["urn"]: (found, one["id"])
        for one in managed(applied)
        if (found := derived_id(PendingOperation.model_validate({"kind": CREATING, "inputs": {}, **one}))) is not None
    }
    assert len(derived) > 10
    assert {urn: pair for urn, pair in derived.items() if pair[0] != pair[1]} == {}


def test_shared_is_adopted_by_a_state_that_was_lost(laboratory: Laboratory):
    laboratory.succeed(Operation.UP, STACK)
    before = {(one["type"], str(one["urn"]).rsplit("::", 1)[-1]): one["id"] for one in managed(laboratory)}
    assigned = {
        name: str(before[token, name])
        for (token, name), entry in shared_catalogue(LAB).items()
        if isinstance(entry, AssignedId)
    }

    lose_state(laboratory)
    # As the catalogue says of what it cannot import.
    laboratory.proxmox("DELETE", "/storage/pbs")
    laboratory.configure(STACK, {"adopt": True, "adopted_ids": assigned})
    laboratory.succeed(Operation.UP, STACK)

    after = {(one["type"], str(one["urn"]).rsplit("::", 1)[-1]): one["id"] for one in managed(laboratory)}
    imported = {key for key, entry in shared_catalogue(LAB).items() if isinstance(entry, ImportId | AssignedId)}
    assert {key: after[key] for key in imported} == {key: before[key] for key in imported}

    laboratory.configure(STACK, {"adopt": False})
    laboratory.succeed(Operation.PREVIEW, STACK, "--expect-no-changes")


def managed(laboratory: Laboratory) -> list[dict[str, Any]]:
    return [one for one in laboratory.state.resources(STACK) if one.get("custom")]


def lose_state(laboratory: Laboratory) -> None:
    for path in (laboratory.workspace.state / ".pulumi" / "stacks" / PROJECT).glob(f"{STACK}.json*"):
        path.unlink()
    laboratory.state.ensure_stacks()
