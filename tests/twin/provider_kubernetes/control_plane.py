"""A real control plane on loopback for the tests of the provider: one etcd, one API server, its controllers, a kwok."""

import os
import secrets
import socket
import ssl
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tools.build import ensure
from tools.recipe import ETCD, KUBERNETES, KWOK
from twin.kubernetes.access import Access, write_kubeconfig

LOOPBACK = "127.0.0.1"
START_SECONDS = 40.0
FIRST_PORT, LAST_PORT = 30100, 31900
"""Below what Linux gives to outgoing connections."""


@dataclass(frozen=True)
class ControlPlane:
    """How a client reaches it as an administrator."""

    kubeconfig: str
    access: Access


class Authority:
    """Signs the certificates of one control plane."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test-authority")])
        self._name = name
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
            key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
            decipher_only=False,
        )  # fmt: skip
        builder = _dated(name, name, self._key.public_key()).add_extension(usage, critical=True)
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        certificate = builder.add_extension(constraints, critical=True).sign(self._key, hashes.SHA256())
        self.certificate = certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, common_name: str, organization: str) -> tuple[str, str]:
        """Certificate and key, PEM, for a server on loopback and for a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
                x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            ]
        )
        names = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(LOOPBACK)), x509.DNSName("localhost")])
        uses = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = _dated(subject, self._name, key.public_key()).add_extension(names, critical=False)
        certificate = builder.add_extension(uses, critical=False).sign(self._key, hashes.SHA256())
        return certificate.public_bytes(serialization.Encoding.PEM).decode(), private_pem(key)


def private_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()


@contextmanager
def control_plane(directory: Path) -> Generator[ControlPlane]:
    """Started when it is handed out, and ended afterwards by the ids of its processes."""
    programs = {
        path.name: str(path)
        for tool in ensure((KUBERNETES, ETCD, KWOK), print)
        for path in tool.directory.iterdir()
    }  # fmt: skip
    ports = free_ports(3)
    authority = Authority()
    certificate, key = authority.issue("administrator", "system:masters")
    files = {
        "authority.pem": authority.certificate,
        "server.pem": certificate,
        "server.key": key,
        "accounts.key": private_pem(ec.generate_private_key(ec.SECP256R1())),
    }
    for name, text in files.items():
        (directory / name).write_text(text)
    access = Access(
        server=f"https://{LOOPBACK}:{ports[1]}", authority=authority.certificate, certificate=certificate, key=key
    )
    kubeconfig = write_kubeconfig("test", "administrator", access)
    (directory / "kubeconfig").write_text(kubeconfig)
    etcd = f"http://{LOOPBACK}:{ports[0]}"
    running: list[subprocess.Popen[bytes]] = []

    def start(program: str, *arguments: str) -> None:
        with (directory / f"{program}.log").open("wb") as log:
            running.append(subprocess.Popen([programs[program], *arguments], cwd=directory, stdout=log, stderr=log))

    try:
        start(
            "etcd", "--data-dir=etcd-data", f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls=http://{LOOPBACK}:{ports[2]}", "--unsafe-no-fsync",
        )  # fmt: skip
        start(
            "kube-apiserver", f"--etcd-servers={etcd}", f"--secure-port={ports[1]}", f"--bind-address={LOOPBACK}",
            "--tls-cert-file=server.pem", "--tls-private-key-file=server.key", "--client-ca-file=authority.pem",
            "--service-account-key-file=accounts.key", "--service-account-signing-key-file=accounts.key",
            "--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=RBAC", "--allow-privileged=true", "--cert-dir=generated",
        )  # fmt: skip
        _until_ready(access, running)
        start(
            "kube-controller-manager", "--kubeconfig=kubeconfig", "--leader-elect=false", "--secure-port=0",
            "--service-account-private-key-file=accounts.key", "--root-ca-file=authority.pem",
            "--concurrent-gc-syncs=4",
        )  # fmt: skip
        start("kube-scheduler", "--kubeconfig=kubeconfig", "--leader-elect=false", "--secure-port=0")
        start(
            "kwok", "--kubeconfig=kubeconfig", "--manage-all-nodes=false",
            "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake", f"--server-address={LOOPBACK}:0",
        )  # fmt: skip
        yield ControlPlane(kubeconfig, access)
    finally:
        # Nothing of it is kept, so nothing has to be ended in order.
        for process in reversed(running):
            process.kill()
            process.wait()


def free_ports(count: int) -> list[int]:
    found: list[int] = []
    while len(found) < count:
        port = FIRST_PORT + secrets.randbelow(LAST_PORT - FIRST_PORT)
        try:
            socket.create_server((LOOPBACK, port)).close()
        except OSError:
            continue
        if port not in found:
            found.append(port)
    return found


def _dated(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    moment = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - timedelta(minutes=5))
        .not_valid_after(moment + timedelta(hours=2))
    )


def _until_ready(access: Access, running: list["subprocess.Popen[bytes]"]) -> None:
    deadline = time.monotonic() + START_SECONDS
    context: ssl.SSLContext = access.ssl_context()
    while time.monotonic() < deadline:
        assert all(process.poll() is None for process in running), "a program of the control plane ended at its start"
        try:
            if httpx.get(f"{access.server}/readyz", verify=context, timeout=2.0).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"the API server at {access.server} was not ready in {START_SECONDS:g} s ({os.getpid()})")
