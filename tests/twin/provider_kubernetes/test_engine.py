"""A small program on the provider, driven by the real engine."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.twin.provider_kubernetes.conftest import seen
from tests.twin.provider_kubernetes.control_plane import ControlPlane
from tools.build import ensure
from tools.recipe import ENGINE
from twin.kubernetes.api import KubernetesApi
from twin.providers.kubernetes.provider import Kubernetes
from twin.providers.servicer import serve

PROGRAM = """
import pathlib
import pulumi
import pulumi_kubernetes as k8s

kubeconfig = pulumi.Output.secret(pathlib.Path("kubeconfig").read_text())
provider = k8s.Provider("kubernetes", kubeconfig=kubeconfig, cluster_identifier="test", namespace="life-of-a-stack")
on_cluster = pulumi.ResourceOptions(provider=provider)
secret = k8s.core.v1.Secret("keys", string_data={"token": "hunter2"}, opts=on_cluster)
labels = {"app": "web"}
web = k8s.apps.v1.Deployment(
    "web",
    spec={
        "replicas": 1,
        "selector": {"match_labels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "containers": [{"name": "web", "image": "image"}],
                "termination_grace_period_seconds": 0,
                "node_selector": {"zone": pulumi.Config().get("zone") or "nowhere"},
            },
        },
    },
    opts=pulumi.ResourceOptions.merge(
        on_cluster, pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create="2s", update="20s"))
    ),
)
pulumi.export("name", web.metadata.name)
pulumi.export("token", secret.data["token"])
"""


@dataclass
class Stack:
    """The program's one stack."""

    directory: Path
    environment: Mapping[str, str]

    async def pulumi(self, *arguments: str, fails: bool = False) -> str:
        process = await asyncio.create_subprocess_exec(
            "pulumi", *arguments, cwd=self.directory, env=dict(self.environment), stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, errors = (text.decode() for text in await process.communicate())
        assert (process.returncode != 0) is fails, output + errors
        assert "Traceback" not in output + errors
        return output

    async def resources(self) -> dict[str, Any]:
        exported = json.loads(await self.pulumi("stack", "export"))["deployment"]
        return {resource["urn"].rsplit("::", 1)[-1]: resource for resource in exported.get("resources", [])}


@pytest.fixture
def stack(tmp_path: Path, cluster: ControlPlane) -> Stack:
    directory = tmp_path / "program"
    directory.mkdir()
    (directory / "Pulumi.yaml").write_text("name: lab-test\nruntime: python\n")
    (directory / "__main__.py").write_text(PROGRAM)
    (directory / "kubeconfig").write_text(cluster.kubeconfig)
    tools = [str(tool.directory) for tool in ensure(ENGINE, print)]
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), *tools, os.environ["PATH"]]),
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_BACKEND_URL": tmp_path.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_SKIP_CHECKPOINTS": "true",
    }
    return Stack(directory, environment)


async def test_life_of_a_stack(stack: Stack, stand_in: Kubernetes, api: KubernetesApi, namespace: str) -> None:
    server, port = await serve(stand_in, 0)
    stack = Stack(stack.directory, {**stack.environment, "PULUMI_DEBUG_PROVIDERS": f"kubernetes:{port}"})
    await stack.pulumi("stack", "init", "dev")

    failed = await stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "is there, but not ready: timed out after 2 s" in failed
    assert "[FailedScheduling] 0/1 nodes are available" in failed
    assert "hunter2" not in failed
    resources = await stack.resources()
    assert "hunter2" not in json.dumps(resources)
    assert "aHVudGVyMg" not in json.dumps(resources)
    (headline, *_) = resources["web"]["initErrors"]
    assert "0 of 1 are available" in headline

    await stack.pulumi("up", "--yes", "--skip-preview", "--config", "zone=a")
    resources = await stack.resources()
    assert "initErrors" not in resources["web"]
    read = json.loads(await stack.pulumi("preview", "--json", "--refresh", "--expect-no-changes"))["changeSummary"]
    assert read == {"same": 4}

    await stack.pulumi("destroy", "--yes", "--skip-preview")
    assert await stack.resources() == {}
    assert await seen(api, "apps/v1", "Deployment", namespace, resources["web"]["outputs"]["metadata"]["name"]) is None
    await server.stop(None)
