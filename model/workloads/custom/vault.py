"""The Vault operator of Bank-Vaults: a server, and what is configured inside it."""

from typing import Any

from pydantic import Field

from model.workloads.camel_case import CamelCase
from model.workloads.objects import CustomObject, Kind

GROUP, VERSION = "vault.banzaicloud.com", "v1alpha1"


class KubernetesUnseal(CamelCase):
    """Unseal keys and root token are kept in a Secret of this namespace."""

    secret_namespace: str


class UnsealOptions(CamelCase):
    """What the unsealer does before and after."""

    pre_flight_checks: bool = True
    store_root_token: bool = True
    secret_shares: int
    secret_threshold: int


class UnsealConfiguration(CamelCase):
    """Who unseals."""

    options: UnsealOptions
    kubernetes: KubernetesUnseal


class FileStorage(CamelCase):
    """Data in a folder."""

    path: str


class ServerStorage(CamelCase):
    """Where the server keeps its data."""

    file: FileStorage


class ListenerTelemetry(CamelCase):
    """Who may read the listener's metrics."""

    unauthenticated_metrics_access: bool = Field(serialization_alias="unauthenticated_metrics_access")


class TcpListener(CamelCase):
    """The port with its certificate. Vault's own settings are in snake case."""

    address: str
    tls_cert_file: str = Field(serialization_alias="tls_cert_file")
    tls_key_file: str = Field(serialization_alias="tls_key_file")
    telemetry: ListenerTelemetry = ListenerTelemetry(unauthenticated_metrics_access=True)


class Listener(CamelCase):
    """How the server listens."""

    tcp: TcpListener


class Telemetry(CamelCase):
    """Metrics in the form of Prometheus."""

    prometheus_retention_time: str = Field(default="5m", serialization_alias="prometheus_retention_time")
    disable_hostname: bool = Field(default=True, serialization_alias="disable_hostname")


class ServerConfiguration(CamelCase):
    """The server's own configuration file."""

    storage: ServerStorage
    listener: Listener
    api_addr: str = Field(serialization_alias="api_addr")
    disable_mlock: bool = Field(default=True, serialization_alias="disable_mlock")
    ui: bool = True
    telemetry: Telemetry = Telemetry()


class Policy(CamelCase):
    """A policy by name with its rules in HCL."""

    name: str
    rules: str


class Role(CamelCase):
    """A login role. The fields that a method does not know are left out."""

    name: str
    bound_service_account_names: str | None = Field(
        default=None, serialization_alias="bound_service_account_names"
    )
    bound_service_account_namespaces: str | None = Field(
        default=None, serialization_alias="bound_service_account_namespaces"
    )
    policies: tuple[str, ...]
    ttl: str | None = None
    secret_id_ttl: str | None = Field(default=None, serialization_alias="secret_id_ttl")
    secret_id_num_uses: int | None = Field(default=None, serialization_alias="secret_id_num_uses")
    token_ttl: str | None = Field(default=None, serialization_alias="token_ttl")
    token_max_ttl: str | None = Field(default=None, serialization_alias="token_max_ttl")
    user_claim: str | None = Field(default=None, serialization_alias="user_claim")
    groups_claim: str | None = Field(default=None, serialization_alias="groups_claim")
    bound_claims: dict[str, Any] | None = Field(default=None, serialization_alias="bound_claims")
    allowed_redirect_uris: tuple[str, ...] | None = Field(default=None, serialization_alias="allowed_redirect_uris")
    oidc_scopes: tuple[str, ...] | None = Field(default=None, serialization_alias="oidc_scopes")


class AuthenticationMethod(CamelCase):
    """A way to log in."""

    type: str
    config: dict[str, Any] | None = None
    roles: tuple[Role, ...]


class SecretsEngine(CamelCase):
    """Where secrets are kept inside the server."""

    path: str
    type: str
    description: str
    options: dict[str, Any]


class PurgeExclusions(CamelCase):
    """What is never purged."""

    secrets: bool


class Purge(CamelCase):
    """Whether what is not written here is removed from the server."""

    enabled: bool
    exclude: PurgeExclusions


class ExternalConfiguration(CamelCase):
    """What the operator configures inside the server."""

    purge_unmanaged_config: Purge
    policies: tuple[Policy, ...]
    auth: tuple[AuthenticationMethod, ...]
    secrets: tuple[SecretsEngine, ...]


class VaultSpec(CamelCase):
    """Spec of a Vault."""

    size: int
    image: str
    service_account: str
    ca_namespaces: tuple[str, ...]
    """Namespaces that get the certificate of the server's authority."""
    volumes: tuple[dict[str, Any], ...]
    volume_mounts: tuple[dict[str, Any], ...]
    unseal_config: UnsealConfiguration
    config: ServerConfiguration
    external_config: ExternalConfiguration
    envs_config: tuple[dict[str, Any], ...] | None = None


class Vault(CustomObject):
    """A Vault server."""

    OF = Kind(group=GROUP, version=VERSION, name="Vault")
    READY = "condition=Healthy"
    spec: VaultSpec
