"""Cloudflare R2: buckets, their lock and lifecycle rules, and the objects in them."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from re import compile as regular_expression
from typing import Any, Final

from twin.providers.errors import ApiError, not_found
from twin.providers.inputs import Violation
from twin.providers.kinds import Call, Created, State, StoredKind, collection_of, now
from twin.store import Collection, Store

OBJECTS: Final = Collection("cloudflare/r2-objects")
"""Key: `account/jurisdiction/bucket/object`."""

DEFAULT_JURISDICTION: Final = "default"
BUCKET_NAME: Final = regular_expression(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
BUCKET: Final = "cloudflare:index/r2Bucket:R2Bucket"
LOCK: Final = "cloudflare:index/r2BucketLock:R2BucketLock"
LIFECYCLE: Final = "cloudflare:index/r2BucketLifecycle:R2BucketLifecycle"


def bucket_key(account: str, jurisdiction: str | None, name: str) -> str:
    """What a bucket is known by: each jurisdiction of an account has its own names."""
    return f"{account}/{jurisdiction or DEFAULT_JURISDICTION}/{name}"


class R2Objects:
    """The objects, as far as they matter: that they are there, how old they are, and what keeps them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, bucket: str, key: str, *, size_bytes: int, uploaded: datetime | None = None) -> None:
        """Upload an object; `bucket` is a `bucket_key`. ApiError without the bucket, or when a lock keeps the old."""
        with self._store.transaction():
            if self._store.get(collection_of(BUCKET), bucket) is None:
                raise not_found(f"bucket {bucket}")
            if self._store.get(OBJECTS, f"{bucket}/{key}") is not None:
                self._refuse_locked(bucket, key)
            moment = uploaded or datetime.now(UTC)
            self._store.put(OBJECTS, f"{bucket}/{key}", {"size_bytes": size_bytes, "uploaded": moment.isoformat()})

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object; ApiError when a lock keeps it. What is not there is no error."""
        with self._store.transaction():
            if self._store.get(OBJECTS, f"{bucket}/{key}") is not None:
                self._refuse_locked(bucket, key)
                self._store.delete(OBJECTS, f"{bucket}/{key}")

    def all(self, bucket: str) -> list[str]:
        """Keys of the objects in the bucket."""
        return [key.removeprefix(f"{bucket}/") for key, _ in self._store.items(OBJECTS) if key.startswith(f"{bucket}/")]

    def _refuse_locked(self, bucket: str, key: str) -> None:
        lock = self._store.get(collection_of(LOCK), bucket)
        body = self._store.get(OBJECTS, f"{bucket}/{key}")
        if lock is None or body is None:
            return
        uploaded = datetime.fromisoformat(body["uploaded"])
        for rule in lock["inputs"].get("rules") or ():
            if rule["enabled"] and key.startswith(rule.get("prefix") or "") and _keeps(rule["condition"], uploaded):
                raise ApiError(HTTPStatus.FORBIDDEN, f"object {key} of bucket {bucket} is locked by rule {rule['id']}")


class R2Bucket(StoredKind):
    """A bucket: its name is unique in the account, and it can be removed only when it is empty."""

    token = BUCKET
    noun = "bucket"
    replace_on = frozenset({"accountId", "name", "jurisdiction", "location"})

    def key(self, resource_id: str, properties: State) -> str:
        """Account, jurisdiction and name: the id is the name alone."""
        return bucket_key(
            properties["accountId"], properties.get("jurisdiction"), properties.get("name") or resource_id
        )

    def claim(self, properties: State) -> str | None:
        """The name."""
        return f"name {self.key('', {'name': properties['name'], **properties})}"

    def completed(self, inputs: State, configuration: Mapping[str, Any]) -> State:
        """Default jurisdiction and storage class."""
        del configuration
        jurisdiction = inputs.get("jurisdiction", DEFAULT_JURISDICTION)
        return {"jurisdiction": jurisdiction, "storageClass": inputs.get("storageClass", "Standard")}

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """The rules of bucket names."""
        del configuration
        name = inputs.get("name")
        if name is not None and not BUCKET_NAME.fullmatch(name):
            yield Violation(
                "name", f"`{name}` is no bucket name: 3 to 63 of a-z, 0-9 and hyphens, no hyphen at either end"
            )

    def import_target(self, import_id: str) -> tuple[str, State]:
        """`account/name/jurisdiction`."""
        parts = import_id.split("/")
        if len(parts) != 3:
            raise ApiError(400, f"the import id of a bucket is account_id/bucket_name/jurisdiction, not `{import_id}`")
        return parts[1], {"accountId": parts[0], "name": parts[1], "jurisdiction": parts[2]}

    def made(self, call: Call) -> Created:
        """In the account of this lab only."""
        refuse_foreign_account(self, call.inputs["accountId"])
        location = call.inputs.get("location", "wnam")
        completed = self.completed(call.inputs, call.configuration)
        return Created(call.inputs["name"], {**completed, "creationDate": now(), "location": location})

    def removed(self, resource_id: str, current: State) -> bool:
        """Only when it is empty; its rules go with it."""
        key = self.key(resource_id, current)
        objects = R2Objects(self.store).all(key)
        if objects:
            raise ApiError(
                HTTPStatus.CONFLICT,
                f"bucket {current['name']} is not empty ({len(objects)} objects, the first is {objects[0]})",
            )
        for rules in (LOCK, LIFECYCLE):
            self.store.delete(collection_of(rules), key)
        return True


class _BucketRules(StoredKind):
    """A set of rules of one bucket; the API has exactly one set, which a PUT replaces."""

    overwrites = True
    replace_on = frozenset({"accountId", "bucketName", "jurisdiction"})

    def key(self, resource_id: str, properties: State) -> str:
        """The bucket's."""
        bucket = properties.get("bucketName") or resource_id
        return bucket_key(properties["accountId"], properties.get("jurisdiction"), bucket)

    def claim(self, properties: State) -> str | None:
        """The bucket."""
        return f"bucket {self.key('', {'bucketName': properties['bucketName'], **properties})}"

    def completed(self, inputs: State, configuration: Mapping[str, Any]) -> State:
        """Default jurisdiction."""
        del configuration
        return {"jurisdiction": inputs.get("jurisdiction", DEFAULT_JURISDICTION)}

    def made(self, call: Call) -> Created:
        """For a bucket that exists."""
        if self.store.get(collection_of(BUCKET), self.key("", call.inputs)) is None:
            raise not_found(f"bucket {call.inputs['bucketName']}")
        return Created(call.inputs["bucketName"], self.completed(call.inputs, call.configuration))


