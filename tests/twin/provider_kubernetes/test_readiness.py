"""What is waited for, and what is said when it does not come."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import grpc.aio
import pytest
from google.protobuf import empty_pb2

from tests.twin.provider_kubernetes import manifests
from tests.twin.provider_kubernetes.conftest import define, eventually, seen
from tests.twin.provider_kubernetes.engine import Engine, Known, Unready, unready
from tests.twin.provider_kubernetes.manifests import (
    CLAIM,
    DAEMON_SET,
    DEPLOYMENT,
    JOB,
    POD,
    SERVICE,
    STATEFUL_SET,
    STORAGE_CLASS,
    WIDGET,
    of,
)
from twin.kubernetes.api import KubernetesApi, Object


async def not_ready(call: Awaitable[Any]) -> Unready:
    """What the call must leave: a resource that is there, and the reasons why it does not work."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return unready(caught.value)


async def set_status(api: KubernetesApi, body: Object, status: Object) -> None:
    resource_type = await api.resource_type(body["apiVersion"], body["kind"])
    assert resource_type is not None
    metadata = body["metadata"]
    await api.merge(resource_type, metadata["namespace"], metadata["name"], {"status": status}, subresource="status")


async def test_workloads_become_ready(provider: Engine, namespace: str) -> None:
    def named(name: str) -> dict[str, Any]:
        return {"name": name, "namespace": namespace}

    made = await asyncio.gather(
        provider.create(DEPLOYMENT, "d", manifests.workload(DEPLOYMENT, named("d"), replicas=2)),
        provider.create(
            STATEFUL_SET, "s", manifests.workload(STATEFUL_SET, named("s"), replicas=2, serviceName="s")
        ),
        provider.create(DAEMON_SET, "a", manifests.workload(DAEMON_SET, named("a"))),
        provider.create(POD, "p", of(POD, named("p"), spec=manifests.pod_spec())),
        provider.create(DEPLOYMENT, "z", manifests.workload(DEPLOYMENT, named("z"), replicas=0)),
    )  # fmt: skip
    deployment, stateful_set, daemon_set, pod, _ = made
    assert deployment.plain("status")["availableReplicas"] == 2
    assert stateful_set.plain("status")["readyReplicas"] == 2
    assert daemon_set.plain("status")["numberAvailable"] == 1
    assert pod.plain("status")["phase"] == "Running"

    service = of(SERVICE, named("d"), spec={"selector": {"app": "d"}, "ports": [{"port": 80}]})
    await provider.create(SERVICE, "s", service)
    again = manifests.workload(
        DEPLOYMENT, named("d"), manifests.pod_spec(container={"image": "newer"}), replicas=2
    )  # fmt: skip
    updated = await provider.update(deployment, again)
    assert updated.plain("status")["updatedReplicas"] == 2
    assert updated.plain("status")["observedGeneration"] == updated.plain("metadata")["generation"]


async def test_pod_that_cannot_be_scheduled(provider: Engine, namespace: str) -> None:
    pod = manifests.pod_spec(container={"resources": {"limits": {"amd.com/gpu": "1"}}})
    inputs = manifests.workload(DEPLOYMENT, {"name": "gpu", "namespace": namespace}, pod, replicas=1)
    left = await not_ready(provider.create(DEPLOYMENT, "d", inputs, seconds=1))
    assert left.resource_id == f"{namespace}/gpu"
    assert left.properties["kind"] == "Deployment"
    assert "not ready: timed out after 1 s: waiting for its Pods: 0 of 1 are available" in left.reasons[0]
    reasons = "\n".join(left.reasons)
    assert "condition Available is False [MinimumReplicasUnavailable]" in reasons
    assert "Insufficient amd.com/gpu" in reasons
    assert "[FailedScheduling] 0/1 nodes are available" in reasons


