"""What is built, from which module, and when one found on PATH will do."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

DIRECTORY = Path(__file__).resolve().parent

PULUMI_VERSION = "3.259.0"
PULUMI_SDK = "github.com/pulumi/pulumi/sdk/v3"

KUBERNETES_VERSION = "1.36.1"


@dataclass(frozen=True)
class Binary:
    """One executable of a recipe."""

    name: str
    package: str
    """Go package path, `.` for the recipe's own."""
    linker_flags: str = "-s -w"


@dataclass(frozen=True)
class ModuleFile:
    """A file that is taken as it is from a published Go module."""

    module: str
    version: str
    path: str


@dataclass(frozen=True)
class Generation:
    """Files that the first binary of a recipe writes into the folder that it is started in, with Go on PATH."""

    keep: tuple[str, ...]
    """Files that are kept; the rest is thrown away."""
    arguments: tuple[str, ...] = ()
    module: str = ""
    """Folder below the recipe's, with a go.mod of its own, that it is started in and whose packages it reads; an empty
    folder when not given."""


@dataclass(frozen=True)
class Recipe:
    """A tool: a folder with go.mod and go.sum under `tools/`, and what comes out of it."""

    name: str
    purpose: str
    binaries: tuple[Binary, ...]
    files: tuple[ModuleFile, ...] = ()
    generate: tuple[Generation, ...] = ()
    expected_minutes: float = 1.0
    """How long a first build takes on two cores, to tell who waits."""

    @property
    def directory(self) -> Path:
        """Where the recipe's go.mod lies."""
        return DIRECTORY / self.name

    @property
    def key(self) -> str:
        """Changes whenever something changes that the result depends on."""
        digest = hashlib.sha256(repr((self.binaries, self.files, self.generate)).encode())
        for path in sorted(self.directory.rglob("*")):
            if path.suffix in (".go", ".mod", ".sum"):
                digest.update(path.relative_to(self.directory).as_posix().encode())
                digest.update(path.read_bytes())
        return digest.hexdigest()[:16]


PULUMI = Recipe(
    name="pulumi",
    purpose="the Pulumi engine and its command line",
    binaries=(
        Binary(
            "pulumi",
            "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
            f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{PULUMI_VERSION}",
        ),
    ),
    expected_minutes=4.0,
)

PULUMI_LANGUAGE_PYTHON = Recipe(
    name="pulumi-language-python",
    purpose="runs Python programs for the Pulumi engine",
    binaries=(
        Binary("pulumi-language-python", "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python"),
    ),
    files=(ModuleFile(PULUMI_SDK, f"v{PULUMI_VERSION}", "python/cmd/pulumi-language-python-exec"),),
    expected_minutes=0.6,
)

PROXMOX_PROVIDER = Recipe(
    name="pulumi-resource-proxmoxve",
    purpose="the upstream Proxmox provider, bridged to Pulumi",
    binaries=(Binary("pulumi-resource-proxmoxve", "."),),
    generate=(
        Generation(
            arguments=("schema", "--out", ".", "--skip-docs", "--skip-examples"),
            keep=("schema.json", "bridge-metadata.json"),
        ),
    ),
    expected_minutes=2.5,
)

TALOS_MACHINERY = Recipe(
    name="talos-machinery",
    purpose="Talos secrets and machine configurations by the machinery library",
    binaries=(Binary("talos-machinery", "."),),
    expected_minutes=0.5,
)

OPENTOFU = Recipe(
    name="opentofu",
    purpose="planning of as many resources by another tool, for the benchmark alone",
    binaries=(
        Binary(
            "tofu",
            "github.com/opentofu/opentofu/cmd/tofu",
            "-s -w -X github.com/opentofu/opentofu/version.dev=no",
        ),
    ),
    expected_minutes=3.0,
)

RCLONE_VERSION = "1.71.2"

RCLONE = Recipe(
    name="rclone",
    purpose="copies between S3 stores, for the tests of the lab's copies alone",
    binaries=(Binary("rclone", ".", f"-s -w -X github.com/rclone/rclone/fs.Version=v{RCLONE_VERSION}"),),
    expected_minutes=1.0,
)

_KUBERNETES_RELEASE = "k8s.io/component-base/version"

