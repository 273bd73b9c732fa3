"""Observability as it is registered: order, targets, rules, ways in."""

from typing import Any

import pytest

from inventory import LAB
from inventory.workloads import WORKLOADS
from model.configuration import BackupRole
from model.exclusive import Colour
from model.lineage import Incarnation, IncarnationNumber, Lineage
from tests.graph.workloads import layers
from tests.graph.workloads.layers import before, build, everything, of_colour, of_role, spec
from tests.harness.recording import Recording, Registration

SCRAPE = "kubernetes:monitoring.coreos.com/v1alpha1:ScrapeConfig"
PODS = "kubernetes:monitoring.coreos.com/v1:PodMonitor"
RULE = "kubernetes:monitoring.coreos.com/v1:PrometheusRule"
MIDDLEWARE = "kubernetes:traefik.io/v1alpha1:Middleware"
CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
STACK = (layers.APPLICATION, "kube-prometheus-stack")


def values(name: str, recording: Recording | None = None) -> dict[str, Any]:
    found = (recording or everything()).one(layers.APPLICATION, name)
    return spec(found)["source"]["helm"]["valuesObject"]


def version(name: str) -> str:
    return spec(everything().one(layers.APPLICATION, name))["source"]["targetRevision"]


def alerts(recording: Recording) -> dict[str, dict[str, Any]]:
    return {
        rule["alert"]: rule
        for one in recording.of_type(RULE)
        for group in spec(one)["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }


def login(route: Registration) -> str:
    return route.clear_inputs["metadata"]["annotations"]["lab/authentication"]


def test_every_part_has_the_version_of_the_lab():
    assert {name: version(name) for name in (
        "kube-prometheus-stack", "metrics-server", "prometheus-pushgateway", "loki", "alloy", "cloudflare-exporter",
    )} == {
        "kube-prometheus-stack": "77.14.0", "metrics-server": "3.13.0", "prometheus-pushgateway": "3.4.1",
        "loki": "0.80.1", "alloy": "0.12.5", "cloudflare-exporter": "0.2.3",
    }  # fmt: skip


def test_whoever_is_scraped_waits_for_the_operator_that_scrapes():
    recording = everything()
    for token in (SCRAPE, PODS, RULE, layers.CLUSTER):
        found = recording.of_type(token)
        assert found
        for one in found:
            assert STACK in before(recording, one), one
    for cluster in recording.of_type(layers.CLUSTER):
        assert spec(cluster)["monitoring"] == {"enablePodMonitor": True}


def test_prometheus_needs_nothing_that_comes_from_vault():
    earlier = before(everything(), everything().one(*STACK))
    assert (layers.SECRET, "monitor-monitor-external-secret") in earlier
    assert (layers.STORAGE_CLASS, "class-block") in earlier
    assert not {kind for kind, _ in earlier} & {layers.VAULT, layers.EXTERNAL_SECRET}


def test_prometheus_takes_what_anybody_wants_scraped():
    server = values("kube-prometheus-stack")["prometheus"]["prometheusSpec"]
    chosen = {name: value for name, value in server.items() if name.endswith("NilUsesHelmValues")}
    assert len(chosen) == 5
    assert set(chosen.values()) == {False}
    assert (server["retention"], server["retentionSize"]) == ("15d", "18GB")
    claim = server["storageSpec"]["volumeClaimTemplate"]["spec"]
    assert claim["resources"] == {"requests": {"storage": "25Gi"}}


@pytest.mark.parametrize("host", LAB.hypervisors, ids=lambda host: host.name)
def test_every_host_is_scraped_at_its_address(host: Any):
    told = {
        one.name: [target for entry in spec(one)["staticConfigs"] if entry["labels"].get("instance") == host.name
                   for target in entry["targets"]]
        for one in everything().of_type(SCRAPE)
    }  # fmt: skip
    address = host.addresses["metal"]
    assert told["scrape-node"] == [f"{address}:9100"]
    assert told["scrape-smartctl"] == [f"{address}:9633"]
    assert told["scrape-systemd"] == [f"{address}:9558"]
    assert told["scrape-proxmox"] == [str(address)]


def test_each_colour_asks_both_under_names_that_prometheus_knows():
    for colour in Colour:
        own_build = Lineage(own=Incarnation(colour=colour, number=IncarnationNumber(8)), source=None)
        recording = build(colour=colour, born=own_build)
        claims = spec(recording.one(SCRAPE, "scrape-colours"))
        asked = {target for entry in claims["staticConfigs"] for target in entry["targets"]}
        aliases = values("kube-prometheus-stack", recording)["prometheus"]["prometheusSpec"]["hostAliases"]
        known = {(one["hostnames"][0], one["ip"]) for one in aliases}
        assert known == {
            ("federation-10-0-30-31.bhamm-lab.com", "10.0.30.31"),
            ("federation-10-0-30-131.bhamm-lab.com", "10.0.30.131"),
        }  # fmt: skip
        assert asked == {f"{name}:443" for name, _ in known}
        route = recording.one(layers.ROUTE, "monitor-federation-federate")
        own_name = "federation-10-0-30-31" if colour is Colour.GREEN else "federation-10-0-30-131"
        assert spec(route)["routes"][0]["match"] == f"Host(`{own_name}.bhamm-lab.com`) && PathPrefix(`/federate`)"
        own = [rule for one in recording.of_type(RULE) for group in spec(one)["groups"] for rule in group["rules"]
               if rule.get("record") == "lab:colour:active"]  # fmt: skip
        assert [(rule["expr"], rule["labels"]) for rule in own] == [
            (f"vector({int(colour is Colour.GREEN)})", {"colour": str(colour)})
        ]


def test_only_who_writes_backups_can_be_late_with_them():
    assert "BackupTooOld" in alerts(of_role(BackupRole.WRITER))
    assert "BackupTooOld" not in alerts(of_role(BackupRole.RESTORER))


def test_every_data_set_that_is_backed_up_has_an_objective():
    recorded = {
        rule["labels"]["data_set"]: rule["expr"]
        for one in everything().of_type(RULE)
        for group in spec(one)["groups"]
        for rule in group["rules"]
        if rule.get("record") == "lab:recovery_point_objective:seconds"
    }
    wanted = {f"{slot.namespace}/{slot.job}" for application in WORKLOADS.applications for slot in application.slots}
    assert set(recorded) == wanted
    assert set(recorded.values()) == {f"vector({14 * 3600})"}


def test_every_planned_node_and_card_is_watched():
    found = alerts(everything())
    for name in ("master-0", "worker-intel-gpu", "worker-nose"):
        assert f"green-talos-{name}" in found["NodeMissing"]["expr"]
    assert "gpu_intel_com_i915" in found["AcceleratorMissing"]["expr"]
    assert "AcceleratorMissing" not in alerts(of_colour(Colour.BLUE))


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("monitor-grafana", "native-oidc"),
        ("monitor-prometheus", "forward-auth"),
        ("monitor-alertmanager", "forward-auth"),
        ("monitor-loki-loki-api-v1-push", "basic-auth"),
        ("monitor-federation-federate", "basic-auth"),
    ],
)
def test_nobody_comes_in_without_being_asked(name: str, asked: str):
    route = everything().one(layers.ROUTE, name)
    assert login(route) == asked
    if asked != "native-oidc":
        passed = [one["name"] for one in spec(route)["routes"][0]["middlewares"]]
        assert len(passed) == 2