async def test_what_a_pod_names_and_the_namespace_lacks(provider: Engine, api: KubernetesApi, namespace: str) -> None:
    pod = manifests.pod_spec(
        imagePullSecrets=[{"name": "registry"}], nodeSelector={"zone": "nowhere"},
        container={"envFrom": [{"secretRef": {"name": "keys"}}]},
    )  # fmt: skip
    inputs = manifests.workload(DEPLOYMENT, {"name": "web", "namespace": namespace}, pod, replicas=1)
    left = await not_ready(provider.create(DEPLOYMENT, "d", inputs, seconds=1))
    reasons = "\n".join(left.reasons)
    assert f"its image pull secret registry does not exist in namespace {namespace}" in reasons
    assert f"its secret keys does not exist in namespace {namespace}" in reasons

    pods = await api.resource_type("v1", "Pod")
    assert pods is not None
    (found,) = await api.list(pods, namespace)
    waiting = {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "image"'}
    await set_status(api, found, {"containerStatuses": [_container({"waiting": waiting})]})
    labelled = {"name": "web", "namespace": namespace, "labels": {"a": "b"}}
    again = manifests.workload(DEPLOYMENT, labelled, pod, replicas=1)
    made = Known(DEPLOYMENT, "d", left.resource_id, inputs, left.properties)
    left = await not_ready(provider.update(made, again, seconds=1))
    assert 'container main [ImagePullBackOff]: Back-off pulling image "image"' in "\n".join(left.reasons)


async def test_job_that_fails_is_not_waited_for_to_the_end(
    provider: Engine, api: KubernetesApi, namespace: str
) -> None:
    metadata = {"name": "j", "namespace": namespace}
    pod = manifests.pod_spec(restartPolicy="Never", nodeSelector={"zone": "nowhere"})
    inputs = of(JOB, metadata, spec={"template": {"spec": pod}, "activeDeadlineSeconds": 1})
    left = await not_ready(provider.create(JOB, "j", inputs))
    assert "the Job failed: True [DeadlineExceeded]" in left.reasons[0]


async def test_claims_wait_for_a_volume_unless_a_pod_must_come_first(provider: Engine, namespace: str) -> None:
    for name, mode in (("at-once", "Immediate"), ("later", "WaitForFirstConsumer")):
        await provider.create(
            STORAGE_CLASS, name,
            of(STORAGE_CLASS, {"name": name}, provisioner="example.com/none", volumeBindingMode=mode),
        )  # fmt: skip

    def claim(storage_class: str) -> dict[str, Any]:
        spec = {
            "storageClassName": storage_class, "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        }  # fmt: skip
        return of(CLAIM, {"name": storage_class, "namespace": namespace}, spec=spec)

    assert (await provider.create(CLAIM, "l", claim("later"))).plain("status")["phase"] == "Pending"
    left = await not_ready(provider.create(CLAIM, "a", claim("at-once"), seconds=1))
    assert "waiting for a volume of storage class at-once; the claim is Pending" in left.reasons[0]
    left = await not_ready(provider.create(CLAIM, "m", claim("missing"), seconds=1))
    assert "its storage class missing does not exist" in left.reasons[0]


async def test_services_wait_for_an_address_and_for_pods(provider: Engine, api: KubernetesApi, namespace: str) -> None:
    def service(name: str, **spec: Any) -> dict[str, Any]:
        return of(SERVICE, {"name": name, "namespace": namespace}, spec={"ports": [{"port": 80}], **spec})

    await provider.create(SERVICE, "h", service("headless", clusterIP="None", selector={"app": "nobody"}))
    await provider.create(SERVICE, "w", service("without-selector"))
    left = await not_ready(provider.create(SERVICE, "n", service("n", selector={"app": "nobody"}), seconds=1))
    assert "Service does not target any Pods" in left.reasons[0]
    balanced = service("lb", type="LoadBalancer")
    creating = asyncio.ensure_future(provider.create(SERVICE, "b", balanced))
    await eventually(lambda: seen(api, "v1", "Service", namespace, "lb"))
    assert not creating.done()
    await set_status(api, balanced, {"loadBalancer": {"ingress": [{"ip": "10.0.30.31"}]}})
    (address,) = (await creating).plain("status")["loadBalancer"]["ingress"]
    assert address["ip"] == "10.0.30.31"


async def test_skipping(provider: Engine, namespace: str) -> None:
    metadata = {"name": "gpu", "namespace": namespace, "annotations": {"pulumi.com/skipAwait": "true"}}
    pod = manifests.pod_spec(nodeSelector={"zone": "nowhere"})
    made = await provider.create(DEPLOYMENT, "d", manifests.workload(DEPLOYMENT, metadata, pod, replicas=1))
    assert await provider.read(made) is not None


READY: Object = {"type": "Ready", "status": "True"}


@pytest.mark.parametrize(
    ("expression", "status"),
    [
        ("condition=Ready", {"conditions": [READY]}),
        ("condition=Synced=False", {"conditions": [{"type": "Synced", "status": "False"}]}),
        ("jsonpath={.status.health.status}=Healthy", {"health": {"status": "Healthy"}}),
        ('["jsonpath={.status.phase}", "condition=ready"]', {"phase": "x", "conditions": [READY]}),
        (
            'jsonpath={.status.conditions[?(@.type=="Ready")].status}=True',
            {"conditions": [{"type": "Old", "status": "False"}, READY]},
        ),
    ],
)
async def test_custom_resources_wait_for_what_they_are_told(
    provider: Engine, api: KubernetesApi, namespace: str, expression: str, status: Object
) -> None:
    await define(api, "Widget")
    # In the foreground, the garbage collector would have to know the kind; it looks for new ones every 30 s.
    annotated = {"pulumi.com/waitFor": expression, "pulumi.com/deletionPropagationPolicy": "background"}
    inputs = of(WIDGET, {"name": "w", "namespace": namespace, "annotations": annotated}, spec={"size": 1})
    creating = asyncio.ensure_future(provider.create(WIDGET, "w", inputs))
    await eventually(lambda: seen(api, "lab.test/v1", "Widget", namespace, "w"))
    await asyncio.sleep(0.2)
    assert not creating.done()
    await set_status(api, inputs, status)
    made = await creating
    assert made.plain("status") == status
    await provider.delete(made)


async def test_health_of_what_was_waited_for_is_told(provider: Engine, api: KubernetesApi, namespace: str) -> None:
    await define(api, "Widget")
    annotated = {"pulumi.com/waitFor": "jsonpath={.status.health.status}=Healthy", "pulumi.com/timeoutSeconds": "1"}
    inputs = of(WIDGET, {"name": "app", "namespace": namespace, "annotations": annotated}, spec={"size": 1})
    creating = asyncio.ensure_future(provider.create(WIDGET, "w", inputs, seconds=0))
    await eventually(lambda: seen(api, "lab.test/v1", "Widget", namespace, "app"))
    await set_status(api, inputs, {"health": {"status": "Degraded", "message": "no such chart"}})
    left = await not_ready(creating)
    assert "timed out after 1 s: waiting for {.status.health.status}=Healthy; it is `Degraded`" in left.reasons[0]
    assert "health is Degraded: no such chart" in left.reasons


async def test_cancel_ends_what_is_waited_for(provider: Engine, api: KubernetesApi, namespace: str) -> None:
    pod = manifests.pod_spec(nodeSelector={"zone": "nowhere"})
    inputs = manifests.workload(DEPLOYMENT, {"name": "web", "namespace": namespace}, pod, replicas=1)
    creating = asyncio.ensure_future(provider.create(DEPLOYMENT, "d", inputs, seconds=60))
    await eventually(lambda: seen(api, "apps/v1", "Deployment", namespace, "web"))
    await provider.stub.Cancel(empty_pb2.Empty())
    left = await not_ready(creating)
    assert "not ready: cancelled: waiting for" in left.reasons[0]


async def test_refresh_tells_what_does_not_work_any_more(provider: Engine, api: KubernetesApi, namespace: str) -> None:
    made = await provider.create(
        DEPLOYMENT, "d", manifests.workload(DEPLOYMENT, {"name": "web", "namespace": namespace}, replicas=1)
    )
    pods = await api.resource_type("v1", "Pod")
    assert pods is not None
    (pod,) = await api.list(pods, namespace)
    gone = {"type": "Ready", "status": "False", "reason": "NodeLost", "message": "the node is gone"}
    await set_status(api, pod, {"conditions": [gone]})

    async def noticed() -> bool:
        live = await seen(api, "apps/v1", "Deployment", namespace, "web")
        return live is not None and not live["status"].get("availableReplicas")

    await eventually(noticed)
    left = await not_ready(provider.read(made))
    assert left.inputs == made.inputs
    assert "Pod " in "\n".join(left.reasons)
    assert "Ready is False [NodeLost] the node is gone" in "\n".join(left.reasons)


def _container(state: Object) -> Object:
    return {
        "name": "main", "image": "image", "imageID": "", "ready": False, "restartCount": 0, "started": False,
        "state": state,
    }  # fmt: skip
