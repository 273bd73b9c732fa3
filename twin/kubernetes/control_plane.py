"""What each program of a control plane is told: its files and arguments, from the settings of the cluster."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Final

from twin.kubernetes.access import Access, write_kubeconfig
from twin.kubernetes.certificates import (
    CONTROLLER_MANAGER,
    FRONT_PROXY,
    LOOPBACK,
    SCHEDULER,
    Authority,
    Issued,
    api_server_certificate,
)
from twin.kubernetes.kubelets import LEASE_SECONDS, POWER_LABEL, POWER_ON, kwok_configuration
from twin.kubernetes.settings import ClusterSettings


@unique
class Part(StrEnum):
    """The programs, in the order in which they start."""

    ETCD = "etcd"
    API_SERVER = "kube-apiserver"
    CONTROLLER_MANAGER = "kube-controller-manager"
    SCHEDULER = "kube-scheduler"
    KWOK = "kwok"


KWOK_USER: Final = "twin:kwok"
KUBELETS_USER: Final = "twin:kubelets"

ETCD_SOCKET: Final = "etcd-client:0"
"""Relative to the plane's folder, where each program runs: the kernel takes no path of more than 107 bytes. etcd wants
a port in it.
"""
ETCD_PEER_SOCKET: Final = "etcd-peer:0"
ETCD_DATA: Final = "etcd"
NETWORK_SOCKET: Final = "network.sock"
"""Of the proxy that stands for the lab's network."""

NODE_MONITOR_GRACE_SECONDS: Final = 8
"""After so long without its lease renewed a node is NotReady; 50 on a real cluster."""

HEALTH_PATHS: Final = ("/livez", "/readyz", "/healthz")
"""What may be asked without a certificate."""


@dataclass(frozen=True)
class Site:
    """Where one plane runs."""

    directory: Path
    port: int
    """Of the API server on loopback."""
    control_planes: tuple[IPv4Address, ...]
    """Addresses of the control-plane machines."""

    @property
    def server(self) -> str:
        """URL of the API server for those beside it."""
        return f"https://{LOOPBACK}:{self.port}"


def files(settings: ClusterSettings, site: Site) -> Mapping[str, bytes]:
    """Every file that the programs read, by its path in the plane's folder; all of them are secret."""
    authority = Authority(settings.authority, "Kubernetes")
    serving = api_server_certificate(settings, site.control_planes)
    front_proxy = Authority(settings.aggregator_authority, "aggregated APIs").client(FRONT_PROXY)

    def kubeconfig(user: str) -> bytes:
        return client_kubeconfig(settings, site, user, authority.client(user)).encode()

    return {
        "authority.crt": settings.authority.certificate,
        "authority.key": settings.authority.key,
        "aggregator-authority.crt": settings.aggregator_authority.certificate,
        "front-proxy.crt": front_proxy.certificate,
        "front-proxy.key": front_proxy.key,
        "apiserver.crt": serving.certificate,
        "apiserver.key": serving.key,
        "service-account.key": settings.service_account_key,
        "admission.json": _document(_admission(settings)),
        "authentication.json": _document(_authentication()),
        "encryption.json": _document(_encryption(settings)),
        "egress.json": _document(_egress()),
        "controller-manager.kubeconfig": kubeconfig(CONTROLLER_MANAGER),
        "scheduler.kubeconfig": kubeconfig(SCHEDULER),
        "kwok.kubeconfig": kubeconfig(KWOK_USER),
        "kwok.yaml": kwok_configuration().encode(),
    }


def client_kubeconfig(settings: ClusterSettings, site: Site, user: str, issued: Issued) -> str:
    """A kubeconfig for a client beside the API server."""
    access = Access(
        server=site.server,
        authority=settings.authority.certificate.decode(),
        certificate=issued.certificate.decode(),
        key=issued.key.decode(),
    )
    return write_kubeconfig(settings.name, user, access)


def arguments(part: Part, settings: ClusterSettings, site: Site) -> tuple[str, ...]:
    """The command line of one program.

    What the machine configuration adds is passed on, but not where the twin has to decide: addresses, ports, files.
    """
    match part:
        case Part.ETCD:
            own, component = _etcd(), None
        case Part.API_SERVER:
            own, component = _api_server(settings, site), settings.api_server
        case Part.CONTROLLER_MANAGER:
            own, component = _controller_manager(settings), settings.controller_manager
        case Part.SCHEDULER:
            own, component = _scheduler(), settings.scheduler
        case Part.KWOK:
            own, component = _kwok(), None
    extra = {} if component is None else component.extra_arguments
    added = {name: value for name, value in extra.items() if name not in own}
    return tuple(f"--{name}={value}" for name, value in {**own, **added}.items())


def _etcd() -> Mapping[str, str]:
    client, peer = f"unix://{ETCD_SOCKET}", f"unix://{ETCD_PEER_SOCKET}"
    return {
        "name": "twin",
        "data-dir": ETCD_DATA,
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"twin={peer}",
        "log-level": "warn",
    }


