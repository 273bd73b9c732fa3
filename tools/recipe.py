"""What is built, from which module, and when one found on PATH will do."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

DIRECTORY = Path(__file__).resolve().parent

PULUMI_VERSION = "3.259.0"
PULUMI_SDK = "github.com/pulumi/pulumi/sdk/v3"


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
class Recipe:
    """A tool: a folder with go.mod and go.sum under `tools/`, and what comes out of it."""

    name: str
    purpose: str
    binaries: tuple[Binary, ...]
    files: tuple[ModuleFile, ...] = ()
    generate: tuple[str, ...] = ()
    """Arguments of the first binary that make it write more files beside itself (into its working directory)."""
    expected_minutes: float = 1.0
    """How long a first build takes on two cores, to tell who waits."""
    keep: tuple[str, ...] = field(default=())
    """Generated files that are kept; the rest is thrown away."""

    @property
    def directory(self) -> Path:
        """Where the recipe's go.mod lies."""
        return DIRECTORY / self.name

    @property
    def key(self) -> str:
        """Changes whenever something changes that the result depends on."""
        digest = hashlib.sha256(repr((self.binaries, self.files, self.generate, self.keep)).encode())
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
    generate=("schema", "--out", ".", "--skip-docs", "--skip-examples"),
    keep=("schema.json", "bridge-metadata.json"),
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

ENGINE = (PULUMI, PULUMI_LANGUAGE_PYTHON)
TWIN = (PROXMOX_PROVIDER, TALOS_MACHINERY)
ALL = (*ENGINE, *TWIN)
