"""The policies of the cold store's users, judged by a real S3 server that evaluates IAM policies action by action."""

from collections.abc import Mapping

import pytest

from inventory.buckets import COLD
from model.object_storage import S3User, Verb, policy
from tests.conformance.object_storage.stores import Keys, S3Server, code

DENIED, OK = "AccessDenied", "OK"


@pytest.fixture(scope="module")
def users(cold: S3Server) -> Mapping[str, Keys]:
    cold.make("elsewhere")
    return {user.name: cold.add_user(user.name, policy(user)) for user in COLD.users}


@pytest.mark.parametrize("user", COLD.users, ids=lambda user: user.name)
def test_a_user_of_the_cold_store_may_do_what_it_was_given(cold: S3Server, users: Mapping[str, Keys], user: S3User):
    client, administrator = cold.client(users[user.name]), cold.client(cold.administrator)
    bucket = COLD.bucket
    administrator.put_object(Bucket=bucket, Key="there", Body=b"1")
    adds = OK if user.may(Verb.ADD, bucket) else DENIED
    assert code(client.get_object, Bucket=bucket, Key="there") == OK
    assert code(client.list_objects_v2, Bucket=bucket) == OK
    assert code(client.put_object, Bucket=bucket, Key=f"of-{user.name}", Body=b"1") == adds
    assert code(client.create_multipart_upload, Bucket=bucket, Key=f"parts-of-{user.name}") == adds


@pytest.mark.parametrize("user", COLD.users, ids=lambda user: user.name)
def test_no_user_of_the_cold_store_takes_anything_away(cold: S3Server, users: Mapping[str, Keys], user: S3User):
    client, administrator = cold.client(users[user.name]), cold.client(cold.administrator)
    bucket = COLD.bucket
    administrator.put_object(Bucket=bucket, Key="kept", Body=b"1")
    assert code(client.delete_object, Bucket=bucket, Key="kept") == DENIED
    assert code(client.delete_bucket, Bucket=bucket) == DENIED
    assert code(client.create_bucket, Bucket=f"new-of-{user.name}") == DENIED
    assert code(client.put_bucket_versioning, Bucket=bucket, VersioningConfiguration={"Status": "Suspended"}) == DENIED
    lifecycle = client.put_bucket_lifecycle_configuration
    assert code(lifecycle, Bucket=bucket, LifecycleConfiguration={"Rules": []}) == DENIED
    assert code(administrator.get_object, Bucket=bucket, Key="kept") == OK


@pytest.mark.parametrize("user", COLD.users, ids=lambda user: user.name)
def test_no_user_of_the_cold_store_reaches_another_bucket(cold: S3Server, users: Mapping[str, Keys], user: S3User):
    client = cold.client(users[user.name])
    cold.client(cold.administrator).put_object(Bucket="elsewhere", Key="there", Body=b"1")
    assert code(client.get_object, Bucket="elsewhere", Key="there") == DENIED
    assert code(client.list_objects_v2, Bucket="elsewhere") == DENIED
    assert code(client.put_object, Bucket="elsewhere", Key="mine", Body=b"1") == DENIED


def test_a_policy_that_is_too_wide_is_seen(cold: S3Server):
    """The server judges by the policy: with one more action the same call goes through."""
    writer = COLD.users[0]
    wide = policy(writer)
    wide["Statement"] = [
        {"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::seaweedfs", "arn:aws:s3:::seaweedfs/*"]}
    ]
    keys = cold.add_user("wide", wide)
    cold.client(cold.administrator).put_object(Bucket=COLD.bucket, Key="lost", Body=b"1")
    assert code(cold.client(keys).delete_object, Bucket=COLD.bucket, Key="lost") == OK
