"""A daemon whose clusters really run, and what tests do to it from outside."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model.cluster import NodePlan
from model.exclusive import Colour
from tests.conformance.talos.configurations import ClusterSecrets
from tests.twin.kubernetes.lab_state import PLANS
from tests.twin.provider_client import ProviderClient
from twin.client import Twin
from twin.kubernetes.api import KubernetesApi, Object
from twin.kubernetes.nodes import NODES
from twin.providers import wire

BOOTSTRAP = "talos:machine/bootstrap:Bootstrap"
KUBECONFIG = "talos:cluster/kubeconfig:Kubeconfig"
GET_HEALTH = "talos:cluster/getHealth:getHealth"
GUESTS = "proxmox/guests"
PATIENCE_SECONDS = 40.0


@dataclass
class RunningLab:
    """The twin of one directory with configured machines of both colours."""

    twin: Twin
    directory: Path
    secrets: Mapping[Colour, ClusterSecrets]
    _kubeconfigs: dict[Colour, str] = field(default_factory=dict[Colour, str])

    def plane(self, colour: Colour) -> dict[str, Any]:
        """What the control API tells of the colour's Kubernetes; empty when it knows no such cluster."""
        return next((plane for plane in self.twin.planes() if plane["name"] == colour), {})

    def folder(self, colour: Colour) -> Path:
        """The plane's."""
        return self.directory / "kubernetes" / colour

    async def bootstrap(self, colour: Colour) -> str:
        """As the program does it: bootstrap, health, kubeconfig. Returns the kubeconfig."""
        plan, client = PLANS[colour], await self.talos()
        first = str(plan.control_planes[0].address)
        credentials: dict[str, wire.Value] = dict(self.secrets[colour].client)
        at: dict[str, wire.Value] = {"node": first, "clientConfiguration": wire.Secret(credentials)}
        await client.create(BOOTSTRAP, f"bootstrap-{colour}", {**at, "endpoint": first})
        await client.invoke(GET_HEALTH, self.health(colour))
        made = await client.create(KUBECONFIG, f"kubeconfig-{colour}", {**at, "endpoint": str(plan.virtual_ip)})
        await client.close()
        self._kubeconfigs[colour] = made.plain("kubeconfigRaw")
        return self._kubeconfigs[colour]

    def health(self, colour: Colour, *, timeout: str = "1m") -> dict[str, wire.Value]:
        """Arguments of the function that waits for health."""
        control_planes: list[wire.Value] = [str(node.address) for node in PLANS[colour].control_planes]
        return {
            "clientConfiguration": dict(self.secrets[colour].client),
            "endpoints": control_planes,
            "controlPlaneNodes": control_planes,
            "skipKubernetesChecks": True,
            "timeouts": {"read": timeout},
        }

    async def talos(self) -> ProviderClient:
        """A client of the daemon's Talos provider."""
        endpoints = self.twin.running()
        assert endpoints is not None
        client = ProviderClient(endpoints.providers["talos"])
        await client.configure({}, "talos")
        return client

    def kubeconfig(self, colour: Colour) -> str:
        """That `bootstrap` returned."""
        return self._kubeconfigs[colour]

    def api(self, colour: Colour) -> KubernetesApi:
        """A client that goes the way of every client: by the kubeconfig, through the proxy."""
        return KubernetesApi.from_kubeconfig(self.kubeconfig(colour))

    def switch(self, node: NodePlan, *, on: bool) -> None:
        """Power a VM on or off behind everybody's back."""
        key = f"{node.vm_id:09d}"
        guest = self.twin.documents(GUESTS)[key]
        self.twin.change(GUESTS, key, {"running": guest["config"] if on else None})

    def destroy(self, node: NodePlan) -> None:
        """Remove the VM."""
        self.twin.remove(GUESTS, f"{node.vm_id:09d}")

    def kill_daemon(self) -> None:
        """With SIGKILL, as nothing can be caught."""
        endpoints = self.twin.running()
        assert endpoints is not None
        descriptor = os.pidfd_open(endpoints.pid)
        os.kill(endpoints.pid, signal.SIGKILL)
        # A child of this process stays a zombie until it is waited for.
        os.waitid(os.P_PIDFD, descriptor, os.WEXITED)
        os.close(descriptor)


async def until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> float:
    """Wait for it; returns how long that took."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > seconds:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        await asyncio.sleep(0.1)
    return time.monotonic() - begun


async def until_node(api: KubernetesApi, node: NodePlan, *, ready: bool) -> float:
    """Wait until the node is ready, or is no longer; returns how long that took."""
    begun = time.monotonic()
    while is_ready(await api.get(NODES, None, node.name)) != ready:
        if time.monotonic() - begun > PATIENCE_SECONDS:
            raise AssertionError(f"{node.name} is not {'ready' if ready else 'NotReady'}")
        await asyncio.sleep(0.1)
    return time.monotonic() - begun


def is_ready(item: Object | None) -> bool:
    """Whether the condition `Ready` is true."""
    conditions: list[Object] = [] if item is None else (item.get("status") or {}).get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
