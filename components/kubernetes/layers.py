"""The layers of a cluster, from the bare network to the applications: each takes what the one before made."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

import pulumi

from components.kubernetes.argo_cd import ArgoCd
from components.kubernetes.certificates import CertificateIssuer, CertificateOperator
from components.kubernetes.chart_application import Delivery
from components.kubernetes.external_secrets import NamespaceSecrets, SecretStores
from components.kubernetes.graphics_cards import GraphicsCards
from components.kubernetes.ingress import Ingress
from components.kubernetes.lab_app import VOLUME_CREDENTIALS, LabApp, bucket_keys
from components.kubernetes.monitoring import Monitoring, ScrapeTargets
from components.kubernetes.namespaces import BootstrapSecrets, InitialSecret, Namespaces
from components.kubernetes.network import ClusterNetwork
from components.kubernetes.node_features import NodeFeatures
from components.kubernetes.object_storage import ObjectStore
from components.kubernetes.operators import Operators
from components.kubernetes.platform import OwnRegistry, Platform
from components.kubernetes.provided import Definitions, Provided
from components.kubernetes.secret_sync import WRITER, SecretSync
from components.kubernetes.storage import CephStorage, LocalStorage
from components.kubernetes.storage_copies import StorageCopies, copy_ground
from components.kubernetes.vault import VaultServer
from components.kubernetes.volumes import PASSWORD, Repository, RepositoryUpkeep
from model.cluster import NodePlan
from model.configuration import BackupRole, ColourConfiguration, Layer
from model.exclusive import ExclusiveRole, LeaseName
from model.lab import Lab
from model.lineage import Lineage
from model.secrets import SecretReference, Tree
from model.workloads.applications import Application
from model.workloads.harbor import HarborSettings
from model.workloads.names import NamespaceName
from model.workloads.observability.lab_rules import lab_rules
from model.workloads.observability.objectives import backup_objectives
from model.workloads.observability.rules import Rules
from model.workloads.observability.scraping import scrape_jobs
from model.workloads.platform import Workloads
from model.workloads.routes import NativeOidc
from model.workloads.schedules import BackupJob, Slot
from model.workloads.storage import StorageClass, StorageTier

ARGO_CD_NAMESPACE = "argocd"


@dataclass(frozen=True)
class ClusterGround:
    """What is known of a cluster before anything runs on it."""

    lab: Lab
    workloads: Workloads
    nodes: Sequence[NodePlan]
    settings: ColourConfiguration
    lineage: Lineage
    leases: Sequence[LeaseName]
    """Exclusive things that the colour holds."""
    active: bool
    """Whether this colour is the one that serves the lab."""
    entrances: Sequence[IPv4Address]
    """Addresses of every colour's ingress, whether the colour runs or not."""
    secrets: Sequence[InitialSecret]
    """What must be readable before Vault is up."""
    secret_value: Callable[[SecretReference], pulumi.Output[str]]
    """A value of the SOPS file, secret; for what the program sets up itself."""
    secrets_file: str
    """Text of the SOPS file, encrypted as it is."""


@dataclass(frozen=True)
class Substrate:
    """A cluster on which volumes, addresses and charts work."""

    network: ClusterNetwork
    namespaces: Namespaces
    secrets: BootstrapSecrets
    argo_cd: ArgoCd
    storage: Mapping[StorageTier, Provided[StorageClass]]
    node_labels: pulumi.Resource
    """By which nodes with a card are found."""


def build_layers(ground: ClusterGround, *, opts: pulumi.ResourceOptions) -> None:
    """Every layer that the colour's configuration names; `opts` carry the Kubernetes provider."""
    layers = ground.settings.layers
    made = substrate(ground, opts=opts)
    if Layer.BASE not in layers:
        return
    platform = base(ground, made, opts=opts)
    there: Mapping[str, LabApp] = {}
    settings = ground.workloads.harbor
    if Layer.CORE in layers and settings is not None:
        # First of its layer: what the lab builds itself is pulled from it.
        there = applications(platform, (ground.workloads.application(settings.application),), opts=opts)
        platform = replace(platform, registry=registry(ground, settings, there[settings.application], opts=opts))
    for layer in layers:
        others = [one for one in ground.workloads.of(layer) if one.name not in there]
        made_of_layer = applications(platform, others, opts=opts)
        if layer is Layer.BASE:
            targets(ground, platform, made_of_layer.values(), opts=opts)


