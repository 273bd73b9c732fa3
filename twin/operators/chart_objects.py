"""Objects of charts that others in the lab refer to, from the values that the chart was given."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from twin.kubernetes.api import Object

CEPH_BLOCK_PROVISIONER: Final = "rbd.csi.ceph.com"
CEPH_FILESYSTEM_PROVISIONER: Final = "cephfs.csi.ceph.com"
LOCAL_PATH_PROVISIONER: Final = "rancher.io/local-path"
LOCAL_PATH_NAMESPACE: Final = "local-path-storage"
LOCAL_PATH_CONFIGURATION: Final = "local-path-config"
ANY_NODE: Final = "DEFAULT_PATH_FOR_NON_LISTED_NODES"
NODE_PLUGIN_LABEL: Final = "csi.ceph.com/driver"
"""Of the DaemonSet that mounts a driver's volumes: which driver it is."""


@dataclass(frozen=True)
class Installation:
    """A chart as an Application installs it."""

    release: str
    namespace: str
    values: Mapping[str, Any]


Bring = Callable[[Installation], Iterable[Object]]


def nothing(installation: Installation) -> Iterable[Object]:
    """No object that matters to others."""
    del installation
    return ()


def always(installation: Installation) -> bool:
    """The chart brings its definitions whatever the values are."""
    del installation
    return True


def asked_for(installation: Installation) -> bool:
    """The chart brings its definitions only when `crds.enabled` (once `installCRDs`) says so."""
    return bool(_section(installation.values, "crds").get("enabled") or installation.values.get("installCRDs"))


def services(*names: str) -> Bring:
    """Services of these names (`{release}` is the release's), for routes that lead to them."""

    def brought(installation: Installation) -> Iterable[Object]:
        for name in names:
            yield _service(installation, name.format(release=installation.release), {"ports": [{"port": 80}]})

    return brought


def service_accounts(*names: str) -> Bring:
    """Service accounts of these names."""

    def brought(installation: Installation) -> Iterable[Object]:
        for name in names:
            yield _service_account(installation.namespace, name)

    return brought


def workflow_accounts(installation: Installation) -> Iterable[Object]:
    """Argo Workflows: the accounts that workflows run as, where the values ask for one, and its server."""
    yield from services("{release}-server")(installation)
    workflow = _section(installation.values, "workflow", "serviceAccount")
    if workflow.get("create"):
        spaces: list[str] = _section(installation.values, "controller").get("workflowNamespaces") or ["default"]
        for namespace in spaces:
            yield _service_account(namespace, workflow.get("name") or "argo-workflow")


def traefik(installation: Installation) -> Iterable[Object]:
    """Traefik: its Service, of type LoadBalancer unless the values say otherwise."""
    service = _section(installation.values, "service")
    if service.get("enabled") is False:
        return
    ports: list[Object] = [
        {"name": "web", "port": 80, "targetPort": "web", "protocol": "TCP"},
        {"name": "websecure", "port": 443, "targetPort": "websecure", "protocol": "TCP"},
    ]
    content: Object = {
        "type": service.get("type") or "LoadBalancer",
        "selector": {"app.kubernetes.io/instance": f"{installation.release}-{installation.namespace}",
                     "app.kubernetes.io/name": "traefik"},
        **_section(service, "spec"),
        "ports": ports,
    }  # fmt: skip
    annotations = dict(_section(service, "annotations"))
    yield _service(installation, installation.release, content, annotations)


def ceph_block_driver(installation: Installation) -> Iterable[Object]:
    """ceph-csi for RBD: the driver's registration, its clusters, and the StorageClass where the values ask for one."""
    yield from _ceph_driver(installation, CEPH_BLOCK_PROVISIONER, "csi-rbd-sc", "csi-rbd-secret", ("pool",))


def ceph_filesystem_driver(installation: Installation) -> Iterable[Object]:
    """ceph-csi for CephFS: the same."""
    yield from _ceph_driver(
        installation, CEPH_FILESYSTEM_PROVISIONER, "csi-cephfs-sc", "csi-cephfs-secret", ("fsName", "pool")
    )


def local_path_provisioner(installation: Installation) -> Iterable[Object]:
    """Rancher's local-path: the folders of the nodes, and its StorageClass unless the values say otherwise."""
    values = installation.values
    paths = values.get("nodePathMap") or [{"node": ANY_NODE, "paths": ["/opt/local-path-provisioner"]}]
    yield {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": LOCAL_PATH_CONFIGURATION, "namespace": LOCAL_PATH_NAMESPACE},
        "data": {"config.json": json.dumps({"nodePathMap": paths})},
    }
    wanted = _section(values, "storageClass")
    if wanted.get("create") is False:
        return
    yield {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": wanted.get("name") or "local-path"},
        "provisioner": LOCAL_PATH_PROVISIONER,
        "volumeBindingMode": "WaitForFirstConsumer",
        "reclaimPolicy": "Delete",
    }


