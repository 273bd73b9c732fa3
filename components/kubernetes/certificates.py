"""Certificates of the lab's host names."""

import pulumi

from components.kubernetes.chart_application import Delivery
from components.kubernetes.external_secrets import NamespaceSecrets, SecretStores
from components.kubernetes.objects import CustomResource, Metadata
from components.kubernetes.provided import Definitions, Provided
from components.options import child_options
from model.workloads.camel_case import CamelCase
from model.workloads.charts import Chart, ChartValues
from model.workloads.custom.certificates import (
    Acme,
    Certificate,
    CertificateSpec,
    CloudflareSolver,
    ClusterIssuer,
    ClusterIssuerSpec,
    DnsSolver,
    IssuerReference,
    Solver,
)
from model.workloads.custom.selectors import ObjectReference, SecretKey
from model.workloads.objects import kinds
from model.workloads.platform import Certificates, Releases

NAMESPACE = "cert-manager"
TOKEN_SECRET, TOKEN_KEY = "cloudflare-token", "token"
PUBLIC_RESOLVERS = ("--dns01-recursive-nameservers-only", "--dns01-recursive-nameservers=1.1.1.1:53,1.0.0.1:53")
"""Inside the lab its own resolver answers for the domain, and would never see the record of the proof."""


class Definition(CamelCase):
    """Whether the chart brings its kinds."""

    enabled: bool = True


class CertManagerValues(ChartValues):
    """Values of the chart `cert-manager`."""

    crds: Definition = Definition()
    extra_args: tuple[str, ...] = PUBLIC_RESOLVERS


class CertificateOperator(pulumi.ComponentResource):
    """cert-manager itself; it signs nothing yet."""

    definitions: Definitions

    def __init__(
        self, name: str, *, releases: Releases, delivery: Delivery, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("lab:kubernetes:CertificateOperator", name, None, opts)
        application = delivery.apply(
            Chart(
                name="cert-manager",
                namespace=NAMESPACE,
                source=releases.cert_manager,
                values=CertManagerValues(),
                kinds=kinds(ClusterIssuer, Certificate),
            ),
            opts=child_options(self, opts),
        )
        self.definitions = application.definitions
        self.register_outputs({})


class CertificateIssuer(pulumi.ComponentResource):
    """Who signs the lab's certificates, proving the domain by records at Cloudflare."""

    issuer: Provided[IssuerReference]
    definitions: Definitions

    def __init__(
        self,
        name: str,
        *,
        settings: Certificates,
        operator: CertificateOperator,
        stores: SecretStores,
        delivery: Delivery,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("lab:kubernetes:CertificateIssuer", name, None, opts)
        token = NamespaceSecrets(
            "cert-manager-secrets",
            namespace=delivery.namespaces[NAMESPACE],
            wanted={TOKEN_SECRET: {TOKEN_KEY: settings.dns_token}},
            stores=stores,
            opts=child_options(self, opts),
        ).made[TOKEN_SECRET]
        self.definitions = operator.definitions
        issuer = CustomResource(
            f"issuer-{settings.issuer}",
            metadata=Metadata(name=settings.issuer),
            content=ClusterIssuer(spec=_acme(settings)),
            definitions=self.definitions,
            opts=child_options(self, opts, pulumi.ResourceOptions(depends_on=[token.by])),
        )
        self.issuer = Provided(IssuerReference(name=settings.issuer), by=issuer)
        self.register_outputs({"issuer": settings.issuer})


def make_certificate(
    name: str,
    *,
    metadata: Metadata,
    hosts: tuple[str, ...],
    issuer: CertificateIssuer,
    opts: pulumi.ResourceOptions,
) -> Provided[str]:
    """A certificate of the host names; the value is the Secret that holds it."""
    certificate = CustomResource(
        name,
        metadata=metadata,
        content=Certificate(
            spec=CertificateSpec(secret_name=metadata.name, dns_names=hosts, issuer_ref=issuer.issuer.value)
        ),
        definitions=issuer.definitions,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[issuer.issuer.by])),
    )
    return Provided(metadata.name, by=certificate)


def _acme(settings: Certificates) -> ClusterIssuerSpec:
    token = SecretKey(name=TOKEN_SECRET, key=TOKEN_KEY)
    return ClusterIssuerSpec(
        acme=Acme(
            server=settings.server,
            # Named after the issuer: two issuers that share the key would fight over one account.
            private_key_secret_ref=ObjectReference(name=f"account-{settings.issuer}"),
            solvers=(
                Solver(dns01=DnsSolver(cloudflare=CloudflareSolver(api_token_secret_ref=token))),
            ),
        )
    )
