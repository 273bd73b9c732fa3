"""The twin's own certificate authority and the certificate of its HTTPS endpoints."""

import os
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from twin.directory import write_private

AUTHORITY_LIFETIME: Final = timedelta(days=3650)
SERVER_LIFETIME: Final = timedelta(days=397)
"""The longest that clients in general accept."""
RENEWAL: Final = timedelta(days=30)
"""A certificate that ends sooner is made anew."""
CLOCK_SKEW: Final = timedelta(hours=1)
SYSTEM_BUNDLES: Final = (
    Path("/etc/ssl/certs/ca-certificates.crt"),
    Path("/etc/pki/tls/certs/ca-bundle.crt"),
    Path("/etc/ssl/cert.pem"),
)


class Certificates:
    """Key and certificate files in one directory, made when they are missing or about to end."""

    def __init__(self, directory: Path) -> None:
        self.authority = directory / "authority.pem"
        self.bundle = directory / "authorities.pem"
        """The twin's authority and the system's: a client told to trust this file still trusts the Internet."""
        self._authority_key = directory / "authority.key"
        self._server = directory / "server.pem"
        self._server_key = directory / "server.key"
        self._directory = directory

    def ensure(self) -> None:
        """Make what is missing."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if _ends_soon(self.authority) or not self._authority_key.exists():
            self._make_authority()
            self._make_server()
        elif _ends_soon(self._server) or not self._server_key.exists():
            self._make_server()
        system = _system_authorities()
        write_private(self.bundle, self.authority.read_bytes() + system)

    def server_context(self) -> ssl.SSLContext:
        """TLS for a server on loopback."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._server, self._server_key)
        return context

    def _make_authority(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Twin of the lab")
        certificate = (
            _builder(name, name, key.public_key(), AUTHORITY_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        _write(self._authority_key, key, self.authority, certificate)

    def _make_server(self) -> None:
        authority = x509.load_pem_x509_certificate(self.authority.read_bytes())
        authority_key = serialization.load_pem_private_key(self._authority_key.read_bytes(), password=None)
        if not isinstance(authority_key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{self._authority_key} is not the key that the twin made")
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))]
        certificate = (
            _builder(_name("localhost"), authority.subject, key.public_key(), SERVER_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
            .sign(authority_key, hashes.SHA256())
        )
        _write(self._server_key, key, self._server, certificate)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, lifetime: timedelta
) -> x509.CertificateBuilder:
    start = datetime.now(UTC) - CLOCK_SKEW
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + lifetime)
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=authority, crl_sign=authority, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _write(key_path: Path, key: ec.EllipticCurvePrivateKey, path: Path, certificate: x509.Certificate) -> None:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(key_path, private)
    write_private(path, certificate.public_bytes(serialization.Encoding.PEM))


def _ends_soon(path: Path) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return True
    return certificate.not_valid_after_utc - RENEWAL < datetime.now(UTC)


def _system_authorities() -> bytes:
    told = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    for path in (*([Path(told)] if told else []), *SYSTEM_BUNDLES):
        if path.is_file():
            return b"\n" + path.read_bytes()
    return b""
