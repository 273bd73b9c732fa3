"""Pods of a test on the whole lab: the real scheduler places them by what the colour's nodes really announce."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.operation import Operation
from tests.engine.laboratory import Laboratory, make
from tools.build import Tool

COLOUR = "green"
NAMESPACE = "scheduling"
IMAGE = "docker.io/library/busybox:1.37.0"
HOST_NAME = "kubernetes.io/hostname"
INTEL_NODE, AMD_NODE = "green-talos-worker-intel-gpu", "green-talos-worker-amd-gpu"
STRIX_HALO_NODES = ("green-talos-worker-nose", "green-talos-worker-tail")
I915, AMD = "gpu.intel.com/i915", "amd.com/gpu"
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
UNTOLERATED = "node(s) had untolerated taint(s)"
CEPH_CLASS, CEPH_DRIVER, CEPH_CHART = "csi-rbd-sc", "rbd.csi.ceph.com", "ceph-csi-rbd"
PATIENCE_SECONDS = 120.0

Object = dict[str, Any]


class Cluster:
    """The colour that is up, by its kubectl."""

    def __init__(self, laboratory: Laboratory, directory: Path) -> None:
        kubeconfig = laboratory.state.output(COLOUR, "kubeconfig")
        assert isinstance(kubeconfig, str)
        self._kubeconfig = directory / "kubeconfig"
        self._kubeconfig.touch(0o600)
        self._kubeconfig.write_text(kubeconfig)
        self._directory = directory

    def kubectl(self, *arguments: str) -> str:
        answer = subprocess.run(
            [str(Path(sys.executable).parent / "kubectl"), "--kubeconfig", str(self._kubeconfig), *arguments],
            capture_output=True, text=True, check=False, timeout=120, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    def get(self, *arguments: str) -> Object:
        return json.loads(self.kubectl("get", *arguments, "--output", "json"))

    def apply(self, *objects: Object) -> None:
        path = self._directory / "objects.json"
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
        self.kubectl("apply", "--filename", str(path))

    def patch(self, *arguments: str, body: Object) -> None:
        self.kubectl("patch", *arguments, "--type", "merge", "--patch", json.dumps(body))

    def pods(self) -> dict[str, Object]:
        return {one["metadata"]["name"]: one for one in self.get("pods", "--namespace", NAMESPACE)["items"]}

    def events(self, pod: str, reason: str) -> list[str]:
        found = self.get("events", "--namespace", NAMESPACE)["items"]
        return [
            one["message"] for one in found if one["reason"] == reason and one["involvedObject"].get("name") == pod
        ]

    def until(self, holds: Callable[[], bool], told: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert time.monotonic() < deadline, told()
            time.sleep(0.5)

    def settled(self) -> dict[str, Object]:
        """The pods, once each of them runs or was told why it cannot."""

        def is_settled() -> bool:
            return all(
                one["status"]["phase"] == "Running" or self.events(name, "FailedScheduling")
                for name, one in self.pods().items()
            )

        self.until(is_settled, lambda: {name: one["status"] for name, one in self.pods().items()})
        return self.pods()

    def free(self, node: str, resource: str) -> int:
        """Shares of a node's card that no pod of the lab holds."""
        present = int(self.get("node", node)["status"]["allocatable"][resource])
        return present - sum(
            int((container.get("resources", {}).get("limits") or {}).get(resource, 0))
            for pod in self.get("pods", "--all-namespaces")["items"]
            if pod["spec"].get("nodeName") == node and pod["status"].get("phase") in ("Pending", "Running")
            for container in pod["spec"]["containers"]
        )


