"""Patches of a Talos machine configuration: one pure function per concern.

A patch is a part of a configuration document of Talos v1.11 as plain data. Talos merges the patches of a node in
order; lists of network interfaces are merged by interface name.
"""

import json
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address
from typing import Any

from components.talos.cilium import install_manifests
from components.talos.plan import ClusterPlan
from model.cluster import ClusterLayout, KernelModule, NodePlan, Taint, VolumeBounds
from model.registries import RegistryMirror

Patch = Mapping[str, Any]
"""JSON data under the keys of a Talos document."""

SYSCTLS: Mapping[str, str] = {
    "fs.inotify.max_user_instances": "8192",
    "fs.inotify.max_user_watches": "1048576",
    "net.core.default_qdisc": "fq",
    "net.core.rmem_max": "67108864",
    "net.core.wmem_max": "67108864",
    "net.ipv4.tcp_congestion_control": "cubic",
    "net.ipv4.tcp_fastopen": "3",
    "net.ipv4.tcp_mtu_probing": "1",
    "net.ipv4.tcp_rmem": "4096 131072 67108864",
    "net.ipv4.tcp_wmem": "4096 16384 67108864",
    "user.max_user_namespaces": "28633",
}
"""Kernel settings of every node: many watched files, socket buffers of 64 MiB, user namespaces for pods."""

EPHEMERAL_VOLUME = "EPHEMERAL"
"""Talos' own name of the volume with images, logs and pod data."""
LOCAL_VOLUME = "local-path-provisioner"
"""Mounted at `/var/mnt/local-path-provisioner`."""

DEFAULT_ROUTE = "0.0.0.0/0"


def machine_patches(plan: ClusterPlan, node: NodePlan, installer: str) -> tuple[Patch, ...]:
    """Every patch of one node. `installer` is the image that installs and upgrades Talos on it."""
    shared = (
        install(node, installer),
        network(plan, node),
        kernel_settings(SYSCTLS),
        registry_mirrors(plan.layout.harbor_host, plan.layout.mirrors),
        own_registry(plan.layout.harbor_host, plan.ingress),
        node_labels(node),
        kubernetes_proxy(plan.layout),
        cluster_network(plan.layout),
    )
    optional = (
        *((node_taints(node.shape.taints),) if node.shape.taints else ()),
        *((kernel_modules(node.shape.kernel_modules),) if node.shape.kernel_modules else ()),
        *((system_volume(node.shape.ephemeral_volume),) if node.shape.ephemeral_volume else ()),
        *((user_volume(node.shape.local_volume),) if node.shape.local_volume else ()),
        *(control_plane(plan, node) if node.is_control_plane else ()),
    )
    return (*shared, *optional)


def render(patches: Sequence[Patch]) -> list[str]:
    """The patches as the provider takes them: one JSON text each, which is YAML, in a stable order of keys."""
    return [json.dumps(patch, sort_keys=True) for patch in patches]


def install(node: NodePlan, installer: str) -> Patch:
    """Where Talos is installed, and from which image it upgrades."""
    return _machine({"install": {"disk": node.shape.install_disk, "image": installer}})


def network(plan: ClusterPlan, node: NodePlan) -> Patch:
    """Host name, static address, default route, MTU, nameserver. No DHCP: the plan is the only source."""
    return _machine(
        {
            "network": {
                "hostname": node.name,
                "nameservers": [str(plan.nameserver)],
                "interfaces": [
                    {
                        "interface": node.interface,
                        "dhcp": False,
                        "mtu": plan.layout.node_mtu,
                        "addresses": [str(plan.interface_address(node))],
                        "routes": [{"network": DEFAULT_ROUTE, "gateway": str(plan.gateway)}],
                    }
                ],
            }
        }
    )


def kernel_settings(settings: Mapping[str, str]) -> Patch:
    """Settings below `/proc/sys`."""
    return _machine({"sysctls": dict(settings)})


def registry_mirrors(harbor_host: str, mirrors: Sequence[RegistryMirror]) -> Patch:
    """Pull through Harbor first and from the registry itself when Harbor is away, so a cluster boots without it."""
    return _machine({"registries": {"mirrors": {mirror.registry: _mirror(harbor_host, mirror) for mirror in mirrors}}})


