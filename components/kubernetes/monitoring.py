"""Prometheus and what belongs to it: the first operator on a cluster, so that later ones can say how they are read."""

from collections.abc import Sequence
from ipaddress import IPv4Address

import pulumi
from pulumi_kubernetes import core, meta
from pydantic import Field

from components.kubernetes.chart_application import Delivery
from components.kubernetes.namespaces import BootstrapSecrets
from components.kubernetes.objects import CustomResource, Metadata
from components.kubernetes.provided import Definitions, Provided
from components.options import child_options
from model.base import Value
from model.exclusive import Colour
from model.units import GiB
from model.workloads.camel_case import CamelCase
from model.workloads.charts import Chart, ChartValues, SecretSource, Switch
from model.workloads.custom.prometheus import NamespaceSelector as NamespaceNames
from model.workloads.custom.prometheus import (
    PodEndpoint,
    PodMonitor,
    PodMonitorSpec,
    PrometheusRule,
    Relabelling,
    Scheme,
    ScrapeConfig,
    ScrapeConfigSpec,
    ServiceMonitor,
    StaticTargets,
    TlsConfiguration,
)
from model.workloads.custom.selectors import LabelSelector, SecretKey
from model.workloads.objects import kinds
from model.workloads.observability.alertmanager import AlertmanagerConfiguration, alertmanager_configuration
from model.workloads.observability.dashboards import Dashboard
from model.workloads.observability.lab_rules import ACTIVE, COLOURS_JOB
from model.workloads.observability.rules import Rules, duration
from model.workloads.observability.scraping import HTTPS_PORT, PodTarget, ScrapeJob
from model.workloads.observability.settings import GrafanaSettings, Observability, PrometheusSettings
from model.workloads.platform import Releases
from model.workloads.quantities import storage_quantity
from model.workloads.routes import name_at_address
from model.workloads.storage import StorageClass

DASHBOARD_LABEL = "grafana_dashboard"
"""Grafana's sidecar takes every ConfigMap with it."""
DASHBOARD_FOLDER = "/var/lib/grafana/dashboards/default"


class ResourceRequest(CamelCase):
    """How much a volume claim asks for."""

    requests: dict[str, str]


class ClaimSpec(CamelCase):
    """A volume claim."""

    storage_class_name: str
    access_modes: tuple[str, ...] = ("ReadWriteOnce",)
    resources: ResourceRequest


class ClaimTemplate(CamelCase):
    """A volume claim of each replica."""

    spec: ClaimSpec


class PrometheusStorage(CamelCase):
    """Where measurements are kept."""

    volume_claim_template: ClaimTemplate


class HostAlias(CamelCase):
    """Names of an address that no DNS knows."""

    ip: str
    hostnames: tuple[str, ...]


class PrometheusServer(CamelCase):
    """What the operator is told of Prometheus. It takes every rule and target of the cluster, whoever made it."""

    retention: str
    retention_size: str
    scrape_interval: str
    external_labels: dict[str, str]
    host_aliases: tuple[HostAlias, ...]
    storage_spec: PrometheusStorage
    rule_selector_nil_uses_helm_values: bool = False
    service_monitor_selector_nil_uses_helm_values: bool = False
    pod_monitor_selector_nil_uses_helm_values: bool = False
    probe_selector_nil_uses_helm_values: bool = False
    scrape_config_selector_nil_uses_helm_values: bool = False


class Prometheus(CamelCase):
    """The server."""

    prometheus_spec: PrometheusServer


class AlertmanagerServer(CamelCase):
    """What the operator is told of Alertmanager."""

    secrets: tuple[str, ...]
    """Mounted as folders of these names."""
    external_url: str


class Alertmanager(CamelCase):
    """The server, and where alerts go."""

    alertmanager_spec: AlertmanagerServer
    config: AlertmanagerConfiguration


class GenericOauth(Value):
    """Login at Authelia, in Grafana's own spelling."""

    enabled: bool = True
    name: str = "Authelia"
    client_id: str
    scopes: str = "openid profile email groups"
    auth_url: str
    token_url: str
    api_url: str
    auto_login: bool = True
    use_pkce: bool = True
    login_attribute_path: str = "preferred_username"
    groups_attribute_path: str = "groups"
    name_attribute_path: str = "name"
    role_attribute_path: str


