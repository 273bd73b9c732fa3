"""The Prometheus operator: what is scraped, what is computed of it, and what is an alert."""

from enum import StrEnum, unique

from pydantic import Field

from model.workloads.camel_case import CamelCase
from model.workloads.custom.selectors import LabelSelector, SecretKey
from model.workloads.objects import CustomObject, Kind

GROUP, VERSION = "monitoring.coreos.com", "v1"
ALPHA = "v1alpha1"


class Endpoint(CamelCase):
    """A port of the service and the path of its metrics."""

    port: str
    path: str
    interval: str


class ServiceMonitorSpec(CamelCase):
    """Spec of a ServiceMonitor."""

    selector: LabelSelector
    endpoints: tuple[Endpoint, ...] = Field(min_length=1)


class ServiceMonitor(CustomObject):
    """Services that are scraped."""

    OF = Kind(group=GROUP, version=VERSION, name="ServiceMonitor")
    spec: ServiceMonitorSpec


class NamespaceSelector(CamelCase):
    """Namespaces by name."""

    match_names: tuple[str, ...] = Field(min_length=1)


class Relabelling(CamelCase):
    """A label that is made of others before a target is scraped."""

    source_labels: tuple[str, ...] | None = None
    target_label: str
    replacement: str | None = None


class TlsConfiguration(CamelCase):
    """How the certificate of a target is looked at."""

    insecure_skip_verify: bool


class PodEndpoint(CamelCase):
    """A port of the pod and the path of its metrics."""

    port_number: int
    path: str
    interval: str
    scheme: str | None = None
    params: dict[str, tuple[str, ...]] | None = None
    tls_config: TlsConfiguration | None = None
    relabelings: tuple[Relabelling, ...] | None = None


class PodMonitorSpec(CamelCase):
    """Spec of a PodMonitor."""

    namespace_selector: NamespaceSelector
    selector: LabelSelector
    pod_metrics_endpoints: tuple[PodEndpoint, ...] = Field(min_length=1)


class PodMonitor(CustomObject):
    """Pods that are scraped."""

    OF = Kind(group=GROUP, version=VERSION, name="PodMonitor")
    spec: PodMonitorSpec


@unique
class Scheme(StrEnum):
    """How a target is spoken to, as a ScrapeConfig spells it."""

    HTTP = "HTTP"
    HTTPS = "HTTPS"


class StaticTargets(CamelCase):
    """Targets that are written down, and the labels that all of them get."""

    targets: tuple[str, ...] = Field(min_length=1)
    labels: dict[str, str]


class BasicLogin(CamelCase):
    """Name and password of a target."""

    username: SecretKey
    password: SecretKey


class ScrapeConfigSpec(CamelCase):
    """Spec of a ScrapeConfig."""

    job_name: str
    scheme: Scheme
    metrics_path: str
    scrape_interval: str
    honor_labels: bool | None = None
    """Whether labels of the metrics win over those of the target."""
    params: dict[str, tuple[str, ...]] | None = None
    basic_auth: BasicLogin | None = None
    tls_config: TlsConfiguration | None = None
    static_configs: tuple[StaticTargets, ...] = Field(min_length=1)
    relabelings: tuple[Relabelling, ...] | None = None


class ScrapeConfig(CustomObject):
    """What is scraped outside the cluster."""

    OF = Kind(group=GROUP, version=ALPHA, name="ScrapeConfig")
    spec: ScrapeConfigSpec


class RuleEntry(CamelCase):
    """An alert, or a value that is computed and kept under a name of its own."""

    alert: str | None = None
    record: str | None = None
    expr: str
    for_: str | None = Field(default=None, serialization_alias="for")
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class RuleGroup(CamelCase):
    """Rules that are evaluated one after the other."""

    name: str
    rules: tuple[RuleEntry, ...] = Field(min_length=1)


class PrometheusRuleSpec(CamelCase):
    """Spec of a PrometheusRule; as JSON also a file of rules."""

    groups: tuple[RuleGroup, ...] = Field(min_length=1)


class PrometheusRule(CustomObject):
    """Rules of a Prometheus."""

    OF = Kind(group=GROUP, version=VERSION, name="PrometheusRule")
    spec: PrometheusRuleSpec
