"""Argo CD: the first thing on a cluster; it applies every application of others."""

from collections.abc import Sequence

import pulumi
from pulumi_kubernetes import core, helm, meta
from pydantic import Field

from components.kubernetes.objects import CustomResource, Metadata
from components.kubernetes.provided import Definitions, Provided
from components.options import child_options
from model.configuration import Layer
from model.workloads.camel_case import CamelCase
from model.workloads.charts import ChartValues, HelmRepository, Switch
from model.workloads.custom.argo_cd import Application, AppProject
from model.workloads.namespaces import Namespace
from model.workloads.objects import kinds
from model.workloads.platform import Project, Workloads

RELEASE = "argocd"
CHART_TIMEOUT = 900
"""Seconds in which every part of Argo CD must run."""

APPLICATION_HEALTH = """\
local health = { status = "Progressing", message = "" }
if obj.status ~= nil and obj.status.health ~= nil then
  health.status = obj.status.health.status
  health.message = obj.status.health.message or ""
end
return health
"""
"""Health of an Application, in Lua: Argo CD has none, so whatever contains others would be healthy at once."""

NOBODY = ""
"""Default role: who logs in and is in no known group may see nothing."""
ADMINISTRATORS, READERS = "admin", "argocd-readers"
"""Groups at Authelia."""


class SingleSignOn(CamelCase):
    """Login at Authelia. Left out while a new lab has no Authelia yet; the administrator's password works meanwhile."""

    name: str = "Authelia"
    issuer: str
    client_id: str = Field(serialization_alias="clientID")
    client_secret: str = "$argocd-external-secret:oidc.authelia.clientSecret"  # noqa: S105 - a reference to a Secret
    requested_scopes: tuple[str, ...] = ("openid", "profile", "email", "groups")


class Global(CamelCase):
    """What every part shares."""

    domain: str


class Permissions(CamelCase):
    """Who may do what."""

    policy_default: str = Field(default=NOBODY, serialization_alias="policy.default")
    policy_csv: str = Field(
        default=f"g, {ADMINISTRATORS}, role:admin\ng, {READERS}, role:readonly\n", serialization_alias="policy.csv"
    )
    scopes: str = "[groups]"


class Configuration(CamelCase):
    """Argo CD's own settings, by their names in its ConfigMaps."""

    cm: dict[str, str]
    params: dict[str, str]
    rbac: Permissions = Permissions()


class ArgoCdValues(ChartValues):
    """Values of the chart `argo-cd`."""

    global_: Global = Field(serialization_alias="global")
    configs: Configuration
    dex: Switch = Switch(enabled=False)
    notifications: Switch = Switch(enabled=False)


def argo_cd_values(domain: str, sign_on: SingleSignOn | None) -> ArgoCdValues:
    """The values of this lab. TLS ends at the ingress, so the server speaks plain HTTP behind it."""
    settings = {
        "url": f"https://{domain}",
        "timeout.reconciliation": "900s",
        "application.resourceTrackingMethod": "annotation",
        "resource.customizations.health.argoproj.io_Application": APPLICATION_HEALTH,
    }
    if sign_on is not None:
        settings["oidc.config"] = sign_on.model_dump_json(by_alias=True)
    return ArgoCdValues(
        global_=Global(domain=domain),
        configs=Configuration(
            cm=settings,
            params={
                "server.insecure": "true",
                "controller.status.processors": "50",
                "controller.operation.processors": "30",
            },
        ),
    )


class ArgoCd(pulumi.ComponentResource):
    """Argo CD itself, the repositories that it must be told of, and the projects that bound its applications."""

    namespace: str
    definitions: Definitions

    def __init__(
        self,
        name: str,
        *,
        release: HelmRepository,
        namespace: Provided[Namespace],
        domain: str,
        workloads: Workloads,
        sign_on: SingleSignOn | None = None,
        needs: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`domain` is the host name of its interface; `needs` must be there before any pod can run."""
        super().__init__("lab:kubernetes:ArgoCd", name, None, opts)
        self.namespace = namespace.value.name
        chart = helm.v3.Release(
            RELEASE,
            name=RELEASE,
            namespace=self.namespace,
            chart=release.chart,
            version=release.version,
            repository_opts=helm.v3.RepositoryOptsArgs(repo=release.url),
            values=argo_cd_values(domain, sign_on).document(),
            create_namespace=False,
            # A release that failed half-way would otherwise have to be removed by hand before the next try.
            atomic=True,
            timeout=CHART_TIMEOUT,
            opts=child_options(self, opts, pulumi.ResourceOptions(depends_on=[namespace.by, *needs])),
        )
        self.definitions = Definitions(kinds=kinds(Application, AppProject), origin="Argo CD", by=chart)
        for registry in workloads.registries:
            _registry(registry, self.namespace, child_options(self, opts, pulumi.ResourceOptions(depends_on=[chart])))
        self._projects = {
            project.layer: Provided(
                project,
                by=CustomResource(
                    f"project-{project.layer}",
                    metadata=Metadata(name=str(project.layer), namespace=self.namespace),
                    content=AppProject(spec=workloads.bounds(project)),
                    definitions=self.definitions,
                    opts=child_options(self, opts),
                ),
            )
            for project in workloads.projects
        }
        self.register_outputs({"namespace": self.namespace})

    def project(self, layer: Layer) -> Provided[Project]:
        """The project of the layer; RunError when there is none."""
        if layer not in self._projects:
            raise pulumi.RunError(
                f"Argo CD has no project for the layer {layer}; there are {', '.join(self._projects)}.\n"
                "  fix: add it to the projects of the inventory"
            )
        return self._projects[layer]


def _registry(registry: str, namespace: str, opts: pulumi.ResourceOptions) -> None:
    """A registry without a login. Argo CD takes a source for an OCI registry only when it was told so."""
    name = "registry-" + "-".join(part for part in registry.replace(".", "-").split("/") if part)
    core.v1.Secret(
        name,
        metadata=meta.v1.ObjectMetaArgs(
            name=name, namespace=namespace, labels={"argocd.argoproj.io/secret-type": "repository"}
        ),
        type="Opaque",
        string_data={"name": name, "url": registry, "type": "helm", "enableOCI": "true"},
        opts=opts,
    )
