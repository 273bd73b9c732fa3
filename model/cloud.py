"""Accounts outside the house: Cloudflare and Google Cloud."""

from enum import StrEnum, unique
from typing import NewType

from pydantic import Field

from model.base import Value
from model.units import Seconds

BucketName = NewType("BucketName", str)


class OffsiteBucket(Value):
    """An R2 bucket of offsite copies, locked against early deletion."""

    name: BucketName
    location: str
    storage_class: str
    lock: Seconds
    """No object can be deleted or overwritten before this age, whoever asks."""
    expire_after: Seconds
    """Objects older than this are deleted by the lifecycle rule; longer than `lock`."""
    abort_uploads_after: Seconds


class PublicName(Value):
    """A name that the tunnel serves to the Internet."""

    label: str
    service: str
    """URL of the in-cluster service that answers."""


class Tunnel(Value):
    """The Cloudflare tunnel."""

    name: str
    names: tuple[PublicName, ...]


class Cloudflare(Value):
    """Cloudflare account and zone; both ids are public identifiers, not secrets."""

    account_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    zone_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    bucket: OffsiteBucket
    tunnel: Tunnel

    @property
    def s3_endpoint(self) -> str:
        """URL of the account's buckets."""
        return f"https://{self.account_id}.r2.cloudflarestorage.com"


class EncryptionKey(Value):
    """A KMS key that SOPS encrypts to."""

    ring: str
    name: str
    rotation: Seconds


@unique
class GoogleService(StrEnum):
    """APIs that must be switched on in the project."""

    KEY_MANAGEMENT = "cloudkms.googleapis.com"
    VERTEX_AI = "aiplatform.googleapis.com"
    IDENTITY = "iam.googleapis.com"


class ServiceAccount(Value):
    """A Google service account and what it may do."""

    account_id: str = Field(pattern=r"^[a-z](?:[-a-z0-9]{4,28}[a-z0-9])$")
    purpose: str
    project_roles: tuple[str, ...] = ()
    key_roles: tuple[str, ...] = ()
    """Roles on the encryption key alone."""


class GoogleCloud(Value):
    """The Google Cloud project."""

    project: str
    region: str
    services: tuple[GoogleService, ...]
    encryption_key: EncryptionKey
    secrets_account: ServiceAccount
    """Decrypts the SOPS file from inside a cluster."""
    inference_account: ServiceAccount
    """Calls Vertex AI models."""


class Cloud(Value):
    """Every account outside the house."""

    cloudflare: Cloudflare
    google: GoogleCloud