def substrate(ground: ClusterGround, *, opts: pulumi.ResourceOptions) -> Substrate:
    """Addresses, namespaces, the first Secrets, Argo CD, volumes, labels of nodes."""
    lab, workloads = ground.lab, ground.workloads
    network = ClusterNetwork(
        "network",
        pool=ground.settings.address_plan.load_balancer_pool,
        interfaces=[f"^{lab.cluster.node_interface}$"],
        probe=workloads.releases.network_probe,
        opts=opts,
    )
    namespaces = Namespaces("namespaces", namespaces=workloads.namespaces, opts=opts)
    secrets = BootstrapSecrets(
        "bootstrap-secrets",
        secrets=ground.secrets,
        namespaces=namespaces,
        opts=opts,
    )
    argo_cd = ArgoCd(
        "argo-cd",
        release=workloads.releases.argo_cd,
        namespace=namespaces[ARGO_CD_NAMESPACE],
        domain=f"argocd.{lab.domain}",
        workloads=workloads,
        needs=[network.ready],
        opts=opts,
    )
    delivery = Delivery(argo_cd=argo_cd, namespaces=namespaces, layer=Layer.SUBSTRATE)
    # Of every shape of node, also those that the colour does not have today: a lease may bring them tomorrow.
    taints = list(dict.fromkeys(taint for shape in lab.cluster.shapes for taint in shape.taints))
    ceph = CephStorage(
        "ceph-storage",
        ceph=lab.ceph,
        monitors=[lab.host(monitor).addresses[lab.ceph.public_network] for monitor in lab.ceph.monitors],
        taints=taints,
        releases=workloads.releases,
        delivery=delivery,
        secrets=secrets,
        opts=opts,
    )
    storage = dict(ceph.classes)
    with_disks = [node for node in ground.nodes if node.shape.local_volume is not None]
    if with_disks:
        local = LocalStorage(
            "local-storage", nodes=with_disks, releases=workloads.releases, delivery=delivery, opts=opts
        )
        storage.update(local.classes)
    features = NodeFeatures(
        "node-features", taints=taints, releases=workloads.releases, delivery=delivery, opts=opts
    )
    return Substrate(
        network=network,
        namespaces=namespaces,
        secrets=secrets,
        argo_cd=argo_cd,
        storage=storage,
        node_labels=features.labels,
    )


def base(ground: ClusterGround, made: Substrate, *, opts: pulumi.ResourceOptions) -> Platform:
    """Operators, Vault and what is read from it, certificates, the way in, and the first place of backups."""
    workloads, releases = ground.workloads, ground.workloads.releases
    delivery = Delivery(argo_cd=made.argo_cd, namespaces=made.namespaces, layer=Layer.BASE)
    watched = workloads.observability
    monitoring = Monitoring(
        "monitoring",
        settings=watched,
        domain=ground.lab.domain,
        own=ground.lineage.own.colour,
        entrances=ground.entrances,
        rules=rules(ground),
        storage_class=made.storage[StorageTier.BLOCK],
        releases=releases,
        delivery=delivery,
        secrets=made.secrets,
        opts=opts,
    )
    certificates = CertificateOperator("cert-manager", releases=releases, delivery=delivery, opts=opts)
    operators = Operators(
        "operators",
        releases=releases,
        delivery=delivery,
        certificates=certificates.definitions,
        push_gateway=watched.push_address,
        opts=opts,
    )
    vault_paths = list(
        dict.fromkeys(key.place.path for key in workloads.secrets.keys if key.place.tree is Tree.VAULT)
    )
    vault = VaultServer(
        "vault",
        releases=releases,
        access=workloads.vault_access,
        paths=vault_paths,
        writer=WRITER,
        storage_class=made.storage[StorageTier.BLOCK],
        delivery=delivery,
        opts=opts,
    )
    sync = SecretSync(
        "secret-sync",
        encrypted=ground.secrets_file,
        paths=vault_paths,
        releases=releases,
        server=vault.server,
        workflows=operators.operated.workflows,
        secrets=made.secrets,
        opts=opts,
    )
    stores = SecretStores(
        "secret-stores",
        releases=releases,
        access=workloads.vault_access,
        server=vault.server,
        filled=sync.filled,
        delivery=delivery,
        opts=opts,
    )
    issuer = CertificateIssuer(
        "certificate-issuer",
        settings=workloads.certificates,
        operator=certificates,
        stores=stores,
        delivery=delivery,
        opts=opts,
    )
    ingress = Ingress(
        "ingress",
        domain=ground.lab.domain,
        authentication=workloads.authentication,
        network=made.network,
        issuer=issuer,
        releases=releases,
        delivery=delivery,
        opts=opts,
    )
    storage = ObjectStore(
        "object-store",
        storage=workloads.object_storage,
        storage_class=made.storage[StorageTier.BLOCK],
        releases=releases,
        delivery=delivery,
        secrets=made.secrets,
        opts=opts,
    )
    copies = StorageCopies(
        "storage-copies",
        ground=copy_ground(ground.lab, workloads, ground.lineage),
        storage=storage.storage,
        mirrors=LeaseName(ExclusiveRole.MIRROR_JOB) in ground.leases,
        namespace=made.namespaces[workloads.backups.copies.namespace],
        stores=stores,
        workflows=operators.operated.workflows,
        opts=opts,
    )
    platform = Platform(
        workloads=workloads,
        role=ground.settings.backup_role,
        lineage=ground.lineage,
        argo_cd=made.argo_cd,
        namespaces=made.namespaces,
        storage=made.storage,
        stores=stores,
        operated=operators.operated,
        ingress=ingress,
        object_storage=copies.storage,
        cards=_cards(ground, made, certificates.definitions, delivery, opts),
        scraping=monitoring.scraping,
        installed={NamespaceName(watched.namespace): monitoring.installed},
    )
    if platform.writes_backups:
        _upkeep(platform, opts)
    return platform


