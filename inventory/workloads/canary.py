"""The canary: writes the time into its volume and its database, so that a restore can be seen to have worked."""

from inventory.workloads.releases import RELEASES
from model.configuration import Layer
from model.units import GiB, MiB
from model.workloads.applications import Application
from model.workloads.containers import FromDatabase, Identity, Mount, PeriodicTask, Probe, Text, Workload
from model.workloads.databases import PostgresDatabase
from model.workloads.keeping import BackedUp
from model.workloads.namespaces import Namespace
from model.workloads.quantities import Amount, Millicores, Resources
from model.workloads.routes import ForwardAuth, Route
from model.workloads.schedules import Cron
from model.workloads.storage import StorageTier, Volume

_NAME = "test"
_FOLDER = "/data"
_FILE = f"{_FOLDER}/timestamps"
_EVERY_SIX_HOURS = Cron("0 */6 * * *")
_SMALL = Resources(
    requests=Amount(cpu=Millicores(10), memory=MiB(32)), limits=Amount(memory=MiB(128))
)
_NOBODY = Identity(user=65534, group=65534)
_MOUNT = Mount(volume=_NAME, path=_FOLDER)

_INTO_VOLUME = f"date -u +%Y-%m-%dT%H:%M:%SZ >> {_FILE}"
_INTO_DATABASE = """\
create table if not exists timestamps (written timestamptz primary key);
insert into timestamps values (now());
"""

CANARY = Application(
    name=_NAME,
    namespace=Namespace(name=_NAME),
    layer=Layer.BASE,
    workloads=(
        Workload(
            name=_NAME,
            image=RELEASES.network_probe,
            command=("sh", "-c", f"{_INTO_VOLUME}; exec httpd -f -p 8080 -h {_FOLDER}"),
            ports=(8080,),
            probe=Probe(path="/timestamps", port=8080),
            mounts=(_MOUNT,),
            resources=_SMALL,
            identity=_NOBODY,
        ),
    ),
    tasks=(
        PeriodicTask(
            name="test-timestamp-volume",
            schedule=_EVERY_SIX_HOURS,
            image=RELEASES.network_probe,
            command=("sh", "-c", _INTO_VOLUME),
            mounts=(_MOUNT,),
            resources=_SMALL,
            identity=_NOBODY,
        ),
        PeriodicTask(
            name="test-timestamp-database",
            schedule=_EVERY_SIX_HOURS,
            image=RELEASES.postgres,
            command=("sh", "-c", 'psql "$DATABASE" --set ON_ERROR_STOP=1 --command "$STATEMENTS"'),
            environment={"DATABASE": FromDatabase(key="uri"), "STATEMENTS": Text(value=_INTO_DATABASE)},
            resources=_SMALL,
            identity=_NOBODY,
        ),
    ),
    routes=(Route(host=_NAME, service=_NAME, port=8080, authentication=ForwardAuth()),),
    volumes=(Volume(name=_NAME, size=GiB(1), tier=StorageTier.BLOCK, keeping=BackedUp()),),
    database=PostgresDatabase(database=_NAME, owner=_NAME, keeping=BackedUp()),
)
