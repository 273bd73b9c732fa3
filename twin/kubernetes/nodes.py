"""The nodes of a cluster: what the kubelet and Talos of each machine tell the API server of it.

Everything comes from what the machine took, booted and has; see `docs/twin/kubernetes.md`.
"""

import asyncio
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from twin.kubernetes.api import KubernetesApi, Object, ResourceType
from twin.kubernetes.hardware import NodeHardware
from twin.kubernetes.kubelets import POWER_LABEL, POWER_ON
from twin.talos.configuration import MachineConfiguration, MachineType, NodeTaint
from twin.talos.records import ConfiguredMachine

LOG = logging.getLogger(__name__)

NODES: Final = ResourceType("", "v1", "nodes", "Node", namespaced=False)

KUBELET: Final = "kubelet"
TALOS: Final = "talos"
"""Field managers: who tells what of a node."""

KUBELET_PORT: Final = 10250
ARCHITECTURE: Final = "amd64"
CONTROL_PLANE_LABEL: Final = "node-role.kubernetes.io/control-plane"
CONTROL_PLANE_TAINT: Final = NodeTaint(key=CONTROL_PLANE_LABEL, value="", effect="NoSchedule")

_MIB: Final = 1024 * 1024
RESERVED_CPU_MILLICORES: Final = 50
RESERVED_MEMORY_MIB: Final = {MachineType.CONTROL_PLANE: 512, MachineType.WORKER: 384}
RESERVED_STORAGE_BYTES: Final = 256 * _MIB
"""What Talos has the kubelet keep for the system (`constants.KubeletSystemReserved…` of its library)."""
EVICTION_MEMORY_MIB: Final = 100
EVICTION_STORAGE_PERCENT: Final = 10
"""The kubelet's own thresholds, which it keeps free."""
TOGETHER: Final = 4
"""How many nodes register at a time."""

_IDENTITIES: Final = uuid.UUID("6c1d0c6e-0d2f-4f5e-9d55-0f6f8f3d9a10")


@dataclass(frozen=True)
class RunningNode:
    """A machine of the cluster that is up."""

    machine: ConfiguredMachine
    hardware: NodeHardware

    @property
    def name(self) -> str:
        """Of its Node: the host name that its configuration gives it."""
        return node_name(self.machine)


def node_name(machine: ConfiguredMachine) -> str:
    """Name of the machine's node."""
    return (machine.parsed.hostname or machine.name).lower()


def kubelet_labels(machine: ConfiguredMachine) -> dict[str, str]:
    """What every kubelet says of its node."""
    name = node_name(machine)
    return {
        "beta.kubernetes.io/arch": ARCHITECTURE,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": ARCHITECTURE,
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
    }


def talos_labels(machine: ConfiguredMachine) -> dict[str, str]:
    """What Talos adds: the configured labels and the role."""
    role = {CONTROL_PLANE_LABEL: ""} if machine.parsed.type is MachineType.CONTROL_PLANE else {}
    return {**machine.parsed.labels, **role}


def taints(parsed: MachineConfiguration) -> list[dict[str, str]]:
    """What a new node is tainted with: as the kubelet registers it, then by its role."""
    reserved = parsed.type is MachineType.CONTROL_PLANE and not parsed.schedules_on_control_planes
    found = (*parsed.taints, *((CONTROL_PLANE_TAINT,) if reserved else ()))
    return [
        {"key": taint.key, "effect": taint.effect, **({"value": taint.value} if taint.value else {})}
        for taint in dict.fromkeys(found)
    ]


def registration(machine: ConfiguredMachine) -> Object:
    """The Node as a kubelet makes it when it starts for the first time."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": node_name(machine),
            "labels": kubelet_labels(machine),
            "annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
        },
        "spec": {"taints": taints(machine.parsed)},
    }


def talos_part(machine: ConfiguredMachine) -> Object:
    """What Talos keeps applied to the Node for as long as the machine is up."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": node_name(machine),
            "labels": talos_labels(machine),
            "annotations": dict(machine.parsed.annotations),
        },
    }


