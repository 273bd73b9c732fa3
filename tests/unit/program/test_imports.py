"""The import catalogue is complete and right, and adopting uses it."""

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping

import pytest

from engine.repair import KUBERNETES, derived_id
from engine.state import PendingOperation
from inventory import LAB
from inventory.workloads import WORKLOADS
from model.configuration import Configuration
from model.exclusive import Colour
from stacks.adoption import import_ids
from stacks.imports import AssignedId, Entry, ImportId, Key, NotImported, colour_catalogue, shared_catalogue
from stacks.program import SHARED
from tests.harness import checks
from tests.harness.lab_stacks import lowest_layer, record_stack
from tests.harness.recording import Recording, Registration
from tests.unit.program.conftest import Recorded
from twin.providers import wire

ASSIGNED = {
    "tunnel": "8d7c3e4a-0000-4000-8000-000000000001",
    "tunnel-config": "8d7c3e4a-0000-4000-8000-000000000001",
    "public-docs": "0123456789abcdef0123456789abcdef",
    "public-site": "fedcba9876543210fedcba9876543210",
}


def outside_the_cluster(recording: Recording) -> list[Registration]:
    """What has an entry. An object on a cluster is `NAMESPACE/NAME`, which `engine.repair` knows of all at once."""
    return [one for one in recording.managed if not one.type.startswith(KUBERNETES)]


def catalogue(stack: str, configuration: Configuration) -> dict[Key, Entry]:
    return shared_catalogue(LAB) if stack == SHARED else colour_catalogue(LAB, WORKLOADS, configuration, Colour(stack))


def adopting(configuration: Configuration, ids: Mapping[str, str]) -> Configuration:
    shared = configuration.shared.model_copy(update={"adopt": True, "adopted_ids": dict(ids)})
    return configuration.model_copy(update={"shared": shared})


def test_the_catalogue_holds_what_the_stack_registers(stack: str, recorded: Recorded, configuration: Configuration):
    registered = {one.key for one in outside_the_cluster(recorded(stack, False))}
    known = set(catalogue(stack, configuration))
    assert registered == known, "\n".join(
        [
            f"stacks/imports.py and the stack {stack} differ:",
            *(f"  not in the catalogue: {token} {name}" for token, name in sorted(registered - known)),
            *(f"  only in the catalogue: {token} {name}" for token, name in sorted(known - registered)),
        ]
    )


def test_every_entry_says_something(stack: str, configuration: Configuration):
    for key, entry in catalogue(stack, configuration).items():
        match entry:
            case ImportId(found):
                assert re.fullmatch(r"[\w./:@-]+( [\w./:@-]+){0,2}", found), key
                assert "None" not in found, key
            case AssignedId(where, prefix):
                assert where, key
                assert not prefix or prefix.endswith("/"), key
            case NotImported(reason):
                assert reason, key


def test_an_assigned_id_is_found_by_the_name_alone(configuration: Configuration):
    named = Counter(name for (_, name), entry in shared_catalogue(LAB).items() if isinstance(entry, AssignedId))
    assert named == Counter(ASSIGNED.keys())


def pending(one: Registration) -> PendingOperation:
    return PendingOperation(urn=one.urn, type=one.type, kind="creating", inputs=wire.reveal_all(one.inputs))


def test_repair_and_catalogue_tell_the_same_id(stack: str, recorded: Recorded, configuration: Configuration):
    """A creation that was cut off is looked up under the id that its import id leads to: itself, or a part of it."""
    known = catalogue(stack, configuration)
    compared = {
        one.key: (derived, entry.id)
        for one in outside_the_cluster(recorded(stack, False))
        if isinstance(entry := known[one.key], ImportId) and (derived := derived_id(pending(one))) is not None
    }
    apart = {key: pair for key, pair in compared.items() if pair[0] != pair[1] and pair[0] not in pair[1].split("/")}
    assert not apart
    assert {token for token, _ in compared} >= {"proxmoxve:index/vmLegacy:VmLegacy"}


@pytest.mark.parametrize("colour", [str(colour) for colour in Colour])
def test_every_object_of_a_cluster_can_be_found_again(colour: str, recorded: Recorded):
    objects = [one for one in recorded(colour, False).managed if one.type.startswith(KUBERNETES)]
    ids = {one.key: derived_id(pending(one)) for one in objects}
    assert ids["kubernetes:core/v1:Namespace", "namespace-vault"] == "vault"
    assert ids["kubernetes:helm.sh/v3:Release", "argocd"] == "argocd/argocd"
    assert [key for key, found in ids.items() if found is None] == []


# Adopting.


def test_adopting_imports_what_the_catalogue_can_name(configuration: Configuration):
    recording = record_stack(SHARED, adopting(configuration, ASSIGNED), preview=True)
    imported = {one.key: one.import_id for one in recording.managed if one.import_id is not None}
    assert imported == import_ids(shared_catalogue(LAB), ASSIGNED)
    zone = LAB.cloud.cloudflare.zone_id
    assert imported["cloudflare:index/dnsRecord:DnsRecord", "public-docs"] == f"{zone}/{ASSIGNED['public-docs']}"
    assert imported["proxmoxve:index/vmLegacy:VmLegacy", "truenas"] == "method/199"


def test_adopting_changes_nothing_else(configuration: Configuration, shared: Recording):
    def rest(recording: Recording) -> dict[str, Registration]:
        return {one.urn: dataclasses.replace(one, import_id=None, order=0) for one in recording.registrations}

    adopted = record_stack(SHARED, adopting(configuration, ASSIGNED))
    assert rest(adopted) == rest(shared)
    assert not checks.secrets_in_clear(adopted)


def test_without_the_switch_nothing_is_imported(stack: str, recorded: Recorded):
    assert not [str(one) for one in recorded(stack, False).managed if one.import_id is not None]


def test_colours_are_built_and_never_adopted(configuration: Configuration, colour: Colour):
    recording = record_stack(str(colour), lowest_layer(adopting(configuration, ASSIGNED)), preview=True)
    assert not [str(one) for one in recording.managed if one.import_id is not None]


def test_every_missing_id_is_named_with_where_it_is_found(configuration: Configuration):
    given = {"tunnel": ASSIGNED["tunnel"]}
    with pytest.raises(Exception, match="cannot be adopted") as raised:
        record_stack(SHARED, adopting(configuration, given))
    message = str(raised.value)
    for name in sorted({*ASSIGNED} - {*given}):
        entry = next(e for (_, known), e in shared_catalogue(LAB).items() if known == name)
        assert isinstance(entry, AssignedId)
        assert f"{name}: its id is missing; it is found in: {entry.where}" in message
    assert "Pulumi.shared.yaml: bhamm-lab:adopted_ids" in message
    assert "\n  tunnel:" not in message


def test_an_id_for_nothing_is_named(configuration: Configuration):
    with pytest.raises(Exception, match="public-blog: no resource of that name has an assigned id"):
        record_stack(SHARED, adopting(configuration, {**ASSIGNED, "public-blog": "1"}))
