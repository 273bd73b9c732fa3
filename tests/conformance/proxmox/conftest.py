"""Fixtures: the emulated cluster and its two clients, `proxmoxer` and the bridged provider under the engine."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.workspace import search_path
from tests.conformance.proxmox.cluster import Api, Certificates, EmulatedCluster, make_certificates
from tests.conformance.proxmox.engine_project import EngineProject
from tools.build import Tool, ensure
from tools.recipe import ENGINE, PROXMOX_PROVIDER


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def cluster(tmp_path: Path, certificates: Certificates) -> Iterator[EmulatedCluster]:
    running = EmulatedCluster(tmp_path, certificates)
    yield running
    running.stop()


@pytest.fixture
def client(cluster: EmulatedCluster) -> Api:
    return cluster.client()


@pytest.fixture(scope="session")
def proxmox_provider() -> Tool:
    (tool,) = ensure((PROXMOX_PROVIDER,), print)
    return tool


@pytest.fixture(scope="session")
def engine_path(proxmox_provider: Tool) -> str:
    return search_path((*ensure(ENGINE, print), proxmox_provider), os.environ["PATH"])


@pytest.fixture
def new_project(
    tmp_path: Path, engine_path: str, cluster: EmulatedCluster, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., EngineProject]:
    monkeypatch.setenv("PATH", engine_path)

    def make(name: str, token: str | None = None) -> EngineProject:
        return EngineProject(tmp_path / name, cluster, token)

    return make


@pytest.fixture
def project(new_project: Callable[..., EngineProject]) -> EngineProject:
    return new_project("project")