def _mirror(harbor_host: str, mirror: RegistryMirror) -> Patch:
    # overridePath holds for every endpoint of the mirror, so the upstream needs the path that it replaces.
    return {
        "endpoints": [f"https://{harbor_host}/v2/{mirror.project}", f"{mirror.upstream}/v2"],
        "overridePath": True,
        "skipFallback": False,
    }


def own_registry(harbor_host: str, ingress: IPv4Address) -> Patch:
    """Nodes find the Harbor of their own cluster by Harbor's name, wherever the DNS leads everybody else.

    Without it a colour that is built beside the live one pulls from that one's Harbor, and nobody sees that it would
    not come up alone.
    """
    return _machine({"network": {"extraHostEntries": [{"ip": str(ingress), "aliases": [harbor_host]}]}})


def node_labels(node: NodePlan) -> Patch:
    """Labels by which pods find the node."""
    return _machine({"nodeLabels": dict(node.labels)})


def node_taints(taints: Sequence[Taint]) -> Patch:
    """Taints that the kubelet registers with: a worker may not taint itself later."""
    registered = [{"key": taint.key, "value": taint.value, "effect": str(taint.effect)} for taint in taints]
    return _machine({"kubelet": {"extraConfig": {"registerWithTaints": registered}}})


def kernel_modules(modules: Sequence[KernelModule]) -> Patch:
    """Modules that are loaded at boot; the schematic's extensions bring them."""
    return _machine({"kernel": {"modules": [_kernel_module(module) for module in modules]}})


def _kernel_module(module: KernelModule) -> Patch:
    named: dict[str, Any] = {"name": module.name}
    return {**named, "parameters": list(module.parameters)} if module.parameters else named


def kubernetes_proxy(layout: ClusterLayout) -> Patch:
    """The port on every node's loopback where the Kubernetes API is always reached."""
    return _machine({"features": {"kubePrism": {"enabled": True, "port": layout.kubeprism_port}}})


def cluster_network(layout: ClusterLayout) -> Patch:
    """Subnets of pods and services. Cilium is the network plugin and Talos installs none of its own."""
    return {
        "cluster": {
            "network": {
                "cni": {"name": "none"},
                "podSubnets": [layout.pod_subnet],
                "serviceSubnets": [layout.service_subnet],
            }
        }
    }


def system_volume(bounds: VolumeBounds) -> Patch:
    """The EPHEMERAL volume on a chosen disk, leaving room beside it."""
    return _volume("VolumeConfig", EPHEMERAL_VOLUME, bounds)


def user_volume(bounds: VolumeBounds) -> Patch:
    """The volume of the local-path provisioner."""
    return _volume("UserVolumeConfig", LOCAL_VOLUME, bounds)


def _volume(kind: str, name: str, bounds: VolumeBounds) -> Patch:
    return {
        "apiVersion": "v1alpha1",
        "kind": kind,
        "name": name,
        "provisioning": {
            "diskSelector": {"match": bounds.selector},
            "minSize": f"{bounds.minimum}GB",
            "maxSize": f"{bounds.maximum}GB",
        },
    }


def control_plane(plan: ClusterPlan, node: NodePlan) -> tuple[Patch, ...]:
    """What only control-plane nodes have."""
    return (
        virtual_address(plan, node),
        {"cluster": {"allowSchedulingOnControlPlanes": False, "proxy": {"disabled": True}}},
        etcd_timing(plan.layout),
        {"cluster": {"inlineManifests": list(install_manifests(plan.layout))}},
    )


def virtual_address(plan: ClusterPlan, node: NodePlan) -> Patch:
    """The address that one of the control-plane nodes holds at a time."""
    vip = {"interface": node.interface, "vip": {"ip": str(plan.virtual_ip)}}
    return _machine({"network": {"interfaces": [vip]}})


def etcd_timing(layout: ClusterLayout) -> Patch:
    """Patience for disks that are slow to sync, in milliseconds."""
    timing = {
        "heartbeat-interval": str(layout.etcd_heartbeat * 1000),
        "election-timeout": str(layout.etcd_election * 1000),
    }
    return {"cluster": {"etcd": {"extraArgs": timing}}}


def _machine(content: Patch) -> Patch:
    return {"machine": content}
