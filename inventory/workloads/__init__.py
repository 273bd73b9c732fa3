"""What runs on the clusters of this lab: the platform's parts at their versions, and the applications.

To add an application, write its value in a module here and add it to the end of `APPLICATIONS`.
"""

from inventory.secrets import SCHEMA
from inventory.workloads.backups import BACKUPS
from inventory.workloads.canary import CANARY
from inventory.workloads.harbor import HARBOR, HARBOR_SETTINGS
from inventory.workloads.monitor import MONITOR
from inventory.workloads.namespaces import NAMESPACES
from inventory.workloads.object_storage import OBJECT_STORAGE
from inventory.workloads.observability import OBSERVABILITY
from inventory.workloads.projects import PROJECTS
from inventory.workloads.releases import DRAGONFLY_IMAGE, RELEASES
from model.secrets import SecretReference
from model.units import MiB
from model.workloads.applications import Application
from model.workloads.caches import CacheSettings
from model.workloads.platform import Certificates, Workloads
from model.workloads.quantities import Amount, Millicores, Resources
from model.workloads.routes import OpenRoute

APPLICATIONS: tuple[Application, ...] = (CANARY, MONITOR, HARBOR)
"""In the order in which their backups follow each other. A new one goes to the end, so that no other's minute moves."""

OPEN_ROUTES: tuple[OpenRoute, ...] = ()
"""Routes that nobody is asked at, or only by the application's own users, each with the reason."""

WORKLOADS = Workloads(
    releases=RELEASES,
    projects=PROJECTS,
    namespaces=NAMESPACES,
    object_storage=OBJECT_STORAGE,
    backups=BACKUPS,
    certificates=Certificates(
        issuer="letsencrypt",
        server="https://acme-v02.api.letsencrypt.org/directory",
        dns_token=SecretReference(path="core/cert-manager", property="cloudflare-token"),
    ),
    caches=CacheSettings(
        image=DRAGONFLY_IMAGE,
        resources=Resources(
            requests=Amount(cpu=Millicores(100), memory=MiB(256)), limits=Amount(memory=MiB(512))
        ),
    ),
    authentication="http://authelia.authelia.svc.cluster.local/api/authz/forward-auth",
    open_routes=OPEN_ROUTES,
    observability=OBSERVABILITY,
    secrets=SCHEMA,
    harbor=HARBOR_SETTINGS,
    applications=APPLICATIONS,
)
