"""Versions of everything that the platform is made of."""

from model.workloads.charts import GitChart, GitKustomization, GitManifests, HelmRegistry, HelmRepository
from model.workloads.platform import Releases

_ARGO = "https://argoproj.github.io/argo-helm"
_CEPH = "https://ceph.github.io/csi-charts"
_PROMETHEUS = "https://prometheus-community.github.io/helm-charts"
_SNAPSHOTTER = "https://github.com/kubernetes-csi/external-snapshotter"
_SNAPSHOTTER_VERSION = "v8.3.0"
_VAULT_OPERATOR = "1.22.5"
"""Of the operator and of its permissions; the lab had them one version apart (D12)."""

_INTEL_PLUGINS = "0.34.0"
"""Of the operator and of the plugin: it refuses an older one."""
_AMD_OPERATOR = "v1.4.0"
"""Of the operator and of what it runs on the nodes."""
_AMD_PLUGIN = "1.31.0.10"

DRAGONFLY_IMAGE = "docker.dragonflydb.io/dragonflydb/dragonfly:v1.31.0"

RELEASES = Releases(
    argo_cd=HelmRepository(url=_ARGO, chart="argo-cd", version="8.2.7"),
    ceph_block=HelmRepository(url=_CEPH, chart="ceph-csi-rbd", version="3.14.2"),
    ceph_files=HelmRepository(url=_CEPH, chart="ceph-csi-cephfs", version="3.14.2"),
    snapshot_definitions=GitKustomization(
        repository=_SNAPSHOTTER, path="client/config/crd", revision=_SNAPSHOTTER_VERSION
    ),
    snapshot_controller=GitKustomization(
        repository=_SNAPSHOTTER, path="deploy/kubernetes/snapshot-controller", revision=_SNAPSHOTTER_VERSION
    ),
    local_path=GitChart(
        repository="https://github.com/rancher/local-path-provisioner",
        path="deploy/chart/local-path-provisioner",
        revision="v0.0.31",
    ),
    node_feature_discovery=HelmRepository(
        url="https://kubernetes-sigs.github.io/node-feature-discovery/charts",
        chart="node-feature-discovery",
        version="0.17.3",
    ),
    vault_operator=HelmRegistry(
        registry="ghcr.io/bank-vaults/helm-charts", chart="vault-operator", version=_VAULT_OPERATOR
    ),
    vault_permissions=GitKustomization(
        repository="https://github.com/bank-vaults/vault-operator",
        path="deploy/rbac",
        revision=f"v{_VAULT_OPERATOR}",
    ),
    # The lab's 0.9.19 speaks an API version that upstream has taken away since.
    external_secrets=HelmRepository(
        url="https://charts.external-secrets.io", chart="external-secrets", version="0.20.4"
    ),
    argo_workflows=HelmRepository(url=_ARGO, chart="argo-workflows", version="0.42.5"),
    cloudnative_pg=HelmRepository(
        url="https://cloudnative-pg.github.io/charts", chart="cloudnative-pg", version="0.26.0"
    ),
    barman_plugin=GitManifests(
        repository="https://github.com/cloudnative-pg/plugin-barman-cloud",
        path=".",
        revision="v0.5.0",
        include="manifest.yaml",
    ),
    k8up_definitions=GitManifests(
        repository="https://github.com/k8up-io/k8up", path="config/crd/apiextensions.k8s.io/v1", revision="v2.12.0"
    ),
    k8up=HelmRepository(url="https://k8up-io.github.io/k8up", chart="k8up", version="4.8.4"),
    dragonfly_operator=GitChart(
        repository="https://github.com/dragonflydb/dragonfly-operator",
        path="charts/dragonfly-operator",
        revision="v1.2.1",
    ),
    cert_manager=HelmRepository(url="https://charts.jetstack.io", chart="cert-manager", version="v1.17.1"),
    traefik=HelmRepository(url="https://traefik.github.io/charts", chart="traefik", version="29.0.0"),
    seaweedfs=HelmRepository(
        url="https://seaweedfs.github.io/seaweedfs/helm", chart="seaweedfs", version="4.0.393"
    ),
    intel_device_plugins=HelmRepository(
        url="https://intel.github.io/helm-charts", chart="intel-device-plugins-operator", version=_INTEL_PLUGINS
    ),
    amd_gpu_operator=HelmRepository(
        url="https://rocm.github.io/gpu-operator", chart="gpu-operator-charts", version=_AMD_OPERATOR
    ),
    kube_prometheus_stack=HelmRepository(url=_PROMETHEUS, chart="kube-prometheus-stack", version="77.14.0"),
    prometheus_pushgateway=HelmRepository(url=_PROMETHEUS, chart="prometheus-pushgateway", version="3.4.1"),
    metrics_server=HelmRepository(
        url="https://kubernetes-sigs.github.io/metrics-server", chart="metrics-server", version="3.13.0"
    ),
    vault="docker.io/hashicorp/vault:1.19.3",
    sops="ghcr.io/getsops/sops:v3.10.2-alpine",
    postgres="ghcr.io/cloudnative-pg/postgresql:17.5",
    restic="docker.io/restic/restic:0.18.0",
    intel_gpu_plugin=f"docker.io/intel/intel-gpu-plugin:{_INTEL_PLUGINS}",
    amd_device_plugin=f"docker.io/rocm/k8s-device-plugin:{_AMD_PLUGIN}",
    amd_node_labeller=f"docker.io/rocm/k8s-device-plugin:labeller-{_AMD_PLUGIN}",
    amd_metrics_exporter=f"docker.io/rocm/device-metrics-exporter:{_AMD_OPERATOR}",
    amd_test_runner=f"docker.io/rocm/test-runner:{_AMD_OPERATOR}",
    rclone="docker.io/rclone/rclone:1.71.2",
    minio_client="docker.io/minio/mc:RELEASE.2025-07-21T05-28-08Z",
    network_probe="docker.io/library/busybox:1.37.0",
)
