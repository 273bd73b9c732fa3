"""A Kubernetes control plane on loopback for tests: etcd and API server, with controllers and scheduler when wanted."""

import os
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tools.build import cache_directory, ensure
from tools.recipe import ETCD, KUBERNETES
from twin.kubernetes import launch

LOOPBACK: Final = "127.0.0.1"
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 10.0
PROGRAMS: Final = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
CONTROLLERS: Final = (
    "*,-node-lifecycle-controller,-node-ipam-controller,-node-route-controller,-service-lb-controller,"
    "-cloud-node-lifecycle-controller"
)


class ControlPlaneError(Exception):
    """A program of the control plane did not come up; the message ends with what it said."""


@dataclass
class ControlPlane:
    """A running control plane."""

    directory: Path
    port: int
    kubeconfig: str
    """Of a member of `system:masters`."""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _commands: dict[str, list[str]] = field(default_factory=dict)

    def restart_api_server(self) -> None:
        """End the API server at once and start it again on the same port; it is not ready yet.

        To be called by the thread that lives as long as the tests: the programs end with the one that started them.
        """
        process = self.processes["kube-apiserver"]
        process.kill()
        process.wait()
        self._start("kube-apiserver", self._commands["kube-apiserver"])

    def wait_until_ready(self) -> None:
        """ControlPlaneError when the API server is not ready in time."""
        context = ssl.create_default_context(cafile=str(self.directory / "ca.crt"))
        context.load_cert_chain(self.directory / "admin.crt", self.directory / "admin.key")
        address = f"https://{LOOPBACK}:{self.port}/readyz"
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            for name, process in self.processes.items():
                if process.poll() is not None:
                    raise ControlPlaneError(f"{name} ended with {process.returncode}: {self._said(name)}")
            try:
                with urllib.request.urlopen(address, context=context, timeout=2) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                pass
            time.sleep(0.1)
        raise ControlPlaneError(f"kube-apiserver is not ready after {START_SECONDS} s: {self._said('kube-apiserver')}")

    def start(self, name: str, program: Path, arguments: Mapping[str, str]) -> None:
        """Start one program."""
        self._commands[name] = [str(program), *(f"--{key}={value}" for key, value in arguments.items())]
        self._start(name, self._commands[name])

    def _start(self, name: str, command: list[str]) -> None:
        # Through this it ends with the tests, however they end.
        bound = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), *command]
        with (self.directory / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(bound, stdout=log, stderr=log, cwd=self.directory)

    def _said(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text(errors="replace")[-2000:]


@contextmanager
def control_plane(directory: Path, *, controllers: bool = False) -> Generator[ControlPlane]:
    """Run a control plane with its data in the directory until the end of the block."""
    directory.mkdir(parents=True, exist_ok=True)
    ensure((KUBERNETES, ETCD), print)
    programs = {program: _program(program) for program in PROGRAMS}
    certificates = _Certificates(directory)
    port, etcd_port, peer_port = _free_port(), _free_port(), _free_port()
    plane = ControlPlane(directory, port, certificates.kubeconfig(port))
    with ExitStack() as stack:
        stack.callback(_stop, plane)
        etcd, peer = f"http://{LOOPBACK}:{etcd_port}", f"http://{LOOPBACK}:{peer_port}"
        plane.start(
            "etcd",
            programs["etcd"],
            {
                "name": "test", "data-dir": "etcd", "listen-client-urls": etcd, "advertise-client-urls": etcd,
                "listen-peer-urls": peer, "initial-advertise-peer-urls": peer, "initial-cluster": f"test={peer}",
                "unsafe-no-fsync": "true", "log-level": "warn",
            },
        )  # fmt: skip
        plane.start(
            "kube-apiserver",
            programs["kube-apiserver"],
            {
                "etcd-servers": etcd, "bind-address": LOOPBACK, "secure-port": str(port),
                "tls-cert-file": "server.crt", "tls-private-key-file": "server.key", "client-ca-file": "ca.crt",
                "authorization-mode": "Node,RBAC", "service-cluster-ip-range": "10.96.0.0/16",
                "service-account-issuer": "https://kubernetes.default.svc", "allow-privileged": "true",
                "service-account-key-file": "service-account.key",
                "service-account-signing-key-file": "service-account.key",
                # Nothing in the tests makes a default service account without the controllers.
                "disable-admission-plugins": "" if controllers else "ServiceAccount",
            },
        )  # fmt: skip
        plane.wait_until_ready()
        if controllers:
            (directory / "kubeconfig").write_text(plane.kubeconfig)
            plane.start(
                "kube-controller-manager",
                programs["kube-controller-manager"],
                {
                    "kubeconfig": "kubeconfig", "leader-elect": "false", "secure-port": "0", "controllers": CONTROLLERS,
                    "service-account-private-key-file": "service-account.key", "root-ca-file": "ca.crt",
                    "pvclaimbinder-sync-period": "1s",
                },
            )  # fmt: skip
            plane.start(
                "kube-scheduler",
                programs["kube-scheduler"],
                {"kubeconfig": "kubeconfig", "leader-elect": "false", "secure-port": "0"},
            )
        yield plane


class _Certificates:
    """An authority, a server's and an administrator's certificate, and a key for service accounts."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("test authority")
        ca = _builder(self._name, self._name, self._key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self._write("ca", ca.sign(self._key, hashes.SHA256()), self._key)
        names = [x509.DNSName("localhost"), x509.IPAddress(IPv4Address(LOOPBACK))]
        self._issue("server", _name("kube-apiserver"), x509.SubjectAlternativeName(names))
        self._issue("admin", _name("admin", "system:masters"))
        service_accounts = ec.generate_private_key(ec.SECP256R1())
        (directory / "service-account.key").write_bytes(_pem(service_accounts))

    def kubeconfig(self, port: int) -> str:
        names = ("ca.crt", "admin.crt", "admin.key")
        data = {name: b64encode((self._directory / name).read_bytes()).decode() for name in names}
        cluster = {"server": f"https://{LOOPBACK}:{port}", "certificate-authority-data": data["ca.crt"]}
        user = {"client-certificate-data": data["admin.crt"], "client-key-data": data["admin.key"]}
        return yaml.safe_dump(
            {
                "apiVersion": "v1", "kind": "Config", "current-context": "test",
                "clusters": [{"name": "test", "cluster": cluster}],
                "users": [{"name": "admin", "user": user}],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
            }
        )  # fmt: skip

    def _issue(self, name: str, subject: x509.Name, names: x509.SubjectAlternativeName | None = None) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(subject, self._name, key.public_key())
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        self._write(name, builder.sign(self._key, hashes.SHA256()), key)

    def _write(self, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        (self._directory / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (self._directory / f"{name}.key").write_bytes(_pem(key))


def _name(common_name: str, group: str = "") -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)] if group else []
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    start = datetime.now(UTC) - timedelta(hours=1)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(start).not_valid_after(start + timedelta(days=2))


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _program(name: str) -> Path:
    recipe = next(one for one in (KUBERNETES, ETCD) if any(binary.name == name for binary in one.binaries))
    return cache_directory() / "tools" / f"{recipe.name}-{recipe.key}" / name


def _free_port() -> int:
    # Below what Linux gives to outgoing connections, so that none takes it between now and the start.
    while True:
        port = 20000 + secrets.randbelow(10000)
        try:
            socket.create_server((LOOPBACK, port)).close()
        except OSError:
            continue
        return port


def _stop(plane: ControlPlane) -> None:
    for name in reversed(list(plane.processes)):
        process = plane.processes[name]
        if process.poll() is not None:
            continue
        # Nothing of the data is wanted any more.
        process.send_signal(signal.SIGTERM if name == "etcd" else signal.SIGKILL)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
