"""The cluster's store with the identities of the lab's own secrets schema, and the stores behind it."""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from inventory.buckets import COLD, HOT_BUCKETS, HOT_USERS
from inventory.cloud import CLOUD
from inventory.secrets import SCHEMA
from model.object_storage import S3User, identities
from model.secrets import Characters, Octets, PrivateKey, SecretPlace, SecretReference, Tree, compose
from tests.conformance.object_storage.stores import Keys, S3Server, administrator_alone, s3_server
from tools.build import ensure
from tools.recipe import RCLONE

CONFIGURATION = SecretPlace(tree=Tree.VAULT, path="core/seaweedfs", property="seaweedfs_s3_config")


@pytest.fixture(scope="session")
def keys() -> Mapping[str, Keys]:
    """New keys of every user of the cluster's store."""
    return {user.name: Keys(secrets.token_hex(10).upper(), secrets.token_hex(20)) for user in HOT_USERS}


@pytest.fixture(scope="session")
def configuration(keys: Mapping[str, Keys]) -> dict[str, Any]:
    """The document that the secrets file holds for SeaweedFS, made as the secrets file makes it."""
    key = SCHEMA.at(CONFIGURATION)
    assert key is not None
    assert key.shape == identities(HOT_USERS)

    def read(reference: SecretReference) -> str:
        return next(value for user in HOT_USERS for value in _values(user, keys[user.name], reference))

    def draw(shape: Characters | Octets | PrivateKey) -> str:
        raise AssertionError(f"the document has a value of its own: {shape}")

    return json.loads(compose(key.shape, read, draw))


def _values(user: S3User, keys: Keys, reference: SecretReference) -> list[str]:
    pairs = ((user.keys.access_key, keys.access), (user.keys.secret_key, keys.secret))
    return [value for known, value in pairs if known == reference]


@pytest.fixture(scope="session")
def hot(
    tmp_path_factory: pytest.TempPathFactory, configuration: dict[str, Any], keys: Mapping[str, Keys]
) -> Iterator[S3Server]:
    """The cluster's store with all of its buckets."""
    with s3_server(tmp_path_factory.mktemp("hot"), configuration, keys["admin"]) as server:
        server.make(*(bucket.name for bucket in HOT_BUCKETS))
        yield server


@pytest.fixture(scope="session")
def cold(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A store in the place of MinIO, with its bucket, where every version is kept."""
    with _alone(tmp_path_factory.mktemp("cold")) as server:
        server.make(COLD.bucket)
        server.client(server.administrator).put_bucket_versioning(
            Bucket=COLD.bucket, VersioningConfiguration={"Status": "Enabled"}
        )
        yield server


@pytest.fixture(scope="session")
def offsite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A store in the place of R2, with its bucket, where no version can be deleted for a day."""
    bucket = CLOUD.cloudflare.bucket.name
    with _alone(tmp_path_factory.mktemp("offsite")) as server:
        client = server.client(server.administrator)
        client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
        client.put_object_lock_configuration(
            Bucket=bucket,
            ObjectLockConfiguration={
                "ObjectLockEnabled": "Enabled",
                "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}},
            },
        )
        yield server


def _alone(folder: Path) -> AbstractContextManager[S3Server]:
    administrator = Keys(secrets.token_hex(10).upper(), secrets.token_hex(20))
    return s3_server(folder, administrator_alone(administrator), administrator)


@pytest.fixture(scope="session")
def rclone() -> Path:
    (tool,) = ensure((RCLONE,), print)
    return tool.directory