class Authentication(Value):
    """Nobody logs in with a password of Grafana's own."""

    disable_login_form: bool = True


class GrafanaServer(Value):
    """Where Grafana is reached."""

    root_url: str


class Analytics(Value):
    """Nothing is told to Grafana's makers."""

    check_for_updates: bool = False
    reporting_enabled: bool = False


class GrafanaConfiguration(Value):
    """`grafana.ini` by its sections."""

    server: GrafanaServer
    auth: Authentication = Authentication()
    generic_oauth: GenericOauth = Field(serialization_alias="auth.generic_oauth")
    analytics: Analytics = Analytics()


class DataSource(CamelCase):
    """A place that Grafana asks, beside Prometheus."""

    name: str
    type: str
    uid: str
    url: str
    access: str = "proxy"


class PublishedRevision(CamelCase):
    """A dashboard of grafana.com."""

    gnet_id: int
    revision: int
    datasource: str = "Prometheus"


class ProviderOptions(CamelCase):
    """Folder that dashboards are read from."""

    path: str = DASHBOARD_FOLDER


class DashboardProvider(CamelCase):
    """Where downloaded dashboards are."""

    name: str = "default"
    org_id: int = 1
    folder: str = ""
    type: str = "file"
    disable_deletion: bool = True
    editable: bool = False
    options: ProviderOptions = ProviderOptions()


class DashboardProviders(CamelCase):
    """The chart's file of providers."""

    api_version: int = 1
    providers: tuple[DashboardProvider, ...] = (DashboardProvider(),)


class Grafana(CamelCase):
    """Dashboards; its only users are Authelia's."""

    fullname_override: str
    settings: GrafanaConfiguration = Field(serialization_alias="grafana.ini")
    env_value_from: dict[str, SecretSource]
    additional_data_sources: tuple[DataSource, ...]
    dashboard_providers: dict[str, DashboardProviders] = Field(
        default={"dashboardproviders.yaml": DashboardProviders()}
    )
    dashboards: dict[str, dict[str, PublishedRevision]]


class StackValues(ChartValues):
    """Values of the chart `kube-prometheus-stack`."""

    fullname_override: str
    prometheus: Prometheus
    alertmanager: Alertmanager
    grafana: Grafana
    # Talos keeps these on the loopback of the control plane, and Cilium stands in for the proxy.
    kube_controller_manager: Switch = Switch(enabled=False)
    kube_scheduler: Switch = Switch(enabled=False)
    kube_etcd: Switch = Switch(enabled=False)
    kube_proxy: Switch = Switch(enabled=False)


class PersistentVolume(CamelCase):
    """What the Pushgateway was last told, over its restarts."""

    enabled: bool = True
    size: str
    storage_class: str


class PushGatewayMonitor(CamelCase):
    """Labels of those who push win over the gateway's own."""

    enabled: bool = True
    honor_labels: bool = True


class PushGatewayValues(ChartValues):
    """Values of the chart `prometheus-pushgateway`."""

    fullname_override: str
    persistent_volume: PersistentVolume
    extra_args: tuple[str, ...] = ("--persistence.file=/data/pushgateway.data", "--persistence.interval=5m")
    service_monitor: PushGatewayMonitor = PushGatewayMonitor()


class MetricsServerValues(ChartValues):
    """Values of the chart `metrics-server`."""

    # Kubelets of Talos sign their serving certificates themselves.
    args: tuple[str, ...] = ("--kubelet-insecure-tls",)


