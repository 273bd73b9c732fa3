"""Harbor: copies of the images of others, and the lab's own images."""

from inventory.cluster import CLUSTER
from inventory.secrets import SCHEMA
from model.configuration import Layer
from model.registries import LIBRARY
from model.secrets import target_secret_name
from model.units import GiB
from model.workloads.applications import Application
from model.workloads.charts import Chart, HelmRepository, IgnoredDifference
from model.workloads.databases import PostgresDatabase
from model.workloads.harbor import (
    Claims,
    ClusterIpService,
    DatabaseValues,
    ExistingClaim,
    Exposure,
    ExternalDatabase,
    HarborSettings,
    HarborValues,
    ImageRight,
    Persistence,
    Robot,
    SizedClaim,
)
from model.workloads.keeping import Disposable
from model.workloads.names import ApplicationName
from model.workloads.namespaces import Namespace
from model.workloads.permissions import ScrapeTarget
from model.workloads.quantities import storage_quantity
from model.workloads.retention import Days
from model.workloads.routes import NativeOidc, Route
from model.workloads.schedules import Cron
from model.workloads.storage import StorageTier, Volume

_NAME = "harbor"
_SECRET = target_secret_name(ApplicationName(_NAME))
_PASSWORD = "HARBOR_ADMIN_PASSWORD"  # noqa: S105 - the name of a key
_ENCRYPTION_KEY = "secretKey"
_DATABASE = "registry"

_IMAGES = Volume(
    name="harbor-registry",
    size=GiB(150),
    tier=StorageTier.BLOCK,
    keeping=Disposable(
        reason="Images of others are pulled again, the lab's own are built again; which there are, the database knows."
    ),
)
# The chart's StatefulSets take claims of these names when they are there, and would make them unseen otherwise.
_QUEUE = Volume(
    name="data-harbor-redis-0",
    size=GiB(1),
    tier=StorageTier.BLOCK,
    keeping=Disposable(reason="Sessions and queued jobs: who was logged in logs in again."),
)
_WEAKNESSES = Volume(
    name="data-harbor-trivy-0",
    size=GiB(5),
    tier=StorageTier.BLOCK,
    keeping=Disposable(reason="A copy of a public database, downloaded again every day."),
)

_DRAWN_ANEW = (
    # Without them in its values the chart draws these by lot whenever it is rendered; what was drawn first stays.
    IgnoredDifference(
        kind="Secret",
        json_pointers=tuple(
            f"/data/{key}"
            for key in (
                "secret", "CSRF_KEY", "tls.crt", "tls.key", "JOBSERVICE_SECRET", "REGISTRY_HTTP_SECRET",
                "REGISTRY_HTPASSWD",
            )
        ),
    ),
    IgnoredDifference(
        group="apps",
        kind="Deployment",
        json_pointers=tuple(
            f"/spec/template/metadata/annotations/checksum~1{name}"
            for name in ("secret", "secret-core", "secret-jobservice", "tls")
        ),
    ),
)  # fmt: skip

HARBOR = Application(
    name=_NAME,
    namespace=Namespace(name=_NAME),
    layer=Layer.CORE,
    charts=(
        Chart(
            name=_NAME,
            namespace=_NAME,
            source=HelmRepository(url="https://helm.goharbor.io", chart="harbor", version="1.16.2"),
            values=HarborValues(
                expose=Exposure(cluster_ip=ClusterIpService(name=_NAME)),
                external_url=f"https://{CLUSTER.harbor_host}",
                existing_secret_admin_password=_SECRET,
                existing_secret_admin_password_key=_PASSWORD,
                existing_secret_secret_key=_SECRET,
                persistence=Persistence(
                    persistent_volume_claim=Claims(
                        registry=ExistingClaim(existing_claim=_IMAGES.name, size=storage_quantity(_IMAGES.size)),
                        redis=SizedClaim(size=storage_quantity(_QUEUE.size)),
                        trivy=SizedClaim(size=storage_quantity(_WEAKNESSES.size)),
                    )
                ),
                database=DatabaseValues(
                    external=ExternalDatabase(
                        host=f"{_NAME}-postgresql-rw",
                        username=_NAME,
                        core_database=_DATABASE,
                        existing_secret=f"{_NAME}-postgresql-app",
                    )
                ),
            ),
            ignored_differences=_DRAWN_ANEW,
        ),
    ),
    routes=(
        Route(
            host=_NAME,
            service=_NAME,
            port=80,
            authentication=NativeOidc(
                client="harbor",
                client_secret=SCHEMA.client_secret("harbor"),
                callback="/c/oidc/callback",
                scopes=("openid", "profile", "email", "groups", "offline_access"),
            ),
            with_own_name=True,
        ),
    ),
    secrets={key: SCHEMA.reference("core/harbor", key) for key in (_PASSWORD, _ENCRYPTION_KEY)},
    volumes=(_IMAGES, _QUEUE, _WEAKNESSES),
    database=PostgresDatabase(
        database=_DATABASE,
        owner=_NAME,
        keeping=Disposable(
            reason="Projects, robots and rules are in the program; the images it lists are gone with their volume."
        ),
    ),
    scraped=(ScrapeTarget(service=_NAME, port="http-metrics"),),
)

HARBOR_SETTINGS = HarborSettings(
    application=_NAME,
    administrator=SCHEMA.reference("core/harbor", _PASSWORD),
    issuer="auth",
    administrators="admin",
    robots=(
        Robot(
            name="library",
            purpose="Pushes what the lab builds",
            project=LIBRARY,
            rights=(ImageRight.PULL, ImageRight.PUSH),
            token=SCHEMA.reference("core/harbor", "robot-token"),
        ),
    ),
    caches_keep=Days(30),
    tidy=Cron("0 9 * * *"),
    collect=Cron("0 10 * * *"),
    scan=Cron("0 11 * * *"),
)
