"""Operators of a cluster on the twin: small controllers on the real API server, in place of the lab's real operators.

`docs/twin/operators.md` says of each what it does, refuses, and does not show.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

from twin.kubernetes.api import KubernetesApi
from twin.kubernetes.hardware import Hardware
from twin.operators import (
    argo_cd,
    argo_workflows,
    certificates,
    cilium,
    device_plugins,
    dragonfly,
    external_secrets,
    k8up,
    load_balancers,
    node_features,
    postgres,
    snapshots,
    traefik,
    vault,
    volumes,
)
from twin.operators.cluster import Around, Cluster, VaultSecrets
from twin.operators.controller import Controller, running
from twin.operators.hardware import devices_of
from twin.store import Store
from twin.world import World

USER = "twin:operators"
"""Who the operators are to the API server."""


class RunningPlane(Protocol):
    """What the operators need of a control plane."""

    @property
    def name(self) -> str:
        """Of the cluster: its colour."""
        ...

    def kubeconfig(self, user: str) -> str:
        """Text of a kubeconfig for a client in the twin."""
        ...


def operators(
    world: World, hardware: Hardware, store: Store, cache: Path, secrets: VaultSecrets
) -> Callable[[RunningPlane], AbstractAsyncContextManager[None]]:
    """What runs beside each control plane while it is up: for `Planes.on_start`.

    `secrets` reads the tree `vault_secrets` of the lab's secrets, by path; `cache` is where tools are built.
    """
    around = Around(world.lab, world.faults, store, cache, secrets, devices_of(world, store, hardware))

    @asynccontextmanager
    async def beside(plane: RunningPlane) -> AsyncGenerator[None]:
        async with KubernetesApi.from_kubeconfig(plane.kubeconfig(USER)) as api:
            cluster = Cluster(plane.name, api, around)
            async with running(cluster, controllers(cluster)):
                yield

    return beside


def controllers(cluster: Cluster) -> tuple[Controller, ...]:
    """Every controller of a cluster."""
    contents = vault.VaultContents(cluster)
    return (
        argo_cd.Applications(cluster),
        volumes.Claims(cluster),
        volumes.Releases(cluster),
        volumes.Attachments(cluster),
        volumes.NodeDrivers(cluster),
        snapshots.Snapshots(cluster),
        snapshots.SnapshotContents(cluster),
        cilium.CiliumInstaller(cluster),
        load_balancers.LoadBalancers(cluster),
        certificates.Issuers(cluster),
        certificates.ClusterIssuers(cluster),
        certificates.Certificates(cluster),
        vault.Vaults(cluster),
        external_secrets.Stores(cluster, contents),
        external_secrets.ClusterStores(cluster, contents),
        external_secrets.ExternalSecrets(cluster, contents),
        postgres.Clusters(cluster),
        postgres.Databases(cluster),
        postgres.Backups(cluster),
        postgres.ScheduledBackups(cluster),
        postgres.ObjectStores(cluster),
        k8up.Schedules(cluster),
        k8up.Backups(cluster),
        k8up.Restores(cluster),
        k8up.Checks(cluster),
        k8up.Prunes(cluster),
        argo_workflows.Workflows(cluster, contents),
        argo_workflows.Templates(cluster),
        argo_workflows.ClusterTemplates(cluster),
        argo_workflows.CronWorkflows(cluster),
        dragonfly.Dragonflies(cluster),
        node_features.NodeLabels(cluster),
        node_features.Rules(cluster),
        device_plugins.NodeResources(cluster),
        traefik.Routes(cluster),
    )
