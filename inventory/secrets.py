"""Every key of `secrets.enc.json`: whose it is, who reads it, what it looks like."""

from inventory.buckets import HOT_USERS
from inventory.cloud import CLOUD
from model.object_storage import identities
from model.secrets import (
    Access,
    Alphabet,
    ApplicationName,
    Characters,
    Consumer,
    Copy,
    Document,
    Listing,
    Octets,
    Plain,
    PrivateKey,
    SecretKey,
    SecretKind,
    SecretPlace,
    SecretReference,
    SecretSchema,
    Shape,
    Tree,
)

ARGO = ApplicationName("argo")
ARGOCD = ApplicationName("argocd")
AUTHELIA = ApplicationName("authelia")
CEPH = ApplicationName("ceph")
CERT_MANAGER = ApplicationName("cert-manager")
CLOUDFLARE = ApplicationName("cloudflare")
CNPG = ApplicationName("cnpg")
GIT = ApplicationName("git")
HARBOR = ApplicationName("harbor")
K8UP = ApplicationName("k8up")
LLDAP = ApplicationName("lldap")
MONITOR = ApplicationName("monitor")
SEAWEEDFS = ApplicationName("seaweedfs")
TEST = ApplicationName("test")
VAULT = ApplicationName("vault")

ACTUAL_BUDGET = ApplicationName("actual-budget")
IMMICH = ApplicationName("immich")
LITELLM = ApplicationName("litellm")
MODELS = ApplicationName("models")
OPEN_WEBUI = ApplicationName("open-webui")
QDRANT = ApplicationName("qdrant")
SEARXNG = ApplicationName("searxng")
SERVARR = ApplicationName("servarr")
TWENTY = ApplicationName("twenty")

ANSIBLE = ApplicationName("ansible")
"""Configures the hosts and the firewall, outside every cluster."""
PULUMI = ApplicationName("pulumi")
"""Whoever runs the program, with the providers' credentials in the environment."""

VOLUME_BACKUPS = (TEST, GIT, OPEN_WEBUI, QDRANT, IMMICH, SERVARR, ACTUAL_BUDGET, TWENTY)
"""Applications whose volumes go to the restic repository."""
DATABASE_BACKUPS = (AUTHELIA, TEST, GIT, LITELLM, OPEN_WEBUI, IMMICH, SERVARR, TWENTY)
"""Applications whose PostgreSQL cluster writes its archive to the bucket of databases."""

_PASSWORD = Characters(length=32)
_TOKEN = Characters(length=40)
_API_KEY = Characters(length=32, alphabet=Alphabet.HEXADECIMAL)
_ENCRYPTION_KEY = Characters(length=64)
_CLIENT_SECRET = Characters(length=64)
_ACCESS_KEY = Characters(length=20, alphabet=Alphabet.UPPERCASE)
_SECRET_KEY = Characters(length=40)
# What Ceph's keys begin with: type 1, made at no time, 16 octets follow.
_CEPH_KEY = Octets(count=16, lead="010000000000000000001000")

_CEPH_COMMAND = "`ceph auth get-or-create` on a Ceph host"
_GOOGLE = CLOUD.google


def _secrets(*applications: ApplicationName) -> tuple[Consumer, ...]:
    return tuple(Consumer(name=name, access=Access.EXTERNAL_SECRET) for name in applications)


def _program(application: ApplicationName) -> Consumer:
    return Consumer(name=application, access=Access.PROGRAM)


def _outside(*applications: ApplicationName) -> tuple[Consumer, ...]:
    return tuple(Consumer(name=name, access=Access.OUTSIDE) for name in applications)


def _ref(path: str, name: str) -> SecretReference:
    return SecretReference(path=path, property=name)


def _vault(
    path: str,
    name: str,
    owner: ApplicationName,
    kind: SecretKind,
    shape: Shape,
    consumers: tuple[Consumer, ...] = (),
    *,
    unread: str | None = None,
    issuer: str | None = None,
) -> SecretKey:
    return SecretKey(
        place=SecretPlace(tree=Tree.VAULT, path=path, property=name),
        owner=owner,
        kind=kind,
        shape=shape,
        consumers=consumers,
        unread=unread,
        issuer=issuer,
    )


