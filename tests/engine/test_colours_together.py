"""Both colours beside each other: only where memory and leases allow."""

from engine.operation import Operation
from tests.engine.laboratory import Laboratory


def test_they_do_not_fit_while_green_has_its_cards(laboratory: Laboratory) -> None:
    laboratory.succeed(Operation.UP, "shared")
    laboratory.succeed(Operation.UP, "green")
    refused = laboratory.command("up", "blue")
    assert refused.returncode == 2, refused.stderr
    assert "Traceback" not in refused.stderr
    for part in ("method", "3482", "green", "truenas"):
        assert part in refused.stderr
    assert laboratory.state.resources("blue") == []

    # Whoever goes past the check meets the hosts themselves.
    outcome = laboratory.do(Operation.UP, "blue")
    assert not outcome.succeeded
    assert any("method" in error and "MiB" in error for error in outcome.errors), outcome.errors


def test_they_fit_without_the_cards(laboratory: Laboratory) -> None:
    laboratory.configure("shared", {"leases": {}, "active_colour": None})
    laboratory.configure("green", {"leases_wanted": [], "backup_role": "idle"})
    laboratory.succeed(Operation.UP, "shared")
    laboratory.succeed(Operation.UP, "green")
    both = laboratory.command("up", "blue")
    assert both.returncode == 0, both.stderr
    running = laboratory.proxmox("GET", "/cluster/resources?type=vm")
    assert len([guest for guest in running if guest["status"] == "running"]) == 6 + 6 + 2
