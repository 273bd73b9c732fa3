"""The physics of the emulated Google Cloud project."""

import base64
import json
from collections.abc import Mapping

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from inventory import LAB
from tests.twin.conftest import Connect
from tests.twin.provider_client import Known, ProviderClient, RefusedError
from tests.twin.refusals import refusal
from twin.providers import wire
from twin.providers.gcp import (
    ACCOUNT,
    ACCOUNT_KEY,
    CRYPTO_KEY,
    CRYPTO_KEY_MEMBER,
    KEY_RING,
    PROJECT_MEMBER,
    SERVICE,
    Gcp,
)
from twin.providers.kinds import Surroundings, collection_of

PROJECT = LAB.cloud.google.project
RING = f"projects/{PROJECT}/locations/us-central1/keyRings/ring"
EMAIL = f"decrypt@{PROJECT}.iam.gserviceaccount.com"


@pytest_asyncio.fixture
async def fresh(connect: Connect) -> ProviderClient:
    """A project with no API enabled."""
    client = await connect(Gcp)
    await client.configure({"project": PROJECT, "region": "us-central1"}, "gcp")
    return client


@pytest_asyncio.fixture
async def google(fresh: ProviderClient) -> ProviderClient:
    """A project with the APIs that the lab uses."""
    for service in ("cloudkms.googleapis.com", "iam.googleapis.com"):
        await fresh.create(SERVICE, service, {"service": service})
    return fresh


async def make_ring(client: ProviderClient) -> Known:
    return await client.create(KEY_RING, "ring", {"location": "us-central1", "name": "ring"})


async def make_key(client: ProviderClient, **changes: wire.Value) -> Known:
    return await client.create(
        CRYPTO_KEY, "key", {"keyRing": RING, "name": "key", "rotationPeriod": "7776000s", **changes}
    )


async def make_account(client: ProviderClient, account_id: str = "decrypt") -> Known:
    return await client.create(ACCOUNT, account_id, {"accountId": account_id})


async def test_api_must_be_enabled_first(fresh: ProviderClient) -> None:
    assert "cloudkms.googleapis.com is disabled" in await refusal(make_ring(fresh))
    assert "iam.googleapis.com is disabled" in await refusal(make_account(fresh))


async def test_foreign_project_is_refused(google: ProviderClient) -> None:
    call = google.create(KEY_RING, "r", {"location": "us-central1", "name": "r", "project": "else"})
    assert "no permission on project else" in await refusal(call)


async def test_project_must_come_from_somewhere(connect: Connect) -> None:
    client = await connect(Gcp)
    await client.configure({}, "gcp")
    assert "project: required field is not set" in await refusal(make_ring(client))


async def test_key_ring_survives_its_deletion(google: ProviderClient) -> None:
    made = await make_ring(google)
    assert made.resource_id == RING
    await google.delete(made)
    assert f"key ring with name {RING} already exists" in await refusal(make_ring(google))
    imported = await google.import_(KEY_RING, "ring", f"{PROJECT}/us-central1/ring")
    assert imported is not None
    assert imported.resource_id == RING


async def test_crypto_key_survives_its_deletion_without_a_usable_version(google: ProviderClient) -> None:
    await make_ring(google)
    made = await make_key(google)
    await google.delete(made)
    assert "409" in await refusal(make_key(google))
    left = await google.read(made)
    assert left is not None
    assert left.properties["primaries"] == [
        {"name": f"{RING}/cryptoKeys/key/cryptoKeyVersions/1", "state": "DESTROY_SCHEDULED"}
    ]
    assert "rotationPeriod" not in left.inputs


async def test_crypto_key_needs_its_ring(google: ProviderClient) -> None:
    assert f"key ring {RING} does not exist" in await refusal(make_key(google))


async def test_deletion_policy_prevents(google: ProviderClient) -> None:
    made = await google.create(ACCOUNT, "a", {"accountId": "decrypt", "deletionPolicy": "PREVENT"})
    assert "deletionPolicy PREVENT" in await refusal(google.delete(made))


@pytest.mark.parametrize(
    ("token", "inputs", "path", "reason"),
    [
        (CRYPTO_KEY, {"keyRing": RING, "rotationPeriod": "3600s"}, "rotationPeriod", "at least 86400s"),
        (CRYPTO_KEY, {"keyRing": RING, "rotationPeriod": "90d"}, "rotationPeriod", "e.g. 7776000s, not `90d`"),
        (CRYPTO_KEY, {"keyRing": "ring"}, "keyRing", "must be the id of a key ring"),
        (
            CRYPTO_KEY,
            {"keyRing": RING, "purpose": "MAC", "rotationPeriod": "90000s"},
            "rotationPeriod",
            "only a key with the purpose ENCRYPT_DECRYPT rotates",
        ),
        (
            CRYPTO_KEY,
            {"keyRing": RING, "versionTemplate": {"protectionLevel": "HSM"}},
            "versionTemplate.algorithm",
            "is",
        ),
        (KEY_RING, {"location": "x", "name": "a b"}, "name", "must be 1 to 63 letters"),
        (ACCOUNT, {"accountId": "short"}, "accountId", "must be 6 to 30"),
        (ACCOUNT, {"accountId": "trailing-"}, "accountId", "must be 6 to 30"),
        (PROJECT_MEMBER, {"project": "p", "role": "aiplatform.user", "member": "user:a"}, "role", "roles/SERVICE.ROLE"),
        (PROJECT_MEMBER, {"project": "p", "role": "roles/x", "member": "a@b"}, "member", "serviceAccount:EMAIL"),
        (SERVICE, {"service": "cloudkms"}, "service", "e.g. cloudkms.googleapis.com"),
        (ACCOUNT_KEY, {"serviceAccountId": "x", "keyAlgorithm": "KEY_ALG_RSA_1024"}, "keyAlgorithm", "2048 only"),
    ],
)
async def test_wrong_inputs_fail_at_preview(
    google: ProviderClient, token: str, inputs: Mapping[str, wire.Value], path: str, reason: str
) -> None:
    with pytest.raises(RefusedError) as caught:
        await google.preview(token, "x", inputs)
    assert any(f.startswith(f"{path}: ") and reason in f for f in caught.value.failures), caught.value.failures