class R2BucketLock(_BucketRules):
    """Until when objects can be neither deleted nor overwritten."""

    token = LOCK
    noun = "lock of bucket"

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """Every condition says when it ends; rules have different ids."""
        del configuration
        rules = inputs.get("rules", [])
        yield from _same_ids(rules)
        for index, rule in enumerate(rules):
            yield from _condition(rule.get("condition") or {}, f"rules[{index}].condition", "maxAgeSeconds")


class R2BucketLifecycle(_BucketRules):
    """When objects are deleted or moved to another storage class. The twin keeps the rules; it does not apply them."""

    token = LIFECYCLE
    noun = "lifecycle of bucket"

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """Every condition says when it holds; rules have different ids."""
        del configuration
        rules = inputs.get("rules", [])
        yield from _same_ids(rules)
        for index, rule in enumerate(rules):
            for transition in ("deleteObjectsTransition", "abortMultipartUploadsTransition"):
                condition = (rule.get(transition) or {}).get("condition")
                if condition is not None:
                    yield from _condition(condition, f"rules[{index}].{transition}.condition", "maxAge")


def refuse_foreign_account(kind: StoredKind, account_id: str) -> None:
    """ApiError when the token of this lab has no access to the account."""
    known = kind.world.lab.cloud.cloudflare.account_id
    if account_id != known:
        raise ApiError(HTTPStatus.FORBIDDEN, f"the token has no access to account {account_id}; the lab's is {known}")


def _same_ids(rules: list[dict[str, Any]]) -> Iterable[Violation]:
    seen: set[str] = set()
    for index, rule in enumerate(rules):
        identifier = rule.get("id")
        if identifier in seen:
            yield Violation(f"rules[{index}].id", f"`{identifier}` is the id of an earlier rule, too")
        if isinstance(identifier, str):
            seen.add(identifier)


def _condition(condition: dict[str, Any], path: str, age: str) -> Iterable[Violation]:
    needed = {"age": age, "date": "date"}.get(str(condition.get("type", "")).lower())
    if needed is not None and condition.get(needed) is None:
        yield Violation(f"{path}.{needed}", f"is required with type {condition['type']}")


def _keeps(condition: dict[str, Any], uploaded: datetime) -> bool:
    match condition["type"].lower():
        case "age":
            return (datetime.now(UTC) - uploaded).total_seconds() < condition["maxAgeSeconds"]
        case "date":
            until = datetime.fromisoformat(condition["date"])
            return datetime.now(UTC) < (until if until.tzinfo else until.replace(tzinfo=UTC))
        case _:
            return True