def _client(path: str, name: str, owner: ApplicationName, client: str, consumers: tuple[Consumer, ...]) -> SecretKey:
    """The one secret of an OIDC client; Authelia gets a hash of it from the program."""
    return SecretKey(
        place=SecretPlace(tree=Tree.VAULT, path=path, property=name),
        owner=owner,
        kind=SecretKind.CLIENT_SECRET,
        shape=_CLIENT_SECRET,
        consumers=(*consumers, _program(AUTHELIA)),
        client=client,
    )


def _init(
    path: str,
    name: str,
    owner: ApplicationName,
    kind: SecretKind,
    shape: Shape,
    *,
    unread: str | None = None,
    issuer: str | None = None,
) -> SecretKey:
    readers = () if unread is not None else (Consumer(name=owner, access=Access.BOOTSTRAP),)
    return SecretKey(
        place=SecretPlace(tree=Tree.INIT, path=path, property=name),
        owner=owner,
        kind=kind,
        shape=shape,
        consumers=readers,
        unread=unread,
        issuer=issuer,
    )


def _adopted(secret: str, key: SecretKey) -> SecretKey:
    """The key of a bootstrap Secret that External Secrets adopts later: the same value under the same name."""
    source = key.place
    return _init(
        secret,
        source.property,
        key.owner,
        key.kind,
        Copy(of=_ref(source.path, source.property)),
        unread=key.unread,
        issuer=key.issuer,
    )


def _copy(path: str, name: str, among: tuple[SecretKey, ...], original: str, consumer: ApplicationName) -> SecretKey:
    """A key of another path once more, so that the consumer need not see all that stands there."""
    source = next(key for key in among if key.place.property == original)
    return _vault(
        path,
        name,
        source.owner,
        source.kind,
        Copy(of=_ref(source.place.path, source.place.property)),
        _secrets(consumer),
        issuer=source.issuer,
    )


def _s3_pair(
    path: str,
    names: tuple[str, str],
    owner: ApplicationName,
    consumers: tuple[Consumer, ...] = (),
    *,
    unread: str | None = None,
    issuer: str | None = None,
) -> tuple[SecretKey, SecretKey]:
    access, secret = names
    return (
        _vault(path, access, owner, SecretKind.S3_ACCESS_KEY, _ACCESS_KEY, consumers, unread=unread, issuer=issuer),
        _vault(path, secret, owner, SecretKind.S3_SECRET_KEY, _SECRET_KEY, consumers, unread=unread, issuer=issuer),
    )


_ARGO_S3 = ("access_key", "secret_key")
_SEAWEEDFS_S3 = ("admin_access_key_id", "admin_secret_access_key")
_COLD_S3 = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_COLD_ROOT = ("minio-root-user", "minio-root-password")
_MIRROR_S3 = ("mirror-access-key", "mirror-secret-key")
_FILLER_S3 = ("filler-access-key", "filler-secret-key")
_MIRROR_SOURCE = ("truenas-access-key", "truenas-secret-key")
_MIRROR_TARGET = ("r2-access-key", "r2-secret-key")
_LATER = (*_COLD_ROOT, *_MIRROR_S3, *_FILLER_S3, *_MIRROR_SOURCE, *_MIRROR_TARGET)
"""Keys of the copies, which begin long after Vault is up: no bootstrap Secret has them."""
_GOOGLE_S3 = ("GCP_ACCESS_KEY_ID", "GCP_SECRET_ACCESS_KEY")
_DATABASE_S3 = ("access-key", "secret-key")
_BACKUP_S3 = ("access-key", "secret-key")
_LOKI_S3 = ("loki_access_key_id", "loki_secret_access_key")

