"""Traefik: routes from host names to services, and what stands between."""

from pydantic import Field

from model.workloads.camel_case import CamelCase
from model.workloads.objects import CustomObject, Kind

GROUP, VERSION = "traefik.io", "v1alpha1"


class MiddlewareReference(CamelCase):
    """A middleware by name and namespace."""

    name: str
    namespace: str


class RouteService(CamelCase):
    """The service that answers."""

    name: str
    port: int


class Route(CamelCase):
    """Requests that match, and where they go."""

    kind: str = "Rule"
    match: str
    middlewares: tuple[MiddlewareReference, ...] = ()
    services: tuple[RouteService, ...] = Field(min_length=1)


class Tls(CamelCase):
    """Certificate of a route; the default certificate of the ingress where no Secret is named."""

    secret_name: str | None = None


class IngressRouteSpec(CamelCase):
    """Spec of an IngressRoute."""

    entry_points: tuple[str, ...] = Field(min_length=1)
    routes: tuple[Route, ...] = Field(min_length=1)
    tls: Tls


class IngressRoute(CustomObject):
    """Routes of one application."""

    OF = Kind(group=GROUP, version=VERSION, name="IngressRoute")
    spec: IngressRouteSpec


class ForwardAuthentication(CamelCase):
    """Ask another service whether a request may pass."""

    address: str
    trust_forward_header: bool
    auth_response_headers: tuple[str, ...]


class BasicAuthentication(CamelCase):
    """Ask for a name and a password."""

    secret: str
    """Of type `kubernetes.io/basic-auth`, in the same namespace."""
    remove_header: bool = True
    """Whether the password stays at the ingress."""


class ResponseHeaders(CamelCase):
    """Headers that every answer gets."""

    frame_deny: bool
    content_type_nosniff: bool
    browser_xss_filter: bool
    sts_seconds: int
    sts_include_subdomains: bool


class MiddlewareSpec(CamelCase):
    """Spec of a Middleware: one of its kinds."""

    basic_auth: BasicAuthentication | None = None
    forward_auth: ForwardAuthentication | None = None
    headers: ResponseHeaders | None = None


class Middleware(CustomObject):
    """What a request passes on its way."""

    OF = Kind(group=GROUP, version=VERSION, name="Middleware")
    spec: MiddlewareSpec


class CertificateSecret(CamelCase):
    """A certificate by the Secret that holds it."""

    secret_name: str


class TlsStoreSpec(CamelCase):
    """Spec of a TLSStore."""

    default_certificate: CertificateSecret


class TlsStore(CustomObject):
    """The certificate of every route that names none. Traefik knows only the one called `default`."""

    OF = Kind(group=GROUP, version=VERSION, name="TLSStore")
    spec: TlsStoreSpec
