"""Cilium as a new cluster gets it: a Job that Talos creates at bootstrap, before any node can be ready.

Talos applies these manifests at bootstrap only. A later change of the values reaches the cluster by
`cilium upgrade --values`.
"""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import AliasGenerator, ConfigDict, Field

from model.base import Value
from model.cluster import ClusterLayout

NAMESPACE = "kube-system"
INSTALLER = "cilium-install"
VALUES = "cilium-values"
VALUES_DIRECTORY = "/etc/cilium-install"
VALUES_FILE = "values.yaml"

Manifest = Mapping[str, Any]
"""A Kubernetes object as JSON data."""


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)


class _Section(Value):
    """A part of the chart's values, whose names are in camel case there."""

    model_config = ConfigDict(alias_generator=AliasGenerator(serialization_alias=_camel_case))


class Switch(_Section):
    """A feature of the chart that is on or off."""

    enabled: bool = True


class InternetProtocol(_Section):
    """Who hands out pod addresses."""

    mode: str = "kubernetes"


class Capabilities(_Section):
    """Linux capabilities of Cilium's containers.

    Talos grants SYS_MODULE to no pod, so with the chart's defaults none would start.
    """

    cilium_agent: tuple[str, ...] = (
        "CHOWN",
        "KILL",
        "NET_ADMIN",
        "NET_RAW",
        "IPC_LOCK",
        "SYS_ADMIN",
        "SYS_RESOURCE",
        "DAC_OVERRIDE",
        "FOWNER",
        "SETGID",
        "SETUID",
    )
    clean_cilium_state: tuple[str, ...] = ("NET_ADMIN", "SYS_ADMIN", "SYS_RESOURCE")


class SecurityContext(_Section):
    """Of Cilium's containers."""

    capabilities: Capabilities = Capabilities()


class ControlGroups(_Section):
    """Talos mounts control groups itself."""

    auto_mount: Switch = Switch(enabled=False)
    host_root: str = "/sys/fs/cgroup"


class Hubble(_Section):
    """Flow logs with their collector and user interface."""

    enabled: bool = True
    relay: Switch = Switch()
    ui: Switch = Switch()


class SocketLoadBalancer(_Section):
    """Socket-level balancing for the host only, so that pods with their own networks see real packets."""

    host_namespace_only: bool = True


class ClientRateLimit(_Section):
    """Requests a second to the Kubernetes API; announcing many addresses needs more than the default."""

    qps: int = 20
    burst: int = 100


class CiliumValues(_Section):
    """Values of the Cilium chart that differ from its defaults."""

    ipam: InternetProtocol = InternetProtocol()
    kube_proxy_replacement: bool = True
    k8s_service_host: str = "localhost"
    k8s_service_port: int
    k8s_client_rate_limit: ClientRateLimit = ClientRateLimit()
    security_context: SecurityContext = SecurityContext()
    cgroup: ControlGroups = ControlGroups()
    l2announcements: Switch = Switch()
    external_ips: Switch = Field(default=Switch(), serialization_alias="externalIPs")
    hubble: Hubble = Hubble()
    envoy: Switch = Switch()
    bandwidth_manager: Switch = Switch()
    socket_lb: SocketLoadBalancer = Field(default=SocketLoadBalancer(), serialization_alias="socketLB")


def values(layout: ClusterLayout) -> CiliumValues:
    """The values of this lab; the agents reach the Kubernetes API by the port on their own node."""
    return CiliumValues(k8s_service_port=layout.kubeprism_port)


def install_manifests(layout: ClusterLayout) -> tuple[Mapping[str, str], ...]:
    """Talos' inline manifests, each a name and its content: one JSON text, which is YAML."""
    return tuple(
        {"name": name, "contents": json.dumps(manifest, sort_keys=True)}
        for name, manifest in (
            (VALUES, values_map(layout)),
            (f"{INSTALLER}-account", account()),
            (f"{INSTALLER}-binding", binding()),
            (INSTALLER, job(layout)),
        )
    )


def values_map(layout: ClusterLayout) -> Manifest:
    """The chart's values where the Job reads them."""
    content = values(layout).model_dump(mode="json", by_alias=True)
    return _object("v1", "ConfigMap", VALUES, {"data": {VALUES_FILE: json.dumps(content, sort_keys=True, indent=2)}})


def account() -> Manifest:
    """Who installs."""
    return _object("v1", "ServiceAccount", INSTALLER)


def binding() -> Manifest:
    """The installer creates roles of its own, so it needs every right."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": INSTALLER},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": INSTALLER, "namespace": NAMESPACE}],
    }


def job(layout: ClusterLayout) -> Manifest:
    """Installs Cilium from a control-plane node that has no pod network yet, hence on the host's."""
    container = {
        "name": INSTALLER,
        "image": layout.cilium.installer_image,
        "command": ["cilium", "install"],
        "args": ["--version", f"v{layout.cilium.version}", "--values", f"{VALUES_DIRECTORY}/{VALUES_FILE}"],
        "env": [
            {"name": "KUBERNETES_SERVICE_HOST", "value": "localhost"},
            {"name": "KUBERNETES_SERVICE_PORT", "value": str(layout.kubeprism_port)},
        ],
        "volumeMounts": [{"name": VALUES, "mountPath": VALUES_DIRECTORY, "readOnly": True}],
    }
    pod = {
        "metadata": {"labels": {"app": INSTALLER}},
        "spec": {
            "restartPolicy": "OnFailure",
            "hostNetwork": True,
            "serviceAccountName": INSTALLER,
            "nodeSelector": {"node-role.kubernetes.io/control-plane": ""},
            "tolerations": [{"operator": "Exists"}],
            "containers": [container],
            "volumes": [{"name": VALUES, "configMap": {"name": VALUES}}],
        },
    }
    return _object("batch/v1", "Job", INSTALLER, {"spec": {"backoffLimit": 10, "template": pod}})


def _object(api_version: str, kind: str, name: str, content: Manifest | None = None) -> Manifest:
    named = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}}
    return {**named, **(content or {})}
