"""`./lab` as a person meets it when something is wrong."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.engine.laboratory import Laboratory


def test_a_wrong_configuration_touches_nothing(laboratory: Laboratory) -> None:
    laboratory.twin.stop()
    laboratory.configure("green", {"talos_version": 3, "layerz": []})
    laboratory.configure("blue", {"backup_role": "writter"})
    answer = laboratory.command("up", "green")
    assert answer.returncode == 2
    assert "Traceback" not in answer.stderr
    for part in ("Pulumi.green.yaml", "talos_version", "layerz", "Pulumi.blue.yaml", "backup_role"):
        assert part in answer.stderr
    assert laboratory.twin.running() is None, "not even the twin was started"


def test_the_engine_shows_the_same_violations(laboratory: Laboratory) -> None:
    laboratory.configure("green", {"layerz": []})
    environment = json.loads(laboratory.command("env", "--json").stdout)
    plain = subprocess.run(
        ["pulumi", "preview", "--stack", "green", "--non-interactive"],
        cwd=laboratory.project, env={**os.environ, **environment}, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL,
    )
    assert plain.returncode != 0
    assert "layerz" in plain.stdout + plain.stderr
    assert "Traceback" not in plain.stdout + plain.stderr


@pytest.mark.parametrize("arguments", [("preview", "grene"), ("preview",), ("prevew", "green")])
def test_a_mistyped_command_is_a_usage_error(laboratory: Laboratory, arguments: tuple[str, ...]) -> None:
    answer = laboratory.command(*arguments)
    assert answer.returncode == 2
    assert "Traceback" not in answer.stderr


def lock_green(laboratory: Laboratory, process: int) -> None:
    folder = laboratory.workspace.state / ".pulumi" / "locks" / "organization" / "bhamm-lab" / "green"
    folder.mkdir(parents=True, exist_ok=True)
    lock = {
        "pid": process,
        "username": "somebody",
        "hostname": os.uname().nodename,
        "timestamp": "2026-01-01T00:00:00Z",
    }
    (folder / "00000000-0000-0000-0000-000000000000.json").write_text(json.dumps(lock))


def test_a_dead_owners_lock_is_removed_and_named(laboratory: Laboratory) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    lock_green(laboratory, gone.pid)
    answer = laboratory.command("preview", "green")
    assert answer.returncode == 0, answer.stderr
    assert f"process {gone.pid}" in answer.stderr


def test_a_living_owners_lock_is_respected(laboratory: Laboratory) -> None:
    lock_green(laboratory, os.getpid())
    answer = laboratory.command("up", "green")
    assert answer.returncode == 1
    assert "pulumi cancel --stack green" in answer.stderr


def test_a_dead_daemon_is_started_again(laboratory: Laboratory) -> None:
    running = laboratory.twin.running()
    assert running is not None
    os.kill(running.pid, signal.SIGKILL)
    answer = laboratory.command("preview", "shared")
    assert answer.returncode == 0, answer.stderr


def test_faults_by_hand(laboratory: Laboratory) -> None:
    assert laboratory.command("twin", "fault", "api-error", "cloudflare", "--status", "429").returncode == 0
    failed = laboratory.command("up", "shared")
    assert failed.returncode == 1
    assert "429" in failed.stderr
    assert laboratory.command("twin", "fault", "clear").returncode == 0
    mended = laboratory.command("up", "shared")
    assert mended.returncode == 0, mended.stderr


def test_a_host_without_power(laboratory: Laboratory) -> None:
    assert laboratory.command("up", "shared").returncode == 0
    assert laboratory.command("twin", "fault", "host-down", "stale").returncode == 0
    failed = laboratory.command("up", "blue")
    assert failed.returncode == 1
    assert "stale" in failed.stderr
    assert laboratory.command("twin", "fault", "clear").returncode == 0
    assert laboratory.command("up", "blue").returncode == 0


def test_status_and_doctor_speak_json(laboratory: Laboratory) -> None:
    assert laboratory.command("up", "shared").returncode == 0
    status = json.loads(laboratory.command("status", "--json").stdout)
    assert {entry["stack"] for entry in status["stacks"]} == {"shared", "blue", "green"}
    method = next(host for host in status["hosts"] if host["host"] == "method")
    assert method["claimed_mib"] == 10240 + 4096
    assert status["leases"]["r9700"] == "green"
    rows = {row["name"]: row for row in json.loads(laboratory.command("doctor", "--json").stdout)}
    assert rows["pulumi"]["state"] != "missing"
    assert rows["twin"]["state"] == "running"


def test_status_tells_what_of_a_cluster_is_not_ready(laboratory: Laboratory) -> None:
    for stack in ("shared", "blue"):
        assert laboratory.command("up", stack).returncode == 0
    (fine,) = json.loads(laboratory.command("status", "--json").stdout)["clusters"]
    assert (fine["colour"], fine["plane"]["state"], fine["unreachable"]) == ("blue", "ready", "")
    assert len(fine["nodes"]) == 6
    assert all(node["ready"] for node in fine["nodes"])

    refused = laboratory.command("twin", "fault", "operator-fails", "argo-ce-de")
    assert refused.returncode == 2
    assert "argo-cd" in refused.stderr
    assert laboratory.command("twin", "fault", "operator-fails", "argo-cd", "--objects", "*/ceph-*").returncode == 0
    deadline = time.monotonic() + 20
    while not (troubles := json.loads(laboratory.command("status", "--json").stdout)["clusters"][0]["troubles"]):
        assert time.monotonic() < deadline, "the failing operator is not told"
    assert {one["kind"] for one in troubles} == {"Application"}
    assert all(one["name"].startswith("ceph-") for one in troubles), troubles
    assert "injected fault" in troubles[0]["why"]
    assert "Application argocd/ceph-" in laboratory.command("status").stdout

    laboratory.twin.stop()
    (stopped,) = json.loads(laboratory.command("status", "--json").stdout)["clusters"]
    assert stopped["unreachable"] == "the twin is stopped"
    assert laboratory.twin.running() is None, "looking has started it"


def test_a_guest_is_taken_away_with_lab_twin(laboratory: Laboratory) -> None:
    for stack in ("shared", "blue"):
        assert laboratory.command("up", stack).returncode == 0
    assert laboratory.command("twin", "guest", "delete", "222").returncode == 0
    seen = json.loads(laboratory.command("refresh", "blue", "--json").stdout)
    assert any(step["op"] == "delete" and step["urn"].endswith("::worker-2") for step in seen["steps"])


def test_the_live_colour_is_not_taken_down_by_accident(laboratory: Laboratory) -> None:
    for stack in ("shared", "green"):
        assert laboratory.command("up", stack).returncode == 0
    before = len(laboratory.state.resources("green"))
    refused = laboratory.command("destroy", "green")
    assert refused.returncode == 2
    for part in ("master-0", "--unprotect", "active_colour"):
        assert part in refused.stderr
    assert len(laboratory.state.resources("green")) == before
    assert laboratory.command("destroy", "green", "--unprotect").returncode == 0
    assert laboratory.state.resources("green") == []
