"""What is watched with besides Prometheus itself: logs, exporters, and the ways in to all of it."""

from inventory.cloud import CLOUD
from inventory.cluster import CLUSTER
from inventory.workloads.namespaces import NAMESPACES
from inventory.workloads.object_storage import OBJECT_STORAGE
from inventory.workloads.observability import (
    CLIENT_SECRET,
    FEDERATION,
    NAMESPACE,
    OBSERVABILITY,
    OWNER_URL,
    PIKVM_PASSWORD,
    PIKVM_USERNAME,
    PROXMOX_EXPORTER,
    PROXMOX_EXPORTER_PORT,
    SECRET,
    WATCHMAN_URL,
)
from model.configuration import Layer
from model.secrets import SecretReference
from model.units import DAY, MiB, Seconds
from model.workloads.applications import Application
from model.workloads.charts import Chart, HelmRepository
from model.workloads.containers import FromSecret, Identity, Text, Workload
from model.workloads.custom.selectors import SecretKey
from model.workloads.observability.alloy import PUSH_PATH
from model.workloads.observability.charts import (
    GATEWAY_PORT,
    alloy_values,
    cloudflare_exporter_values,
    loki_values,
)
from model.workloads.quantities import Amount, Millicores, Resources
from model.workloads.routes import BasicAuth, ForwardAuth, NativeOidc, Route

_GRAFANA_CHARTS = "https://grafana.github.io/helm-charts"
_BUCKET = "loki-data"
_BUCKET_KEY, _BUCKET_SECRET = "loki_access_key_id", "loki_secret_access_key"
_CLOUDFLARE, _PROXMOX = "cloudflare-token", "proxmox-token"
_NOBODY = Identity(user=65534, group=65534)
LOKI_HOST, LOKI_USER = "loki", "hosts"


def _secret(name: str) -> SecretReference:
    return SecretReference(path="core/monitor", property=name)


def _key(name: str) -> SecretKey:
    return SecretKey(name=SECRET, key=name)


MONITOR = Application(
    name=NAMESPACE,
    namespace=next(one for one in NAMESPACES if one.name == NAMESPACE),
    layer=Layer.BASE,
    charts=(
        Chart(
            name="loki",
            namespace=NAMESPACE,
            source=HelmRepository(url=_GRAFANA_CHARTS, chart="loki-distributed", version="0.80.1"),
            values=loki_values(
                OBJECT_STORAGE,
                _BUCKET,
                name=OBSERVABILITY.logs,
                retention=Seconds(7 * DAY),
                access_key=_key(_BUCKET_KEY),
                secret_key=_key(_BUCKET_SECRET),
            ),
        ),
        Chart(
            name="alloy",
            namespace=NAMESPACE,
            source=HelmRepository(url=_GRAFANA_CHARTS, chart="alloy", version="0.12.5"),
            values=alloy_values(
                f"{OBSERVABILITY.logs_address}{PUSH_PATH}",
                [taint for shape in CLUSTER.shapes for taint in shape.taints],
            ),
        ),
        Chart(
            name="cloudflare-exporter",
            namespace=NAMESPACE,
            source=HelmRepository(
                url="https://lablabs.github.io/cloudflare-exporter", chart="cloudflare-exporter", version="0.2.3"
            ),
            values=cloudflare_exporter_values(CLOUD.cloudflare.zone_id, _key(_CLOUDFLARE)),
        ),
    ),
    workloads=(
        Workload(
            name=PROXMOX_EXPORTER,
            image="docker.io/prompve/prometheus-pve-exporter:3.5.5",
            ports=(PROXMOX_EXPORTER_PORT,),
            environment={
                "PVE_USER": Text(value="prometheus@pve"),
                "PVE_TOKEN_NAME": Text(value="monitor"),
                "PVE_TOKEN_VALUE": FromSecret(key=_PROXMOX),
                # The hosts sign their certificates themselves; the token may only look.
                "PVE_VERIFY_SSL": Text(value="false"),
            },
            resources=Resources(
                requests=Amount(cpu=Millicores(20), memory=MiB(64)), limits=Amount(memory=MiB(128))
            ),
            identity=_NOBODY,
        ),
    ),
    routes=(
        Route(
            host=OBSERVABILITY.grafana.host,
            service="grafana",
            port=80,
            authentication=NativeOidc(
                client=OBSERVABILITY.grafana.client,
                client_secret=_secret(CLIENT_SECRET),
                callback="/login/generic_oauth",
            ),
        ),
        Route(host="prometheus", service="monitor-prometheus", port=9090, authentication=ForwardAuth()),
        Route(host="alertmanager", service="monitor-alertmanager", port=9093, authentication=ForwardAuth()),
        Route(
            host=LOKI_HOST,
            service=f"{OBSERVABILITY.logs}-gateway",
            port=GATEWAY_PORT,
            path=PUSH_PATH,
            authentication=BasicAuth(username=LOKI_USER, password=_secret("loki-push-password")),
        ),
        Route(
            host=FEDERATION,
            service="monitor-prometheus",
            port=9090,
            path=OBSERVABILITY.colours.path,
            at_address=True,
            authentication=BasicAuth(username="colours", password=_secret("federation-password")),
        ),
    ),
    secrets={
        name: _secret(name)
        for name in (
            CLIENT_SECRET,
            OWNER_URL,
            WATCHMAN_URL,
            PIKVM_USERNAME,
            PIKVM_PASSWORD,
            _BUCKET_KEY,
            _BUCKET_SECRET,
            _CLOUDFLARE,
            _PROXMOX,
        )
    },
    buckets=(_BUCKET,),
)
