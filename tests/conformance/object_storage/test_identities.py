"""The S3 configuration of the cluster's store in a real SeaweedFS: each user may do what it was given, and no more."""

from collections.abc import Mapping
from typing import Any

import pytest

from inventory.buckets import HOT_BUCKETS, HOT_USERS
from model.object_storage import Verb
from tests.conformance.object_storage.stores import Keys, S3Server, code

USERS = [user for user in HOT_USERS if not user.administrator]
BUCKETS = [bucket.name for bucket in HOT_BUCKETS]
DENIED, OK = "AccessDenied", "OK"


@pytest.fixture(params=USERS, ids=lambda user: user.name)
def user(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=BUCKETS)
def bucket(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def there(hot: S3Server, bucket: str) -> str:
    """An object that is in the bucket."""
    hot.client(hot.administrator).put_object(Bucket=bucket, Key="there", Body=b"1")
    return "there"


def expected(allowed: bool) -> str:
    return OK if allowed else DENIED


def test_a_user_may_do_with_a_bucket_what_it_was_given(
    hot: S3Server, keys: Mapping[str, Keys], user: Any, bucket: str, there: str
):
    client = hot.client(keys[user.name])
    assert code(client.get_object, Bucket=bucket, Key=there) == expected(user.may(Verb.READ, bucket))
    assert code(client.list_objects_v2, Bucket=bucket) == expected(user.may(Verb.LIST, bucket))
    writes = expected(user.may(Verb.WRITE, bucket))
    assert code(client.put_object, Bucket=bucket, Key=f"of-{user.name}", Body=b"1") == writes
    assert code(client.create_multipart_upload, Bucket=bucket, Key=f"parts-of-{user.name}") == writes
    assert code(client.delete_object, Bucket=bucket, Key=there) == writes


def test_nobody_but_the_administrator_makes_or_removes_buckets(
    hot: S3Server, keys: Mapping[str, Keys], user: Any, bucket: str
):
    client = hot.client(keys[user.name])
    assert code(client.create_bucket, Bucket=f"new-of-{user.name}") == DENIED
    assert code(client.delete_bucket, Bucket=bucket) == DENIED
    assert code(client.put_bucket_policy, Bucket=bucket, Policy="{}") == DENIED
    assert code(client.put_bucket_acl, Bucket=bucket, ACL="public-read") == DENIED


def test_a_user_sees_only_its_own_buckets(hot: S3Server, keys: Mapping[str, Keys], user: Any):
    listed = {one["Name"] for one in hot.client(keys[user.name]).list_buckets()["Buckets"]}
    assert listed == {grant.bucket for grant in user.grants}


def test_nothing_is_copied_out_of_another_bucket(hot: S3Server, keys: Mapping[str, Keys], user: Any):
    own = user.grants[0].bucket
    other = next(name for name in BUCKETS if not user.may(Verb.READ, name))
    hot.client(hot.administrator).put_object(Bucket=other, Key="theirs", Body=b"1")
    source = {"Bucket": other, "Key": "theirs"}
    assert code(hot.client(keys[user.name]).copy_object, Bucket=own, Key="taken", CopySource=source) == DENIED


def test_strangers_are_refused(hot: S3Server, keys: Mapping[str, Keys], bucket: str, there: str):
    anonymous = hot.client(None)
    assert code(anonymous.get_object, Bucket=bucket, Key=there) == DENIED
    assert code(anonymous.list_objects_v2, Bucket=bucket) == DENIED
    assert code(anonymous.put_object, Bucket=bucket, Key="stranger", Body=b"1") == DENIED
    wrong = hot.client(Keys(keys["k8up"].access, "not the key"))
    assert code(wrong.get_object, Bucket=bucket, Key=there) == "SignatureDoesNotMatch"
    unknown = hot.client(Keys("NOBODY", "not the key"))
    assert code(unknown.get_object, Bucket=bucket, Key=there) == "InvalidAccessKeyId"


def test_every_bucket_of_backups_has_one_program_that_writes_it(hot: S3Server):
    writers = {name: [user.name for user in USERS if user.may(Verb.WRITE, name)] for name in BUCKETS}
    assert writers == {
        "argo-artifacts": ["argo"],
        "loki-data": ["loki"],
        "tofu-state": [],
        "cnpg-backups": ["cnpg", "filler"],
        "k8up-backups": ["k8up", "filler"],
    }
