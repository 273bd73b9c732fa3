"""The Google Cloud project: the key that SOPS encrypts to, and the accounts that decrypt and that call Vertex AI."""

import pulumi
import pulumi_gcp as gcp

from components.options import child_options
from model.cloud import GoogleCloud, GoogleService, ServiceAccount


class SecretsEncryption(pulumi.ComponentResource):
    """Key ring and key of the SOPS file, and the account that may decrypt with it and nothing else."""

    key_id: pulumi.Output[str]
    account_key: pulumi.Output[str]
    """The decrypting account's key file, base64; secret."""

    def __init__(
        self,
        name: str,
        *,
        google: GoogleCloud,
        services: dict[GoogleService, pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("lab:google:SecretsEncryption", name, None, opts)
        key = google.encryption_key
        # A key ring can never be deleted, nor its name used again.
        ring = gcp.kms.KeyRing(
            "sops-key-ring",
            name=key.ring,
            location=google.region,
            project=google.project,
            opts=child_options(
                self, opts, pulumi.ResourceOptions(depends_on=[services[GoogleService.KEY_MANAGEMENT]])
            ),
        )
        crypto_key = gcp.kms.CryptoKey(
            "sops-key",
            name=key.name,
            key_ring=ring.id,
            purpose="ENCRYPT_DECRYPT",
            rotation_period=f"{key.rotation}s",
            opts=child_options(self, opts),
        )
        account = _service_account(self, "sops-decrypt", google, google.secrets_account, services, opts)
        for role in google.secrets_account.key_roles:
            gcp.kms.CryptoKeyIAMMember(
                "sops-decrypt-" + role.rsplit(".", 1)[-1].lower(),
                crypto_key_id=crypto_key.id,
                role=role,
                member=account.member,
                opts=child_options(self, opts),
            )
        account_key = gcp.serviceaccount.Key(
            "sops-decrypt-key",
            service_account_id=account.name,
            opts=child_options(self, opts, pulumi.ResourceOptions(additional_secret_outputs=["privateKey"])),
        )
        self.key_id = crypto_key.id
        self.account_key = account_key.private_key
        self.register_outputs({"key_id": self.key_id})


class VertexInference(pulumi.ComponentResource):
    """The account with which the model gateway calls Vertex AI."""

    account_email: pulumi.Output[str]
    account_key: pulumi.Output[str]
    """The account's key file, base64; secret."""

    def __init__(
        self,
        name: str,
        *,
        google: GoogleCloud,
        services: dict[GoogleService, pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("lab:google:VertexInference", name, None, opts)
        account = _service_account(self, "vertex", google, google.inference_account, services, opts)
        for role in google.inference_account.project_roles:
            gcp.projects.IAMMember(
                "vertex-" + role.rsplit("/", 1)[-1].replace(".", "-").lower(),
                project=google.project,
                role=role,
                member=account.member,
                opts=child_options(
                    self, opts, pulumi.ResourceOptions(depends_on=[services[GoogleService.VERTEX_AI]])
                ),
            )
        key = gcp.serviceaccount.Key(
            "vertex-key",
            service_account_id=account.name,
            opts=child_options(self, opts, pulumi.ResourceOptions(additional_secret_outputs=["privateKey"])),
        )
        self.account_email = account.email
        self.account_key = key.private_key
        self.register_outputs({"account_email": self.account_email})


class GoogleServices(pulumi.ComponentResource):
    """The APIs that are switched on in the project."""

    services: dict[GoogleService, pulumi.Resource]

    def __init__(self, name: str, *, google: GoogleCloud, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("lab:google:GoogleServices", name, None, opts)
        self.services = {
            service: gcp.projects.Service(
                "api-" + service.split(".", 1)[0],
                project=google.project,
                service=service,
                disable_on_destroy=False,
                opts=child_options(self, opts),
            )
            for service in google.services
        }
        self.register_outputs({})


def _service_account(
    component: pulumi.ComponentResource,
    name: str,
    google: GoogleCloud,
    account: ServiceAccount,
    services: dict[GoogleService, pulumi.Resource],
    opts: pulumi.ResourceOptions | None,
) -> gcp.serviceaccount.Account:
    return gcp.serviceaccount.Account(
        name,
        account_id=account.account_id,
        display_name=account.purpose,
        project=google.project,
        opts=child_options(
            component, opts, pulumi.ResourceOptions(depends_on=[services[GoogleService.IDENTITY]])
        ),
    )