_LLDAP = (
    _vault("core/lldap", "LLDAP_JWT_SECRET", LLDAP, SecretKind.ENCRYPTION_KEY, _ENCRYPTION_KEY, _secrets(LLDAP)),
    _vault("core/lldap", "LLDAP_KEY_SEED", LLDAP, SecretKind.ENCRYPTION_KEY, _ENCRYPTION_KEY, _secrets(LLDAP)),
    _vault("core/lldap", "LLDAP_LDAP_USER_PASS", LLDAP, SecretKind.PASSWORD, _PASSWORD, _secrets(LLDAP)),
    _vault(
        "core/lldap",
        "users.json",
        LLDAP,
        SecretKind.DOCUMENT,
        Document(
            members={
                "users": Listing(
                    items=(
                        Document(
                            members={
                                "id": "admin-user",
                                "email": "admin-user@example.com",
                                "password": _PASSWORD,
                                "groups": Listing(items=("admin",)),
                            }
                        ),
                    )
                )
            }
        ),
        _secrets(LLDAP),
    ),
)

_AUTHELIA = (
    *(
        _vault("core/authelia", name, AUTHELIA, SecretKind.ENCRYPTION_KEY, _ENCRYPTION_KEY, _secrets(AUTHELIA))
        for name in ("jwt_secret", "session_secret", "storage_encryption_key", "oidc_hmac_secret")
    ),
    _copy("core/authelia", "ldap_password", _LLDAP, "LLDAP_LDAP_USER_PASS", AUTHELIA),
)

_VAULT = (_client("core/vault", "OIDC_VAULT_CLIENT_SECRET", VAULT, "vault", _secrets(VAULT)),)

_ARGOCD = (_client("core/argocd", "oidc.authelia.clientSecret", ARGOCD, "argocd", _secrets(ARGOCD)),)

_ARGO_BOOTSTRAP = (
    *_s3_pair("core/argo-workflows", _ARGO_S3, ARGO, _secrets(ARGO)),
    _vault("core/argo-workflows", "client-id", ARGO, SecretKind.IDENTIFIER, Plain(text="argo"), _secrets(ARGO)),
    _client("core/argo-workflows", "client-secret", ARGO, "argo", _secrets(ARGO)),
)

_K8UP = (
    *_s3_pair("core/k8up", _BACKUP_S3, K8UP, _secrets(*VOLUME_BACKUPS)),
    _vault("core/k8up", "repo-password", K8UP, SecretKind.ENCRYPTION_KEY, _ENCRYPTION_KEY, _secrets(*VOLUME_BACKUPS)),
)

_CNPG = _s3_pair("core/cnpg", _DATABASE_S3, CNPG, _secrets(*DATABASE_BACKUPS))

_MONITOR = (
    _client("core/monitor", "GF_AUTH_GENERIC_OAUTH_CLIENT_SECRET", MONITOR, "grafana", _secrets(MONITOR)),
    *_s3_pair("core/monitor", _LOKI_S3, MONITOR, _secrets(MONITOR)),
)

_ALERT_URLS = (
    _vault(
        "core/monitor",
        "alert-owner-url",
        MONITOR,
        SecretKind.TOKEN,
        Characters(length=32, prefix="https://ntfy.sh/"),
        _secrets(MONITOR),
        issuer="a topic of ntfy, with `?template=alertmanager`",
    ),
    _vault(
        "core/monitor",
        "alert-watchman-url",
        MONITOR,
        SecretKind.TOKEN,
        Characters(length=36, alphabet=Alphabet.HEXADECIMAL, prefix="https://hc-ping.com/"),
        _secrets(MONITOR),
        issuer="Healthchecks, the ping URL of a check with a period of five minutes",
    ),
)
"""Whoever knows one of them may send, and the second keeps an alarm silent."""

