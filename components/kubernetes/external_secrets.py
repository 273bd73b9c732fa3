"""External Secrets: how applications come to what is in Vault."""

from collections.abc import Iterable, Mapping, Sequence

import pulumi
from pulumi_kubernetes import core, meta
from pydantic import Field

from components.kubernetes.chart_application import Delivery
from components.kubernetes.objects import CustomResource, Metadata
from components.kubernetes.provided import Definitions, Provided
from components.kubernetes.vault import (
    AUTHORITY_KEY,
    AUTHORITY_SECRET,
    KUBERNETES_AUTH,
    MOUNT,
    NAMESPACE,
    READER,
    read_role,
)
from components.options import child_options
from model.secrets import SecretReference
from model.workloads.charts import Chart, ChartValues
from model.workloads.custom.external_secrets import (
    CertificateAuthority,
    ClusterSecretStore,
    ClusterSecretStoreSpec,
    ExternalSecret,
    ExternalSecretSpec,
    KubernetesAuthentication,
    Provider,
    RemoteReference,
    SecretData,
    SecretTarget,
    SecretTemplate,
    ServiceAccountReference,
    StoreCondition,
    StoreReference,
    VaultAuthentication,
    VaultProvider,
)
from model.workloads.names import NamespaceName
from model.workloads.namespaces import Namespace
from model.workloads.objects import kinds
from model.workloads.platform import Releases, VaultAccess

REFRESH = "30m"
LOGIN_TYPE = "kubernetes.io/basic-auth"
USERNAME, PASSWORD = "username", "password"
"""Keys of a Secret that is a login."""


class ExternalSecretsValues(ChartValues):
    """Values of the chart `external-secrets`."""

    install_crds: bool = Field(default=True, serialization_alias="installCRDs")


class SecretStores(pulumi.ComponentResource):
    """The operator that makes Secrets of what is in Vault."""

    definitions: Definitions
    server: Provided[str]
    """URL of the Vault that is filled."""

    def __init__(
        self,
        name: str,
        *,
        releases: Releases,
        access: Sequence[VaultAccess],
        server: Provided[str],
        filled: pulumi.Resource,
        delivery: Delivery,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`filled` is there once Vault has what the SOPS file has: to read it before would find nothing."""
        super().__init__("lab:kubernetes:SecretStores", name, None, opts)
        operator = delivery.apply(
            Chart(
                name="external-secrets",
                namespace=NAMESPACE,
                source=releases.external_secrets,
                values=ExternalSecretsValues(),
                kinds=kinds(ClusterSecretStore, ExternalSecret),
            ),
            opts=child_options(self, opts),
        )
        self.definitions = operator.definitions
        self.server = Provided(server.value, by=filled)
        self._paths = {one.namespace: one.paths for one in access}
        self.register_outputs({"server": server.value})

    def check(self, namespace: str, references: Iterable[SecretReference]) -> None:
        """RunError for a reference that the namespace's role in Vault may not read."""
        readable = self._paths.get(NamespaceName(namespace), ())
        refused = [reference for reference in references if reference.path not in readable]
        if refused:
            raise pulumi.RunError(
                f"the namespace {namespace} may not read {', '.join(str(one) for one in refused)} in Vault; "
                f"it may read {', '.join(readable) or 'nothing'}.\n"
                "  fix: add the application to the consumers of the key in the schema of secrets"
            )


class NamespaceSecrets(pulumi.ComponentResource):
    """What one namespace has of Vault: a login, a store that nobody else may use, and the Secrets made from it."""

    made: Mapping[str, Provided[str]]
    """Name of each Secret, there once it is filled."""

    def __init__(
        self,
        name: str,
        *,
        namespace: Provided[Namespace],
        wanted: Mapping[str, Mapping[str, SecretReference]],
        logins: Mapping[str, str] | None = None,
        stores: SecretStores,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`wanted` are the Secrets by name, each with its keys and where their values come from.

        `logins` are those with a password to which a user name belongs, by their names.
        """
        super().__init__("lab:kubernetes:NamespaceSecrets", name, None, opts)
        place = namespace.value.name
        stores.check(place, (reference for keys in wanted.values() for reference in keys.values()))
        reader = core.v1.ServiceAccount(
            f"{place}-{READER}",
            metadata=meta.v1.ObjectMetaArgs(name=READER, namespace=place),
            opts=child_options(self, opts, pulumi.ResourceOptions(depends_on=[namespace.by])),
        )
        store = CustomResource(
            f"store-{place}",
            metadata=Metadata(name=store_name(place)),
            content=ClusterSecretStore(spec=_store(place, stores.server.value)),
            definitions=stores.definitions,
            opts=child_options(self, opts, pulumi.ResourceOptions(depends_on=[reader, stores.server.by])),
        )
        self.made = {
            secret: Provided(
                secret,
                by=CustomResource(
                    f"{place}-{secret}",
                    metadata=Metadata(name=secret, namespace=place),
                    content=ExternalSecret(spec=_secret(secret, place, keys, (logins or {}).get(secret))),
                    definitions=stores.definitions,
                    opts=child_options(self, opts, pulumi.ResourceOptions(depends_on=[store])),
                ),
            )
            for secret, keys in wanted.items()
        }
        self.register_outputs({"secrets": list(self.made)})


def store_name(namespace: str) -> str:
    """Name of the store that a namespace reads."""
    return f"vault-{namespace}"


def _store(namespace: str, server: str) -> ClusterSecretStoreSpec:
    login = KubernetesAuthentication(
        mount_path=KUBERNETES_AUTH,
        role=read_role(namespace),
        service_account_ref=ServiceAccountReference(name=READER, namespace=namespace),
    )
    return ClusterSecretStoreSpec(
        conditions=(StoreCondition(namespaces=(namespace,)),),
        provider=Provider(
            vault=VaultProvider(
                server=server,
                path=MOUNT,
                ca_provider=CertificateAuthority(name=AUTHORITY_SECRET, namespace=NAMESPACE, key=AUTHORITY_KEY),
                auth=VaultAuthentication(kubernetes=login),
            )
        ),
    )


def _secret(
    name: str, namespace: str, keys: Mapping[str, SecretReference], username: str | None
) -> ExternalSecretSpec:
    return ExternalSecretSpec(
        refresh_interval=REFRESH,
        secret_store_ref=StoreReference(name=store_name(namespace)),
        target=SecretTarget(name=name, template=None if username is None else _login(username)),
        data=tuple(
            SecretData(
                secret_key=key,
                remote_ref=RemoteReference(key=reference.path, property=reference.property),
            )
            for key, reference in keys.items()
        ),
    )


def _login(username: str) -> SecretTemplate:
    """A Secret of the type that the ingress takes for a login, with the password that is read."""
    return SecretTemplate(type=LOGIN_TYPE, data={USERNAME: username, PASSWORD: f"{{{{ .{PASSWORD} }}}}"})
