"""Certificates of a control plane, signed by the authorities that its machines' configuration holds.

They are made anew at each start and live as long as their authority: a certificate of a kubeconfig that Talos made is
accepted, and so is each of these, at whatever time the clock says.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from twin.kubernetes.settings import ClusterSettings, KeyPair

MASTERS = "system:masters"
"""The group that may do everything, whatever the roles say."""
CONTROLLER_MANAGER = "system:kube-controller-manager"
SCHEDULER = "system:kube-scheduler"
FRONT_PROXY = "front-proxy-client"
"""The API server as a client of aggregated API servers."""
LOOPBACK = IPv4Address("127.0.0.1")


class KeyUnusableError(Exception):
    """An authority's key cannot sign."""


@dataclass(frozen=True)
class Issued:
    """A certificate and its key, PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """Signs with the key of one authority."""

    def __init__(self, pair: KeyPair, purpose: str) -> None:
        """KeyUnusableError, naming `purpose`, when the pair is no certificate with an ECDSA or RSA key."""
        try:
            self._certificate = x509.load_pem_x509_certificate(pair.certificate)
            key = serialization.load_pem_private_key(pair.key, password=None)
        except ValueError as error:
            raise KeyUnusableError(f"the authority of {purpose} in the machine configuration: {error}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise KeyUnusableError(f"the authority of {purpose} in the machine configuration has no ECDSA or RSA key")
        self._key = key

    def server(self, common_name: str, names: Iterable[str], addresses: Iterable[IPv4Address]) -> Issued:
        """For a server that is reached by these names and addresses."""
        alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
        alternatives += [x509.IPAddress(address) for address in addresses]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        return self._issue(subject, ExtendedKeyUsageOID.SERVER_AUTH, x509.SubjectAlternativeName(alternatives))

    def client(self, user: str, groups: Sequence[str] = ()) -> Issued:
        """For a client that Kubernetes knows by the user's name, member of the groups."""
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        subject = x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, user)])
        return self._issue(subject, ExtendedKeyUsageOID.CLIENT_AUTH)

    def _issue(
        self, subject: x509.Name, usage: x509.ObjectIdentifier, names: x509.SubjectAlternativeName | None = None
    ) -> Issued:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._certificate.not_valid_before_utc)
            .not_valid_after(self._certificate.not_valid_after_utc)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(self._key_identifier(), critical=False)
        )
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Issued(certificate.public_bytes(serialization.Encoding.PEM), private)

    def _key_identifier(self) -> x509.AuthorityKeyIdentifier:
        try:
            subject = self._certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        except x509.ExtensionNotFound:
            return x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(subject.value)


def api_server_certificate(settings: ClusterSettings, control_planes: Iterable[IPv4Address]) -> Issued:
    """For the API server: by the endpoint, the control-plane machines, its service, and on loopback."""
    service = f"kubernetes.default.svc.{settings.dns_domain}"
    names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", service]
    addresses = [LOOPBACK, settings.service_address, *control_planes]
    for told in (settings.endpoint_host, *settings.certificate_sans):
        address = _address(told)
        if address is None:
            names.append(told)
        else:
            addresses.append(address)
    authority = Authority(settings.authority, "Kubernetes")
    return authority.server("kube-apiserver", dict.fromkeys(names), dict.fromkeys(addresses))


def _address(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text)
    except ValueError:
        return None


def _key_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=True, data_encipherment=False,
        key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
