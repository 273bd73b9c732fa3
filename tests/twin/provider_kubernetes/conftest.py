"""The provider and a real API server, and what a test reads of the cluster past the provider."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import grpc.aio
import pytest
import pytest_asyncio
from pulumi.runtime import proto
from pulumi.runtime.proto import engine_pb2_grpc

from tests.twin.provider_kubernetes.control_plane import ControlPlane, control_plane
from tests.twin.provider_kubernetes.engine import Engine, Messages
from tests.twin.provider_kubernetes.manifests import definition
from tools.build import cache_directory
from twin.kubernetes.api import KubernetesApi, Object, ResourceType
from twin.providers import wire
from twin.providers.kinds import Surroundings
from twin.providers.kubernetes import tokens
from twin.providers.kubernetes.provider import Kubernetes
from twin.providers.sdk import resource_tokens
from twin.providers.servicer import serve
from twin.providers.types_cache import SdkTypes

Found = TypeVar("Found")

LOOK_SECONDS = 0.05

NODE: Object = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "node-a", "annotations": {"kwok.x-k8s.io/node": "fake"}, "labels": {"zone": "a"}},
    "status": {
        "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "50"},
        "capacity": {"cpu": "4", "memory": "8Gi", "pods": "50"},
    },
}


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("control-plane")) as started:
        yield started


@pytest_asyncio.fixture
async def api(cluster: ControlPlane) -> AsyncIterator[KubernetesApi]:
    """An administrator beside the provider, as `kubectl` would be."""
    async with KubernetesApi(cluster.access) as client:
        nodes = await client.resource_type("v1", "Node")
        assert nodes is not None
        if await client.get(nodes, None, "node-a") is None:
            await client.create(nodes, None, NODE)
            await eventually(lambda: _schedulable(client, nodes))
        yield client


@pytest_asyncio.fixture
async def namespace(api: KubernetesApi, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own; it is not waited for at the end, the whole cluster goes."""
    name = request.node.originalname.removeprefix("test_").replace("_", "-")[:60].strip("-")
    await put(api, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


@pytest.fixture(scope="session")
def declared() -> SdkTypes:
    """What the SDK declares, read once: each stand-in would take a tenth of a second for it."""
    types_cache = cache_directory() / "sdk-types"
    return SdkTypes(
        types_cache,
        Kubernetes.sdk,
        [*filter(tokens.is_object, resource_tokens(Kubernetes.sdk)), "pulumi:providers:kubernetes"],
    )


@pytest_asyncio.fixture
async def stand_in(surroundings: Surroundings, types_cache: Path, declared: SdkTypes) -> AsyncIterator[Kubernetes]:
    made = Kubernetes(surroundings, types_cache)
    made._types = declared  # pyright: ignore[reportPrivateUsage]
    yield made
    await made.close()


@pytest_asyncio.fixture
async def more_engines(stand_in: Kubernetes) -> AsyncIterator[Callable[[], Engine]]:
    """Engines of one provider that none of them has configured yet."""
    server, port = await serve(stand_in, 0)
    engines: list[Engine] = []

    def one_more() -> Engine:
        engines.append(Engine(port))
        return engines[-1]

    yield one_more
    for engine in engines:
        await engine.close()
    await server.stop(None)


@pytest_asyncio.fixture
async def provider(more_engines: Callable[[], Engine], cluster: ControlPlane) -> Engine:
    """An engine whose provider is configured for the cluster."""
    engine = more_engines()
    await engine.configure({"kubeconfig": wire.Secret(cluster.kubeconfig)})
    return engine


@pytest_asyncio.fixture
async def messages(provider: Engine) -> AsyncIterator[Messages]:
    """What the provider tells the engine."""
    taken = Messages()
    server = grpc.aio.server()
    engine_pb2_grpc.add_EngineServicer_to_server(taken, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await provider.stub.Attach(proto.PluginAttach(address=f"127.0.0.1:{port}"))
    yield taken
    await server.stop(None)


async def put(api: KubernetesApi, body: Object, manager: str = "someone") -> Object:
    """Apply the object as somebody else than Pulumi."""
    resource_type = await api.resource_type(body["apiVersion"], body["kind"])
    assert resource_type is not None
    metadata = body["metadata"]
    return await api.apply(
        resource_type, metadata.get("namespace"), metadata["name"], body, field_manager=manager, force=True
    )


async def seen(api: KubernetesApi, api_version: str, kind: str, namespace: str | None, name: str) -> Object | None:
    """The object as it is in the cluster."""
    resource_type = await api.resource_type(api_version, kind)
    assert resource_type is not None
    return await api.get(resource_type, namespace, name)


async def define(api: KubernetesApi, kind: str, *, scope: str = "Namespaced") -> None:
    """Bring the definition of a custom resource, and wait until it is served."""
    await put(api, definition(kind, scope=scope))
    await eventually(lambda: api.resource_type("lab.test/v1", kind))


async def _schedulable(api: KubernetesApi, nodes: ResourceType) -> bool:
    """Whether the controllers know the node: they take the taint away with which it starts."""
    node = await api.get(nodes, None, "node-a")
    return node is not None and not node["spec"].get("taints")


async def eventually(look: Callable[[], Awaitable[Found | None]], seconds: float = 10.0) -> Found:
    """What `look` finds as soon as it finds anything."""
    for _ in range(int(seconds / LOOK_SECONDS)):
        found = await look()
        if found:
            return found
        await asyncio.sleep(LOOK_SECONDS)
    raise AssertionError(f"it did not come in {seconds:g} s")
