"""The URNs of every stack: a changed URN is a resource deleted and another created, so it is reviewed like code."""

from pathlib import Path

import pytest

from inventory import LAB
from model.configuration import Configuration
from model.exclusive import Colour
from tests.harness.lab_stacks import PROJECT_DIRECTORY, record_stack
from tests.harness.recording import Recording
from tests.unit.program.conftest import Recorded

GOLDEN = PROJECT_DIRECTORY / "tests" / "golden"


def golden(stack: str) -> Path:
    return GOLDEN / f"{stack}.urns.txt"


def urns(recording: Recording) -> list[str]:
    return sorted(one.urn for one in recording.registrations)


def test_urns_are_those_that_were_reviewed(stack: str, recorded: Recorded, request: pytest.FixtureRequest):
    found = urns(recorded(stack, False))
    path = golden(stack)
    if request.config.getoption("--update-golden"):
        path.write_text("".join(f"{urn}\n" for urn in found))
    known = path.read_text().splitlines()
    gone, new = sorted(set(known) - set(found)), sorted(set(found) - set(known))
    assert found == known, "\n".join(
        [
            f"{stack}: {len(gone)} URNs are gone and {len(new)} are new; the engine would delete and create them.",
            *(f"  - {urn}" for urn in gone),
            *(f"  + {urn}" for urn in new),
            "Give moved resources an alias. When the change is meant: pytest tests/unit/program --update-golden",
        ]
    )


def test_golden_files_are_those_of_the_stacks():
    assert {path.name for path in GOLDEN.glob("*.urns.txt")} == {golden(str(s)).name for s in ("shared", *Colour)}


def without_stack(recording: Recording) -> set[str]:
    """What is left of the URNs when the stack's name is taken away."""
    return {
        urn.replace(f"urn:pulumi:{recording.stack}::", "").replace(f"bhamm-lab-{recording.stack}", "STACK")
        for urn in urns(recording)
    }


LOCAL_DISKS = {"local-storage", "local-path-provisioner", "class-local"}
"""What the leased nodes alone have disks for."""
CARDS = {
    "graphics-cards", "intel-device-plugins", "intel-graphics-cards", "amd-gpu-operator", "amd-graphics-cards",
}  # fmt: skip
"""What announces the cards of the leased nodes."""
WRITTEN_BACKUPS = {
    "rules-backups",
    "test-volumes", "test-postgresql-backup", "repository-upkeep", "upkeep-secrets", "k8up-vault-reader", "store-k8up",
    "k8up-backup-repository",
}  # fmt: skip
"""What the colour that writes backups has, and the one that reads them has not."""


MIRRORED = {
    "cold-storage", "seaweedfs-cold-administrator",
    "cold-archives", "cold-snapshots", "offsite-archives", "offsite-snapshots",
}  # fmt: skip
"""What the colour with the lease of the mirror job has: the copies, and the cold store's setup."""


def leased_names(configuration: Configuration, colour: Colour) -> set[str]:
    """What leases alone bring to a colour: nodes, and what only these nodes need."""
    held = configuration.held_by(colour)
    placements = LAB.cluster.placements
    leased = [p for p in placements if p.lease in held]
    everywhere = {LAB.cluster.shape(p.role).schematic for p in placements if p.lease is None}
    schematics = {LAB.cluster.shape(p.role).schematic for p in leased} - everywhere
    images = {LAB.cluster.shape(p.role).schematic for p in leased if not p.role.is_metal} - everywhere
    return {
        *(p.suffix for p in leased if not p.role.is_metal),
        *(f"configuration-{p.suffix}" for p in leased),
        *(f"schematic-{name}" for name in schematics),
        *(f"image-{name}" for name in images),
    }


def test_colours_differ_in_the_stack_and_in_what_they_lease(recorded: Recorded, configuration: Configuration):
    green, blue = (without_stack(recorded(str(colour), False)) for colour in (Colour.GREEN, Colour.BLUE))
    assert not blue - green
    only_green = {urn.rsplit("::", 1)[-1] for urn in green - blue}
    leased = leased_names(configuration, Colour.GREEN)
    assert only_green == leased | LOCAL_DISKS | CARDS | WRITTEN_BACKUPS | MIRRORED


def test_with_the_same_leases_the_colours_are_alike(recorded: Recorded, configuration: Configuration):
    """Leases moved from green to blue move everything that hangs on them, and nothing else."""
    green, blue = configuration.colours[Colour.GREEN], configuration.colours[Colour.BLUE]
    shared = configuration.shared
    moved = configuration.model_copy(
        update={
            "shared": shared.model_copy(update={"leases": dict.fromkeys(shared.leases, Colour.BLUE)}),
            "colours": {
                Colour.GREEN: green.model_copy(update={"leases_wanted": (), "backup_role": blue.backup_role}),
                Colour.BLUE: blue.model_copy(
                    update={"leases_wanted": green.leases_wanted, "backup_role": green.backup_role}
                ),
            },
        }
    )
    assert without_stack(record_stack("blue", moved)) == without_stack(recorded("green", False))
    assert without_stack(record_stack("green", moved)) == without_stack(recorded("blue", False))