def rules(ground: ClusterGround) -> Sequence[Rules]:
    """What is an alert in this colour: only who writes backups can be late with them."""
    workloads = ground.workloads
    writes = ground.settings.backup_role is BackupRole.WRITER
    tolerance = workloads.observability.backup_tolerance
    return lab_rules(
        nodes=ground.nodes,
        objectives=backup_objectives(workloads.timetable, tolerance) if writes else {},
        watched=workloads.watched_canary,
        own=ground.lineage.own.colour,
        active=ground.active,
    )


def targets(
    ground: ClusterGround, platform: Platform, made: Iterable[LabApp], *, opts: pulumi.ResourceOptions
) -> None:
    """What Prometheus reads besides what says so itself; after the Secrets and exporters in its namespace."""
    watched = ground.workloads.observability
    if platform.scraping is None:
        return
    ScrapeTargets(
        "scrape-targets",
        settings=watched,
        jobs=scrape_jobs(ground.lab, watched.exporters),
        domain=ground.lab.domain,
        entrances=ground.entrances,
        scraping=platform.scraping,
        needs=[one for app in made if app.namespace.value.name == watched.namespace for one in app.ready],
        opts=opts,
    )


def registry(
    ground: ClusterGround, settings: HarborSettings, made: LabApp, *, opts: pulumi.ResourceOptions
) -> OwnRegistry:
    """The registry with its caches, logins and rules; RunError when nodes look for it under another name."""
    # Only a colour with the layer `core` needs the SDK.
    from components.harbor import HarborAccess, HarborContent

    lab = ground.lab
    application = ground.workloads.application(settings.application)
    route, login = next(
        (one, one.authentication) for one in application.routes if isinstance(one.authentication, NativeOidc)
    )
    host = route.name(lab.domain)
    if host != lab.cluster.harbor_host:
        raise pulumi.RunError(
            f"nodes pull through {lab.cluster.harbor_host}, but Harbor answers at {host}.\n"
            "  fix: give the route's host and the layout's `harbor_host` one name"
        )
    own_host = route.own_name(lab.domain, ground.lineage.own.colour)
    content = HarborContent(
        "harbor-content",
        settings=settings,
        mirrors=lab.cluster.mirrors,
        login=login,
        issuer=f"https://{settings.issuer}.{lab.domain}",
        access=HarborAccess(
            url=f"https://{own_host}",
            password=ground.secret_value(settings.administrator),
            client_secret=ground.secret_value(ground.workloads.secrets.client_secret(login.client)),
            tokens=[ground.secret_value(robot.token) for robot in settings.robots],
            by=[*made.ready, *made.routes],
            harbor=made.ready[0],
        ),
        opts=opts,
    )
    return OwnRegistry(host=host, own_host=own_host, needs=tuple(content.ready))


def applications(
    platform: Platform, wanted: Sequence[Application], *, opts: pulumi.ResourceOptions
) -> Mapping[str, LabApp]:
    """Applications of the lab, by name."""
    return {one.name: LabApp(one.name, application=one, platform=platform, opts=opts) for one in wanted}


def _cards(
    ground: ClusterGround,
    made: Substrate,
    certificates: Definitions,
    delivery: Delivery,
    opts: pulumi.ResourceOptions,
) -> Mapping[str, pulumi.Resource]:
    """What announces the cards of the nodes: nothing in a colour that holds none."""
    nodes = [node for node in ground.nodes if node.accelerator is not None]
    if not nodes:
        return {}
    return GraphicsCards(
        "graphics-cards",
        nodes=nodes,
        labels=made.node_labels,
        certificates=certificates,
        releases=ground.workloads.releases,
        delivery=delivery,
        opts=opts,
    ).announced


def _upkeep(platform: Platform, opts: pulumi.ResourceOptions) -> None:
    """Upkeep of the one repository, from one place: two that prune would wait for each other's lock."""
    backups, storage = platform.workloads.backups, platform.object_storage
    namespace = platform.namespaces[backups.times.upkeep]
    keys = {**bucket_keys(storage.value.snapshots.keys), PASSWORD: backups.repository_password}
    credentials = NamespaceSecrets(
        "upkeep-secrets",
        namespace=namespace,
        wanted={VOLUME_CREDENTIALS: keys},
        stores=platform.stores,
        opts=opts,
    ).made[VOLUME_CREDENTIALS]
    timetable = platform.workloads.timetable
    RepositoryUpkeep(
        "repository-upkeep",
        namespace=namespace,
        repository=Repository(storage=storage, credentials=credentials, definitions=platform.operated.backups),
        retention=backups.retention.volumes,
        check=timetable.cron(Slot(namespace=backups.times.upkeep, job=BackupJob.CHECK)),
        prune=timetable.cron(Slot(namespace=backups.times.upkeep, job=BackupJob.PRUNE)),
        opts=opts,
    )
