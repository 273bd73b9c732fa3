"""Configurations of Alertmanager and Alloy as their own programs read them."""

import json
from pathlib import Path
from typing import Any

import pytest

from inventory import LAB
from inventory.workloads import WORKLOADS
from inventory.workloads.monitor import MONITOR
from model.workloads.observability.alertmanager import alertmanager_configuration
from model.workloads.observability.charts import AlloyValues
from stacks import host_logs
from tests.conformance.observability.conftest import Answer, alloy_syntax, amtool


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    path = tmp_path / "alertmanager.json"
    path.write_text(json.dumps(document()))
    return path


def document() -> dict[str, Any]:
    return alertmanager_configuration(WORKLOADS.observability.alerting).model_dump(mode="json", exclude_none=True)


def test_alertmanager_takes_its_configuration(configuration: Path):
    answer = amtool("check-config", str(configuration))
    assert answer.accepted, answer.text
    assert "3 receivers" in answer.text


def test_alertmanager_refuses_a_receiver_that_is_not_there(configuration: Path):
    broken = document()
    broken["route"]["receiver"] = "somebody"
    configuration.write_text(json.dumps(broken))
    assert not amtool("check-config", str(configuration)).accepted


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (("alertname=CanaryStale", "severity=critical"), "owner"),
        (("alertname=CephUnwell", "severity=warning"), "owner"),
        (("alertname=Heartbeat", "severity=none"), "watchman"),
        (("alertname=InfoInhibitor", "severity=none"), "nobody"),
    ],
)
def test_alerts_reach_who_must_know(configuration: Path, labels: tuple[str, ...], receiver: str):
    asked = (f"--config.file={configuration}", f"--verify.receivers={receiver}")
    answer = amtool("config", "routes", "test", *asked, *labels)
    assert answer.accepted, answer.text


def read(tmp_path: Path, text: str) -> Answer:
    path = tmp_path / "config.alloy"
    path.write_text(text)
    return alloy_syntax(str(path))


def test_alloy_reads_the_configuration_of_the_cluster(tmp_path: Path):
    (values,) = [chart.values for chart in MONITOR.charts if isinstance(chart.values, AlloyValues)]
    answer = read(tmp_path, values.alloy.config_map.content)
    assert answer.accepted, answer.text


def test_alloy_reads_the_configuration_of_each_host(tmp_path: Path):
    host_logs.main(tmp_path / "hosts")
    files = sorted((tmp_path / "hosts").iterdir())
    assert {file.stem for file in files} == {host.name for host in LAB.hypervisors}
    for file in files:
        answer = alloy_syntax(str(file))
        assert answer.accepted, answer.text
        assert 'url = "https://loki.bhamm-lab.com/loki/api/v1/push"' in file.read_text()
        assert "password =" not in file.read_text()


def test_alloy_refuses_a_block_that_is_not_closed(tmp_path: Path):
    answer = read(tmp_path, 'loki.write "lab" {')
    assert not answer.accepted
    assert "config.alloy" in answer.text
