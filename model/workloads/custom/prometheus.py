"""The Prometheus operator: what is scraped."""

from pydantic import Field

from model.workloads.camel_case import CamelCase
from model.workloads.custom.selectors import LabelSelector
from model.workloads.objects import CustomObject, Kind

GROUP, VERSION = "monitoring.coreos.com", "v1"


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


class PodMonitor(CustomObject):
    """Pods that are scraped; made by operators, never by the lab itself."""

    OF = Kind(group=GROUP, version=VERSION, name="PodMonitor")