def test_logs_are_taken_from_who_knows_the_password():
    middleware = everything().one(MIDDLEWARE, "monitor-loki-login")
    assert spec(middleware)["basicAuth"] == {"secret": "loki-login", "removeHeader": True}
    secret = spec(everything().one(layers.EXTERNAL_SECRET, "monitor-loki-login"))
    assert secret["target"]["template"] == {
        "engineVersion": "v2",
        "type": "kubernetes.io/basic-auth",
        "data": {"username": "hosts", "password": "{{ .password }}"},
    }
    assert secret["data"] == [
        {"secretKey": "password", "remoteRef": {"key": "core/monitor", "property": "loki-push-password"}}
    ]


def test_logs_go_to_a_bucket_that_is_there_with_keys_that_are_in_no_value():
    loki = everything().one(layers.APPLICATION, "loki")
    assert {(layers.APPLICATION, "seaweedfs"), (layers.EXTERNAL_SECRET, "monitor-monitor-external-secret")} <= before(
        everything(), loki
    )
    settings = values("loki")["loki"]
    bucket = settings["storageConfig"]["aws"]
    assert bucket["bucketnames"] == "loki-data"
    assert bucket["secret_access_key"] == "${S3_SECRET_KEY}"
    assert settings["structuredConfig"]["limits_config"]["retention_period"] == "7d"


def test_alloy_is_on_every_node():
    tolerated = {one["key"] for one in values("alloy")["controller"]["tolerations"]}
    assert tolerated == {"intel.com/gpu", "amd.com/gpu", "node-role.kubernetes.io/control-plane"}


def test_grafana_knows_no_users_of_its_own():
    grafana = values("kube-prometheus-stack")["grafana"]
    assert grafana["grafana.ini"]["auth"] == {"disable_login_form": True}
    assert grafana["grafana.ini"]["auth.generic_oauth"]["auth_url"].startswith("https://auth.bhamm-lab.com/")
    assert "client_secret" not in grafana["grafana.ini"]["auth.generic_oauth"]
    (variable,) = grafana["envValueFrom"].items()
    assert variable == (
        "GF_AUTH_GENERIC_OAUTH_CLIENT_SECRET",
        {"secretKeyRef": {"name": "monitor-external-secret", "key": "GF_AUTH_GENERIC_OAUTH_CLIENT_SECRET"}},
    )
    dashboard = everything().one(CONFIG_MAP, "dashboard-lab-recovery").clear_inputs
    assert dashboard["metadata"]["labels"] == {"grafana_dashboard": "1"}


def test_alerts_can_be_sent_while_vault_is_away():
    alertmanager = values("kube-prometheus-stack")["alertmanager"]
    (secret,) = alertmanager["alertmanagerSpec"]["secrets"]
    bootstrap = everything().one(layers.SECRET, f"monitor-{secret}")
    keys = bootstrap.clear_inputs["stringData"]
    for receiver in alertmanager["config"]["receivers"]:
        for webhook in receiver.get("webhook_configs", ()):
            directory, _, key = webhook["url_file"].rpartition("/")
            assert directory == f"/etc/alertmanager/secrets/{secret}"
            assert key in keys


def test_backups_tell_the_pushgateway():
    (variable,) = values("k8up")["k8up"]["envVars"]
    assert variable == {
        "name": "BACKUP_PROMURL",
        "value": "http://prometheus-pushgateway.monitor.svc.cluster.local:9091",
    }
    assert values("prometheus-pushgateway")["serviceMonitor"]["honorLabels"] is True
