"""An API server that has the custom resource definitions of every bundle."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from tests.harness.apiserver import ControlPlane, control_plane
from tools.build import cache_directory, ensure
from tools.recipe import CUSTOM_RESOURCES
from twin.kubernetes.api import KubernetesApi, Object, ResourceType
from twin.kubernetes.custom_resources import BUNDLES, bundle

DEFINITIONS: Final = ResourceType(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
ESTABLISHED_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.5


@dataclass(frozen=True)
class Installed:
    """Definitions that the API server was given, as it has them."""

    by_bundle: Mapping[str, Sequence[Object]]

    def resource_type(self, api_version: str, kind: str) -> ResourceType:
        """Of a kind at a version; LookupError when no bundle serves it."""
        group, _, version = api_version.partition("/")
        for definition in (one for definitions in self.by_bundle.values() for one in definitions):
            spec = definition["spec"]
            if (spec["group"], spec["names"]["kind"]) != (group, kind):
                continue
            served = [one["name"] for one in spec["versions"] if one["served"]]
            if version not in served:
                raise LookupError(f"{kind} of {group} is served as {', '.join(served)}, not as {version}")
            plural, namespaced = spec["names"]["plural"], spec["scope"] == "Namespaced"
            return ResourceType(group, version, plural, kind, namespaced=namespaced)
        raise LookupError(f"no bundle has {kind} of {group}")


@pytest.fixture(scope="session")
def cache() -> Path:
    """Where the tools are, the generated definitions among them; built when missing."""
    ensure((CUSTOM_RESOURCES,), print)
    return cache_directory()


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("plane")) as running:
        yield running


@pytest.fixture(scope="session")
def installed(plane: ControlPlane, cache: Path) -> Installed:
    """Every definition of every bundle, taken by the API server and served."""

    async def install() -> Installed:
        wanted = {name: bundle(name, cache) for name in BUNDLES}
        async with KubernetesApi.from_kubeconfig(plane.kubeconfig) as api:
            for definition in (one for definitions in wanted.values() for one in definitions):
                await api.create(DEFINITIONS, None, definition)
            deadline = asyncio.get_running_loop().time() + ESTABLISHED_SECONDS
            while True:
                there = {one["metadata"]["name"]: one for one in await api.list(DEFINITIONS)}
                waiting = [name for name, one in there.items() if conditions(one).get("Established") != "True"]
                if not waiting:
                    break
                assert asyncio.get_running_loop().time() < deadline, f"never served: {waiting}"
                await asyncio.sleep(POLL_SECONDS)
        return Installed({name: [there[one["metadata"]["name"]] for one in wanted[name]] for name in BUNDLES})

    return asyncio.run(install())


@pytest_asyncio.fixture
async def api(plane: ControlPlane, installed: Installed) -> AsyncIterator[KubernetesApi]:
    """A client of the API server that has the definitions."""
    async with KubernetesApi.from_kubeconfig(plane.kubeconfig) as client:
        yield client


def conditions(definition: Object) -> dict[str, str]:
    """Status of each condition by its type."""
    found = (definition.get("status") or {}).get("conditions") or []
    return {one["type"]: one["status"] for one in found}
