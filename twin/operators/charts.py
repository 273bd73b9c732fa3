"""What the charts and manifests that the lab installs bring to a cluster: the twin renders none, this table says it.

A chart that is not here cannot be installed on the twin. A new one needs a line: its repository, its name (or its
folder in git), the bundles of custom resource definitions it carries, and the objects that something else in the lab
refers to. What it carries besides (Deployments, roles, …) is left out.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from twin.kubernetes.api import Object
from twin.operators.chart_objects import (
    Installation,
    always,
    asked_for,
    ceph_block_driver,
    ceph_filesystem_driver,
    intel_gpu_plugin,
    local_path_provisioner,
    loki_gateway,
    node_feature_discovery,
    nothing,
    prometheus_stack,
    service_accounts,
    services,
    traefik,
    vault_roles,
    workflow_accounts,
)

TABLE: Final = "twin/operators/charts.py"


@dataclass(frozen=True)
class KnownChart:
    """A chart, or a folder of manifests in git."""

    repository: str
    """Without scheme, `.git` and final slash."""
    name: str
    """Chart name, or a pattern of folders for a git repository (`.` is its root)."""
    bundles: tuple[str, ...] = ()
    """Of custom resource definitions, by the names of `twin.kubernetes.custom_resources`."""
    namespaces: tuple[str, ...] = ()
    """Namespaces among its manifests; the destination's is not one of them."""
    objects: Callable[[Installation], Iterable[Object]] = nothing
    """What else of it matters to others."""
    defines: Callable[[Installation], bool] = always
    """Whether the values ask for the definitions."""


_ARGO: Final = "argoproj.github.io/argo-helm"
_GRAFANA: Final = "grafana.github.io/helm-charts"
_PROMETHEUS: Final = "prometheus-community.github.io/helm-charts"
_SNAPSHOTTER: Final = "github.com/kubernetes-csi/external-snapshotter"
_INTEL_PLUGINS: Final = "github.com/intel/intel-device-plugins-for-kubernetes"
_INTEL_CHARTS: Final = "intel.github.io/helm-charts"

