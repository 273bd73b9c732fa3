"""Keys and certificates as cert-manager's issuers make them: by authorities that nobody outside of the twin trusts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

AUTHORITY_LIFETIME: Final = timedelta(days=3650)
CLOCK_SKEW: Final = timedelta(minutes=5)

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_CURVES: Final = {256: ec.SECP256R1(), 384: ec.SECP384R1(), 521: ec.SECP521R1()}


@dataclass(frozen=True)
class KeyPair:
    """A certificate with its private key, both as PEM."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True)
class Request:
    """What a certificate shall say."""

    dns_names: tuple[str, ...]
    common_name: str
    lifetime: timedelta
    algorithm: str
    """`RSA`, `ECDSA` or `Ed25519`."""
    size: int
    """Bits of the key; 0 for the algorithm's default."""
    authority: bool = False


def make_authority(name: str) -> KeyPair:
    """A new certificate authority of the name, which signs its own certificate."""
    request = Request((), name, AUTHORITY_LIFETIME, "ECDSA", 256, authority=True)
    return make_certificate(request, None)


def make_certificate(request: Request, authority: KeyPair | None) -> KeyPair:
    """A new key and its certificate, signed by the authority, or by itself. Takes up to a second for RSA."""
    key = _new_key(request)
    subject = _name(request.common_name)
    signer: PrivateKey = key
    issuer = subject
    if authority is not None:
        issuer = x509.load_pem_x509_certificate(authority.certificate).subject
        signer = _load_key(authority.key)
    start = datetime.now(UTC) - CLOCK_SKEW
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + request.lifetime)
        .add_extension(x509.BasicConstraints(ca=request.authority, path_length=None), critical=True)
    )
    if request.dns_names:
        names = x509.SubjectAlternativeName([x509.DNSName(name) for name in request.dns_names])
        builder = builder.add_extension(names, critical=not request.common_name)
    algorithm = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    certificate = builder.sign(signer, algorithm)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return KeyPair(certificate.public_bytes(serialization.Encoding.PEM), private)


def dns_names_of(certificate: bytes) -> Sequence[str]:
    """Names of the certificate, sorted; ValueError when it is none."""
    parsed = x509.load_pem_x509_certificate(certificate)
    try:
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return sorted(names.get_values_for_type(x509.DNSName))


def validity_of(certificate: bytes) -> tuple[datetime, datetime]:
    """From when to when; ValueError when it is no certificate."""
    parsed = x509.load_pem_x509_certificate(certificate)
    return parsed.not_valid_before_utc, parsed.not_valid_after_utc


def _new_key(request: Request) -> PrivateKey:
    if request.algorithm == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if request.algorithm == "ECDSA":
        return ec.generate_private_key(_CURVES[request.size or 256])
    return rsa.generate_private_key(public_exponent=65537, key_size=request.size or 2048)


def _load_key(text: bytes) -> PrivateKey:
    key = serialization.load_pem_private_key(text, password=None)
    if not isinstance(key, PrivateKey):
        raise TypeError(f"a certificate authority with a key of type {type(key).__name__}")
    return key


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])
