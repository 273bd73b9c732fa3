"""Talos' own library for every test, and machines for those that need them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from inventory import LAB
from tests.conformance.talos.configurations import ClusterSecrets
from tests.conformance.talos.machines import Machines
from tools.build import ensure
from tools.recipe import TALOS_MACHINERY
from twin.faults import Faults
from twin.store import Store
from twin.talos.clusters import Clusters
from twin.talos.machinery import EXECUTABLE, Machinery
from twin.world import World


@pytest.fixture(scope="session")
def machinery_executable() -> Path:
    (tool,) = ensure((TALOS_MACHINERY,), print)
    return tool.directory / EXECUTABLE


@pytest_asyncio.fixture
async def machinery(machinery_executable: Path) -> AsyncIterator[Machinery]:
    asked = Machinery(machinery_executable)
    yield asked
    await asked.close()


@pytest.fixture(scope="session")
def secrets(machinery_executable: Path) -> ClusterSecrets:
    """Of one cluster. Making a 4096-bit key takes half a second, and no test changes them."""
    return _make_secrets(machinery_executable)


@pytest.fixture(scope="session")
def other_secrets(machinery_executable: Path) -> ClusterSecrets:
    """Of another cluster."""
    return _make_secrets(machinery_executable)


def _make_secrets(executable: Path) -> ClusterSecrets:
    async def make() -> ClusterSecrets:
        asked = Machinery(executable)
        made = await asked.secrets(LAB.cluster.releases[0].talos)
        await asked.close()
        return ClusterSecrets(made["machineSecrets"], made["clientConfiguration"])

    return asyncio.run(make())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "state.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def faults(store: Store) -> Faults:
    return Faults(store)


@pytest.fixture
def machines() -> Machines:
    return Machines()


@pytest.fixture
def world(faults: Faults, machines: Machines) -> World:
    made = World(LAB, faults)
    made.add_source(machines.switched_on)
    return made


@pytest.fixture
def clusters(store: Store, world: World, machinery: Machinery) -> Clusters:
    return Clusters(store, world, machinery)