def pod(name: str, *, on: str, taint: str | None = None, wants: str | None = None, claim: str | None = None) -> Object:
    """A pod for one node, with a toleration, a card, a volume."""
    container: Object = {"name": "main", "image": IMAGE, "command": ["sleep", "infinity"]}
    spec: Object = {"nodeSelector": {HOST_NAME: on}, "containers": [container]}
    if taint is not None:
        spec["tolerations"] = [{"key": taint, "operator": "Exists", "effect": "NoSchedule"}]
    if wants is not None:
        container["resources"] = {"limits": {wants: "1"}}
    if claim is not None:
        container["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
        spec["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


def claim_of(name: str) -> Object:
    """A volume of Ceph's."""
    return {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": CEPH_CLASS,
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }  # fmt: skip


@pytest.fixture(scope="module")
def green(tmp_path_factory: pytest.TempPathFactory, tools: tuple[Tool, ...]) -> Iterator[Laboratory]:
    """The whole lab with green up: with all its nodes and what announces their cards."""
    made = make(tmp_path_factory.mktemp("scheduling"), tools)
    made.start()
    made.succeed(Operation.UP, "shared")
    made.succeed(Operation.UP, COLOUR)
    yield made
    made.twin.stop()


@pytest.fixture(scope="module")
def connected(green: Laboratory, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """The cluster of the whole lab."""
    return Cluster(green, tmp_path_factory.mktemp("kubectl"))


@pytest.fixture
def cluster(connected: Cluster) -> Iterator[Cluster]:
    """The cluster with a namespace for the pods of one test, which goes with them."""
    found = connected
    found.kubectl("create", "namespace", NAMESPACE)
    yield found
    found.kubectl("delete", "namespace", NAMESPACE, "--wait=true", "--timeout=60s")


@pytest.mark.parametrize(
    ("node", "resource", "count", "taint"),
    [(AMD_NODE, AMD, 1, "amd.com/gpu"), (INTEL_NODE, I915, 4, "intel.com/gpu")],
    ids=["r9700", "a310"],
)
def test_one_pod_more_than_a_card_has_shares_waits_and_says_for_what(
    cluster: Cluster, node: str, resource: str, count: int, taint: str
) -> None:
    assert cluster.get("node", node)["status"]["allocatable"][resource] == str(count)
    free = cluster.free(node, resource)
    for index in range(free):
        cluster.apply(pod(f"holder-{index}", on=node, taint=taint, wants=resource))
    held = cluster.settled()
    assert [one["status"]["phase"] for one in held.values()] == ["Running"] * free
    assert {one["spec"]["nodeName"] for one in held.values()} <= {node}

    cluster.apply(pod("one-too-many", on=node, taint=taint, wants=resource))
    late = cluster.settled()["one-too-many"]
    assert late["status"]["phase"] == "Pending"
    assert "nodeName" not in late["spec"]
    assert any(f"Insufficient {resource}" in message for message in cluster.events("one-too-many", "FailedScheduling"))


def test_a_card_s_node_takes_nobody_who_does_not_tolerate_it(cluster: Cluster) -> None:
    cluster.apply(pod("stranger", on=AMD_NODE, wants=AMD))
    assert cluster.settled()["stranger"]["status"]["phase"] == "Pending"
    assert any(UNTOLERATED in message for message in cluster.events("stranger", "FailedScheduling"))


@pytest.mark.parametrize("node", [AMD_NODE, *STRIX_HALO_NODES])
def test_a_pod_on_a_tainted_node_mounts_a_volume_of_ceph_s(cluster: Cluster, node: str) -> None:
    drivers = [one["name"] for one in cluster.get("csinode", node)["spec"]["drivers"]]
    assert CEPH_DRIVER in drivers
    cluster.apply(claim_of("data"), pod("reader", on=node, taint="amd.com/gpu", claim="data"))
    found = cluster.settled()["reader"]
    assert (found["status"]["phase"], found["spec"]["nodeName"]) == ("Running", node)


def test_no_volume_of_ceph_s_is_mounted_where_the_driver_s_plugin_may_not_run(cluster: Cluster) -> None:
    """What the lab had: plugins that tolerate Intel's taint alone."""
    application = ("application", CEPH_CHART, "--namespace", "argocd")
    as_it_is: Mapping[str, Any] = cluster.get(*application)["spec"]["source"]["helm"]["valuesObject"]["nodeplugin"]
    narrow = [one for one in as_it_is["tolerations"] if one["key"] != "amd.com/gpu"]
    assert narrow != as_it_is["tolerations"]

    def tolerating(tolerations: object) -> Object:
        return {"spec": {"source": {"helm": {"valuesObject": {"nodeplugin": {"tolerations": tolerations}}}}}}

    def drivers() -> list[str]:
        return [one["name"] for one in cluster.get("csinode", AMD_NODE)["spec"].get("drivers") or ()]

    cluster.patch(*application, body=tolerating(narrow))
    try:
        cluster.until(lambda: CEPH_DRIVER not in drivers(), drivers)
        cluster.apply(claim_of("data"), pod("reader", on=AMD_NODE, taint="amd.com/gpu", claim="data"))
        cluster.until(lambda: bool(cluster.events("reader", "FailedMount")), cluster.pods)
        found = cluster.pods()["reader"]
        # The scheduler does not look at the drivers of a node, so the pod is there and never starts.
        assert (found["status"]["phase"], found["spec"]["nodeName"]) == ("Pending", AMD_NODE)
        assert any(
            f"driver name {CEPH_DRIVER} not found in the list of registered CSI drivers" in message
            for message in cluster.events("reader", "FailedMount")
        )
    finally:
        cluster.patch(*application, body=tolerating(as_it_is["tolerations"]))
    cluster.until(lambda: cluster.pods()["reader"]["status"]["phase"] == "Running", cluster.pods)


def test_nothing_of_the_lab_is_on_the_control_plane(cluster: Cluster) -> None:
    nodes = cluster.get("nodes")["items"]
    masters = {one["metadata"]["name"] for one in nodes if CONTROL_PLANE in one["metadata"]["labels"]}
    assert len(masters) == 3
    # The installer of the network runs before any other node could take a pod; agents are on every node.
    placed = {
        f"{one['metadata']['namespace']}/{one['metadata']['name']}": one["spec"].get("nodeName")
        for one in cluster.get("pods", "--all-namespaces")["items"]
        if one["metadata"]["namespace"] != "kube-system"
        and all(owner["kind"] != "DaemonSet" for owner in one["metadata"].get("ownerReferences") or ())
    }
    assert placed
    assert {name: node for name, node in placed.items() if node in masters} == {}

    cluster.apply(pod("guest", on=min(masters)))
    assert cluster.settled()["guest"]["status"]["phase"] == "Pending"
    assert any(UNTOLERATED in message for message in cluster.events("guest", "FailedScheduling"))