def status(node: RunningNode) -> Object:
    """The Node's status but its conditions, which kwok tells."""
    machine, parsed = node.machine, node.machine.parsed
    storage = node.hardware.ephemeral_bytes(parsed)
    kept_memory = RESERVED_MEMORY_MIB[parsed.type] + EVICTION_MEMORY_MIB
    kept_storage = RESERVED_STORAGE_BYTES + storage * EVICTION_STORAGE_PERCENT // 100
    return {
        "addresses": [
            {"type": "InternalIP", "address": str(machine.address)},
            {"type": "Hostname", "address": node_name(machine)},
        ],
        "capacity": {
            "cpu": str(node.hardware.cores),
            "memory": f"{node.hardware.memory}Mi",
            "ephemeral-storage": str(storage),
            "pods": str(parsed.maximum_pods),
        },
        "allocatable": {
            "cpu": f"{node.hardware.cores * 1000 - RESERVED_CPU_MILLICORES}m",
            "memory": f"{max(node.hardware.memory - kept_memory, 0)}Mi",
            "ephemeral-storage": str(max(storage - kept_storage, 0)),
            "pods": str(parsed.maximum_pods),
        },
        "daemonEndpoints": {"kubeletEndpoint": {"Port": KUBELET_PORT}},
        "nodeInfo": _node_info(machine),
    }


def _node_info(machine: ConfiguredMachine) -> dict[str, str]:
    identity = uuid.uuid5(_IDENTITIES, machine.incarnation)
    return {
        "architecture": ARCHITECTURE,
        "operatingSystem": "linux",
        "osImage": "Talos" if machine.image is None else f"Talos ({machine.image.version})",
        "kubeletVersion": image_version(machine.parsed.kubelet_image),
        "machineID": identity.hex,
        "systemUUID": str(identity),
        "bootID": str(uuid.uuid5(identity, "boot")),
        # Of these the image's name tells nothing.
        "containerRuntimeVersion": "",
        "kernelVersion": "",
        "kubeProxyVersion": "",
    }


def image_version(image: str) -> str:
    """Tag of a container image, without the digest; empty when it has none."""
    name, _, _ = image.partition("@")
    _, colon, tag = name.rpartition(":")
    return tag if colon and "/" not in tag else ""


class Nodes:
    """Keeps the Nodes of one cluster as its machines are."""

    def __init__(self) -> None:
        self._told: dict[str, RunningNode] = {}

    def differ(self, running: Mapping[str, RunningNode]) -> bool:
        """Whether something is to be told."""
        return self._told != running

    async def settle(self, api: KubernetesApi, running: Mapping[str, RunningNode]) -> None:
        """Tell what changed: machines that came up or were configured anew, and those that are up no longer.

        A machine that is gone does not tell that it is: its node stays, and becomes NotReady as its lease ends.
        """
        lit = await api.list(NODES, label_selector=f"{POWER_LABEL}={POWER_ON}")
        for node in lit:
            name = node["metadata"]["name"]
            if name not in running:
                await api.merge(NODES, None, name, {"metadata": {"labels": {POWER_LABEL: None}}})
                LOG.info("node %s: its machine does not answer any more", name)
        self._told = {name: node for name, node in self._told.items() if name in running}
        turn = asyncio.Semaphore(TOGETHER)

        async def told(name: str, node: RunningNode) -> None:
            async with turn:
                await register(api, node)
            self._told[name] = node

        await asyncio.gather(*(told(n, node) for n, node in running.items() if self._told.get(n) != node))


async def register(api: KubernetesApi, node: RunningNode) -> None:
    """Tell the API server of a machine that has come up."""
    machine = node.machine
    known = await api.get(NODES, None, node.name)
    if known is None:
        known = await api.create(NODES, None, registration(machine), field_manager=KUBELET)
    await api.apply(NODES, None, node.name, talos_part(machine), field_manager=TALOS, force=True)
    told = status(node)
    if known.get("status", {}).get("nodeInfo", {}).get("systemUUID") != told["nodeInfo"]["systemUUID"]:
        # Another machine of the same name: what device plugins announced of the old one is not there.
        for amounts in ("capacity", "allocatable"):
            old: Mapping[str, Any] = known.get("status", {}).get(amounts) or {}
            told[amounts] = {**dict.fromkeys(old), **told[amounts]}
    await api.merge(NODES, None, node.name, {"status": told}, subresource="status", field_manager=KUBELET)
    lit = {"metadata": {"labels": {POWER_LABEL: POWER_ON, **kubelet_labels(machine)}}}
    await api.merge(NODES, None, node.name, lit, field_manager=KUBELET)
    LOG.info("node %s registered (%s)", node.name, machine.address)
