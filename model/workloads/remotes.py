"""S3 stores as rclone is told of them: by the environment, so that no key is ever in a file."""

from enum import StrEnum, unique

from model.base import Value
from model.object_storage import S3Keys
from model.secrets import SecretReference


@unique
class Provider(StrEnum):
    """Servers whose manners rclone knows."""

    SEAWEEDFS = "SeaweedFS"
    MINIO = "Minio"
    CLOUDFLARE = "Cloudflare"


class Remote(Value):
    """A folder of a store, and the manifests that say what was complete in it."""

    provider: Provider
    endpoint: str
    region: str
    keys: S3Keys
    folder: str
    """Bucket, and the folder in it where there is one."""
    manifests: str | None = None
    """Bucket and folder of the manifests; None for a store that is written to by backups themselves."""
    renew_after: int | None = None
    """Seconds after which an object is written again; None where objects do not expire."""

    def settings(self, name: str) -> dict[str, str]:
        """Environment of rclone in which the store is called `name`."""
        values = {
            "TYPE": "s3",
            "PROVIDER": str(self.provider),
            "ENDPOINT": self.endpoint,
            "REGION": self.region,
            "FORCE_PATH_STYLE": "true",
            # It would make the bucket when it is missing: a name that is wrong must be an error.
            "NO_CHECK_BUCKET": "true",
        }
        return {f"{_prefix(name)}_{option}": value for option, value in values.items()}

    def secret_settings(self, name: str) -> dict[str, SecretReference]:
        """The rest of that environment, which nobody may see."""
        prefix = _prefix(name)
        return {
            f"{prefix}_ACCESS_KEY_ID": self.keys.access_key,
            f"{prefix}_SECRET_ACCESS_KEY": self.keys.secret_key,
        }


def _prefix(name: str) -> str:
    return f"RCLONE_CONFIG_{name.upper()}"