_EXPORTERS = (
    _vault("core/monitor", "pikvm-username", MONITOR, SecretKind.IDENTIFIER, Plain(text="admin"), _secrets(MONITOR)),
    _vault("core/monitor", "pikvm-password", MONITOR, SecretKind.PASSWORD, _PASSWORD, _secrets(MONITOR)),
    _vault(
        "core/monitor",
        "proxmox-token",
        MONITOR,
        SecretKind.TOKEN,
        Characters(length=36, alphabet=Alphabet.HEXADECIMAL),
        _secrets(MONITOR),
        issuer="Proxmox VE, Datacenter, Permissions, API Tokens: `monitor` of prometheus@pve, role PVEAuditor",
    ),
    _vault(
        "core/monitor",
        "loki-push-password",
        MONITOR,
        SecretKind.PASSWORD,
        _PASSWORD,
        (*_secrets(MONITOR), *_outside(ANSIBLE)),
    ),
    _vault("core/monitor", "federation-password", MONITOR, SecretKind.PASSWORD, _PASSWORD, _secrets(MONITOR)),
)

_HARBOR = (
    _vault(
        "core/harbor",
        "HARBOR_ADMIN_PASSWORD",
        HARBOR,
        SecretKind.PASSWORD,
        _PASSWORD,
        (*_secrets(HARBOR), _program(HARBOR)),
    ),
    _vault(
        "core/harbor",
        "secretKey",
        HARBOR,
        SecretKind.ENCRYPTION_KEY,
        # Harbor takes exactly 16 characters.
        Characters(length=16),
        _secrets(HARBOR),
    ),
    _vault(
        "core/harbor",
        "robot-username",
        HARBOR,
        SecretKind.IDENTIFIER,
        Plain(text="robot$library"),
    ),
    _vault(
        "core/harbor",
        "robot-token",
        HARBOR,
        SecretKind.TOKEN,
        # Harbor wants a small letter, a capital one and a digit in it.
        Characters(length=32, prefix="Robot1"),
        (_program(HARBOR),),
    ),
    _client("core/harbor", "oidc", HARBOR, "harbor", (_program(HARBOR),)),
    *_s3_pair(
        "core/harbor",
        ("REGISTRY_STORAGE_S3_ACCESSKEY", "REGISTRY_STORAGE_S3_SECRETKEY"),
        HARBOR,
        unread="the registry lies on a volume; kept for the day when it moves to a bucket",
    ),
)

_ARGO_WORKFLOWS = (
    *_ARGO_BOOTSTRAP,
    _copy("core/argo-workflows", "harbor-username", _HARBOR, "robot-username", ARGO),
    _copy("core/argo-workflows", "harbor-token", _HARBOR, "robot-token", ARGO),
    _vault(
        "core/argo-workflows",
        "forgejo-token",
        GIT,
        SecretKind.TOKEN,
        Characters(length=40, alphabet=Alphabet.HEXADECIMAL),
        _secrets(ARGO),
        issuer="Forgejo, Settings, Applications: commit statuses, write",
    ),
    _vault("core/argo-workflows", "forgejo-webhook-secret", GIT, SecretKind.TOKEN, _PASSWORD, _secrets(ARGO)),
)

_CLOUDFLARE = (
    _vault(
        "external/cloudflare",
        "cloudflare-token",
        CLOUDFLARE,
        SecretKind.TOKEN,
        _TOKEN,
        issuer="Cloudflare dashboard, API tokens: DNS and tunnel of the zone",
    ),
    _vault(
        "external/cloudflare",
        "account-id",
        CLOUDFLARE,
        SecretKind.IDENTIFIER,
        Plain(text=CLOUD.cloudflare.account_id),
    ),
    _vault(
        "external/cloudflare",
        "terraform-token",
        PULUMI,
        SecretKind.TOKEN,
        _TOKEN,
        _outside(PULUMI),
        issuer="Cloudflare dashboard, API tokens: R2, tunnel, DNS and cache of the account",
    ),
    *_s3_pair(
        "external/cloudflare",
        _MIRROR_TARGET,
        SEAWEEDFS,
        issuer="Cloudflare dashboard, R2, API tokens",
    ),
    _vault(
        "external/cloudflare",
        "tunnel_secret",
        CLOUDFLARE,
        SecretKind.TOKEN,
        Octets(count=32),
        issuer="the token of the tunnel: Cloudflare dashboard, Zero Trust, Networks, Tunnels",
    ),
    _vault(
        "external/cloudflare",
        "tunnel_id",
        CLOUDFLARE,
        SecretKind.IDENTIFIER,
        Plain(text="00000000-0000-4000-8000-000000000000"),
        unread="the tunnel is made by the stack `shared`, which tells its id to whoever needs it",
    ),
    *_s3_pair("external/cloudflare", _MIRROR_SOURCE, SEAWEEDFS),
)
"""What the account gave out. No namespace reads this path: each has a copy of what it needs in its own."""