def loki_gateway(installation: Installation) -> Iterable[Object]:
    """Loki: the service in front of its parts."""
    name = installation.values.get("fullnameOverride") or f"{installation.release}-loki-distributed"
    yield _service(installation, f"{name}-gateway", {"ports": [{"name": "http", "port": 80}]})


def prometheus_stack(installation: Installation) -> Iterable[Object]:
    """Prometheus, Alertmanager and Grafana: their services, under the names that the values give."""
    name = installation.values.get("fullnameOverride") or installation.release
    grafana = _section(installation.values, "grafana").get("fullnameOverride") or f"{installation.release}-grafana"
    for service, port in ((f"{name}-prometheus", 9090), (f"{name}-alertmanager", 9093), (grafana, 80)):
        yield _service(installation, service, {"ports": [{"name": "http-web", "port": port}]})


def node_feature_discovery(installation: Installation) -> Iterable[Object]:
    """Its worker, which finds features only where it tolerates the node."""
    worker = _section(installation.values, "worker")
    labels = {"app.kubernetes.io/name": "node-feature-discovery", "role": "worker"}
    pod: Object = {
        "containers": [{"name": "worker", "image": "registry.k8s.io/nfd/node-feature-discovery"}],
        **{key: worker[key] for key in ("tolerations", "nodeSelector") if worker.get(key)},
    }
    yield {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": f"{installation.release}-worker", "namespace": installation.namespace},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def vault_roles(installation: Installation) -> Iterable[Object]:
    """bank-vaults' roles: the account that Vault runs as, which may review tokens."""
    yield _service_account(installation.namespace, "vault")
    yield {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "vault-auth-delegator"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:auth-delegator",
        },
        "subjects": [{"kind": "ServiceAccount", "name": "vault", "namespace": installation.namespace}],
    }  # fmt: skip


def intel_gpu_plugin(installation: Installation) -> Iterable[Object]:
    """Intel's chart of the GPU plugin: the resource that its operator acts on."""
    values = installation.values
    yield {
        "apiVersion": "deviceplugin.intel.com/v1",
        "kind": "GpuDevicePlugin",
        "metadata": {"name": values.get("name") or "gpudeviceplugin-sample"},
        "spec": {
            "sharedDevNum": values.get("sharedDevNum", 1),
            "nodeSelector": values.get("nodeSelector") or {"intel.feature.node.kubernetes.io/gpu": "true"},
        },
    }


def _ceph_driver(
    installation: Installation, provisioner: str, name: str, secret: str, parameters: tuple[str, ...]
) -> Iterable[Object]:
    values = installation.values
    yield {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIDriver",
        "metadata": {"name": _section(values, "driver").get("name") or provisioner},
        "spec": {"attachRequired": True, "podInfoOnMount": False, "fsGroupPolicy": "File"},
    }
    labels = {"app": f"{installation.release}-nodeplugin"}
    plugin = _section(values, "nodeplugin")
    pod: Object = {
        "containers": [{"name": "plugin", "image": "quay.io/cephcsi/cephcsi"}],
        **{key: plugin[key] for key in ("tolerations", "nodeSelector") if plugin.get(key)},
    }
    yield {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {
            "name": f"{installation.release}-nodeplugin", "namespace": installation.namespace,
            "labels": {NODE_PLUGIN_LABEL: provisioner},
        },
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }  # fmt: skip
    wanted = _section(values, "storageClass")
    if not wanted.get("create"):
        return
    namespace = installation.namespace
    secrets = {
        f"csi.storage.k8s.io/{use}-secret-{part}": value
        for use in ("provisioner", "controller-expand", "node-stage")
        for part, value in (("name", secret), ("namespace", namespace))
    }
    told = {key: str(wanted[key]) for key in ("clusterID", *parameters) if key in wanted}
    yield {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": wanted.get("name") or name, "annotations": dict(_section(wanted, "annotations"))},
        "provisioner": provisioner,
        "parameters": {**secrets, **told},
        "reclaimPolicy": wanted.get("reclaimPolicy") or "Delete",
        "allowVolumeExpansion": wanted.get("allowVolumeExpansion", True),
        "volumeBindingMode": wanted.get("volumeBindingMode") or "Immediate",
    }


def _section(values: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    found: Any = values
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _service_account(namespace: str, name: str) -> Object:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}}


def _service(
    installation: Installation, name: str, content: Object, annotations: Mapping[str, str] | None = None
) -> Object:
    metadata: Object = {"name": name, "namespace": installation.namespace}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": content}
