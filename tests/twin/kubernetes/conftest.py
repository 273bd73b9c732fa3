"""Configured machines, and clusters that run on them."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from inventory import LAB
from model.exclusive import Colour
from tests.conformance.talos.configurations import ClusterSecrets
from tests.twin.kubernetes.lab_state import LabState
from tests.twin.kubernetes.running_lab import RunningLab
from tools.build import Tool, cache_directory, ensure
from tools.recipe import ETCD, KUBERNETES, KWOK, TALOS_MACHINERY
from twin.client import Twin
from twin.directory import TwinDirectory
from twin.store import Store
from twin.talos.machinery import EXECUTABLE, Machinery

MACHINES = {
    Colour.GREEN: ("master-0", "master-1", "master-2", "worker-0", "worker-intel-gpu", "worker-amd-gpu", "worker-nose"),
    Colour.BLUE: ("master-0", "master-1", "master-2", "worker-0"),
}
"""What the tests of running clusters need."""


@pytest.fixture(scope="session")
def tools() -> tuple[Tool, ...]:
    """The programs of a control plane and Talos' library; built when missing."""
    return ensure((KUBERNETES, ETCD, KWOK, TALOS_MACHINERY), print)


@pytest.fixture(scope="session")
def search_path(tools: tuple[Tool, ...]) -> str:
    """`PATH` with the tools first."""
    return os.pathsep.join([*(str(tool.directory) for tool in tools), os.environ["PATH"]])


@pytest.fixture(scope="session")
def machinery_executable(tools: tuple[Tool, ...]) -> Path:
    return next(tool.directory for tool in tools if tool.name == TALOS_MACHINERY.name) / EXECUTABLE


@pytest.fixture(scope="session")
def secrets(machinery_executable: Path) -> Mapping[Colour, ClusterSecrets]:
    """Of one cluster for each colour."""

    async def make() -> Mapping[Colour, ClusterSecrets]:
        asked = Machinery(machinery_executable)
        made = {colour: await asked.secrets(LAB.cluster.releases[0].talos) for colour in Colour}
        await asked.close()
        return {
            colour: ClusterSecrets(one["machineSecrets"], one["clientConfiguration"]) for colour, one in made.items()
        }

    return asyncio.run(make())


@pytest_asyncio.fixture
async def lab(store: Store, machinery_executable: Path) -> AsyncIterator[LabState]:
    """A lab without machines, in this process."""
    machinery = Machinery(machinery_executable)
    yield LabState(store, machinery)
    await machinery.close()


@pytest.fixture(scope="session")
def running(
    tmp_path_factory: pytest.TempPathFactory,
    search_path: str,
    machinery_executable: Path,
    secrets: Mapping[Colour, ClusterSecrets],
) -> Iterator[RunningLab]:
    """A daemon with a running cluster, green, and the machines of another, blue, that was not bootstrapped."""
    directory = tmp_path_factory.mktemp("running") / "twin"

    async def prepare() -> None:
        store, machinery = Store(TwinDirectory(directory).state), Machinery(machinery_executable)
        state = LabState(store, machinery)
        for colour, names in MACHINES.items():
            await state.build(colour, secrets[colour], *names)
        await machinery.close()
        store.close()

    asyncio.run(prepare())
    twin = Twin(directory, cache_directory(), {"PATH": search_path})
    lab = RunningLab(twin, directory, secrets)
    twin.start()
    try:
        asyncio.run(lab.bootstrap(Colour.GREEN))
        yield lab
    finally:
        twin.stop()
