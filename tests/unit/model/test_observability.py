"""Alerts, receivers, logs and tracing as values."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from inventory import LAB
from inventory.workloads import WORKLOADS
from model.colour import plan_nodes
from model.configuration import Layer
from model.exclusive import Colour
from model.secrets import SecretReference
from model.units import Seconds
from model.workloads.names import NamespaceName
from model.workloads.observability.alertmanager import AlertmanagerConfiguration, alertmanager_configuration
from model.workloads.observability.alloy import Block, Reference, document
from model.workloads.observability.dashboards import RECOVERY
from model.workloads.observability.lab_rules import Canary, backups, canary, lab_rules
from model.workloads.observability.objectives import DataSet, Objective, backup_objectives, pushed
from model.workloads.observability.rules import Alert, Rules, Severity, duration, matching
from model.workloads.platform import Workloads
from model.workloads.routes import BasicAuth, NativeOidc, Route
from model.workloads.schedules import BackupJob, Hours, Minutes, Slot, timetable
from model.workloads.tracing import LangSmithTracing
from tests.harness.lab_stacks import read_configuration

TWO_HOURS = Seconds(7200)
PASSWORD = SecretReference(path="core/monitor", property="loki-push-password")


def alert(**parts: Any) -> Alert:
    told = {"name": "Some", "expression": "up == 0", "lasting": 60, "severity": "warning",
            "summary": "Something is wrong.", "action": "Look at what it is."}  # fmt: skip
    return Alert.model_validate({**told, **parts})


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (90, "90s"), (900, "15m"), (43200, "12h"), (172800, "2d")])
def test_times_are_written_as_prometheus_reads_them(seconds: int, text: str):
    assert duration(Seconds(seconds)) == text


@pytest.mark.parametrize("expression", ["up{job='a'", "sum(up", 'up{job="a}', "up)", "sum(up]"])
def test_an_expression_closes_what_it_opens(expression: str):
    with pytest.raises(ValidationError, match=r"not open|does not close"):
        alert(expression=expression)


def test_an_alert_says_what_to_do():
    with pytest.raises(ValidationError, match="action"):
        alert(action="")


def test_an_alert_becomes_a_rule():
    entry = alert(severity=Severity.CRITICAL).entry.document()
    assert entry == {
        "alert": "Some", "expr": "up == 0", "for": "1m", "labels": {"severity": "critical"},
        "annotations": {"summary": "Something is wrong.", "description": "Look at what it is."},
    }  # fmt: skip


def test_a_name_of_an_alert_is_given_once():
    with pytest.raises(ValidationError, match="Some: an alert of that name is there already"):
        Rules(subject="some", alerts=(alert(), alert()))


def test_a_group_says_something():
    with pytest.raises(ValidationError, match="the rules about some are empty"):
        Rules(subject="some")


def test_objectives_follow_the_timetable():
    table = timetable(
        [Slot(namespace=NamespaceName("notes"), job=job) for job in (BackupJob.VOLUMES, BackupJob.DATABASES)],
        NamespaceName("k8up"), begin=Minutes(0), period=Hours(6), spacing=Minutes(10),
    )  # fmt: skip
    found = backup_objectives(table, TWO_HOURS)
    assert {name: one.within for name, one in found.items()} == {
        "notes/volumes": 8 * 3600, "notes/databases": 8 * 3600,
    }  # fmt: skip
    assert 'instance="notes"' in found[DataSet("notes/volumes")].written


def test_copies_of_another_table_are_watched_alike():
    offsite = {DataSet("offsite"): Objective(written=pushed("rclone", "offsite"), within=Seconds(26 * 3600))}
    table = {**backup_objectives(WORKLOADS.timetable, TWO_HOURS), **offsite}
    recorded = {one.labels["data_set"] for one in backups(table).recorded}
    assert recorded == {"test/volumes", "test/databases", "offsite"}
    assert matching(job="rclone", instance="offsite") in str(backups(table))


def test_every_task_of_the_canary_is_waited_for():
    assert WORKLOADS.watched_canary.tasks == ("test-timestamp-volume", "test-timestamp-database")
    one = canary(Canary(namespace="test", tasks=("a", "b"), stale_after=TWO_HOURS))
    assert {recorded.labels["task"] for recorded in one.recorded} == {"a", "b"}


def test_no_alert_has_the_name_of_another():
    told = lab_rules(
        nodes=plan_nodes(LAB, read_configuration(), Colour.BLUE),
        objectives=backup_objectives(WORKLOADS.timetable, TWO_HOURS),
        watched=WORKLOADS.watched_canary,
        own=Colour.BLUE,
        active=False,
    )
    names = [alert.name for one in told for alert in one.alerts]
    assert len(names) == len(set(names))


def changed(**parts: Any) -> Workloads:
    kept = {name: getattr(WORKLOADS, name) for name in Workloads.model_fields}
    return Workloads(**{**kept, **parts})


def test_a_canary_that_does_not_exist_is_told():
    other = WORKLOADS.observability.model_copy(update={"canary": "parrot"})
    with pytest.raises(ValidationError, match="alerts wait for the times that `parrot` writes"):
        changed(observability=other)


def test_a_bucket_that_does_not_exist_is_told():
    monitor = next(one for one in WORKLOADS.of(Layer.BASE) if one.name == "monitor")
    others = tuple(one for one in WORKLOADS.applications if one.name != "monitor")
    with pytest.raises(ValidationError, match="application monitor uses the bucket `loki-date`"):
        changed(applications=(*others, monitor.model_copy(update={"buckets": ("loki-date",)})))


def test_alerts_go_to_receivers_that_are_there():
    good = alertmanager_configuration(WORKLOADS.observability.alerting)
    tree = good.route.model_copy(update={"receiver": "somebody"})
    with pytest.raises(ValidationError, match="alerts go to somebody; the receivers are nobody, owner, watchman"):
        AlertmanagerConfiguration(route=tree, receivers=good.receivers, inhibit_rules=good.inhibit_rules)


def test_a_configuration_of_alloy_is_written_in_its_language():
    block = Block(
        name="loki.write", label="lab",
        settings={"targets": (Reference(text="a.b.output"), "x"), "labels": {"job": 'say "hi"'}, "on": True},
        blocks=(Block(name="endpoint", settings={"retries": 3}),),
    )  # fmt: skip
    assert document(block).splitlines() == [
        'loki.write "lab" {',
        '  targets = [a.b.output, "x"]',
        '  labels = { "job" = "say \\"hi\\"" }',
        "  on = true",
        "  endpoint {",
        "    retries = 3",
        "  }",
        "}",
    ]


def test_a_dashboard_shows_each_panel_in_a_place_of_its_own():
    panels = json.loads(RECOVERY.document)["panels"]
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels) == len(RECOVERY.panels)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)


def test_a_password_is_not_asked_for_past_the_ingress():
    with pytest.raises(ValidationError, match="the tunnel leads past the ingress"):
        Route(host="logs", service="loki", port=80, tunnelled=True,
              authentication=BasicAuth(username="hosts", password=PASSWORD))  # fmt: skip


def test_a_name_with_an_address_is_no_place_to_be_sent_back_to():
    login = NativeOidc(client="grafana", client_secret=None, callback="/login")
    with pytest.raises(ValidationError, match="its name ends with an address"):
        Route(host="grafana", service="grafana", port=80, at_address=True, authentication=login)


def test_tracing_has_its_key_from_vault():
    key = WORKLOADS.secrets.reference("default/litellm", "langsmith-api-key")
    tracing = LangSmithTracing(project="lab", key=key, share=0.5)
    assert tracing.secrets == {"langsmith-api-key": key}
    told = {name: one.model_dump() for name, one in tracing.environment.items()}
    assert told["LANGSMITH_API_KEY"] == {"kind": "secret", "key": "langsmith-api-key"}
    assert told["LANGSMITH_SAMPLING_RATE"] == {"kind": "text", "value": "0.5"}
    with pytest.raises(ValidationError, match="less than or equal to 1"):
        LangSmithTracing(project="lab", key=key, share=2)