_CLOUDFLARE_COPIES = (
    _copy("core/cert-manager", "cloudflare-token", _CLOUDFLARE, "cloudflare-token", CERT_MANAGER),
    _copy("core/cloudflare", "cloudflare-token", _CLOUDFLARE, "cloudflare-token", CLOUDFLARE),
    _copy("core/monitor", "cloudflare-token", _CLOUDFLARE, "cloudflare-token", MONITOR),
    _copy("core/cloudflare", "account-id", _CLOUDFLARE, "account-id", CLOUDFLARE),
    _copy("core/cloudflare", "tunnel-secret", _CLOUDFLARE, "tunnel_secret", CLOUDFLARE),
)

_SEAWEEDFS = (
    *_s3_pair("core/seaweedfs", _SEAWEEDFS_S3, SEAWEEDFS, _secrets(SEAWEEDFS)),
    _vault(
        "core/seaweedfs",
        "seaweedfs_s3_config",
        SEAWEEDFS,
        SecretKind.DOCUMENT,
        identities(HOT_USERS),
        _secrets(SEAWEEDFS),
    ),
    *_s3_pair("core/seaweedfs", _COLD_S3, SEAWEEDFS, _secrets(SEAWEEDFS)),
    *_s3_pair("core/seaweedfs", _MIRROR_S3, SEAWEEDFS, _secrets(SEAWEEDFS)),
    *_s3_pair("core/seaweedfs", _FILLER_S3, SEAWEEDFS, _secrets(SEAWEEDFS)),
    *_s3_pair("core/seaweedfs", _COLD_ROOT, SEAWEEDFS, _secrets(SEAWEEDFS), issuer="MinIO on TrueNAS, settings"),
    *_s3_pair(
        "core/seaweedfs",
        _GOOGLE_S3,
        SEAWEEDFS,
        unread="the bucket on Google Cloud is not used any more; delete its HMAC key there, then these",
        issuer="Google Cloud Storage, interoperability",
    ),
    *(_copy("core/seaweedfs", name, _CLOUDFLARE, name, SEAWEEDFS) for name in (*_MIRROR_SOURCE, *_MIRROR_TARGET)),
    _vault(
        "core/seaweedfs",
        "repo-password",
        SEAWEEDFS,
        SecretKind.ENCRYPTION_KEY,
        _ENCRYPTION_KEY,
        unread="opens the old copies of SeaweedFS's volumes; objects are copied now, and are encrypted already",
    ),
)

_EXTERNAL = (
    *_CLOUDFLARE,
    _vault(
        "external/proxmox",
        "api-token",
        PULUMI,
        SecretKind.TOKEN,
        Characters(length=36, alphabet=Alphabet.HEXADECIMAL, prefix="pulumi@pve!lab="),
        _outside(PULUMI),
        issuer="Proxmox VE, Datacenter, Permissions, API Tokens",
    ),
    _vault(
        "external/opnsense",
        "api-key",
        ANSIBLE,
        SecretKind.TOKEN,
        Characters(length=80),
        _outside(ANSIBLE),
        issuer="OPNsense, System, Access, Users",
    ),
    _vault(
        "external/opnsense",
        "api-secret",
        ANSIBLE,
        SecretKind.TOKEN,
        Characters(length=80),
        _outside(ANSIBLE),
        issuer="OPNsense, System, Access, Users",
    ),
    _vault(
        "external/github",
        "token",
        ARGOCD,
        SecretKind.TOKEN,
        Characters(length=82, prefix="github_pat_"),
        _secrets(ARGOCD),
        issuer="GitHub, Developer settings, fine-grained tokens: contents of the repository, read",
    ),
    *(
        _vault(
            f"external/{provider}",
            "api-key",
            LITELLM,
            SecretKind.TOKEN,
            Characters(length=48, prefix="sk-"),
            _outside(LITELLM),
            issuer=f"the console of {title}",
        )
        for provider, title in (("kimi", "Kimi"), ("opencode", "OpenCode"))
    ),
)

