"""The way in: Traefik, the certificate of the lab's domain, and what every request passes."""

from ipaddress import IPv4Address

import pulumi
from pydantic import Field

from components.kubernetes.certificates import CertificateIssuer, make_certificate
from components.kubernetes.chart_application import Delivery
from components.kubernetes.network import (
    ADDRESSES_ANNOTATION,
    SHARING_ANNOTATION,
    SHARING_NAMESPACES_ANNOTATION,
    ClusterNetwork,
)
from components.kubernetes.objects import CustomResource, Metadata
from components.kubernetes.provided import Definitions, Provided
from components.options import child_options
from model.units import DAY
from model.workloads.camel_case import CamelCase
from model.workloads.charts import Chart, ChartValues, Switch
from model.workloads.custom.traefik import (
    CertificateSecret,
    ForwardAuthentication,
    IngressRoute,
    Middleware,
    MiddlewareReference,
    MiddlewareSpec,
    ResponseHeaders,
    TlsStore,
    TlsStoreSpec,
)
from model.workloads.objects import kinds
from model.workloads.platform import Releases

NAMESPACE = "traefik"
ENTRY_POINT = "websecure"
CLASS = "traefik-external"
CLASS_ANNOTATION = "kubernetes.io/ingress.class"
SHARING_KEY = "shared"
"""Services with this key have one address, each with ports of its own."""
SECURE_DAYS = 365


class Deployment(CamelCase):
    """How often Traefik runs."""

    replicas: int = 2


class CustomKinds(CamelCase):
    """Routes as objects of Traefik's own kinds, wherever they are."""

    enabled: bool = True
    allow_cross_namespace: bool = True
    ingress_class: str = CLASS


class Providers(CamelCase):
    """Where routes come from."""

    kubernetes_crd: CustomKinds = Field(default=CustomKinds(), serialization_alias="kubernetesCRD")
    kubernetes_ingress: Switch = Switch(enabled=False)


class Redirection(CamelCase):
    """The port that a request is sent on to."""

    port: str = ENTRY_POINT


class PlainPort(CamelCase):
    """Port 80: only tells to come again by TLS."""

    redirect_to: Redirection = Redirection()


class Ports(CamelCase):
    """The entry points that differ from the chart's."""

    web: PlainPort = PlainPort()


class Service(CamelCase):
    """The load balancer in front."""

    annotations: dict[str, str]


class TraefikValues(ChartValues):
    """Values of the chart `traefik`."""

    deployment: Deployment = Deployment()
    providers: Providers = Providers()
    ports: Ports = Ports()
    service: Service


class Ingress(pulumi.ComponentResource):
    """Traefik at a fixed address of the colour's pool, with a wildcard certificate of the domain."""

    domain: str
    address: IPv4Address
    routes: Definitions
    """Traefik's kinds, usable once the certificate is there."""
    headers: Provided[MiddlewareReference]
    """Passed by every request."""
    forward_auth: Provided[MiddlewareReference]
    """Passed by requests of applications without a login. While Authelia is away it lets nobody in."""

    def __init__(
        self,
        name: str,
        *,
        domain: str,
        authentication: str,
        network: ClusterNetwork,
        issuer: CertificateIssuer,
        releases: Releases,
        delivery: Delivery,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`authentication` is the URL that is asked before a request passes."""
        super().__init__("lab:kubernetes:Ingress", name, None, opts)
        self.domain = domain
        # The first of the pool, always: what points at the lab from outside must not depend on who asked first.
        self.address = network.pool.value.first
        application = delivery.apply(
            Chart(
                name="traefik",
                namespace=NAMESPACE,
                source=releases.traefik,
                values=TraefikValues(service=Service(annotations=shared_address(self.address))),
                kinds=kinds(IngressRoute, Middleware, TlsStore),
            ),
            needs=[network.pool.by],
            opts=child_options(self, opts),
        )
        certificate = make_certificate(
            "wildcard",
            metadata=Metadata(name="wildcard", namespace=NAMESPACE),
            hosts=(domain, f"*.{domain}"),
            issuer=issuer,
            opts=child_options(self, opts, pulumi.ResourceOptions(depends_on=[delivery.namespaces[NAMESPACE].by])),
        )
        store = CustomResource(
            "default-certificate",
            metadata=Metadata(name="default", namespace=NAMESPACE),
            content=TlsStore(
                spec=TlsStoreSpec(default_certificate=CertificateSecret(secret_name=certificate.value))
            ),
            definitions=application.definitions,
            opts=child_options(self, opts, pulumi.ResourceOptions(depends_on=[certificate.by])),
        )
        self.routes = Definitions(kinds=application.definitions.kinds, origin="Traefik", by=store)
        self.headers = self._middleware("default-headers", _headers(), opts)
        self.forward_auth = self._middleware("forward-auth", _forward_auth(authentication), opts)
        self.register_outputs({"address": str(self.address)})

    def _middleware(
        self, name: str, content: MiddlewareSpec, opts: pulumi.ResourceOptions | None
    ) -> Provided[MiddlewareReference]:
        resource = CustomResource(
            name,
            metadata=Metadata(name=name, namespace=NAMESPACE, annotations={CLASS_ANNOTATION: CLASS}),
            content=Middleware(spec=content),
            definitions=self.routes,
            opts=child_options(self, opts),
        )
        return Provided(MiddlewareReference(name=name, namespace=NAMESPACE), by=resource)


def shared_address(address: IPv4Address) -> dict[str, str]:
    """Annotations of a service that has the lab's one public address together with others."""
    return {
        ADDRESSES_ANNOTATION: str(address),
        SHARING_ANNOTATION: SHARING_KEY,
        SHARING_NAMESPACES_ANNOTATION: "*",
    }


def _headers() -> MiddlewareSpec:
    return MiddlewareSpec(
        headers=ResponseHeaders(
            frame_deny=True,
            content_type_nosniff=True,
            browser_xss_filter=True,
            sts_seconds=SECURE_DAYS * DAY,
            sts_include_subdomains=True,
        )
    )


def _forward_auth(address: str) -> MiddlewareSpec:
    return MiddlewareSpec(
        forward_auth=ForwardAuthentication(
            address=address,
            trust_forward_header=True,
            auth_response_headers=("Remote-User", "Remote-Groups", "Remote-Email", "Remote-Name"),
        )
    )
