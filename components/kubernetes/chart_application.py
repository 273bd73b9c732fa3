"""Applications of others, kept applied by Argo CD."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.kubernetes.argo_cd import ArgoCd
from components.kubernetes.namespaces import Namespaces
from components.kubernetes.objects import CustomResource, Metadata
from components.kubernetes.provided import Definitions, Provided
from model.configuration import Layer
from model.workloads.charts import Chart, GitChart, GitKustomization, HelmRegistry, HelmRepository
from model.workloads.custom.argo_cd import (
    Application,
    ApplicationSource,
    ApplicationSpec,
    Destination,
    DirectoryOptions,
    HelmOptions,
    IgnoreDifferences,
    SyncPolicy,
)
from model.workloads.namespaces import Namespace

FINALIZER = "resources-finalizer.argocd.argoproj.io"
"""Deleting the application deletes what it applied, and waits for that."""

SYNC_OPTIONS = ("ServerSideApply=true", "ApplyOutOfSyncOnly=true", "CreateNamespace=false")
HEALTHY_WITHIN = "20m"
"""On a new cluster every image comes over the lab's one Internet line."""


class ChartApplication(CustomResource):
    """A chart, kustomization or folder of manifests at one version; ready when everything it applied is healthy."""

    definitions: Definitions
    """The custom kinds that it brings."""

    def __init__(
        self,
        *,
        chart: Chart,
        namespace: Provided[Namespace],
        argo_cd: ArgoCd,
        project: Layer,
        needs: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`needs` are the resources that its manifests name: Secrets, StorageClasses, other applications."""
        if chart.namespace != namespace.value.name:
            raise pulumi.RunError(f"chart {chart.name} goes to {chart.namespace}, not to {namespace.value.name}")
        bounds = argo_cd.project(project)
        own = pulumi.ResourceOptions(
            depends_on=[namespace.by, bounds.by, *needs],
            custom_timeouts=pulumi.CustomTimeouts(create=HEALTHY_WITHIN, update=HEALTHY_WITHIN, delete=HEALTHY_WITHIN),
        )
        super().__init__(
            chart.name,
            metadata=Metadata(name=chart.name, namespace=argo_cd.namespace, finalizers=(FINALIZER,)),
            content=application(chart, project=bounds.value.layer),
            definitions=argo_cd.definitions,
            opts=pulumi.ResourceOptions.merge(own, opts),
        )
        self.definitions = Definitions(kinds=chart.kinds, origin=f"the application {chart.name}", by=self)


@dataclass(frozen=True)
class Delivery:
    """How the charts of one layer come onto the cluster."""

    argo_cd: ArgoCd
    namespaces: Namespaces
    layer: Layer

    def apply(
        self, chart: Chart, *, needs: Sequence[pulumi.Resource] = (), opts: pulumi.ResourceOptions | None = None
    ) -> ChartApplication:
        """The chart in its namespace of the platform; `needs` are the resources that its manifests name."""
        return ChartApplication(
            chart=chart,
            namespace=self.namespaces[chart.namespace],
            argo_cd=self.argo_cd,
            project=self.layer,
            needs=needs,
            opts=opts,
        )


def application(chart: Chart, *, project: str) -> Application:
    """The chart as Argo CD takes it."""
    ignored = tuple(
        IgnoreDifferences(group=one.group or None, kind=one.kind, json_pointers=one.json_pointers)
        for one in chart.ignored_differences
    )
    return Application(
        spec=ApplicationSpec(
            project=project,
            source=_source(chart),
            destination=Destination(namespace=chart.namespace),
            sync_policy=SyncPolicy(
                sync_options=(*SYNC_OPTIONS, *(("RespectIgnoreDifferences=true",) if ignored else ()))
            ),
            ignore_differences=ignored or None,
        )
    )


def _source(chart: Chart) -> ApplicationSource:
    source = chart.source
    if isinstance(source, HelmRepository):
        return ApplicationSource(
            repo_url=source.url, chart=source.chart, target_revision=source.version, helm=_helm(chart)
        )
    if isinstance(source, HelmRegistry):
        return ApplicationSource(
            repo_url=source.registry, chart=source.chart, target_revision=source.version, helm=_helm(chart)
        )
    if isinstance(source, GitChart):
        return ApplicationSource(
            repo_url=source.repository, path=source.path, target_revision=source.revision, helm=_helm(chart)
        )
    if isinstance(source, GitKustomization):
        return ApplicationSource(repo_url=source.repository, path=source.path, target_revision=source.revision)
    return ApplicationSource(
        repo_url=source.repository,
        path=source.path,
        target_revision=source.revision,
        directory=DirectoryOptions(recurse=False, include=source.include),
    )


def _helm(chart: Chart) -> HelmOptions:
    return HelmOptions(
        release_name=chart.name,
        values_object=None if chart.values is None else chart.values.document(),
        skip_crds=None if chart.install_definitions else True,
    )