_GIT = (
    _vault("default/gitea", "username", GIT, SecretKind.IDENTIFIER, Plain(text="gitea_admin"), _secrets(GIT)),
    _vault("default/gitea", "password", GIT, SecretKind.PASSWORD, _PASSWORD, _secrets(GIT)),
    _vault("default/gitea", "key", GIT, SecretKind.IDENTIFIER, Plain(text="gitea"), _secrets(GIT)),
    _client("default/gitea", "secret", GIT, "gitea", _secrets(GIT)),
)

_SERVARR = (
    _client("default/servarr", "jellyfin-client-secret", SERVARR, "jellyfin", _secrets(SERVARR)),
    _client("default/servarr", "jellyseerr-client-secret", SERVARR, "jellyseerr", _secrets(SERVARR)),
    *(
        _vault("default/servarr", f"{name}-api-key", SERVARR, SecretKind.TOKEN, _API_KEY, _secrets(SERVARR))
        for name in ("prowlarr", "radarr", "sonarr", "sabnzbd")
    ),
    _vault(
        "default/servarr",
        "WIREGUARD_PRIVATE_KEY",
        SERVARR,
        SecretKind.WIREGUARD_KEY,
        Octets(count=32),
        _secrets(SERVARR),
        issuer="the VPN provider's account page",
    ),
)

_LITELLM = (
    _vault(
        "default/litellm",
        "master-key",
        LITELLM,
        SecretKind.TOKEN,
        Characters(length=48, prefix="sk-"),
        _secrets(LITELLM),
    ),
    _vault(
        "default/litellm",
        "salt-key",
        LITELLM,
        SecretKind.ENCRYPTION_KEY,
        Characters(length=48, prefix="sk-"),
        _secrets(LITELLM),
    ),
    _vault(
        "default/litellm",
        "langsmith-api-key",
        LITELLM,
        SecretKind.TOKEN,
        Characters(length=44, alphabet=Alphabet.HEXADECIMAL, prefix="lsv2_pt_"),
        _secrets(LITELLM),
        issuer="LangSmith, Settings, API keys",
    ),
)

_QDRANT = (_vault("default/qdrant", "api-key", QDRANT, SecretKind.TOKEN, _TOKEN, _secrets(QDRANT)),)

_INFERENCE = (
    *_LITELLM,
    _copy("default/open-webui", "litellm-api-key", _LITELLM, "master-key", OPEN_WEBUI),
    _client("default/open-webui", "client-secret", OPEN_WEBUI, "open-webui", _secrets(OPEN_WEBUI)),
    _vault(
        "default/open-webui",
        "webui-secret-key",
        OPEN_WEBUI,
        SecretKind.ENCRYPTION_KEY,
        _ENCRYPTION_KEY,
        _secrets(OPEN_WEBUI),
    ),
    _vault("default/open-webui", "pipelines-api-key", OPEN_WEBUI, SecretKind.TOKEN, _TOKEN, _secrets(OPEN_WEBUI)),
    *_QDRANT,
    _copy("default/litellm", "qdrant-api-key", _QDRANT, "api-key", LITELLM),
    _copy("default/open-webui", "qdrant-api-key", _QDRANT, "api-key", OPEN_WEBUI),
    _vault("default/searxng", "SEARXNG_SECRET", SEARXNG, SecretKind.ENCRYPTION_KEY, _ENCRYPTION_KEY, _secrets(SEARXNG)),
    _vault(
        "default/searxng", "smon_username", SEARXNG, SecretKind.IDENTIFIER, Plain(text="prometheus"), _secrets(SEARXNG)
    ),
    _vault("default/searxng", "SEARXNG_OPEN_METRICS", SEARXNG, SecretKind.PASSWORD, _PASSWORD, _secrets(SEARXNG)),
    _vault(
        "default/llm-models",
        "hf-token",
        MODELS,
        SecretKind.TOKEN,
        Characters(length=34, prefix="hf_"),
        _secrets(MODELS),
        issuer="Hugging Face, Access tokens: read",
    ),
)

