"""Small programs of the Kubernetes components, and what they registered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.kubernetes.layers import ClusterGround, Substrate, build_layers, substrate
from inventory import LAB
from inventory.workloads import WORKLOADS
from model.colour import plan_nodes
from model.configuration import BackupRole, Layer
from model.exclusive import Colour
from model.lineage import Incarnation, IncarnationNumber, Lineage
from model.workloads.applications import Application
from model.workloads.platform import Workloads
from tests.harness.answers import create as create_of_lab
from tests.harness.answers import sentinel
from tests.harness.lab_stacks import read_configuration
from tests.harness.monitor import Answers, Made
from tests.harness.program import record
from tests.harness.recording import Recording, Registration

APPLICATION = "kubernetes:argoproj.io/v1alpha1:Application"
PROJECT = "kubernetes:argoproj.io/v1alpha1:AppProject"
RELEASE = "kubernetes:helm.sh/v3:Release"
NAMESPACE = "kubernetes:core/v1:Namespace"
SECRET = "kubernetes:core/v1:Secret"
CLAIM = "kubernetes:core/v1:PersistentVolumeClaim"
STORAGE_CLASS = "kubernetes:storage.k8s.io/v1:StorageClass"
JOB = "kubernetes:batch/v1:Job"
CLUSTER = "kubernetes:postgresql.cnpg.io/v1:Cluster"
ARCHIVE = "kubernetes:barmancloud.cnpg.io/v1:ObjectStore"
SCHEDULED_BACKUP = "kubernetes:postgresql.cnpg.io/v1:ScheduledBackup"
SCHEDULE = "kubernetes:k8up.io/v1:Schedule"
EXTERNAL_SECRET = "kubernetes:external-secrets.io/v1:ExternalSecret"
STORE = "kubernetes:external-secrets.io/v1:ClusterSecretStore"
VAULT = "kubernetes:vault.banzaicloud.com/v1alpha1:Vault"
WORKFLOW = "kubernetes:argoproj.io/v1alpha1:Workflow"
ROUTE = "kubernetes:traefik.io/v1alpha1:IngressRoute"

SECRETS_FILE = '{"vault_secrets": {}, "sops": {}}'


@dataclass(frozen=True)
class InitialSecret:
    """A bootstrap Secret with made-up values."""

    namespace: str
    name: str
    data: Mapping[str, pulumi.Output[str]]


def initial_secrets() -> tuple[InitialSecret, ...]:
    return tuple(
        InitialSecret(
            namespace=secret.namespace,
            name=secret.name,
            data={
                key.place.property: pulumi.Output.secret(sentinel(str(key.place))) for key in secret.keys
            },
        )
        for secret in WORKLOADS.secrets.init_secrets()
    )


def lineage(number: int = 8, source: int | None = 7) -> Lineage:
    older = None if source is None else Incarnation(colour=Colour.BLUE, number=IncarnationNumber(source))
    return Lineage(own=Incarnation(colour=Colour.GREEN, number=IncarnationNumber(number)), source=older)


def ground(
    *,
    colour: Colour = Colour.GREEN,
    workloads: Workloads = WORKLOADS,
    role: BackupRole = BackupRole.WRITER,
    born: Lineage | None = None,
    layers: tuple[Layer, ...] = (Layer.SUBSTRATE, Layer.BASE, Layer.CORE),
) -> ClusterGround:
    configuration = read_configuration()
    settings = configuration.colours[colour].model_copy(update={"backup_role": role, "layers": layers})
    return ClusterGround(
        lab=LAB,
        workloads=workloads,
        nodes=plan_nodes(LAB, configuration, colour),
        settings=settings,
        lineage=born or lineage(),
        leases=configuration.held_by(colour),
        active=configuration.shared.active_colour is colour,
        entrances=sorted(one.address_plan.load_balancer_pool.first for one in configuration.colours.values()),
        secrets=initial_secrets(),
        secret_value=lambda reference: pulumi.Output.secret(sentinel(str(reference.place()))),
        secrets_file=SECRETS_FILE,
    )


def on_kubernetes() -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(providers=[kubernetes.Provider("kubernetes", context="green")])


def answers() -> Answers:
    def create(token: str, name: str, inputs: Mapping[str, Any]) -> Made:
        if token.startswith("pulumi:providers:"):
            return Made(f"provider-{name}", {})
        if token.startswith("harbor:"):
            return create_of_lab(token, name, inputs)
        if not token.startswith("kubernetes:"):
            raise LookupError(f"the components of Kubernetes register {token}")
        metadata = inputs.get("metadata", {})
        return Made(f"{metadata.get('namespace', '')}/{metadata.get('name', name)}", {})

    def refuse(token: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        raise LookupError(f"the components of Kubernetes call {token}")

    return Answers(create=create, invoke=refuse, read_stack=dict[str, None]().get)


def run(program: Callable[[], None], *, preview: bool = False) -> Recording:
    return record(program, stack="green", answers=answers(), preview=preview)


def build(**changes: Any) -> Recording:
    """Every layer of a colour's cluster."""
    return run(lambda: build_layers(ground(**changes), opts=on_kubernetes()))


def on_substrate(program: Callable[[Substrate, pulumi.ResourceOptions], None]) -> Recording:
    """A program on a finished substrate."""

    def whole() -> None:
        opts = on_kubernetes()
        program(substrate(ground(), opts=opts), opts)

    return run(whole)


@cache
def everything() -> Recording:
    """The lab's own green cluster, with the data of an older blue one."""
    return of_colour(Colour.GREEN)


@cache
def of_colour(colour: Colour) -> Recording:
    """The lab's own cluster of a colour."""
    return build(colour=colour)


@cache
def of_role(role: BackupRole) -> Recording:
    """The lab's own green cluster in another backup role."""
    return build(role=role)


@cache
def first_build() -> Recording:
    """The lab's own green cluster when there is no data of an older one."""
    return build(born=lineage(source=None))


def with_application(application: Application) -> Workloads:
    """The lab's workloads with one more application, checked again."""
    return changed(applications=(*WORKLOADS.applications, application))


def changed(**parts: Any) -> Workloads:
    """The lab's workloads with other parts, checked again."""
    kept = {name: getattr(WORKLOADS, name) for name in Workloads.model_fields}
    there = [application.name for application in parts.get("applications", WORKLOADS.applications)]
    if WORKLOADS.harbor is not None and WORKLOADS.harbor.application not in there:
        kept["harbor"] = None
    return Workloads(**{**kept, **parts})


def spec(registration: Registration) -> dict[str, Any]:
    return registration.clear_inputs["spec"]


def before(recording: Recording, registration: Registration) -> frozenset[tuple[str, str]]:
    """Type and name of everything that must exist before the resource."""
    return frozenset(recording.named(urn).key for urn in recording.everything_before(registration))
