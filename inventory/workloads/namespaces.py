"""Namespaces of the platform. Those of the applications are the applications' own."""

from model.workloads.namespaces import Namespace, PodSecurity


def _privileged(name: str, reason: str) -> Namespace:
    return Namespace(name=name, pod_security=PodSecurity.PRIVILEGED, reason=reason)


NAMESPACES = (
    Namespace(name="argocd"),
    Namespace(name="argo"),
    _privileged("ceph", "the Ceph drivers mount volumes on the hosts"),
    _privileged("node-feature-discovery", "its workers read the hosts' hardware"),
    _privileged("local-path-storage", "its volumes are folders of the hosts"),
    _privileged("monitor", "the exporters read the hosts' file systems"),
    _privileged("vault", "Vault asks for the right to lock memory"),
    _privileged("amd", "the device plugin and the exporter open the hosts' cards"),
    _privileged("intel-gpu-plugin", "the device plugin opens the hosts' cards"),
    Namespace(name="cert-manager"),
    Namespace(name="cnpg-system"),
    Namespace(name="k8up"),
    Namespace(name="dragonflydb"),
    Namespace(name="traefik"),
    Namespace(name="seaweedfs"),
)
