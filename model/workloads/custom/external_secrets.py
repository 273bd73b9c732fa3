"""External Secrets: which store is read, and which Secrets are made of it."""

from pydantic import Field

from model.workloads.camel_case import CamelCase
from model.workloads.objects import CustomObject, Kind

GROUP, VERSION = "external-secrets.io", "v1"


class ServiceAccountReference(CamelCase):
    """The account whose token logs in."""

    name: str
    namespace: str


class KubernetesAuthentication(CamelCase):
    """Log in to Vault with the token of a service account."""

    mount_path: str
    role: str
    service_account_ref: ServiceAccountReference


class VaultAuthentication(CamelCase):
    """How the store is logged in to."""

    kubernetes: KubernetesAuthentication


class CertificateAuthority(CamelCase):
    """Where the certificate of Vault's authority is."""

    type: str = "Secret"
    name: str
    namespace: str
    key: str


class VaultProvider(CamelCase):
    """A Vault server."""

    server: str
    path: str
    version: str = "v2"
    ca_provider: CertificateAuthority
    auth: VaultAuthentication


class Provider(CamelCase):
    """Kind of store."""

    vault: VaultProvider


class StoreCondition(CamelCase):
    """Who may use the store."""

    namespaces: tuple[str, ...] = Field(min_length=1)


class ClusterSecretStoreSpec(CamelCase):
    """Spec of a ClusterSecretStore."""

    conditions: tuple[StoreCondition, ...] = Field(min_length=1)
    provider: Provider


class ClusterSecretStore(CustomObject):
    """A store of secrets."""

    OF = Kind(group=GROUP, version=VERSION, name="ClusterSecretStore")
    READY = "condition=Ready"
    spec: ClusterSecretStoreSpec


class StoreReference(CamelCase):
    """The store that is read."""

    name: str
    kind: str = "ClusterSecretStore"


class RemoteReference(CamelCase):
    """One property of one entry of the store."""

    key: str
    property: str


class SecretData(CamelCase):
    """One key of the Secret and where its value comes from."""

    secret_key: str
    remote_ref: RemoteReference


class SecretTemplate(CamelCase):
    """Keys that are put together from the values read."""

    engine_version: str = "v2"
    type: str | None = None
    data: dict[str, str]


class SecretTarget(CamelCase):
    """The Secret that is made."""

    name: str
    creation_policy: str = "Owner"
    template: SecretTemplate | None = None


class ExternalSecretSpec(CamelCase):
    """Spec of an ExternalSecret."""

    refresh_interval: str
    secret_store_ref: StoreReference
    target: SecretTarget
    data: tuple[SecretData, ...] = Field(min_length=1)


class ExternalSecret(CustomObject):
    """A Secret that follows the store."""

    OF = Kind(group=GROUP, version=VERSION, name="ExternalSecret")
    READY = "condition=Ready"
    spec: ExternalSecretSpec
