"""What every operator has in common: patience, faults, and an API server that goes away."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest

from inventory import LAB
from tests.harness.apiserver import ControlPlane
from tests.twin.operators.conftest import FSID, TEST, Bench
from twin.faults import Fault, FaultKind, Faults
from twin.kubernetes.api import KubernetesApi
from twin.kubernetes.hardware import Hardware
from twin.operators import operators
from twin.operators.cluster import PERSISTENT_VOLUME_CLAIM, SERVICE, Kind, NotReadyError, is_true, with_condition
from twin.operators.schedules import refuse_schedule
from twin.store import Store
from twin.world import World

OPERATORS = frozenset({"volumes"})

ELASTI_SERVICE = Kind("elasti.truefoundry.com/v1alpha1", "ElastiService")


async def ceph_class(bench: Bench) -> str:
    storage_class = f"rbd-{bench.namespace}"
    await bench.secret("csi-secret", {"userID": "kubernetes", "userKey": "key"})
    driver = {"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": "rbd.csi.ceph.com"}}
    await bench.apply({**driver, "spec": {"attachRequired": True}})
    parameters = {"clusterID": FSID, "pool": "osd"}
    metadata = {"name": storage_class}
    await bench.apply(
        {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": metadata,
         "provisioner": "rbd.csi.ceph.com", "parameters": parameters}
    )  # fmt: skip
    return storage_class


async def test_an_operator_that_hangs_does_nothing_until_the_fault_ends(bench: Bench, faults: Faults) -> None:
    storage_class = await ceph_class(bench)
    fault = Fault(kind=FaultKind.OPERATOR_HANGS, target="volumes", operation=f"{bench.namespace}/slow*")
    faults.set(fault)
    await bench.claim("slow", storage_class)
    await bench.claim("quick", storage_class)
    await bench.until(PERSISTENT_VOLUME_CLAIM, "quick", lambda found: found["status"]["phase"] == "Bound")
    slow = await bench.cluster.find(PERSISTENT_VOLUME_CLAIM, bench.namespace, "slow")
    assert slow is not None
    assert slow["status"]["phase"] == "Pending"
    faults.clear(fault.key)
    await bench.until(PERSISTENT_VOLUME_CLAIM, "slow", lambda found: found["status"]["phase"] == "Bound")


async def test_an_operator_that_fails_says_so_as_it_would_of_any_other_trouble(bench: Bench, faults: Faults) -> None:
    storage_class = await ceph_class(bench)
    faults.set(Fault(kind=FaultKind.OPERATOR_FAILS, target="volumes", operation=f"{bench.namespace}/*", remaining=1))
    await bench.claim("data", storage_class)
    assert "injected fault" in await bench.event("data", "ProvisioningFailed")
    await bench.until(PERSISTENT_VOLUME_CLAIM, "data", lambda found: found["status"]["phase"] == "Bound")
    assert not faults.all()


async def test_operators_go_on_when_the_api_server_comes_back(bench: Bench, plane: ControlPlane) -> None:
    storage_class = await ceph_class(bench)
    await bench.claim("before", storage_class)
    await bench.until(PERSISTENT_VOLUME_CLAIM, "before", lambda found: found["status"]["phase"] == "Bound")
    plane.restart_api_server()
    await asyncio.to_thread(plane.wait_until_ready)
    await bench.claim("after", storage_class)
    await bench.until(PERSISTENT_VOLUME_CLAIM, "after", lambda found: found["status"]["phase"] == "Bound")


async def test_a_definition_may_come_long_after_its_operator(bench: Bench) -> None:
    assert await bench.cluster.find(ELASTI_SERVICE, bench.namespace, "any") is None
    waiting = asyncio.create_task(bench.cluster.served(ELASTI_SERVICE))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    await bench.define("kube-elasti")
    resource = await asyncio.wait_for(waiting, 5)
    assert resource.plural == "elastiservices"


async def test_an_event_is_told_once_for_each_message(bench: Bench) -> None:
    service = await bench.apply(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
    )
    for message in ("first", "first", "second"):
        await bench.cluster.tell(TEST, service, "Trouble", message)
    events = await bench.cluster.all(Kind("v1", "Event"), bench.namespace)
    assert sorted(one["message"] for one in events if one["involvedObject"]["name"] == "web") == ["first", "second"]


async def test_a_status_that_says_the_same_is_not_written_again(bench: Bench) -> None:
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
    service = await bench.apply(body)
    conditions = with_condition(service, "Served", true=True, reason="Ok", message="all is well")
    await bench.cluster.set_status(service, {"conditions": conditions})
    once = await bench.until(SERVICE, "web", lambda found: is_true(found, "Served"))
    await bench.cluster.set_status(once, {"conditions": with_condition(
        once, "Served", true=True, reason="Ok", message="all is well"
    )})  # fmt: skip
    twice = await bench.until(SERVICE, "web", lambda found: is_true(found, "Served"))
    assert twice["metadata"]["resourceVersion"] == once["metadata"]["resourceVersion"]


@pytest.mark.parametrize(
    ("schedule", "fields"),
    [("0 */12 * * *", 5), ("0 30 0 * * *", 6), ("15,45 1-5 * * MON-FRI", 5), ("@daily-random", 5), ("@every 6h", 6)],
)
def test_a_schedule_is_understood(schedule: str, fields: int) -> None:
    refuse_schedule(schedule, where="spec.schedule", fields=fields)


@pytest.mark.parametrize(
    ("schedule", "fields", "message"),
    [
        ("0 0 * * *", 6, "expected exactly 6 fields, found 5"),
        ("0 24 * * *", 5, "'24' of '0 24 * * *' is not in 0-23"),
        ("daily", 5, "expected exactly 5 fields, found 1"),
        ("0 0 * * mon;", 5, "'mon;'"),
    ],
)
def test_a_schedule_is_refused(schedule: str, fields: int, message: str) -> None:
    with pytest.raises(NotReadyError, match=message.replace("*", r"\*")):
        refuse_schedule(schedule, where="spec.schedule", fields=fields)




@dataclass(frozen=True)
class RunningPlane:
    """What a control plane is to the operators."""

    name: str
    text: str

    def kubeconfig(self, user: str) -> str:
        return self.text


async def test_every_operator_runs_beside_a_plane_and_ends_with_it(
    plane: ControlPlane, store: Store, faults: Faults, cache: Path
) -> None:
    world = World(LAB, faults)
    beside = operators(world, Hardware(LAB, lambda: ()), store, cache, dict)
    before = asyncio.all_tasks()
    async with (
        KubernetesApi.from_kubeconfig(plane.kubeconfig) as api,
        beside(RunningPlane("green", plane.kubeconfig)),
    ):
        name = "beside-a-plane"
        resource = await api.resource_type("v1", "Node")
        assert resource is not None
        await api.create(resource, None, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
        csi_nodes = await api.resource_type("storage.k8s.io/v1", "CSINode")
        assert csi_nodes is not None
        for _ in range(200):
            if await api.get(csi_nodes, None, name) is not None:
                break
            await asyncio.sleep(0.1)
        else:
            pytest.fail("no operator told what the node can mount")
    assert asyncio.all_tasks() <= before