def _api_server(settings: ClusterSettings, site: Site) -> Mapping[str, str]:
    return {
        "etcd-servers": f"unix://{ETCD_SOCKET}",
        "bind-address": str(LOOPBACK),
        "secure-port": str(site.port),
        "advertise-address": str(site.control_planes[0]),
        "tls-cert-file": "apiserver.crt",
        "tls-private-key-file": "apiserver.key",
        "tls-min-version": "VersionTLS12",
        "client-ca-file": "authority.crt",
        "authorization-mode": "Node,RBAC",
        "authentication-config": "authentication.json",
        "enable-admission-plugins": "NodeRestriction",
        "admission-control-config-file": "admission.json",
        "encryption-provider-config": "encryption.json",
        "egress-selector-config-file": "egress.json",
        "service-account-issuer": settings.endpoint,
        "api-audiences": settings.endpoint,
        "service-account-key-file": "service-account.key",
        "service-account-signing-key-file": "service-account.key",
        "service-cluster-ip-range": _joined(settings.service_subnets),
        "requestheader-client-ca-file": "aggregator-authority.crt",
        "requestheader-allowed-names": FRONT_PROXY,
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-username-headers": "X-Remote-User",
        "proxy-client-cert-file": "front-proxy.crt",
        "proxy-client-key-file": "front-proxy.key",
        "kubelet-preferred-address-types": "InternalIP,Hostname",
        "allow-privileged": "true",
        "profiling": "false",
    }


def _controller_manager(settings: ClusterSettings) -> Mapping[str, str]:
    return {
        "kubeconfig": "controller-manager.kubeconfig",
        "bind-address": str(LOOPBACK),
        "secure-port": "0",
        "leader-elect": "false",
        "controllers": "*,tokencleaner",
        "use-service-account-credentials": "true",
        "service-account-private-key-file": "service-account.key",
        "root-ca-file": "authority.crt",
        "cluster-signing-cert-file": "authority.crt",
        "cluster-signing-key-file": "authority.key",
        "allocate-node-cidrs": "true",
        "cluster-cidr": _joined(settings.pod_subnets),
        "service-cluster-ip-range": _joined(settings.service_subnets),
        "node-monitor-period": "1s",
        "node-monitor-grace-period": f"{NODE_MONITOR_GRACE_SECONDS}s",
        "profiling": "false",
    }


def _scheduler() -> Mapping[str, str]:
    return {
        "kubeconfig": "scheduler.kubeconfig",
        "bind-address": str(LOOPBACK),
        "secure-port": "0",
        "leader-elect": "false",
        "profiling": "false",
    }


def _kwok() -> Mapping[str, str]:
    return {
        "kubeconfig": "kwok.kubeconfig",
        "config": "kwok.yaml",
        "manage-all-nodes": "false",
        "manage-nodes-with-label-selector": f"{POWER_LABEL}={POWER_ON}",
        "node-lease-duration-seconds": str(LEASE_SECONDS),
    }


def _admission(settings: ClusterSettings) -> Mapping[str, Any]:
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": [dict(plugin) for plugin in settings.admission],
    }


def _authentication() -> Mapping[str, Any]:
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "anonymous": {"enabled": True, "conditions": [{"path": path} for path in HEALTH_PATHS]},
    }


def _encryption(settings: ClusterSettings) -> Mapping[str, Any]:
    providers: list[Mapping[str, Any]] = [{"identity": {}}]
    if settings.secretbox_secret:
        key = {"name": "key2", "secret": settings.secretbox_secret}
        providers.insert(0, {"secretbox": {"keys": [key]}})
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [{"resources": ["secrets"], "providers": providers}],
    }


def _egress() -> Mapping[str, Any]:
    """Nodes, pods and services are asked through the lab's network, which refuses: none of them is really there."""
    connection = {"proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": NETWORK_SOCKET}}}
    return {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [{"name": "cluster", "connection": connection}],
    }


def _document(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=1).encode()


def _joined(values: Iterable[object]) -> str:
    return ",".join(str(value) for value in values)


def roles() -> Sequence[dict[str, Any]]:
    """What the users of the twin's kubelets may do, as objects of the API."""
    events = {"apiGroups": ["", "events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch", "update"]}
    leases = {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "verbs": ["create", "get", "list", "watch", "update", "patch", "delete"],
    }
    pods = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch", "patch", "delete"]}
    statuses = {"apiGroups": [""], "resources": ["nodes/status", "pods/status"], "verbs": ["patch", "update"]}
    reading = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"]}
    registering = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch", "create", "patch"]}
    mounting = {
        "apiGroups": [""],
        "resources": ["secrets", "configmaps", "persistentvolumeclaims", "persistentvolumes"],
        "verbs": ["get", "list", "watch"],
    }
    drivers = {"apiGroups": ["storage.k8s.io"], "resources": ["csinodes"], "verbs": ["get", "list", "watch"]}
    return (
        *_role(KWOK_USER, [reading, pods, statuses, leases, events]),
        *_role(KUBELETS_USER, [registering, pods, statuses, leases, events, mounting, drivers]),
    )


def _role(user: str, rules: list[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    api_version = "rbac.authorization.k8s.io/v1"
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": user}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
    return (
        {"apiVersion": api_version, "kind": "ClusterRole", "metadata": {"name": user}, "rules": rules},
        {
            "apiVersion": api_version, "kind": "ClusterRoleBinding", "metadata": {"name": user},
            "roleRef": reference, "subjects": [subject],
        },
    )  # fmt: skip