_APPLICATIONS = (
    _client("default/immich", "client-secret", IMMICH, "immich", _secrets(IMMICH)),
    *_GIT,
    *_SERVARR,
    *_INFERENCE,
    _client("default/actual-budget", "client-secret", ACTUAL_BUDGET, "actual-budget", _secrets(ACTUAL_BUDGET)),
    _vault("default/twenty", "app-secret", TWENTY, SecretKind.ENCRYPTION_KEY, _ENCRYPTION_KEY, _secrets(TWENTY)),
)

_BOOTSTRAP = (
    _init(
        "argo/gcp-sops-sa",
        "service-account.json",
        ARGO,
        SecretKind.DOCUMENT,
        Document(
            members={
                "type": "service_account",
                "project_id": _GOOGLE.project,
                "private_key_id": Characters(length=40, alphabet=Alphabet.HEXADECIMAL),
                "private_key": PrivateKey(),
                "client_email": (f"{_GOOGLE.secrets_account.account_id}@{_GOOGLE.project}.iam.gserviceaccount.com"),
                "token_uri": "https://oauth2.googleapis.com/token",
            }
        ),
        issuer="the stack `shared`: pulumi stack output sops_account_key --show-secrets | base64 -d",
    ),
    *(_adopted("argo/argo-external-secret", key) for key in _ARGO_BOOTSTRAP),
    _init("ceph/csi-rbd-secret", "userID", CEPH, SecretKind.IDENTIFIER, Plain(text="csi-rbd")),
    _init("ceph/csi-rbd-secret", "userKey", CEPH, SecretKind.CEPH_KEY, _CEPH_KEY, issuer=_CEPH_COMMAND),
    _init("ceph/csi-cephfs-secret", "adminID", CEPH, SecretKind.IDENTIFIER, Plain(text="csi-cephfs-provisioner")),
    _init("ceph/csi-cephfs-secret", "adminKey", CEPH, SecretKind.CEPH_KEY, _CEPH_KEY, issuer=_CEPH_COMMAND),
    _init("ceph/csi-cephfs-secret", "userID", CEPH, SecretKind.IDENTIFIER, Plain(text="csi-cephfs-node")),
    _init("ceph/csi-cephfs-secret", "userKey", CEPH, SecretKind.CEPH_KEY, _CEPH_KEY, issuer=_CEPH_COMMAND),
    *(_adopted("vault/vault-external-secret", key) for key in _VAULT),
    *(
        _adopted("monitor/monitor-external-secret", key)
        for key in _MONITOR
        if key.place.property == "GF_AUTH_GENERIC_OAUTH_CLIENT_SECRET"
    ),
    *(_adopted("monitor/monitor-external-secret", key) for key in _ALERT_URLS),
    *(
        _adopted("seaweedfs/seaweedfs-external-secret", key)
        for key in _SEAWEEDFS
        if key.place.property not in _LATER
    ),
)

SCHEMA = SecretSchema(
    keys=(
        *_BOOTSTRAP,
        *_LLDAP,
        *_AUTHELIA,
        *_VAULT,
        *_ARGOCD,
        *_ARGO_WORKFLOWS,
        *_K8UP,
        *_CNPG,
        *_MONITOR,
        *_ALERT_URLS,
        *_EXPORTERS,
        *_HARBOR,
        *_SEAWEEDFS,
        *_CLOUDFLARE_COPIES,
        *_EXTERNAL,
        *_APPLICATIONS,
    )
)
