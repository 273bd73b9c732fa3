"""S3 stores of the lab: buckets, users, and what each user may do. The keys themselves are in the secrets file."""

from model.guests import GuestName
from model.object_storage import Bucket, ColdStorage, Grant, Layout, NotCopied, S3Keys, S3User, Verb, WriteOnce
from model.secrets import SecretReference
from model.units import DAY, Seconds

SNAPSHOTS, ARCHIVES = "k8up-backups", "cnpg-backups"
LOGS, ARTIFACTS, STATE = "loki-data", "argo-artifacts", "tofu-state"

HOT_BUCKETS = (
    Bucket(name=ARTIFACTS, content=NotCopied(reason="Results of finished runs; a run can be repeated.")),
    Bucket(name=LOGS, content=NotCopied(reason="Logs of the last seven days; new ones are written all the time.")),
    Bucket(name=STATE, content=NotCopied(reason="Left over from OpenTofu; the program's states are not in a cluster.")),
    Bucket(name=ARCHIVES, content=WriteOnce(layout=Layout.BARMAN)),
    Bucket(name=SNAPSHOTS, content=WriteOnce(layout=Layout.RESTIC)),
)


def keys(path: str, access: str = "access-key", secret: str = "secret-key") -> S3Keys:  # noqa: S107 - names of keys
    """A pair of keys at a path of Vault."""
    return S3Keys(
        access_key=SecretReference(path=path, property=access), secret_key=SecretReference(path=path, property=secret)
    )


_OWN = "core/seaweedfs"
_USES = (Verb.READ, Verb.WRITE, Verb.LIST)


def _user(name: str, pair: S3Keys, bucket: str) -> S3User:
    return S3User(name=name, keys=pair, grants=(Grant(bucket=bucket, verbs=_USES),))


HOT_USERS = (
    S3User(
        name="admin",
        keys=keys(_OWN, "admin_access_key_id", "admin_secret_access_key"),
        administrator=True,
    ),
    _user("k8up", keys("core/k8up"), SNAPSHOTS),
    _user("cnpg", keys("core/cnpg"), ARCHIVES),
    _user("loki", keys("core/monitor", "loki_access_key_id", "loki_secret_access_key"), LOGS),
    _user("argo", keys("core/argo-workflows", "access_key", "secret_key"), ARTIFACTS),
    S3User(
        name="mirror",
        keys=keys(_OWN, "mirror-access-key", "mirror-secret-key"),
        grants=tuple(Grant(bucket=name, verbs=(Verb.READ, Verb.LIST)) for name in (SNAPSHOTS, ARCHIVES)),
    ),
    S3User(
        name="filler",
        keys=keys(_OWN, "filler-access-key", "filler-secret-key"),
        grants=tuple(Grant(bucket=name, verbs=_USES) for name in (SNAPSHOTS, ARCHIVES)),
    ),
)

_COLD_BUCKET = "seaweedfs"

COLD = ColdStorage(
    guest=GuestName("truenas"),
    port=9000,
    bucket=_COLD_BUCKET,
    root=keys(_OWN, "minio-root-user", "minio-root-password"),
    users=(
        S3User(
            name="mirror-writer",
            keys=keys(_OWN, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
            grants=(Grant(bucket=_COLD_BUCKET, verbs=(Verb.READ, Verb.LIST, Verb.ADD)),),
        ),
        S3User(
            name="mirror-reader",
            keys=keys(_OWN, "truenas-access-key", "truenas-secret-key"),
            grants=(Grant(bucket=_COLD_BUCKET, verbs=(Verb.READ, Verb.LIST)),),
        ),
    ),
    expire_after=Seconds(90 * DAY),
    keep_replaced=Seconds(30 * DAY),
)

OFFSITE_KEYS = keys(_OWN, "r2-access-key", "r2-secret-key")
