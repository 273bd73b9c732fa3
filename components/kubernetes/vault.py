"""Vault: the operator, one server, and inside it what each namespace may read and nothing more."""

from collections.abc import Sequence
from typing import Any

import pulumi
from pulumi_kubernetes import core, meta, rbac

from components.kubernetes.chart_application import Delivery
from components.kubernetes.objects import CustomResource, Metadata
from components.kubernetes.provided import Provided
from components.options import child_options
from model.base import Value
from model.secrets import SecretPath
from model.units import GiB
from model.workloads.annotations import DISPOSABLE
from model.workloads.charts import Chart
from model.workloads.custom.k8up import BACKUP_ANNOTATION
from model.workloads.custom.vault import (
    AuthenticationMethod,
    ExternalConfiguration,
    FileStorage,
    KubernetesUnseal,
    Listener,
    Policy,
    Purge,
    PurgeExclusions,
    Role,
    SecretsEngine,
    ServerConfiguration,
    ServerStorage,
    TcpListener,
    UnsealConfiguration,
    UnsealOptions,
    Vault,
    VaultSpec,
)
from model.workloads.objects import kinds
from model.workloads.platform import Releases, VaultAccess
from model.workloads.quantities import storage_quantity
from model.workloads.storage import StorageClass

NAMESPACE = "vault"
SERVER = "vault"
PORT = 8200
MOUNT = "secret"
KUBERNETES_AUTH = "kubernetes"
AUTHORITY_SECRET, AUTHORITY_KEY = "vault-tls", "ca.crt"
"""Where the operator keeps the certificate of the authority that it made for the server."""
READER = "vault-reader"
"""Service account in each namespace whose token reads that namespace's secrets."""
SYNC_ROLE = "sops"
"""Role that may write what the SOPS file has."""
ADMINISTRATORS = "admin"
"""Group at Authelia."""

FILE_SIZE = GiB(1)
SHARES, THRESHOLD = 5, 3
TOKEN_TIME = "20m"  # noqa: S105 - a time
DATA_DIRECTORY, TLS_DIRECTORY = "/vault/file", "/vault/tls"


class Writer(Value):
    """The service account that copies the SOPS file into Vault."""

    namespace: str
    account: str


class VaultSignOn(Value):
    """Login at Authelia. Left out while a new lab has no Authelia yet: Vault asks it for its keys when it starts."""

    issuer: str
    host: str
    """Host name of Vault's own interface."""
    client: str = "vault"
    secret: str = "vault-external-secret"  # noqa: S105 - the name of a Secret
    key: str = "OIDC_VAULT_CLIENT_SECRET"


