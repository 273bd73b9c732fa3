"""The proxy that stands for the lab's network."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path

import pytest
import pytest_asyncio

from twin.faults import Fault, FaultKind, Faults
from twin.kubernetes.network import HEAD_MAXIMUM_BYTES, Destination, Network, Refusal
from twin.store import Store

ADDRESS = "10.0.30.30"


class Routes:
    """Where the one address leads, as the test wants it."""

    def __init__(self) -> None:
        self.found: Destination | Refusal = Refusal(HTTPStatus.GATEWAY_TIMEOUT, "nobody is\nthere")

    def __call__(self, host: str, port: int) -> Destination | Refusal:
        return self.found if (host, port) == (ADDRESS, 6443) else Refusal(HTTPStatus.BAD_GATEWAY, "another address")


@pytest.fixture
def routes() -> Routes:
    return Routes()


@pytest.fixture
def faults(store: Store) -> Faults:
    return Faults(store)


@pytest_asyncio.fixture
async def network(routes: Routes, faults: Faults) -> AsyncIterator[Network]:
    made = Network(routes, faults)
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def socket_path(network: Network, tmp_path: Path) -> AsyncIterator[Path]:
    """The proxy on a socket whose path is longer than the kernel takes."""
    directory = tmp_path / ("long" * 40)
    directory.mkdir()
    server = await network.listen_at(directory, "network.sock")
    yield directory / "network.sock"
    server.close()


@pytest_asyncio.fixture
async def echo() -> AsyncIterator[int]:
    """Port of a server that answers what it is told, in capitals."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while received := await reader.read(65536):
            writer.write(received.upper())
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, head: bytes) -> str:
        """The status line that answers the request."""
        self.writer.write(head)
        return (await self.reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0].decode()

    async def echoed(self, text: bytes) -> bytes:
        self.writer.write(text)
        return await self.reader.readexactly(len(text))


async def connect(path: Path) -> Client:
    # The API server does it relative to where it runs.
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        return Client(*await asyncio.open_unix_connection(f"/proc/self/fd/{descriptor}/{path.name}"))
    finally:
        os.close(descriptor)


CONNECT = f"CONNECT {ADDRESS}:6443 HTTP/1.1\r\nHost: {ADDRESS}:6443\r\n\r\n".encode()


async def test_an_address_leads_to_its_server(socket_path: Path, routes: Routes, echo: int) -> None:
    routes.found = Destination(echo)
    client = await connect(socket_path)
    assert await client.ask(CONNECT) == "HTTP/1.1 200 Connection established"
    assert await client.echoed(b"hello") == b"HELLO"
    large = b"x" * 3_000_000
    assert await client.echoed(large) == large.upper()
    client.writer.write_eof()
    assert await client.reader.read() == b""


async def test_bytes_sent_right_behind_the_request_arrive(socket_path: Path, routes: Routes, echo: int) -> None:
    routes.found = Destination(echo)
    client = await connect(socket_path)
    assert "200" in await client.ask(CONNECT + b"early")
    assert await client.reader.readexactly(5) == b"EARLY"


async def test_a_refusal_is_one_status_line(socket_path: Path) -> None:
    client = await connect(socket_path)
    assert await client.ask(CONNECT) == "HTTP/1.1 504 nobody is there"
    assert await client.reader.read() == b""


async def test_a_server_that_is_gone_is_told(socket_path: Path, routes: Routes, echo: int) -> None:
    taken = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    taken.close()
    await taken.wait_closed()
    routes.found = Destination(port)
    assert "502 the API server of 10.0.30.30:6443 does not answer" in await (await connect(socket_path)).ask(CONNECT)


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"GET http://10.0.30.30/ HTTP/1.1\r\n\r\n", "405 this is the twin's network: it takes CONNECT only"),
        (b"CONNECT 10.0.30.30 HTTP/1.1\r\n\r\n", "400 CONNECT wants HOST:PORT"),
        (b"CONNECT 10.0.30.30:99999 HTTP/1.1\r\n\r\n", "400"),
        (b"CONNECT 10.0.30.30:0 HTTP/1.1\r\n\r\n", "400"),
        (b"\x16\x03\x01 hello\r\n\r\n", "405"),
        (b"CONNECT x:1 HTTP/1.1\r\nX: " + b"x" * HEAD_MAXIMUM_BYTES + b"\r\n\r\n", "431"),
    ],
)
async def test_what_is_no_connect_is_refused(socket_path: Path, request_head: bytes, status: str) -> None:
    assert f"HTTP/1.1 {status}" in await (await connect(socket_path)).ask(request_head)


async def test_connections_end_when_the_address_leads_elsewhere(
    network: Network, socket_path: Path, routes: Routes, echo: int
) -> None:
    routes.found = Destination(echo)
    client = await connect(socket_path)
    await client.ask(CONNECT)
    network.cut_dead()
    assert await client.echoed(b"still") == b"STILL"
    routes.found = Refusal(HTTPStatus.GATEWAY_TIMEOUT, "its machine is off")
    network.cut_dead()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await client.echoed(b"gone")


async def test_faults_strike(socket_path: Path, routes: Routes, echo: int, faults: Faults) -> None:
    routes.found = Destination(echo)
    faults.set(Fault(kind=FaultKind.API_ERROR, target="kubernetes", operation=f"CONNECT {ADDRESS}:*", remaining=1))
    assert "504 kubernetes answered 503" in await (await connect(socket_path)).ask(CONNECT)
    client = await connect(socket_path)
    assert "200" in await client.ask(CONNECT)
    faults.set(Fault(kind=FaultKind.API_SLOW, target="kubernetes", seconds=0.2))
    begun = time.monotonic()
    assert await client.echoed(b"slowly") == b"SLOWLY"
    assert time.monotonic() - begun > 0.2


async def test_a_port_that_is_taken_is_told(network: Network, echo: int) -> None:
    with pytest.raises(OSError, match="in use"):
        await network.start(echo)
