"""Operators whose custom kinds the lab's applications are written in."""

from dataclasses import dataclass

import pulumi

from components.kubernetes.chart_application import Delivery
from components.kubernetes.provided import Definitions
from components.options import child_options
from model.workloads.camel_case import CamelCase
from model.workloads.charts import Chart, ChartValues, Variable
from model.workloads.custom.argo_workflows import CronWorkflow, Workflow, WorkflowTemplate
from model.workloads.custom.cloudnative_pg import Cluster, Database, ObjectStore, ScheduledBackup
from model.workloads.custom.dragonfly import Dragonfly
from model.workloads.custom.k8up import Schedule
from model.workloads.objects import kinds
from model.workloads.platform import Releases

POSTGRES_NAMESPACE = "cnpg-system"
K8UP_NAMESPACE = "k8up"
DRAGONFLY_NAMESPACE = "dragonflydb"
WORKFLOWS_NAMESPACE = "argo"


class K8upSettings(CamelCase):
    """How the operator runs."""

    timezone: str = "UTC"
    """The timetable is in UTC; a time zone with summer time would make two slots meet once a year."""
    skip_without_annotation: bool = True
    """A volume that says nothing is not backed up: the lab's all say."""
    env_vars: tuple[Variable, ...]


class K8upValues(ChartValues):
    """Values of the chart `k8up`."""

    k8up: K8upSettings


class WorkflowServer(CamelCase):
    """The server of Argo Workflows. Its login at Authelia comes with identity, later than this."""

    auth_modes: tuple[str, ...] = ("client",)


class WorkflowController(CamelCase):
    """The controller of Argo Workflows."""

    parallelism: int = 3


class ArgoWorkflowsValues(ChartValues):
    """Values of the chart `argo-workflows`."""

    server: WorkflowServer = WorkflowServer()
    controller: WorkflowController = WorkflowController()


@dataclass(frozen=True)
class Operated:
    """What the operators make possible, by the kinds that each defines."""

    postgres: Definitions
    archives: Definitions
    """Of PostgreSQL, in buckets."""
    backups: Definitions
    """Of volumes."""
    caches: Definitions
    workflows: Definitions


class Operators(pulumi.ComponentResource):
    """CloudNativePG with its Barman plugin, K8up, Dragonfly and Argo Workflows."""

    operated: Operated

    def __init__(
        self,
        name: str,
        *,
        releases: Releases,
        delivery: Delivery,
        certificates: Definitions,
        push_gateway: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`certificates` are cert-manager's kinds: the Barman plugin has a certificate of its own.

        `push_gateway` is the URL that backups tell of themselves; they do not fail when it is away.
        """
        super().__init__("lab:kubernetes:Operators", name, None, opts)
        own = child_options(self, opts)
        postgres = delivery.apply(
            Chart(
                name="cloudnative-pg",
                namespace=POSTGRES_NAMESPACE,
                source=releases.cloudnative_pg,
                kinds=kinds(Cluster, ScheduledBackup, Database),
            ),
            opts=own,
        )
        barman = delivery.apply(
            Chart(
                name="cloudnative-pg-barman",
                namespace=POSTGRES_NAMESPACE,
                source=releases.barman_plugin,
                kinds=kinds(ObjectStore),
            ),
            needs=[postgres, certificates.by],
            opts=own,
        )
        k8up_definitions = delivery.apply(
            Chart(
                name="k8up-definitions",
                namespace=K8UP_NAMESPACE,
                source=releases.k8up_definitions,
                kinds=kinds(Schedule),
            ),
            opts=own,
        )
        k8up = delivery.apply(
            Chart(
                name="k8up",
                namespace=K8UP_NAMESPACE,
                source=releases.k8up,
                values=K8upValues(
                    k8up=K8upSettings(env_vars=(Variable(name="BACKUP_PROMURL", value=push_gateway),))
                ),
                kinds=kinds(Schedule),
                install_definitions=False,
            ),
            needs=[k8up_definitions],
            opts=own,
        )
        dragonfly = delivery.apply(
            Chart(
                name="dragonfly-operator",
                namespace=DRAGONFLY_NAMESPACE,
                source=releases.dragonfly_operator,
                kinds=kinds(Dragonfly),
            ),
            opts=own,
        )
        workflows = delivery.apply(
            Chart(
                name="argo-workflows",
                namespace=WORKFLOWS_NAMESPACE,
                source=releases.argo_workflows,
                values=ArgoWorkflowsValues(),
                kinds=kinds(Workflow, WorkflowTemplate, CronWorkflow),
            ),
            opts=own,
        )
        self.operated = Operated(
            postgres=postgres.definitions,
            archives=barman.definitions,
            backups=k8up.definitions,
            caches=dragonfly.definitions,
            workflows=workflows.definitions,
        )
        self.register_outputs({})
