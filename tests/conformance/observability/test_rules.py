"""The alerts as Prometheus itself reads and evaluates them."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from model.exclusive import Colour
from tests.conformance.observability.conftest import Trial, document_of_rules, promtool

HOUR = 60
"""Minutes."""
SLOW = 5
"""Minutes between two looks where hours must pass."""
NEVER_AGAIN = "0x240"
"""A time that was written at the beginning, and stays."""
ALWAYS = f"0+{60 * SLOW}x240"
"""A time that is written again and again."""
CRITICAL = {"severity": "critical"}

VOLUMES = 'push_time_seconds{job="restic_backup",instance="test"}'
DATABASES = 'barman_cloud_cloudnative_pg_io_last_available_backup_timestamp{namespace="test",pod="test-postgresql-1"}'
CANARY = 'kube_cronjob_status_last_successful_time{{namespace="test",cronjob="test-timestamp-{}"}}'
OTHER = 'lab:colour:active{colour="blue"}'


@pytest.mark.parametrize("colour", Colour)
def test_prometheus_takes_every_rule(tmp_path: Path, colour: Colour):
    path = tmp_path / "rules.json"
    document = document_of_rules(colour)
    path.write_text(json.dumps(document))
    answer = promtool("check", "rules", str(path))
    assert answer.accepted, answer.text
    count = sum(len(group["rules"]) for group in document["groups"])
    assert f"{count} rules found" in answer.text


def test_prometheus_refuses_a_rule_that_says_nothing(tmp_path: Path):
    path = tmp_path / "rules.json"
    rule = {"alert": "Wrong", "expr": "up = 0"}
    path.write_text(json.dumps({"groups": [{"name": "wrong", "rules": [rule]}]}))
    answer = promtool("check", "rules", str(path))
    assert not answer.accepted
    assert "could not parse expression" in answer.text


@pytest.mark.parametrize(
    ("minute", "series", "late"),
    [
        (13 * HOUR, {VOLUMES: NEVER_AGAIN, DATABASES: NEVER_AGAIN}, ()),
        (14 * HOUR + 15, {VOLUMES: NEVER_AGAIN, DATABASES: ALWAYS}, ("test/volumes",)),
        (14 * HOUR + 15, {VOLUMES: ALWAYS, DATABASES: NEVER_AGAIN}, ("test/databases",)),
        (14 * HOUR + 15, {VOLUMES: ALWAYS, DATABASES: ALWAYS}, ()),
    ],
    ids=["in-time", "volumes", "databases", "fresh"],
)
def test_a_copy_that_is_older_than_its_objective_is_an_alert(
    trial: Trial, minute: int, series: Mapping[str, str], late: tuple[str, ...]
):
    answer = trial.firing("BackupTooOld", minute, series, *({"data_set": one, **CRITICAL} for one in late), step=SLOW)
    assert answer.accepted, answer.text


def test_a_copy_that_nobody_ever_made_is_an_alert(trial: Trial):
    missing = {"data_set": "test/databases", **CRITICAL}
    answer = trial.firing("BackupMissing", 14 * HOUR + 10, {VOLUMES: ALWAYS}, missing, step=SLOW)
    assert answer.accepted, answer.text


@pytest.mark.parametrize(
    ("volume", "database", "stale"),
    [(NEVER_AGAIN, ALWAYS, "volume"), (ALWAYS, NEVER_AGAIN, "database"), (ALWAYS, ALWAYS, None)],
    ids=["volume", "database", "fresh"],
)
def test_a_canary_that_writes_no_more_is_an_alert(trial: Trial, volume: str, database: str, stale: str | None):
    series = {CANARY.format("volume"): volume, CANARY.format("database"): database}
    expected = () if stale is None else ({"task": f"test-timestamp-{stale}", **CRITICAL},)
    answer = trial.firing("CanaryStale", 13 * HOUR + 15, series, *expected, step=SLOW)
    assert answer.accepted, answer.text


@pytest.mark.parametrize(
    ("series", "expected"),
    [({OTHER: "1x10"}, (CRITICAL,)), ({OTHER: "0x10"}, ()), ({}, ())],
    ids=["two", "one", "alone"],
)
def test_two_active_colours_are_an_alert_and_one_is_none(
    trial: Trial, series: Mapping[str, str], expected: tuple[Mapping[str, str], ...]
):
    answer = trial.firing("TwoColoursActive", 5, series, *expected)
    assert answer.accepted, answer.text


@pytest.mark.parametrize(
    ("alert", "minute", "series", "labels"),
    [
        ("HostDown", 10, {'up{job="node",instance="indy"}': "0x20"}, {"job": "node", "instance": "indy"}),
        ("VaultSealed", 10, {'up{job="vault"}': "0x20"}, {"job": "vault"}),
        ("CephBroken", 10, {'ceph_health_status{instance="indy"}': "2x20", 'up{job="ceph"}': "1x20"},
         {"instance": "indy"}),
        ("CephUnwell", 40, {'ceph_health_status{instance="indy"}': "1x60"},
         {"instance": "indy", "severity": "warning"}),
        ("PowerLost", 3, {'network_ups_tools_ups_status{flag="OB",instance="ups"}': "1x5"},
         {"flag": "OB", "instance": "ups"}),
        ("CertificateEnds", 5, {'certmanager_certificate_expiration_timestamp_seconds{name="wildcard"}': "90000x10"},
         {"name": "wildcard"}),
        ("ApplicationDegraded", 20, {'argocd_app_info{name="loki",health_status="Degraded"}': "1x30"},
         {"name": "loki", "health_status": "Degraded", "severity": "warning"}),
        ("AcceleratorHot", 15, {'gpu_junction_temperature{instance="nose",gpu_id="0"}': "99x30"},
         {"instance": "nose", "gpu_id": "0", "severity": "warning"}),
        ("VolumeFilling", 40, {
            'kubelet_volume_stats_available_bytes{namespace="test",persistentvolumeclaim="test"}': "5x60",
            'kubelet_volume_stats_capacity_bytes{namespace="test",persistentvolumeclaim="test"}': "100x60",
        }, {"namespace": "test", "persistentvolumeclaim": "test", "severity": "warning"}),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_an_alert(
    trial: Trial, alert: str, minute: int, series: Mapping[str, str], labels: Mapping[str, str]
):
    answer = trial.firing(alert, minute, series, {**CRITICAL, **labels})
    assert answer.accepted, answer.text


def test_a_card_that_is_not_offered_is_an_alert(trial: Trial):
    card = 'kube_node_status_allocatable{{node="green-talos-worker-{}",resource="{}"}}'
    there = {
        card.format("amd-gpu", "amd_com_gpu"): "1x30",
        card.format("nose", "amd_com_gpu"): "0x30",
        card.format("tail", "amd_com_gpu"): "1x30",
        card.format("intel-gpu", "gpu_intel_com_i915"): "4x30",
    }
    missing = {"node": "green-talos-worker-nose", "resource": "amd_com_gpu", **CRITICAL}
    answer = trial.firing("AcceleratorMissing", 20, there, missing)
    assert answer.accepted, answer.text


def test_a_colour_that_does_not_run_is_no_fault(trial: Trial):
    answer = trial.firing("TargetDown", 20, {'up{job="colours",instance="10.0.30.131"}': "0x30"})
    assert answer.accepted, answer.text
