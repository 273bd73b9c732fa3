"""What `./lab status` makes of the objects of a cluster."""

from typing import Any

from cli.clusters import (
    Trouble,
    applications_not_in_order,
    claims_not_bound,
    node_report,
    not_ready,
    pods_not_ready,
    read,
)


def an_object(kind: str, name: str, status: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name, "namespace": "notes", "uid": f"uid-{name}"}, "status": status}


def a_condition(kind: str, status: str, message: str = "", reason: str = "") -> dict[str, Any]:
    return {"type": kind, "status": status, "message": message, "reason": reason}


def test_a_node_says_why_it_is_not_ready() -> None:
    ready = node_report(an_object("Node", "a", {"conditions": [a_condition("Ready", "True", "kubelet is posting")]}))
    lost = node_report(an_object("Node", "b", {"conditions": [a_condition("Ready", "Unknown", "Kubelet stopped")]}))
    new = node_report(an_object("Node", "c"))
    assert (ready.ready, ready.why) == (True, "")
    assert (lost.ready, lost.why) == (False, "Kubelet stopped")
    assert not new.ready
    assert new.why


def test_an_application_must_be_both_synced_and_healthy() -> None:
    fine = {"sync": {"status": "Synced"}, "health": {"status": "Healthy"}}
    degraded = {**fine, "health": {"status": "Degraded", "message": "no such chart"}}
    behind = {
        **fine,
        "sync": {"status": "OutOfSync"},
        "conditions": [a_condition("SyncError", "", "namespaces not found")],
        "operationState": {"phase": "Failed", "message": "namespaces not found"},
    }
    found = applications_not_in_order(
        [
            an_object("Application", "fine", fine),
            an_object("Application", "degraded", degraded),
            an_object("Application", "behind", behind),
            an_object("Application", "new"),
        ]
    )
    assert [(one.name, one.state, one.why) for one in found] == [
        ("degraded", "Synced/Degraded", "no such chart"),
        ("behind", "OutOfSync/Healthy", "namespaces not found"),
        ("new", "Unknown/Unknown", ""),
    ]


def test_a_claim_is_told_with_the_last_event_about_it() -> None:
    def event(claim: str, at: str, message: str) -> dict[str, Any]:
        return {
            "metadata": {"creationTimestamp": at},
            "involvedObject": {"uid": f"uid-{claim}"},
            "lastTimestamp": at,
            "message": message,
        }

    events = [
        event("data", "2026-01-01T00:00:02Z", "disk is full"),
        event("data", "2026-01-01T00:00:01Z", "waiting for first consumer"),
        event("other", "2026-01-01T00:00:03Z", "bound"),
    ]
    claims = [
        an_object("PersistentVolumeClaim", "data", {"phase": "Pending"}),
        an_object("PersistentVolumeClaim", "other", {"phase": "Bound"}),
    ]
    assert claims_not_bound(claims, events) == [
        Trouble(kind="PersistentVolumeClaim", namespace="notes", name="data", state="Pending", why="disk is full")
    ]


def test_pods_say_what_they_wait_for_and_ended_ones_are_no_trouble() -> None:
    unplaced = {"phase": "Pending", "conditions": [a_condition("PodScheduled", "False", "0/6 nodes are available")]}
    secretless = {
        "phase": "Pending",
        "conditions": [a_condition("PodScheduled", "True"), a_condition("Ready", "False", "containers not ready")],
        "containerStatuses": [
            {"state": {"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "notes" not found'}}},
            {"state": {"running": {}}},
        ],
    }
    unready = {"phase": "Running", "conditions": [a_condition("Ready", "False", "containers not ready")]}
    pods = [
        an_object("Pod", "unplaced", unplaced),
        an_object("Pod", "secretless", secretless),
        an_object("Pod", "unready", unready),
        an_object("Pod", "ready", {"phase": "Running", "conditions": [a_condition("Ready", "True")]}),
        an_object("Pod", "done", {"phase": "Succeeded", "conditions": [a_condition("Ready", "False")]}),
    ]
    assert [(one.name, one.state, one.why) for one in pods_not_ready(pods)] == [
        ("unplaced", "Pending", "0/6 nodes are available"),
        ("secretless", "Pending", 'CreateContainerConfigError: secret "notes" not found'),
        ("unready", "NotReady", "containers not ready"),
    ]


def test_what_says_nothing_yet_is_not_ready() -> None:
    said = {"conditions": [a_condition("Ready", "False", reason="SecretSyncedError")]}
    items = [an_object("ExternalSecret", "new"), an_object("ExternalSecret", "failed", said)]
    assert [(one.name, one.why) for one in not_ready(items)] == [("new", ""), ("failed", "SecretSyncedError")]


def test_a_kubeconfig_that_cannot_be_used_is_told_and_disturbs_no_other() -> None:
    found = read({"blue": "clusters: [", "green": "[]"})
    assert "no YAML" in found["blue"].unreachable
    assert "no mapping" in found["green"].unreachable
