"""The Cloudflare operator: services behind the tunnel."""

from pydantic import Field

from model.workloads.camel_case import CamelCase
from model.workloads.objects import CustomObject, Kind

GROUP, VERSION = "networking.cfargotunnel.com", "v1alpha1"


class SubjectSpec(CamelCase):
    """The public name and where it leads."""

    fqdn: str
    target: str


class Subject(CamelCase):
    """A service that the tunnel reaches."""

    kind: str = "Service"
    name: str
    spec: SubjectSpec


class TunnelReference(CamelCase):
    """The tunnel."""

    kind: str = "ClusterTunnel"
    name: str


class TunnelBinding(CustomObject):
    """Public names of an application. Its fields stand beside the metadata: the kind has no `spec`."""

    OF = Kind(group=GROUP, version=VERSION, name="TunnelBinding")
    subjects: tuple[Subject, ...] = Field(min_length=1)
    tunnel_ref: TunnelReference
