"""cert-manager: who signs, and what is signed."""

from pydantic import Field

from model.workloads.camel_case import CamelCase
from model.workloads.custom.selectors import ObjectReference, SecretKey
from model.workloads.objects import CustomObject, Kind

GROUP, VERSION = "cert-manager.io", "v1"


class CloudflareSolver(CamelCase):
    """Proves the domain by a DNS record at Cloudflare."""

    api_token_secret_ref: SecretKey


class DnsSolver(CamelCase):
    """Proves the domain by a DNS record."""

    cloudflare: CloudflareSolver


class Solver(CamelCase):
    """How a domain is proved."""

    dns01: DnsSolver


class Acme(CamelCase):
    """An ACME account."""

    server: str
    private_key_secret_ref: ObjectReference
    """Where the account's key is kept; two issuers with one key would be one account."""
    solvers: tuple[Solver, ...] = Field(min_length=1)


class SelfSigned(CamelCase):
    """Certificates that sign themselves."""


class ClusterIssuerSpec(CamelCase):
    """Spec of a ClusterIssuer: one of the kinds of authority."""

    acme: Acme | None = None
    self_signed: SelfSigned | None = None


class ClusterIssuer(CustomObject):
    """An authority that signs for every namespace."""

    OF = Kind(group=GROUP, version=VERSION, name="ClusterIssuer")
    READY = "condition=Ready"
    spec: ClusterIssuerSpec


class IssuerReference(CamelCase):
    """Who signs."""

    name: str
    kind: str = "ClusterIssuer"


class CertificateSpec(CamelCase):
    """Spec of a Certificate."""

    secret_name: str
    dns_names: tuple[str, ...] = Field(min_length=1)
    issuer_ref: IssuerReference


class Certificate(CustomObject):
    """A certificate, kept fresh in a Secret."""

    OF = Kind(group=GROUP, version=VERSION, name="Certificate")
    READY = "condition=Ready"
    spec: CertificateSpec