CHARTS: Final[tuple[KnownChart, ...]] = (
    KnownChart(_ARGO, "argo-cd", ("argo-cd",), objects=services("{release}-server")),
    KnownChart(_ARGO, "argo-workflows", ("argo-workflows",), objects=workflow_accounts),
    KnownChart(_ARGO, "argo-events", ("argo-events",)),
    KnownChart(_PROMETHEUS, "kube-prometheus-stack", ("prometheus-operator",), objects=prometheus_stack),
    KnownChart(_PROMETHEUS, "prometheus-operator-crds", ("prometheus-operator",)),
    KnownChart(_PROMETHEUS, "prometheus-pushgateway", objects=services("{release}")),
    KnownChart("kubernetes-sigs.github.io/metrics-server", "metrics-server"),
    KnownChart(_GRAFANA, "loki-distributed", objects=loki_gateway),
    KnownChart(_GRAFANA, "loki"),
    KnownChart(_GRAFANA, "alloy"),
    KnownChart("lablabs.github.io/cloudflare-exporter", "cloudflare-exporter", objects=services("{release}")),
    KnownChart("ceph.github.io/csi-charts", "ceph-csi-rbd", objects=ceph_block_driver),
    KnownChart("ceph.github.io/csi-charts", "ceph-csi-cephfs", objects=ceph_filesystem_driver),
    KnownChart(_SNAPSHOTTER, "client/config/crd", ("external-snapshotter",)),
    KnownChart(_SNAPSHOTTER, "deploy/kubernetes/*"),
    KnownChart(
        "github.com/rancher/local-path-provisioner", "deploy/chart/local-path-provisioner",
        objects=local_path_provisioner,
    ),
    KnownChart(
        "github.com/rancher/local-path-provisioner", "deploy", namespaces=("local-path-storage",),
        objects=local_path_provisioner,
    ),
    KnownChart("kubernetes-sigs.github.io/node-feature-discovery/charts", "node-feature-discovery",
               ("node-feature-discovery",), objects=node_feature_discovery),
    KnownChart("charts.jetstack.io", "cert-manager", ("cert-manager",),
               objects=service_accounts("cert-manager"), defines=asked_for),
    KnownChart("traefik.github.io/charts", "traefik", ("traefik",), objects=traefik),
    KnownChart("ghcr.io/bank-vaults/helm-charts", "vault-operator", ("vault-operator",)),
    KnownChart("github.com/bank-vaults/vault-operator", "deploy/rbac*", objects=vault_roles),
    KnownChart("charts.external-secrets.io", "external-secrets", ("external-secrets",),
               objects=service_accounts("external-secrets")),
    KnownChart("github.com/k8up-io/k8up", "config/crd*", ("k8up",)),
    KnownChart("k8up-io.github.io/k8up", "k8up"),
    KnownChart("cloudnative-pg.github.io/charts", "cloudnative-pg", ("cloudnative-pg",)),
    KnownChart("cloudnative-pg.github.io/charts", "plugin-barman-cloud", ("barman-cloud",)),
    KnownChart("github.com/cloudnative-pg/plugin-barman-cloud", "*", ("barman-cloud",)),
    KnownChart("github.com/dragonflydb/dragonfly-operator", "charts/dragonfly-operator", ("dragonfly",)),
    KnownChart("github.com/dragonflydb/dragonfly-operator", "manifests*", ("dragonfly",),
               namespaces=("dragonfly-operator-system",)),
    KnownChart("ghcr.io/dragonflydb/dragonfly-operator/helm", "dragonfly-operator", ("dragonfly",)),
    KnownChart("github.com/truefoundry/KubeElasti", "charts/elasti", ("kube-elasti",)),
    KnownChart("github.com/truefoundry/elasti", "charts/elasti", ("kube-elasti",)),
    KnownChart("tfy.jfrog.io/tfy-helm", "elasti", ("kube-elasti",)),
    KnownChart("rocm.github.io/gpu-operator", "gpu-operator-charts", ("amd-gpu",)),
    KnownChart(_INTEL_CHARTS, "intel-device-plugins-operator", ("intel-device-plugins",)),
    KnownChart(_INTEL_CHARTS, "intel-device-plugins-gpu", objects=intel_gpu_plugin),
    KnownChart(_INTEL_PLUGINS, "deployments/operator/*", ("intel-device-plugins",),
               namespaces=("inteldeviceplugins-system",)),
    KnownChart(_INTEL_PLUGINS, "deployments/nfd/overlays/node-feature-rules"),
    KnownChart("github.com/adyanth/cloudflare-operator", "config/*", ("cloudflare-operator",),
               namespaces=("cloudflare-operator-system",)),
    KnownChart("charts.authelia.com", "authelia", objects=services("{release}")),
    KnownChart("github.com/Evantage-WS/lldap-kubernetes", "*", objects=services("{release}")),
    KnownChart("helm.goharbor.io", "harbor", objects=services("{release}", "{release}-core")),
    KnownChart("code.forgejo.org/forgejo-helm/forgejo-helm", "*", objects=services("{release}-http")),
    KnownChart("seaweedfs.github.io/seaweedfs/helm", "seaweedfs",
               objects=services("{release}-s3", "{release}-master", "{release}-filer")),
    KnownChart("stakater.github.io/stakater-charts", "reloader"),
    KnownChart("github.com/BerriAI/litellm", "deploy/charts/litellm-helm", objects=services("{release}")),
    KnownChart("helm.openwebui.com", "open-webui", objects=services("{release}")),
    KnownChart("qdrant.github.io/qdrant-helm", "qdrant", objects=services("{release}")),
)  # fmt: skip


class UnknownChartError(Exception):
    """The table does not know the chart; the message says what it knows instead."""


def known_chart(repository: str, *, chart: str | None, path: str | None) -> KnownChart:
    """The entry of a chart, or of a folder in git; UnknownChartError when the table has none."""
    place = normalised(repository)
    name = chart if chart is not None else (path or ".").strip("/") or "."
    here = [entry for entry in CHARTS if entry.repository.lower() == place.lower()]
    for entry in here:
        if fnmatchcase(name, entry.name):
            return entry
    wanted = f"chart {name}" if chart is not None else f"folder {name}"
    there = [entry.repository for entry in CHARTS if entry.name == name]
    if here:
        hint = f"of that repository it knows {', '.join(entry.name for entry in here)}"
    elif there:
        hint = f"it knows {name} from {', '.join(there)}"
    else:
        hint = "add a line that says what it brings"
    raise UnknownChartError(f"the twin does not know what {wanted} of {place} brings ({TABLE}): {hint}")


def normalised(repository: str) -> str:
    """Host and path alone."""
    return repository.partition("://")[2].removesuffix("/").removesuffix(".git") if "://" in repository else (
        repository.removesuffix("/").removesuffix(".git")
    )