class VaultServer(pulumi.ComponentResource):
    """A Vault of this cluster alone: it is filled from the SOPS file, so it is never backed up."""

    server: Provided[str]
    """URL within the cluster."""

    def __init__(
        self,
        name: str,
        *,
        releases: Releases,
        access: Sequence[VaultAccess],
        paths: Sequence[SecretPath],
        writer: Writer,
        storage_class: Provided[StorageClass],
        delivery: Delivery,
        sign_on: VaultSignOn | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`access` is who reads what; `paths` is everything that the writer may write."""
        super().__init__("lab:kubernetes:VaultServer", name, None, opts)
        own = child_options(self, opts)
        permissions = delivery.apply(
            Chart(name="vault-permissions", namespace=NAMESPACE, source=releases.vault_permissions), opts=own
        )
        operator = delivery.apply(
            Chart(
                name="vault-operator", namespace=NAMESPACE, source=releases.vault_operator, kinds=kinds(Vault)
            ),
            opts=own,
        )
        claim = core.v1.PersistentVolumeClaim(
            "vault-file",
            metadata=meta.v1.ObjectMetaArgs(
                name="vault-file",
                namespace=NAMESPACE,
                annotations={DISPOSABLE: "It is filled from the SOPS file.", BACKUP_ANNOTATION: "false"},
            ),
            spec=core.v1.PersistentVolumeClaimSpecArgs(
                access_modes=["ReadWriteOnce"],
                storage_class_name=storage_class.value.name,
                resources=core.v1.VolumeResourceRequirementsArgs(requests={"storage": storage_quantity(FILE_SIZE)}),
            ),
            opts=child_options(
                self, opts, pulumi.ResourceOptions(depends_on=[delivery.namespaces[NAMESPACE].by, storage_class.by])
            ),
        )
        # Vault asks the API server whether a token that is shown to it is real.
        reviewer = rbac.v1.ClusterRoleBinding(
            "vault-token-reviewer",
            metadata=meta.v1.ObjectMetaArgs(name="vault-token-reviewer"),
            role_ref=rbac.v1.RoleRefArgs(
                api_group="rbac.authorization.k8s.io", kind="ClusterRole", name="system:auth-delegator"
            ),
            subjects=[rbac.v1.SubjectArgs(kind="ServiceAccount", name=SERVER, namespace=NAMESPACE)],
            opts=own,
        )
        vault = CustomResource(
            "vault-server",
            metadata=Metadata(name=SERVER, namespace=NAMESPACE),
            content=Vault(
                spec=vault_spec(
                    releases, external_configuration(access, paths, writer, sign_on), writer.namespace, sign_on
                )
            ),
            definitions=operator.definitions,
            opts=child_options(self, opts, pulumi.ResourceOptions(depends_on=[permissions, claim, reviewer])),
        )
        self.server = Provided(f"https://{SERVER}.{NAMESPACE}.svc.cluster.local:{PORT}", by=vault)
        self.register_outputs({"server": self.server.value})


def vault_spec(
    releases: Releases, inside: ExternalConfiguration, client_namespace: str, sign_on: VaultSignOn | None
) -> VaultSpec:
    """One server with its data in a volume; the operator makes its certificate and unseals it."""
    return VaultSpec(
        size=1,
        image=releases.vault,
        service_account=SERVER,
        ca_namespaces=(client_namespace,),
        volumes=({"name": "vault-file", "persistentVolumeClaim": {"claimName": "vault-file"}},),
        volume_mounts=({"name": "vault-file", "mountPath": DATA_DIRECTORY},),
        unseal_config=UnsealConfiguration(
            options=UnsealOptions(secret_shares=SHARES, secret_threshold=THRESHOLD),
            kubernetes=KubernetesUnseal(secret_namespace=NAMESPACE),
        ),
        config=ServerConfiguration(
            storage=ServerStorage(file=FileStorage(path=DATA_DIRECTORY)),
            listener=Listener(
                tcp=TcpListener(
                    address=f"0.0.0.0:{PORT}",
                    tls_cert_file=f"{TLS_DIRECTORY}/server.crt",
                    tls_key_file=f"{TLS_DIRECTORY}/server.key",
                )
            ),
            api_addr=f"https://{SERVER}.{NAMESPACE}:{PORT}",
        ),
        external_config=inside,
        envs_config=None if sign_on is None else (_client_secret(sign_on),),
    )


def external_configuration(
    access: Sequence[VaultAccess], paths: Sequence[SecretPath], writer: Writer, sign_on: VaultSignOn | None
) -> ExternalConfiguration:
    """Policies and roles: each namespace reads its own paths, one account writes all of them, people log in as admins.

    What somebody configures by hand is removed again; secrets are not.
    """
    readers = tuple(
        Policy(name=read_role(one.namespace), rules=_rules(one.paths, ("read",))) for one in access
    )
    writing = Policy(name=SYNC_ROLE, rules=_rules(paths, ("create", "update")))
    administration = Policy(
        name=ADMINISTRATORS, rules='path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }'
    )
    methods = [
        AuthenticationMethod(
            type=KUBERNETES_AUTH,
            roles=(
                *(_reader(one) for one in access),
                Role(
                    name=SYNC_ROLE,
                    bound_service_account_names=writer.account,
                    bound_service_account_namespaces=writer.namespace,
                    policies=(SYNC_ROLE,),
                    ttl=TOKEN_TIME,
                ),
            ),
        ),
        AuthenticationMethod(
            type="approle",
            roles=(
                Role(
                    name=SYNC_ROLE,
                    policies=(SYNC_ROLE,),
                    secret_id_ttl="24h",  # noqa: S106 - a time
                    secret_id_num_uses=1,
                    token_ttl=TOKEN_TIME,
                    token_max_ttl="30m",  # noqa: S106 - a time
                ),
            ),
        ),
    ]
    if sign_on is not None:
        methods.append(_oidc(sign_on))
    return ExternalConfiguration(
        purge_unmanaged_config=Purge(enabled=True, exclude=PurgeExclusions(secrets=True)),
        policies=(*readers, writing, *(() if sign_on is None else (administration,))),
        auth=tuple(methods),
        secrets=(
            SecretsEngine(
                path=MOUNT, type="kv", description="Copied from the SOPS file", options={"version": 2}
            ),
        ),
    )


def read_role(namespace: str) -> str:
    """Role and policy by which a namespace reads its own secrets."""
    return f"read-{namespace}"


def _reader(access: VaultAccess) -> Role:
    role = read_role(access.namespace)
    return Role(
        name=role,
        bound_service_account_names=READER,
        bound_service_account_namespaces=access.namespace,
        policies=(role,),
        ttl=TOKEN_TIME,
    )


def _rules(paths: Sequence[str], capabilities: Sequence[str]) -> str:
    """HCL that allows the capabilities on each path of the key-value engine and on nothing else."""
    listed = ", ".join(f'"{capability}"' for capability in capabilities)
    return "\n".join(f'path "{MOUNT}/data/{path}" {{ capabilities = [{listed}] }}' for path in paths)


def _oidc(sign_on: VaultSignOn) -> AuthenticationMethod:
    callback = f"https://{sign_on.host}/ui/vault/auth/oidc/oidc/callback"
    return AuthenticationMethod(
        type="oidc",
        config={
            "oidc_discovery_url": sign_on.issuer,
            "oidc_client_id": sign_on.client,
            # The operator reads it from its environment, so that it is not in this object.
            "oidc_client_secret": f"${{ env `{sign_on.key}` }}",
            "default_role": ADMINISTRATORS,
        },
        roles=(
            Role(
                name=ADMINISTRATORS,
                policies=(ADMINISTRATORS,),
                user_claim="preferred_username",
                groups_claim="groups",
                bound_claims={"groups": [ADMINISTRATORS]},
                allowed_redirect_uris=(callback, "http://localhost:8250/oidc/callback"),
                oidc_scopes=("openid", "profile", "groups"),
            ),
        ),
    )


def _client_secret(sign_on: VaultSignOn) -> dict[str, Any]:
    return {"name": sign_on.key, "valueFrom": {"secretKeyRef": {"name": sign_on.secret, "key": sign_on.key}}}