async def test_account_is_unique_and_its_address_is_known_at_preview(google: ProviderClient) -> None:
    previewed = await google.preview(ACCOUNT, "a", {"accountId": "decrypt"})
    assert previewed["email"] == EMAIL
    assert previewed["uniqueId"] is wire.UNKNOWN
    made = await make_account(google)
    assert made.properties["member"] == f"serviceAccount:{EMAIL}"
    assert "already exists" in await refusal(make_account(google))
    adopted = await google.create(ACCOUNT, "b", {"accountId": "decrypt", "createIgnoreAlreadyExists": True})
    assert adopted.properties["uniqueId"] == made.properties["uniqueId"]


async def test_generated_name_is_stable(google: ProviderClient) -> None:
    first = await google.check(ACCOUNT, "decrypt", {})
    again = await google.check(ACCOUNT, "decrypt", {}, first)
    assert first == again
    assert str(first["accountId"]).startswith("decrypt-")


async def test_private_key_is_secret_usable_and_not_kept(google: ProviderClient, surroundings: Surroundings) -> None:
    account = await make_account(google)
    key = await google.create(ACCOUNT_KEY, "k", {"serviceAccountId": account.properties["name"]})
    sealed = key.properties["privateKey"]
    assert isinstance(sealed, wire.Secret)
    credentials = json.loads(base64.b64decode(str(sealed.value)))
    assert credentials["client_email"] == EMAIL
    private = load_pem_private_key(credentials["private_key"].encode(), password=None)
    assert isinstance(private, rsa.RSAPrivateKey)
    certificate = x509.load_pem_x509_certificate(base64.b64decode(str(key.properties["publicKey"])))
    public = certificate.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    assert public.public_numbers() == private.public_key().public_numbers()
    assert "PRIVATE KEY" not in json.dumps(surroundings.store.items(collection_of(ACCOUNT_KEY)))
    read = await google.read(key)
    assert read is not None
    assert read.properties["privateKey"] == sealed


async def test_key_needs_its_account(google: ProviderClient) -> None:
    call = google.create(ACCOUNT_KEY, "k", {"serviceAccountId": EMAIL})
    assert f"service account {EMAIL} does not exist" in await refusal(call)


async def test_grants_need_what_they_grant_and_to_whom(google: ProviderClient) -> None:
    await make_ring(google)
    grant = {"cryptoKeyId": f"{RING}/cryptoKeys/key", "role": "roles/x.y", "member": f"serviceAccount:{EMAIL}"}
    assert "crypto key" in await refusal(google.create(CRYPTO_KEY_MEMBER, "m", dict(grant)))
    await make_key(google)
    assert f"service account {EMAIL} does not exist" in await refusal(
        google.create(CRYPTO_KEY_MEMBER, "m", dict(grant))
    )
    account = await make_account(google)
    made = await google.create(CRYPTO_KEY_MEMBER, "m", dict(grant))
    again = await google.create(CRYPTO_KEY_MEMBER, "n", dict(grant))
    assert made.resource_id == again.resource_id
    await google.delete(account)
    assert await google.read(made) is None


async def test_service_stays_on_unless_told_otherwise(google: ProviderClient) -> None:
    kept = await google.create(SERVICE, "s", {"service": "aiplatform.googleapis.com"})
    await google.delete(kept)
    assert await google.read(kept) is not None
    switched = await google.create(SERVICE, "s", {"service": "aiplatform.googleapis.com", "disableOnDestroy": True})
    await google.delete(switched)
    assert await google.read(switched) is None


async def test_replacement_under_the_same_name_deletes_first(google: ProviderClient) -> None:
    await make_ring(google)
    made = await make_key(google)
    renamed = await google.diff(made, {"keyRing": RING, "name": "other", "rotationPeriod": "7776000s"})
    assert (list(renamed.replaces), renamed.deleteBeforeReplace) == (["name"], False)
    changed = await google.diff(made, {"keyRing": RING, "name": "key", "purpose": "MAC"})
    assert (list(changed.replaces), changed.deleteBeforeReplace) == (["purpose"], True)
    rotated = await google.diff(made, {"keyRing": RING, "name": "key", "rotationPeriod": "90000s"})
    assert (list(rotated.replaces), list(rotated.diffs)) == ([], ["rotationPeriod"])
