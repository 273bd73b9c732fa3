"""The parts of a machine configuration that decide what becomes of a machine."""

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum, unique
from ipaddress import IPv4Address, IPv4Interface
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field

from model.base import Value

DEFAULT_MAXIMUM_PODS = 110
EPHEMERAL_VOLUME = "EPHEMERAL"
"""Talos' own name of the volume with images, logs and pod data."""

_SIZE = re.compile(r"\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<prefix>[kKMGTP]?)(?P<binary>i?)B?\s*")


@unique
class MachineType(StrEnum):
    """`machine.type`."""

    CONTROL_PLANE = "controlplane"
    WORKER = "worker"


class Interface(Value):
    """A configured network interface."""

    name: str
    addresses: tuple[IPv4Interface, ...]
    virtual_ip: IPv4Address | None


class NodeTaint(Value):
    """A taint that the kubelet registers its node with."""

    key: str
    value: str
    effect: str


class MachineConfiguration(Value):
    """A valid machine configuration, read."""

    type: MachineType
    hostname: str | None
    interfaces: tuple[Interface, ...]
    install_disk: str | None
    """None when a selector chooses it."""
    install_image: str
    cluster_id: str
    cluster_name: str
    endpoint: str
    authority: str
    """Certificate of the Talos API's authority, PEM in base64: whoever it signed may talk to the machine."""
    kubelet_image: str
    kernel_modules: tuple[str, ...]
    labels: Mapping[str, str]
    taints: tuple[NodeTaint, ...]
    annotations: Mapping[str, str] = Field(default_factory=dict)
    """Of the node, given by hand."""
    schedules_on_control_planes: bool = False
    """Whether a control-plane node takes every pod."""
    maximum_pods: int = DEFAULT_MAXIMUM_PODS
    ephemeral_maximum_bytes: int | None = None
    """Largest size of the volume with images, logs and pod data; None when it takes the system disk's rest."""

    @property
    def endpoint_host(self) -> str:
        """Host part of the cluster's endpoint."""
        return urlsplit(self.endpoint).hostname or ""

    @property
    def virtual_ips(self) -> tuple[IPv4Address, ...]:
        """Addresses that the machine may hold for the cluster."""
        return tuple(i.virtual_ip for i in self.interfaces if i.virtual_ip is not None)


def read_configuration(documents: Sequence[Mapping[str, Any]]) -> MachineConfiguration:
    """From the documents of a configuration that the library found valid."""
    main = next(document for document in documents if "kind" not in document)
    machine, cluster = main["machine"], main["cluster"]
    network: Mapping[str, Any] = machine.get("network") or {}
    install: Mapping[str, Any] = machine.get("install") or {}
    kubelet: Mapping[str, Any] = machine.get("kubelet") or {}
    kubelet_configuration: Mapping[str, Any] = kubelet.get("extraConfig") or {}
    return MachineConfiguration(
        type=MachineType(machine["type"]),
        hostname=network.get("hostname"),
        interfaces=tuple(_interface(found) for found in network.get("interfaces") or ()),
        install_disk=install.get("disk") or None,
        install_image=install.get("image") or "",
        cluster_id=cluster["id"],
        cluster_name=cluster.get("clusterName") or "",
        endpoint=cluster["controlPlane"]["endpoint"],
        authority=machine["ca"]["crt"],
        kubelet_image=kubelet.get("image") or "",
        kernel_modules=tuple(m["name"] for m in (machine.get("kernel") or {}).get("modules") or ()),
        labels=machine.get("nodeLabels") or {},
        taints=tuple(_taints(kubelet_configuration.get("registerWithTaints") or ())),
        annotations=machine.get("nodeAnnotations") or {},
        schedules_on_control_planes=bool(cluster.get("allowSchedulingOnControlPlanes")),
        maximum_pods=int(kubelet_configuration.get("maxPods") or DEFAULT_MAXIMUM_PODS),
        ephemeral_maximum_bytes=_ephemeral_maximum(documents),
    )


def _interface(found: Mapping[str, Any]) -> Interface:
    vip = (found.get("vip") or {}).get("ip")
    return Interface(
        name=found.get("interface") or "",
        addresses=tuple(IPv4Interface(address) for address in found.get("addresses") or ()),
        virtual_ip=None if vip is None else IPv4Address(vip),
    )


def _taints(found: Iterable[Mapping[str, str]]) -> Iterable[NodeTaint]:
    for taint in found:
        yield NodeTaint(key=taint["key"], value=taint.get("value", ""), effect=taint["effect"])


def _ephemeral_maximum(documents: Sequence[Mapping[str, Any]]) -> int | None:
    for document in documents:
        if document.get("kind") == "VolumeConfig" and document.get("name") == EPHEMERAL_VOLUME:
            size = (document.get("provisioning") or {}).get("maxSize")
            return None if size is None else size_in_bytes(str(size))
    return None


def size_in_bytes(text: str) -> int | None:
    """Bytes of a size as Talos writes them, e.g. `100GB` or `1.5TiB`; None for a part of the disk, e.g. `80%`."""
    found = _SIZE.fullmatch(text)
    if found is None:
        return None
    exponent = " kMGTP".index(found["prefix"].replace("K", "k") or " ")
    return int(float(found["number"]) * (1024 if found["binary"] else 1000) ** exponent)
