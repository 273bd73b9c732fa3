"""What the clusters of both colours look like."""

from inventory.names import (
    AMD_FRAMEWORK,
    AMD_GPU,
    ARC_A310,
    BASE,
    INDY,
    INTEL_GPU,
    K8S,
    METHOD,
    NOSE,
    R9700,
    STALE,
    STRIX_HALO_NOSE,
    STRIX_HALO_TAIL,
    TAIL,
)
from inventory.storage import CEPH
from model.cluster import (
    CiliumRelease,
    ClusterLayout,
    KernelModule,
    MachineTier,
    NodeRole,
    NodeShape,
    Placement,
    Schematic,
    Taint,
    TalosRelease,
    VolumeBounds,
)
from model.exclusive import LeaseName
from model.guests import Firmware
from model.hardware import AcceleratorName, HostName
from model.registries import RegistryKind, RegistryMirror
from model.units import GB, GiB, MiB, Mtu

_GTT_MIB = 122800
"""Memory of a Strix Halo that its GPU may map, in MiB."""
_TTM_PAGES = 31457280
"""The same limit in pages of 4 KiB, as the memory manager below the driver takes it (120 GiB)."""
_TTM_POOL_PAGES = 15728640

_AMD_TAINT = Taint(key="amd.com/gpu")
_INTEL_TAINT = Taint(key="intel.com/gpu")

_CONTROL_PLANE_HOSTS = (INDY, METHOD, STALE)
_WORKER_HOSTS = (INDY, METHOD, STALE)


def _metal(host: HostName, card: AcceleratorName) -> Placement:
    return Placement(
        suffix=f"worker-{host}", role=NodeRole.STRIX_HALO, host=host, slot=0, accelerator=card, lease=LeaseName(host)
    )


CLUSTER = ClusterLayout(
    network=K8S,
    node_interface="eth0",
    node_mtu=Mtu(9000),
    pod_subnet="10.244.0.0/16",
    service_subnet="10.96.0.0/12",
    api_port=6443,
    talos_port=50000,
    kubeprism_port=7445,
    releases=(
        TalosRelease(talos="v1.11.3", kubernetes="1.34.1"),
        TalosRelease(talos="v1.11.5", kubernetes="1.34.1"),
    ),
    cilium=CiliumRelease(version="1.18.4", installer_image="quay.io/cilium/cilium-cli:v0.18.9"),
    schematics=(
        Schematic(name=BASE, extensions=("qemu-guest-agent", "fuse3", "intel-ucode", "amd-ucode")),
        Schematic(
            name=INTEL_GPU, extensions=("amd-ucode", "fuse3", "i915", "intel-ucode", "mei", "qemu-guest-agent")
        ),
        Schematic(name=AMD_GPU, extensions=("amd-ucode", "amdgpu", "fuse3", "qemu-guest-agent")),
        Schematic(
            name=AMD_FRAMEWORK,
            extensions=("fuse3", "amd-ucode", "amdgpu", "thunderbolt"),
            kernel_arguments=(
                "amd_iommu=off",
                f"amdgpu.gttsize={_GTT_MIB}",
                "amdgpu.vm_fragment_size=8",
                f"ttm.pages_limit={_TTM_PAGES}",
                f"ttm.page_pool_size={_TTM_POOL_PAGES}",
            ),
        ),
    ),
    shapes=(
        NodeShape(
            role=NodeRole.CONTROL_PLANE, schematic=BASE, virtual_cpus=2, base_memory=MiB(6144), disk=GiB(40)
        ),
        NodeShape(role=NodeRole.WORKER, schematic=BASE, virtual_cpus=6, base_memory=MiB(14336), disk=GiB(60)),
        NodeShape(
            role=NodeRole.INTEL_GPU,
            schematic=INTEL_GPU,
            virtual_cpus=6,
            base_memory=MiB(14336),
            disk=GiB(60),
            firmware=Firmware.SEABIOS,
            tier=MachineTier.ACCELERATED,
            taints=(_INTEL_TAINT,),
        ),
        NodeShape(
            role=NodeRole.AMD_GPU,
            schematic=AMD_GPU,
            virtual_cpus=6,
            fixed_memory=MiB(30518),
            disk=GiB(60),
            user_disk=GiB(50),
            tier=MachineTier.ACCELERATED,
            taints=(_AMD_TAINT,),
            kernel_modules=(KernelModule(name="amdgpu", parameters=("ppfeaturemask=0xffffffff", "dpm=1")),),
            local_volume=VolumeBounds(selector="!system_disk", minimum=GB(20), maximum=GB(50)),
        ),
        NodeShape(
            role=NodeRole.STRIX_HALO,
            schematic=AMD_FRAMEWORK,
            tier=MachineTier.ACCELERATED,
            taints=(_AMD_TAINT,),
            kernel_modules=(KernelModule(name="amdgpu"),),
            install_disk="/dev/nvme0n1",
            ephemeral_volume=VolumeBounds(
                selector='disk.transport == "nvme" && disk.size < 1u * TiB', minimum=GB(100), maximum=GB(450)
            ),
            local_volume=VolumeBounds(
                selector='disk.transport == "nvme" && disk.size > 1u * TB', minimum=GB(1500), maximum=GB(2000)
            ),
        ),
    ),
    placements=(
        *(
            Placement(suffix=f"master-{slot}", role=NodeRole.CONTROL_PLANE, host=host, slot=slot)
            for slot, host in enumerate(_CONTROL_PLANE_HOSTS)
        ),
        *(
            Placement(suffix=f"worker-{slot}", role=NodeRole.WORKER, host=host, slot=slot)
            for slot, host in enumerate(_WORKER_HOSTS)
        ),
        Placement(
            suffix="worker-intel-gpu",
            role=NodeRole.INTEL_GPU,
            host=METHOD,
            slot=len(_WORKER_HOSTS),
            accelerator=ARC_A310,
            lease=LeaseName(ARC_A310),
        ),
        Placement(
            suffix="worker-amd-gpu",
            role=NodeRole.AMD_GPU,
            host=METHOD,
            slot=len(_WORKER_HOSTS) + 1,
            accelerator=R9700,
            lease=LeaseName(R9700),
        ),
        _metal(NOSE, STRIX_HALO_NOSE),
        _metal(TAIL, STRIX_HALO_TAIL),
    ),
    mirrors=(
        RegistryMirror(
            registry="docker.io",
            project="dockerhub",
            upstream="https://registry-1.docker.io",
            kind=RegistryKind.DOCKER_HUB,
            asked="https://hub.docker.com",
        ),
        RegistryMirror(registry="ghcr.io", project="ghcr", upstream="https://ghcr.io", kind=RegistryKind.GITHUB),
        RegistryMirror(registry="gcr.io", project="gcr", upstream="https://gcr.io", kind=RegistryKind.GOOGLE),
        RegistryMirror(
            registry="registry.k8s.io",
            project="k8s",
            upstream="https://registry.k8s.io",
            kind=RegistryKind.DOCKER_REGISTRY,
        ),
        RegistryMirror(registry="quay.io", project="quay", upstream="https://quay.io", kind=RegistryKind.QUAY),
    ),
    harbor_host="harbor.bhamm-lab.com",
    csi_cluster_id=CEPH.fsid,
)