KUBERNETES = Recipe(
    name="kubernetes",
    purpose="the control plane of the emulated clusters",
    binaries=tuple(
        Binary(
            name,
            f"k8s.io/kubernetes/cmd/{name}",
            f"-s -w -X {_KUBERNETES_RELEASE}.gitVersion=v{KUBERNETES_VERSION} -X {_KUBERNETES_RELEASE}.gitMajor=1"
            f" -X {_KUBERNETES_RELEASE}.gitMinor=36 -X {_KUBERNETES_RELEASE}.gitTreeState=clean",
        )
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
    ),
    expected_minutes=4.5,
)

ETCD = Recipe(
    name="etcd",
    purpose="keeps what the control plane is told",
    binaries=(Binary("etcd", "go.etcd.io/etcd/server/v3"),),
    expected_minutes=0.5,
)

KWOK = Recipe(
    name="kwok",
    purpose="stands in for the kubelets of the emulated nodes",
    binaries=(Binary("kwok", "sigs.k8s.io/kwok/cmd/kwok"),),
    expected_minutes=1.5,
)


def _bundle(name: str, *kinds: str) -> Generation:
    return Generation(keep=(f"{name}.json",), arguments=kinds, module=name)


CUSTOM_RESOURCES = Recipe(
    name="custom-resources",
    purpose="the schemas of the custom resources, from the Go types of their operators",
    binaries=(Binary("custom-resources", "."),),
    generate=(
        _bundle("argo-cd", "Application", "AppProject"),
        _bundle("argo-events", "EventBus", "EventSource", "Sensor"),
        _bundle("argo-workflows", "ClusterWorkflowTemplate", "CronWorkflow", "Workflow", "WorkflowTemplate"),
        _bundle("barman-cloud", "ObjectStore"),
        _bundle("cert-manager", "Certificate", "CertificateRequest", "ClusterIssuer", "Issuer"),
        _bundle(
            "cilium",
            "CiliumClusterwideNetworkPolicy",
            "CiliumL2AnnouncementPolicy",
            "CiliumLoadBalancerIPPool",
            "CiliumNetworkPolicy",
        ),
        _bundle("cloudnative-pg", "Backup", "Cluster", "Database", "ScheduledBackup"),
        _bundle("external-secrets", "ClusterSecretStore", "ExternalSecret", "SecretStore"),
        _bundle("external-snapshotter", "VolumeSnapshot", "VolumeSnapshotClass", "VolumeSnapshotContent"),
        _bundle("k8up", "Archive", "Backup", "Check", "Prune", "Restore", "Schedule", "Snapshot"),
        _bundle("node-feature-discovery", "NodeFeature", "NodeFeatureGroup", "NodeFeatureRule"),
        _bundle(
            "prometheus-operator",
            "AlertmanagerConfig",
            "PodMonitor",
            "Probe",
            "PrometheusRule",
            "ScrapeConfig",
            "ServiceMonitor",
        ),
        _bundle(
            "traefik",
            "IngressRoute",
            "IngressRouteTCP",
            "IngressRouteUDP",
            "Middleware",
            "MiddlewareTCP",
            "ServersTransport",
            "ServersTransportTCP",
            "TLSOption",
            "TLSStore",
            "TraefikService",
        ),
    ),
    expected_minutes=1.5,
)

PROMETHEUS = Recipe(
    name="prometheus",
    purpose="checks and tries the rules of Prometheus, for the tests alone",
    binaries=(Binary("promtool", "github.com/prometheus/prometheus/cmd/promtool"),),
    expected_minutes=3.0,
)

ALERTMANAGER = Recipe(
    name="alertmanager",
    purpose="checks where alerts are sent, for the tests alone",
    binaries=(Binary("amtool", "github.com/prometheus/alertmanager/cmd/amtool"),),
    expected_minutes=1.0,
)

ALLOY_SYNTAX = Recipe(
    name="alloy-syntax",
    purpose="reads the configurations of Alloy, for the tests alone",
    binaries=(Binary("alloy-syntax", "."),),
    expected_minutes=0.3,
)

ENGINE = (PULUMI, PULUMI_LANGUAGE_PYTHON)
TWIN = (PROXMOX_PROVIDER, TALOS_MACHINERY)
CONTROL_PLANE = (KUBERNETES, ETCD, KWOK, CUSTOM_RESOURCES)
ALL = (*ENGINE, *TWIN, *CONTROL_PLANE)
