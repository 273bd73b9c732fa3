"""How the clusters are watched."""

from pydantic import Field

from model.base import Value
from model.secrets import ApplicationName
from model.units import GiB, Seconds
from model.workloads.names import DnsLabel
from model.workloads.observability.alertmanager import Alerting
from model.workloads.observability.dashboards import Dashboard, PublishedDashboard
from model.workloads.observability.scraping import Exporters, Login, PodTarget


class PrometheusSettings(Value):
    """How long measurements are kept; what comes first of time and size decides."""

    retention: Seconds
    retention_size: GiB
    volume_size: GiB
    interval: Seconds


class GrafanaSettings(Value):
    """How people log in, and what they see."""

    host: DnsLabel
    authority: DnsLabel
    """Host name of Authelia below the lab's domain."""
    client: str
    secret: DnsLabel
    """Secret that is there before Grafana."""
    client_secret: str
    """Key in it; also the variable that Grafana reads it from."""
    administrators: str
    """Group at Authelia."""
    dashboards: tuple[Dashboard, ...]
    published: tuple[PublishedDashboard, ...]


class ColourWatch(Value):
    """How colours ask each other whether they take themselves for the active one."""

    host: DnsLabel
    """Host name of Prometheus' own answers; each colour's ends with its ingress' address."""
    login: Login
    path: str = Field(default="/federate", pattern=r"^/")


class PushGateway(Value):
    """Where jobs that end leave their measurements."""

    service: DnsLabel
    port: int
    volume_size: GiB


class Observability(Value):
    """Everything that the platform itself watches with."""

    namespace: DnsLabel
    name: DnsLabel
    """What the services of the stack begin with."""
    logs: DnsLabel
    """What the services of Loki begin with."""
    prometheus: PrometheusSettings
    grafana: GrafanaSettings
    alerting: Alerting
    push_gateway: PushGateway
    exporters: Exporters
    pods: tuple[PodTarget, ...]
    colours: ColourWatch
    canary: ApplicationName
    canary_stale_after: Seconds
    backup_tolerance: Seconds
    """What a backup may be late by before it is an alert."""

    @property
    def push_address(self) -> str:
        """URL of the Pushgateway within the cluster."""
        gateway = self.push_gateway
        return f"http://{gateway.service}.{self.namespace}.svc.cluster.local:{gateway.port}"

    @property
    def logs_address(self) -> str:
        """URL of Loki within the cluster."""
        return f"http://{self.logs}-gateway.{self.namespace}.svc.cluster.local"
