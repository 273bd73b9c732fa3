"""The lab's network as far as Kubernetes needs it: an HTTP proxy that knows CONNECT and nothing else.

It connects the addresses of a cluster to its API server on loopback, while a machine answers there. Every other address
is refused with a reason, in the status line: that is what clients show. TLS goes through it untouched.
"""

import asyncio
import logging
import os
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from twin.faults import FaultKind, Faults, InjectedError
from twin.kubernetes.certificates import LOOPBACK

LOG = logging.getLogger(__name__)

API_NAME: Final = "kubernetes"
"""Target of the faults that strike connections; the operation is `CONNECT HOST:PORT`."""
HEAD_MAXIMUM_BYTES: Final = 16 * 1024
HEAD_SECONDS: Final = 10.0
CHUNK_BYTES: Final = 256 * 1024

_REQUEST = re.compile(rb"(?P<method>[A-Z]+) (?P<target>\S+) HTTP/1\.[01]\r\n")
_TARGET = re.compile(r"(?P<host>[^:\[\]]+|\[[0-9a-fA-F:.]+\]):(?P<port>\d{1,5})")


@dataclass(frozen=True)
class Refusal:
    """Why an address cannot be reached."""

    status: HTTPStatus
    """504 where a real connection would wait in vain, 502 where it would be refused."""
    reason: str


@dataclass(frozen=True)
class Destination:
    """Where an address of the lab really is."""

    port: int
    """On loopback."""


Route = Callable[[str, int], Destination | Refusal]
"""From host and port as the client names them."""


class Network:
    """The proxy, on loopback and on a socket in each plane's folder."""

    def __init__(self, route: Route, faults: Faults) -> None:
        self._route = route
        self._faults = faults
        self._server: asyncio.Server | None = None
        self._tunnels: set[_Tunnel] = set()

    async def start(self, port: int) -> None:
        """Listen; OSError when the port is taken."""
        self._server = await asyncio.start_server(self._serve, str(LOOPBACK), port, limit=HEAD_MAXIMUM_BYTES)

    async def listen_at(self, directory: Path, name: str) -> asyncio.Server:
        """Listen on a Unix socket in the directory as well, however long its path is."""
        (directory / name).unlink(missing_ok=True)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listening.bind(f"/proc/self/fd/{descriptor}/{name}")
        finally:
            os.close(descriptor)
        return await asyncio.start_unix_server(self._serve, sock=listening, limit=HEAD_MAXIMUM_BYTES)

    async def stop(self) -> None:
        """Stop listening and cut every connection."""
        if self._server is not None:
            self._server.close()
        for tunnel in [*self._tunnels]:
            tunnel.cut()

    def cut_dead(self) -> None:
        """Cut the connections whose address does not lead where it led."""
        for tunnel in [*self._tunnels]:
            if self._route(tunnel.host, tunnel.port) != tunnel.destination:
                tunnel.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError):
            # The client went away.
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            await _refuse(writer, Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the request is too long"))
            return
        request = _REQUEST.match(head)
        if request is None or request["method"] != b"CONNECT":
            await _refuse(
                writer, Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "this is the twin's network: it takes CONNECT only")
            )
            return
        target = _TARGET.fullmatch(request["target"].decode(errors="replace"))
        if target is None or not 0 < int(target["port"]) < 2**16:
            await _refuse(writer, Refusal(HTTPStatus.BAD_REQUEST, "CONNECT wants HOST:PORT"))
            return
        host, port = target["host"], int(target["port"])
        try:
            await self._faults.strike(API_NAME, f"CONNECT {host}:{port}")
        except InjectedError as error:
            await _refuse(writer, Refusal(HTTPStatus.GATEWAY_TIMEOUT, str(error)))
            return
        destination = self._route(host, port)
        if isinstance(destination, Refusal):
            await _refuse(writer, destination)
            return
        try:
            inner_reader, inner_writer = await asyncio.open_connection(str(LOOPBACK), destination.port)
        except OSError as error:
            reason = f"the API server of {host}:{port} does not answer on loopback: {error.strerror or error}"
            await _refuse(writer, Refusal(HTTPStatus.BAD_GATEWAY, reason))
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        tunnel = _Tunnel(host, port, destination, (writer, inner_writer))
        self._tunnels.add(tunnel)
        try:
            await asyncio.gather(
                _pass(reader, inner_writer, self._slowness), _pass(inner_reader, writer, _no_slowness)
            )
        finally:
            self._tunnels.discard(tunnel)
            tunnel.cut()

    def _slowness(self) -> float:
        """Seconds that each request takes longer by a fault."""
        slow = (f for f in self._faults.all() if f.kind is FaultKind.API_SLOW and f.target == API_NAME)
        return sum(fault.seconds for fault in slow if fault.operation == "*")


class _Tunnel:
    """One connection through the proxy."""

    def __init__(
        self, host: str, port: int, destination: Destination, writers: tuple[asyncio.StreamWriter, ...]
    ) -> None:
        self.host = host
        self.port = port
        self.destination = destination
        self._writers = writers

    def cut(self) -> None:
        """End it at once, in both directions."""
        for writer in self._writers:
            writer.transport.abort()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, slowness: Callable[[], float]) -> None:
    """One direction, until its end."""
    with suppress(OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            if (seconds := slowness()) > 0:
                await asyncio.sleep(seconds)
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


def _no_slowness() -> float:
    return 0.0


async def _refuse(writer: asyncio.StreamWriter, refusal: Refusal) -> None:
    reason = " ".join(refusal.reason.split())
    head = f"HTTP/1.1 {refusal.status} {reason}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    writer.write(head.encode("ascii", errors="replace"))
    await writer.drain()
