"""The physics of the emulated Cloudflare account."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from inventory import LAB
from tests.twin.conftest import Connect
from tests.twin.provider_client import Known, ProviderClient, RefusedError
from tests.twin.refusals import refusal
from twin.faults import Fault, FaultKind
from twin.providers import wire
from twin.providers.cloudflare import TUNNEL, TUNNEL_CONFIG, Cloudflare
from twin.providers.errors import ApiError
from twin.providers.kinds import JOURNAL, Surroundings, collection_of
from twin.providers.r2 import BUCKET, LIFECYCLE, LOCK, R2Objects, bucket_key

ACCOUNT = LAB.cloud.cloudflare.account_id
ZONE = LAB.cloud.cloudflare.zone_id
DNS = "cloudflare:index/dnsRecord:DnsRecord"
TIERED_CACHE = "cloudflare:index/tieredCache:TieredCache"
ACCOUNT_TOKEN = "cloudflare:index/accountToken:AccountToken"
KEY = bucket_key(ACCOUNT, None, "offsite")


@pytest_asyncio.fixture
async def cloudflare(connect: Connect) -> ProviderClient:
    client = await connect(Cloudflare)
    await client.configure({"apiToken": wire.Secret("token")}, "cloudflare")
    return client


def bucket(**changes: wire.Value) -> dict[str, wire.Value]:
    return {"accountId": ACCOUNT, "name": "offsite", "location": "wnam", **changes}


def lock(**condition: wire.Value) -> dict[str, wire.Value]:
    rule: dict[str, wire.Value] = {"id": "retain", "enabled": True, "condition": dict(condition)}
    return {"accountId": ACCOUNT, "bucketName": "offsite", "rules": [rule]}


def cname(**changes: wire.Value) -> dict[str, wire.Value]:
    return {
        "zoneId": ZONE, "name": f"docs.{LAB.domain}", "type": "CNAME", "ttl": 1, "proxied": True,
        "content": "x.cfargotunnel.com", **changes,
    }  # fmt: skip


async def test_bucket_name_is_unique_in_the_account(cloudflare: ProviderClient) -> None:
    made = await cloudflare.create(BUCKET, "one", bucket())
    assert made.resource_id == "offsite"
    assert made.properties["jurisdiction"] == "default"
    assert "409" in await refusal(cloudflare.create(BUCKET, "two", bucket()))
    await cloudflare.create(BUCKET, "three", bucket(jurisdiction="eu"))


async def test_bucket_of_a_foreign_account_is_refused(cloudflare: ProviderClient) -> None:
    assert "no access to account" in await refusal(cloudflare.create(BUCKET, "one", bucket(accountId="f" * 32)))


async def test_bucket_with_objects_cannot_be_deleted(cloudflare: ProviderClient, surroundings: Surroundings) -> None:
    made = await cloudflare.create(BUCKET, "one", bucket())
    objects = R2Objects(surroundings.store)
    objects.put(KEY, "a/1", size_bytes=3)
    assert "not empty (1 objects, the first is a/1)" in await refusal(cloudflare.delete(made))
    objects.delete(KEY, "a/1")
    await cloudflare.delete(made)
    assert await cloudflare.read(made) is None


async def test_lock_keeps_young_objects(cloudflare: ProviderClient, surroundings: Surroundings) -> None:
    await cloudflare.create(BUCKET, "one", bucket())
    objects = R2Objects(surroundings.store)
    objects.put(KEY, "old", size_bytes=1, uploaded=datetime.now(UTC) - timedelta(days=15))
    objects.put(KEY, "young", size_bytes=1)
    await cloudflare.create(LOCK, "lock", lock(type="Age", maxAgeSeconds=14 * 86400))
    objects.delete(KEY, "old")
    with pytest.raises(ApiError, match="locked by rule retain"):
        objects.delete(KEY, "young")
    with pytest.raises(ApiError, match="locked by rule retain"):
        objects.put(KEY, "young", size_bytes=2)
    assert objects.all(KEY) == ["young"]


async def test_rules_need_their_bucket_and_go_with_it(cloudflare: ProviderClient) -> None:
    wanted = lock(type="Indefinite")
    assert "bucket offsite does not exist" in await refusal(cloudflare.create(LOCK, "lock", wanted))
    made = await cloudflare.create(BUCKET, "one", bucket())
    rules = await cloudflare.create(LOCK, "lock", wanted)
    await cloudflare.delete(made)
    assert await cloudflare.read(rules) is None


@pytest.mark.parametrize(
    ("token", "inputs", "path", "reason"),
    [
        (BUCKET, bucket(nam="x"), "nam", "is not a property here"),
        (BUCKET, {"acountId": ACCOUNT, "name": "offsite"}, "acountId", "did you mean `accountId`?"),
        (BUCKET, {"name": "offsite"}, "accountId", "is required and missing"),
        (BUCKET, bucket(name=7), "name", "must be a string, not the number 7"),
        (BUCKET, bucket(name="Off_Site"), "name", "is no bucket name"),
        (BUCKET, bucket(location="mars"), "location", "must be one of apac"),
        (LOCK, lock(type="Agee", maxAgeSeconds=1), "rules[0].condition.type", "did you mean `Age`?"),
        (LOCK, lock(type="Age", maxAgeSecond=1), "rules[0].condition.maxAgeSecond", "did you mean `maxAgeSeconds`?"),
        (LOCK, lock(type="Age", maxAgeSeconds="14d"), "rules[0].condition.maxAgeSeconds", "must be a whole number"),
        (LOCK, lock(type="Age"), "rules[0].condition.maxAgeSeconds", "is required with type Age"),
        (DNS, cname(ttl=5), "ttl", "must be 1 (automatic) or 60 to 86400"),
        (DNS, cname(ttl=300), "ttl", "must be 1 (automatic) for a proxied record"),
        (DNS, cname(type="TXT"), "proxied", "only A, AAAA, CNAME records can be proxied"),
        (DNS, cname(type="A"), "content", "must be an address, not `x.cfargotunnel.com`"),
        (TIERED_CACHE, {"zoneId": ZONE, "value": "maybe"}, "value", "must be one of on, off"),
        (TUNNEL, {"accountId": ACCOUNT, "name": "t", "tunnelSecret": "c2hvcnQ="}, "tunnelSecret", "at least 32 bytes"),
        (ACCOUNT_TOKEN, {"accountId": ACCOUNT, "name": "t", "policies": []}, "policies", "at least one policy"),
    ],
)
async def test_wrong_inputs_fail_at_preview(
    cloudflare: ProviderClient, token: str, inputs: Mapping[str, wire.Value], path: str, reason: str
) -> None:
    with pytest.raises(RefusedError) as caught:
        await cloudflare.preview(token, "x", inputs)
    assert any(f.startswith(f"{path}: ") and reason in f for f in caught.value.failures), caught.value.failures


async def test_lifecycle_rules_have_different_ids(cloudflare: ProviderClient) -> None:
    rule: dict[str, wire.Value] = {"id": "expire", "enabled": True, "conditions": {"prefix": ""}}
    with pytest.raises(RefusedError, match=r"rules\[1\].id: `expire` is the id of an earlier rule"):
        await cloudflare.check(
            LIFECYCLE, "x", {"accountId": ACCOUNT, "bucketName": "offsite", "rules": [rule, dict(rule)]}
        )


async def test_tunnel_name_is_unique_and_the_secret_stays_secret(
    cloudflare: ProviderClient, surroundings: Surroundings
) -> None:
    secret = base64.b64encode(b"s" * 32).decode()
    inputs: dict[str, wire.Value] = {"accountId": ACCOUNT, "name": "lab", "tunnelSecret": wire.Secret(secret)}
    made = await cloudflare.create(TUNNEL, "one", inputs)
    assert made.properties["tunnelSecret"] == wire.Secret(secret)
    assert "tunnel with name lab already exists" in await refusal(cloudflare.create(TUNNEL, "two", inputs))
    read = await cloudflare.read(made)
    assert read is not None
    assert read.properties["tunnelSecret"] == wire.Secret(secret)


async def test_tunnel_with_connections_cannot_be_deleted(
    cloudflare: ProviderClient, surroundings: Surroundings
) -> None:
    made = await cloudflare.create(TUNNEL, "one", {"accountId": ACCOUNT, "name": "lab"})
    body = surroundings.store.get(collection_of(TUNNEL), made.resource_id)
    assert body is not None
    body["outputs"]["connections"] = [{"id": "1"}]
    surroundings.store.put(collection_of(TUNNEL), made.resource_id, body)
    assert "1 active connections" in await refusal(cloudflare.delete(made))


async def test_tunnel_config_needs_a_last_rule_for_every_name(cloudflare: ProviderClient) -> None:
    tunnel = await cloudflare.create(TUNNEL, "one", {"accountId": ACCOUNT, "name": "lab"})
    rule: dict[str, wire.Value] = {"hostname": "docs.example.org", "service": "http://docs"}
    base: dict[str, wire.Value] = {"accountId": ACCOUNT, "tunnelId": tunnel.resource_id}
    with pytest.raises(RefusedError, match="the last rule must match every name"):
        await cloudflare.check(TUNNEL_CONFIG, "c", {**base, "config": {"ingresses": [rule]}})
    rules: list[wire.Value] = [rule, {"service": "http_status:404"}]
    made = await cloudflare.create(TUNNEL_CONFIG, "c", {**base, "config": {"ingresses": rules}})
    changed = await cloudflare.update(made, {**base, "config": {"ingresses": rules[1:]}})
    assert (made.properties["version"], changed.properties["version"]) == (1, 2)
    previewed = await cloudflare.update(changed, {**base, "config": {"ingresses": rules}}, preview=True)
    assert previewed.properties["version"] is wire.UNKNOWN


async def test_one_cname_per_name(cloudflare: ProviderClient) -> None:
    made = await cloudflare.create(DNS, "one", cname())
    clash = await refusal(cloudflare.create(DNS, "two", cname(content="y.example.org")))
    assert f"docs.{LAB.domain} has a record of type CNAME to x.cfargotunnel.com already" in clash
    assert "no A record" in await refusal(cloudflare.create(DNS, "two", cname(type="A", content="192.0.2.1")))
    other = await cloudflare.create(DNS, "three", cname(name=f"site.{LAB.domain}"))
    assert "already" in await refusal(cloudflare.update(other, cname()))
    await cloudflare.update(made, cname(content="z.example.org"))


async def test_record_of_an_unknown_zone_is_refused(cloudflare: ProviderClient) -> None:
    assert "there is no zone" in await refusal(cloudflare.create(DNS, "one", cname(zoneId="e" * 32)))


async def test_identical_records_are_refused(cloudflare: ProviderClient) -> None:
    text = cname(type="TXT", content="v=1", proxied=False)
    await cloudflare.create(DNS, "one", text)
    await cloudflare.create(DNS, "two", {**text, "content": "v=2"})
    assert "identical record" in await refusal(cloudflare.create(DNS, "three", text))


async def test_account_token_value_is_told_once(cloudflare: ProviderClient, surroundings: Surroundings) -> None:
    policy: dict[str, wire.Value] = {"effect": "allow", "permissionGroups": [{"id": "g"}], "resources": "{}"}
    made = await cloudflare.create(ACCOUNT_TOKEN, "t", {"accountId": ACCOUNT, "name": "t", "policies": [policy]})
    # Whoever lost the value can only make another token.
    assert surroundings.store.get(JOURNAL, made.urn) is None
    assert isinstance(made.properties["value"], wire.Secret)
    read = await cloudflare.read(made)
    assert read is not None
    assert read.properties["value"] == made.properties["value"]
    imported = await cloudflare.import_(ACCOUNT_TOKEN, "t", f"{ACCOUNT}/{made.resource_id}")
    assert imported is not None
    assert "value" not in imported.properties


@pytest.mark.parametrize(
    ("token", "inputs", "import_id"),
    [
        (BUCKET, bucket(), f"{ACCOUNT}/offsite/default"),
        (DNS, cname(), f"{ZONE}/ID"),
        (TUNNEL, {"accountId": ACCOUNT, "name": "lab"}, f"{ACCOUNT}/ID"),
        (TIERED_CACHE, {"zoneId": ZONE, "value": "on"}, ZONE),
    ],
)
async def test_import_by_the_provider_s_id(
    cloudflare: ProviderClient, token: str, inputs: Mapping[str, wire.Value], import_id: str
) -> None:
    made = await cloudflare.create(token, "one", inputs)
    imported = await cloudflare.import_(token, "one", import_id.replace("ID", made.resource_id))
    assert imported is not None
    assert (imported.resource_id, imported.inputs) == (made.resource_id, made.inputs)
    assert imported.properties == made.properties


async def test_create_that_the_engine_did_not_live_to_record_is_found_by_its_urn(
    cloudflare: ProviderClient, surroundings: Surroundings
) -> None:
    made = await cloudflare.create(BUCKET, "one", bucket())
    entry = surroundings.store.get(JOURNAL, made.urn)
    assert entry is not None
    found = await cloudflare.read(Known(BUCKET, "one", entry["id"], made.inputs))
    assert found is not None
    assert (found.inputs, found.properties) == (made.inputs, made.properties)
    await cloudflare.delete(made)
    assert surroundings.store.get(JOURNAL, made.urn) is None


async def test_import_id_of_the_wrong_form_is_explained(cloudflare: ProviderClient) -> None:
    assert "account_id/bucket_name/jurisdiction" in await refusal(cloudflare.import_(BUCKET, "one", "offsite"))
    assert "has no import (asked for `offsite`)" in await refusal(cloudflare.import_(LOCK, "one", "offsite"))


async def test_rate_limit_by_fault_strikes_as_often_as_told(
    cloudflare: ProviderClient, surroundings: Surroundings
) -> None:
    surroundings.faults.set(
        Fault(kind=FaultKind.API_ERROR, target="cloudflare", operation=f"create {BUCKET}", status=429, remaining=1)
    )
    assert "cloudflare answered 429" in await refusal(cloudflare.create(BUCKET, "one", bucket()))
    assert (await cloudflare.create(BUCKET, "one", bucket())).resource_id == "offsite"


async def test_credentials_must_not_contradict_each_other(connect: Connect) -> None:
    client = await connect(Cloudflare)
    with pytest.raises(RefusedError, match="must not be given together with `apiToken`"):
        await client.configure({"apiToken": "a", "apiKey": "b", "email": "c@d.example"}, "cloudflare")
    with pytest.raises(RefusedError, match="did you mean `apiToken`"):
        await client.configure({"apiTokn": "a"}, "cloudflare")


async def test_what_is_not_emulated_says_so(cloudflare: ProviderClient) -> None:
    answer = await refusal(cloudflare.create("cloudflare:index/worker:Worker", "w", {}))
    assert "the twin does not emulate cloudflare:index/worker:Worker; of cloudflare it has" in answer
