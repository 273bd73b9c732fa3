"""Operators on a real control plane: one for the whole folder, a namespace of its own for each test."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from inventory import LAB
from tests.harness.apiserver import ControlPlane, control_plane
from twin.faults import Faults
from twin.kubernetes.api import ApiStatusError, KubernetesApi, Object
from twin.kubernetes.custom_resources import bundle
from twin.operators import controllers
from twin.operators.cluster import Around, Cluster, Kind, Operator, is_true, now
from twin.operators.controller import running
from twin.operators.hardware import NodeDevices
from twin.store import Store

PATIENCE_SECONDS: Final = 20.0
TEST: Final = Operator("test")
POD: Final = Kind("v1", "Pod")
EVENT: Final = Kind("v1", "Event")
FSID: Final = str(LAB.ceph.fsid)

_NUMBERS = itertools.count(1)


@dataclass
class Bench:
    """A cluster with its operators running, and what tests do to it."""

    api: KubernetesApi
    cluster: Cluster
    namespace: str
    secrets: dict[str, dict[str, str]]
    devices: dict[str, NodeDevices] = field(default_factory=dict)

    async def apply(self, body: Object) -> Object:
        """Server-side apply, in the test's namespace unless it says otherwise."""
        resource = await self.cluster.served(Kind(body["apiVersion"], body["kind"]))
        metadata = body["metadata"]
        if resource.namespaced:
            metadata.setdefault("namespace", self.namespace)
        return await self.api.apply(
            resource, metadata.get("namespace"), metadata["name"], body, field_manager=TEST, force=True
        )

    async def define(self, *bundles: str) -> None:
        """Install custom resource definitions, unless they are there."""
        for one in (one for name in bundles for one in bundle(name, self.cluster.around.cache)):
            names, group = one["spec"]["names"], one["spec"]["group"]
            kind = Kind(f"{group}/{one['spec']['versions'][-1]['name']}", names["kind"])
            if await self.api.resource_type(kind.api_version, kind.kind) is None:
                await self.cluster.create(TEST, one)
                await self.cluster.served(kind)

    async def until(
        self, kind: Kind, name: str, holds: Callable[[Object], Any] = bool, *, namespace: str | None = ""
    ) -> Object:
        """The object, once the condition holds; AssertionError with its status when it does not in time."""
        place = self.namespace if namespace == "" else namespace
        found: Object | None = None
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            found = await self.cluster.find(kind, place, name)
            if found is not None and holds(found):
                return found
            await asyncio.sleep(0.1)
        status = found and found.get("status")
        raise AssertionError(f"{kind.kind} {place}/{name} never came to it; status: {status}")

    async def gone(self, kind: Kind, name: str, *, namespace: str | None = "") -> None:
        """Wait until the object is gone."""
        place = self.namespace if namespace == "" else namespace
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while await self.cluster.find(kind, place, name) is not None:
            assert asyncio.get_running_loop().time() < deadline, f"{kind.kind} {place}/{name} is still there"
            await asyncio.sleep(0.1)

    async def event(self, name: str, reason: str, *, namespace: str | None = None) -> str:
        """Message of an event about the object, once there is one."""
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        found: list[Object] = []
        while asyncio.get_running_loop().time() < deadline:
            found = [
                one for one in await self.cluster.all(EVENT, namespace or self.namespace)
                if one["involvedObject"]["name"] == name
            ]  # fmt: skip
            for one in found:
                if one["reason"] == reason:
                    return one["message"]
            await asyncio.sleep(0.1)
        raise AssertionError(f"no event {reason} about {name}: {[(e['reason'], e['message']) for e in found]}")

    async def secret(self, name: str, data: Mapping[str, str], *, namespace: str = "") -> None:
        """A Secret with clear text values."""
        metadata = {"name": name, "namespace": namespace or self.namespace}
        await self.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": dict(data)})

    async def node(self, name: str, *, labels: Mapping[str, str] | None = None, taints: Any = ()) -> None:
        """A node that is ready."""
        labels = {"kubernetes.io/hostname": name, **(labels or {})}
        metadata = {"name": name, "labels": labels}
        await self.apply({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": list(taints)}})
        amounts = {"cpu": "32", "memory": "64Gi", "pods": "110"}
        moment = now()
        times = {"lastHeartbeatTime": moment, "lastTransitionTime": moment}
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "", **times}
        resource = await self.cluster.served(Kind("v1", "Node"))
        status = {"capacity": amounts, "allocatable": amounts, "conditions": [ready]}
        await self.api.merge(resource, None, name, {"status": status}, subresource="status")
        # Admission taints every new node until a controller, which does not run here, finds it ready.
        await self.api.merge(resource, None, name, {"spec": {"taints": list(taints) or None}})

    async def claim(self, name: str, storage_class: str, *modes: str) -> None:
        """A claim of 1Gi."""
        spec = {
            "accessModes": list(modes) or ["ReadWriteOnce"],
            "storageClassName": storage_class,
            "resources": {"requests": {"storage": "1Gi"}},
        }
        kind = {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
        await self.apply({**kind, "metadata": {"name": name}, "spec": spec})


def status_of(found: Object) -> Object:
    """The status; empty while there is none."""
    return found.get("status") or {}


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("plane"), controllers=True) as running_plane:
        yield running_plane


@pytest.fixture
def faults(store: Store) -> Faults:
    return Faults(store)


@pytest_asyncio.fixture
async def bench(
    plane: ControlPlane, store: Store, faults: Faults, cache: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Bench]:
    """With the operators that the test's module names in `OPERATORS`: each costs the API server some connections."""
    secrets: dict[str, dict[str, str]] = {}
    devices: dict[str, NodeDevices] = {}

    def of(node: Object) -> NodeDevices:
        return devices.get(node["metadata"]["name"], NodeDevices())

    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(KubernetesApi.from_kubeconfig(plane.kubeconfig))
        around = Around(LAB, faults, store, cache, lambda: {path: dict(one) for path, one in secrets.items()}, of)
        cluster = Cluster("green", api, around)
        namespace = f"test-{next(_NUMBERS)}"
        made = Bench(api, cluster, namespace, secrets, devices)
        await made.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        kubelet = asyncio.create_task(start_pods(cluster))
        stack.callback(kubelet.cancel)
        wanted: frozenset[str] = request.module.OPERATORS
        assert wanted <= {one.operator for one in controllers(cluster)}
        chosen = [one for one in controllers(cluster) if one.operator in wanted]
        await stack.enter_async_context(running(cluster, chosen))
        yield made


async def start_pods(cluster: Cluster) -> None:
    """What kubelets do: pods that were given a node run, pods that are deleted end."""
    resource = await cluster.served(POD)
    while True:
        for pod in await cluster.all(POD):
            with suppress(ApiStatusError):
                namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
                if "deletionTimestamp" in pod["metadata"]:
                    await cluster.api.delete(resource, namespace, name, grace_seconds=0)
                elif pod["spec"].get("nodeName") and not is_true(pod, "Ready"):
                    scheduled = [one for one in pod["status"].get("conditions", []) if one["type"] == "PodScheduled"]
                    ready = {"type": "Ready", "status": "True", "lastTransitionTime": now()}
                    status = {"phase": "Running", "conditions": [*scheduled, ready]}
                    await cluster.api.merge(resource, namespace, name, {"status": status}, subresource="status")
        await asyncio.sleep(0.2)