class Monitoring(pulumi.ComponentResource):
    """Prometheus, Alertmanager and Grafana, the Pushgateway, and the metrics that the scheduler's tools read."""

    scraping: Definitions
    """Prometheus' kinds."""
    installed: Sequence[pulumi.Resource]
    """The charts."""

    def __init__(
        self,
        name: str,
        *,
        settings: Observability,
        domain: str,
        own: Colour,
        entrances: Sequence[IPv4Address],
        rules: Sequence[Rules],
        storage_class: Provided[StorageClass],
        releases: Releases,
        delivery: Delivery,
        secrets: BootstrapSecrets,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`entrances` are the addresses of each colour's ingress: DNS knows only that of the active one."""
        super().__init__("lab:kubernetes:Monitoring", name, None, opts)
        self._opts = opts
        namespace = settings.namespace
        secret = secrets.secret(namespace, settings.alerting.secret)
        stack = delivery.apply(
            Chart(
                name="kube-prometheus-stack",
                namespace=namespace,
                source=releases.kube_prometheus_stack,
                values=stack_values(settings, domain, own, entrances, storage_class.value),
                kinds=kinds(PodMonitor, PrometheusRule, ScrapeConfig, ServiceMonitor),
            ),
            needs=[secret.by, storage_class.by],
            opts=child_options(self, opts),
        )
        self.scraping = stack.definitions
        gateway = delivery.apply(
            Chart(
                name=settings.push_gateway.service,
                namespace=namespace,
                source=releases.prometheus_pushgateway,
                values=PushGatewayValues(
                    fullname_override=settings.push_gateway.service,
                    persistent_volume=PersistentVolume(
                        size=storage_quantity(settings.push_gateway.volume_size),
                        storage_class=storage_class.value.name,
                    ),
                ),
            ),
            needs=[stack, storage_class.by],
            opts=child_options(self, opts),
        )
        metrics = delivery.apply(
            Chart(
                name="metrics-server",
                namespace=namespace,
                source=releases.metrics_server,
                values=MetricsServerValues(),
            ),
            opts=child_options(self, opts),
        )
        self.installed = (stack, gateway, metrics)
        for one in rules:
            CustomResource(
                f"rules-{one.subject}",
                metadata=Metadata(name=f"lab-{one.subject}", namespace=namespace),
                content=PrometheusRule(spec=one.spec),
                definitions=self.scraping,
                opts=child_options(self, opts),
            )
        for dashboard in settings.grafana.dashboards:
            self._dashboard(dashboard, delivery.namespaces[namespace].by, namespace)
        self.register_outputs({"push_address": settings.push_address})

    def _dashboard(self, dashboard: Dashboard, place: pulumi.Resource, namespace: str) -> None:
        core.v1.ConfigMap(
            f"dashboard-{dashboard.name}",
            metadata=meta.v1.ObjectMetaArgs(
                name=f"dashboard-{dashboard.name}", namespace=namespace, labels={DASHBOARD_LABEL: "1"}
            ),
            data={f"{dashboard.name}.json": dashboard.document},
            opts=child_options(self, self._opts, pulumi.ResourceOptions(depends_on=[place])),
        )


class ScrapeTargets(pulumi.ComponentResource):
    """What Prometheus reads: things outside the cluster, the platform's pods, and the other colour."""

    def __init__(
        self,
        name: str,
        *,
        settings: Observability,
        jobs: Sequence[ScrapeJob],
        domain: str,
        entrances: Sequence[IPv4Address],
        scraping: Definitions,
        needs: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`needs` are what makes the Secrets with the targets' passwords, and the exporters that ask for others."""
        super().__init__("lab:kubernetes:ScrapeTargets", name, None, opts)
        own = child_options(self, opts, pulumi.ResourceOptions(depends_on=list(needs)))
        specs = {job.name: job.spec(settings.prometheus.interval) for job in jobs}
        specs[COLOURS_JOB] = claims_of_colours(settings, domain, entrances)
        for job, spec in specs.items():
            CustomResource(
                f"scrape-{job}",
                metadata=Metadata(name=job, namespace=settings.namespace),
                content=ScrapeConfig(spec=spec),
                definitions=scraping,
                opts=own,
            )
        for pod in settings.pods:
            CustomResource(
                f"pods-{pod.name}",
                metadata=Metadata(name=pod.name, namespace=settings.namespace),
                content=PodMonitor(spec=pod_monitor(pod, duration(settings.prometheus.interval))),
                definitions=scraping,
                opts=own,
            )
        self.register_outputs({"jobs": list(specs)})


def stack_values(
    settings: Observability,
    domain: str,
    own: Colour,
    entrances: Sequence[IPv4Address],
    storage_class: StorageClass,
) -> StackValues:
    """The stack of one colour."""
    return StackValues(
        fullname_override=settings.name,
        prometheus=Prometheus(
            prometheus_spec=_prometheus(settings.prometheus, own, _aliases(settings, domain, entrances), storage_class)
        ),
        alertmanager=Alertmanager(
            alertmanager_spec=AlertmanagerServer(
                secrets=(settings.alerting.secret,), external_url=f"https://alertmanager.{domain}"
            ),
            config=alertmanager_configuration(settings.alerting),
        ),
        grafana=_grafana(settings.grafana, domain, settings.logs_address),
    )


def claims_of_colours(settings: Observability, domain: str, entrances: Sequence[IPv4Address]) -> ScrapeConfigSpec:
    """Each colour's Prometheus, asked for what the colour says of itself."""
    watch = settings.colours
    return ScrapeConfigSpec(
        job_name=COLOURS_JOB,
        scheme=Scheme.HTTPS,
        metrics_path=watch.path,
        scrape_interval=duration(settings.prometheus.interval),
        honor_labels=True,
        params={"match[]": (ACTIVE,)},
        basic_auth=watch.login.entry,
        static_configs=tuple(
            StaticTargets(
                targets=(f"{name_at_address(watch.host, address, domain)}:{HTTPS_PORT}",),
                labels={"instance": str(address)},
            )
            for address in entrances
        ),
    )


def pod_monitor(pod: PodTarget, interval: str) -> PodMonitorSpec:
    """Pods of the platform as the operator finds them."""
    return PodMonitorSpec(
        namespace_selector=NamespaceNames(match_names=(pod.namespace,)),
        selector=LabelSelector(match_labels=dict(pod.labels)),
        pod_metrics_endpoints=(
            PodEndpoint(
                port_number=pod.port,
                path=pod.path,
                interval=interval,
                scheme="https" if pod.secure else None,
                params=pod.parameters or None,
                tls_config=TlsConfiguration(insecure_skip_verify=True) if pod.secure else None,
                relabelings=(Relabelling(target_label="job", replacement=pod.name),),
            ),
        ),
    )


def _aliases(
    settings: Observability, domain: str, entrances: Sequence[IPv4Address]
) -> tuple[HostAlias, ...]:
    return tuple(
        HostAlias(ip=str(address), hostnames=(name_at_address(settings.colours.host, address, domain),))
        for address in entrances
    )


def _prometheus(
    settings: PrometheusSettings, own: Colour, aliases: tuple[HostAlias, ...], storage_class: StorageClass
) -> PrometheusServer:
    return PrometheusServer(
        retention=duration(settings.retention),
        retention_size=_binary(settings.retention_size),
        scrape_interval=duration(settings.interval),
        external_labels={"cluster": str(own)},
        host_aliases=aliases,
        storage_spec=PrometheusStorage(
            volume_claim_template=ClaimTemplate(
                spec=ClaimSpec(
                    storage_class_name=storage_class.name,
                    resources=ResourceRequest(requests={"storage": storage_quantity(settings.volume_size)}),
                )
            )
        ),
    )


def _grafana(settings: GrafanaSettings, domain: str, logs: str) -> Grafana:
    authority = f"https://{settings.authority}.{domain}"
    return Grafana(
        fullname_override=settings.host,
        settings=GrafanaConfiguration(
            server=GrafanaServer(root_url=f"https://{settings.host}.{domain}"),
            generic_oauth=GenericOauth(
                client_id=settings.client,
                auth_url=f"{authority}/api/oidc/authorization",
                token_url=f"{authority}/api/oidc/token",
                api_url=f"{authority}/api/oidc/userinfo",
                role_attribute_path=f"contains(groups[*], '{settings.administrators}') && 'Admin' || 'Viewer'",
            ),
        ),
        env_value_from={
            settings.client_secret: SecretSource(
                secret_key_ref=SecretKey(name=settings.secret, key=settings.client_secret)
            )
        },
        additional_data_sources=(DataSource(name="Loki", type="loki", uid="loki", url=logs),),
        dashboards={
            "default": {
                one.name: PublishedRevision(gnet_id=one.number, revision=one.revision) for one in settings.published
            }
        },
    )


def _binary(size: GiB) -> str:
    """The operator counts in powers of two, but writes them without the `i`."""
    return f"{size}GB"
