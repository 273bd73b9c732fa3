"""What the platform watches with, and whom it tells."""

from inventory.names import METAL
from inventory.workloads.canary import CANARY
from model.units import GiB, Seconds
from model.workloads.observability.alertmanager import Alerting
from model.workloads.observability.dashboards import RECOVERY, PublishedDashboard
from model.workloads.observability.lab_rules import VAULT_JOB
from model.workloads.observability.rules import DAY, hours, minutes
from model.workloads.observability.scraping import Exporters, Login, PodTarget
from model.workloads.observability.settings import (
    ColourWatch,
    GrafanaSettings,
    Observability,
    PrometheusSettings,
    PushGateway,
)

NAMESPACE = "monitor"
SECRET = "monitor-external-secret"  # noqa: S105 - the name of a Secret
"""There before Vault is, and adopted by External Secrets later."""
CLIENT_SECRET = "GF_AUTH_GENERIC_OAUTH_CLIENT_SECRET"  # noqa: S105 - the name of a key
OWNER_URL, WATCHMAN_URL = "alert-owner-url", "alert-watchman-url"
PIKVM_USERNAME, PIKVM_PASSWORD = "pikvm-username", "pikvm-password"
PROXMOX_EXPORTER, PROXMOX_EXPORTER_PORT = "pve-exporter", 9221
FEDERATION = "federation"


def _pods(job: str, namespace: str, name: str, port: int) -> PodTarget:
    return PodTarget(name=job, namespace=namespace, labels={"app.kubernetes.io/name": name}, port=port)


OBSERVABILITY = Observability(
    namespace=NAMESPACE,
    name=NAMESPACE,
    logs="loki",
    prometheus=PrometheusSettings(
        retention=Seconds(15 * DAY), retention_size=GiB(18), volume_size=GiB(25), interval=minutes(1)
    ),
    grafana=GrafanaSettings(
        host="grafana",
        authority="auth",
        client="grafana",
        secret=SECRET,
        client_secret=CLIENT_SECRET,
        administrators="admin",
        dashboards=(RECOVERY,),
        published=(
            PublishedDashboard(name="node-exporter", number=1860, revision=41),
            PublishedDashboard(name="ceph", number=2842, revision=18),
            PublishedDashboard(name="proxmox", number=10347, revision=5),
        ),
    ),
    alerting=Alerting(secret=SECRET, owner_key=OWNER_URL, watchman_key=WATCHMAN_URL),
    push_gateway=PushGateway(service="prometheus-pushgateway", port=9091, volume_size=GiB(1)),
    exporters=Exporters(
        network=METAL,
        proxmox=f"{PROXMOX_EXPORTER}.{NAMESPACE}.svc.cluster.local:{PROXMOX_EXPORTER_PORT}",
        console=Login(secret=SECRET, username=PIKVM_USERNAME, password=PIKVM_PASSWORD),
    ),
    pods=(
        _pods("argo-cd", "argocd", "argocd-application-controller", 8082),
        _pods("cert-manager", "cert-manager", "cert-manager", 9402),
        _pods("external-secrets", "vault", "external-secrets", 8080),
        _pods("k8up", "k8up", "k8up", 8080),
        _pods("traefik", "traefik", "traefik", 9100),
        PodTarget(
            name=VAULT_JOB,
            namespace="vault",
            labels={"app.kubernetes.io/name": "vault"},
            port=8200,
            path="/v1/sys/metrics",
            parameters={"format": ("prometheus",)},
            secure=True,
        ),
    ),
    colours=ColourWatch(
        host=FEDERATION, login=Login(secret=f"{FEDERATION}-login", username="username", password="password")  # noqa: S106 - names of keys
    ),
    canary=CANARY.key,
    # It writes every six hours; one time may be missing.
    canary_stale_after=hours(13),
    backup_tolerance=hours(2),
)
