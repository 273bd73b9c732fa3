"""A colour before `shared` was ever applied."""

from engine.operation import Operation
from tests.engine.laboratory import Laboratory


def test_a_colour_previews_but_does_not_go_up(laboratory: Laboratory) -> None:
    assert laboratory.do(Operation.PREVIEW, "green").succeeded
    outcome = laboratory.do(Operation.UP, "green")
    assert not outcome.succeeded
    assert "./lab up shared" in "\n".join(outcome.errors)
    assert laboratory.proxmox("GET", "/cluster/resources?type=vm") == []


def test_a_lease_counts_only_when_it_is_applied(laboratory: Laboratory) -> None:
    laboratory.succeed(Operation.UP, "shared")
    laboratory.configure("shared", {"leases": {"nose": "blue"}, "active_colour": None})
    laboratory.configure("blue", {"leases_wanted": ["nose"], "backup_role": "idle"})
    laboratory.configure("green", {"leases_wanted": [], "backup_role": "idle"})
    outcome = laboratory.do(Operation.UP, "blue")
    assert not outcome.succeeded
    text = "\n".join(outcome.errors)
    assert "nose: held by green" in text
    assert "./lab up shared" in text
    laboratory.succeed(Operation.UP, "shared")
    laboratory.repair("blue")
    laboratory.succeed(Operation.UP, "blue")
