"""A twin's providers in this process, each behind its own gRPC server."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeVar

import pytest
import pytest_asyncio

from inventory import LAB
from tests.twin.provider_client import ProviderClient
from tools.build import cache_directory
from twin.faults import Faults
from twin.providers.kinds import Surroundings
from twin.providers.servicer import serve
from twin.providers.stand_in import StandIn
from twin.store import Store
from twin.world import World

StandInType = TypeVar("StandInType", bound=StandIn)
Connect = Callable[[type[StandIn]], Awaitable[ProviderClient]]


@pytest.fixture
def cache() -> Path:
    """Shared by all runs: what it holds depends on versions and sources alone."""
    return cache_directory()


@pytest.fixture
def types_cache(cache: Path) -> Path:
    """Where the daemon keeps what was read from the SDKs."""
    return cache / "sdk-types"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "state.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def surroundings(store: Store) -> Surroundings:
    faults = Faults(store)
    return Surroundings(store, World(LAB, faults), faults)


@pytest_asyncio.fixture
async def connect(surroundings: Surroundings, types_cache: Path) -> AsyncIterator[Connect]:
    """Serve a stand-in and return a client of it."""
    async with AsyncExitStack() as stack:

        async def connected(kind: type[StandIn]) -> ProviderClient:
            server, port = await serve(kind(surroundings, types_cache), 0)
            stack.push_async_callback(server.stop, None)
            client = ProviderClient(port)
            stack.push_async_callback(client.close)
            return client

        yield connected
