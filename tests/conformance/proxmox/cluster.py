"""An emulated Proxmox VE cluster in a thread of its own, with a certificate authority, for blocking clients."""

import asyncio
import ipaddress
import ssl
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from proxmoxer import ProxmoxAPI

from inventory import LAB
from twin.faults import Faults
from twin.proxmox.access import bootstrap_token
from twin.proxmox.server import ProxmoxServer
from twin.store import Store
from twin.talos.factory import Factory
from twin.world import World

SCHEMATIC = "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba"
"""The one schematic that the image factory of these tests knows."""

ResultType = TypeVar("ResultType")
Api: TypeAlias = Any
"""A `proxmoxer` client, whose attributes are paths of the API; its answers are JSON."""


@dataclass(frozen=True)
class Certificates:
    """A certificate authority and a loopback server certificate that it signed, as PEM files."""

    authority: Path
    server: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """TLS settings of the server."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server, self.key)
        return context


def make_certificates(folder: Path) -> Certificates:
    """Write a fresh authority and server certificate into the folder."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Conformance test authority")])
    now = datetime.now(UTC)

    def builder(subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=1))
        )

    authority = (
        builder(authority_name, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    server = (
        builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")]), key)
        .add_extension(names, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    files = Certificates(folder / "authority.pem", folder / "server.pem", folder / "key.pem")
    files.authority.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    files.server.write_bytes(server.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return files


@dataclass
class _State:
    store: Store
    faults: Faults
    world: World
    server: ProxmoxServer


class EmulatedCluster:
    """Starts on construction; `stop` ends it, `restart` ends it and starts another daemon on the same state."""

    def __init__(self, folder: Path, certificates: Certificates, task_duration: float = 0.005) -> None:
        self._folder = folder
        self._certificates = certificates
        self._task_duration = task_duration
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port = 0
        self._state: _State = self.run(self._start())

    @property
    def authority(self) -> Path:
        """PEM file of the certificate authority."""
        return self._certificates.authority

    @property
    def endpoint(self) -> str:
        """Base URL of the API."""
        return f"https://127.0.0.1:{self.port}/"

    @property
    def token(self) -> str:
        """The token that may do everything: `user!name=secret`."""
        return self.within(lambda state: bootstrap_token(state.store))

    def run(self, work: Coroutine[Any, Any, ResultType]) -> ResultType:
        """Run the coroutine in the cluster's thread."""
        future: Future[ResultType] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(timeout=30)

    def within(self, work: Callable[[_State], ResultType]) -> ResultType:
        """Call the function in the cluster's thread."""

        async def call() -> ResultType:
            return work(self._state)

        return self.run(call())

    def client(self, token: str | None = None) -> Api:
        """A proxmoxer client over verified TLS."""
        identity, _, secret = (token or self.token).partition("=")
        user, _, name = identity.partition("!")
        return ProxmoxAPI(
            "127.0.0.1", port=self.port, user=user, token_name=name, token_value=secret,
            verify_ssl=str(self.authority), timeout=20,
        )

    def verification(self) -> ssl.SSLContext:
        """TLS settings of a client that trusts this cluster's authority and no other."""
        return ssl.create_default_context(cafile=str(self.authority))

    def restart(self) -> None:
        """End the daemon where it is and start one on the same state."""
        self.run(self._stop())
        self._state = self.run(self._start())

    def stop(self) -> None:
        """End the daemon and its thread."""
        self.run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    async def _start(self) -> _State:
        store = Store(self._folder / "state.sqlite")
        faults = Faults(store)
        world = World(LAB, faults)
        Factory(store).register({"id": SCHEMATIC, "extensions": [], "kernelArguments": []})
        server = ProxmoxServer(store, world, faults, task_duration=self._task_duration)
        self.port = await server.start("127.0.0.1", self.port, self._certificates.context())
        return _State(store, faults, world, server)

    async def _stop(self) -> None:
        await self._state.server.stop()
        self._state.store.close()
