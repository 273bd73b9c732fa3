# ruff: noqa: S105 - a type token is no password
"""Stand-in of the `cloudflare` provider: R2, tunnel, DNS, cache and account tokens of the lab's one account."""

import base64
import binascii
import secrets
import uuid
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any, Final

from twin.providers.errors import ApiError, not_found
from twin.providers.inputs import Violation
from twin.providers.kinds import (
    Call,
    Created,
    ResourceKind,
    State,
    StoredKind,
    Surroundings,
    collection_of,
    now,
    stored,
)
from twin.providers.r2 import R2Bucket, R2BucketLifecycle, R2BucketLock, refuse_foreign_account
from twin.providers.stand_in import StandIn

TUNNEL: Final = "cloudflare:index/zeroTrustTunnelCloudflared:ZeroTrustTunnelCloudflared"
TUNNEL_CONFIG: Final = "cloudflare:index/zeroTrustTunnelCloudflaredConfig:ZeroTrustTunnelCloudflaredConfig"
MINIMUM_TUNNEL_SECRET_BYTES: Final = 32
AUTOMATIC_TTL: Final = 1
SHORTEST_TTL: Final = 60
LONGEST_TTL: Final = 86400
HOST_TYPES: Final = frozenset({"A", "AAAA", "CNAME"})
"""Record types of which a CNAME shares its name with none."""
LONGEST_COMMENT: Final = 100


class Tunnel(StoredKind):
    """A tunnel: its name is unique in the account, and it can be removed only when nothing is connected to it."""

    token = TUNNEL
    noun = "tunnel"
    replace_on = frozenset({"accountId", "configSrc"})
    secret_outputs = frozenset({"tunnelSecret"})
    told_once = frozenset({"tunnelSecret"})

    def claim(self, properties: State) -> str | None:
        """The name."""
        return f"name {properties['name']}"

    def completed(self, inputs: State, configuration: Mapping[str, Any]) -> State:
        """Configured on the origin machine unless told otherwise."""
        del configuration
        return {"configSrc": inputs.get("configSrc", "local")}

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """The secret is base64 of at least 32 bytes."""
        del configuration
        secret = inputs.get("tunnelSecret")
        if secret is not None and not _is_tunnel_secret(secret):
            yield Violation("tunnelSecret", f"must be base64 of at least {MINIMUM_TUNNEL_SECRET_BYTES} bytes")

    def import_target(self, import_id: str) -> tuple[str, State]:
        """`account/tunnel`."""
        account, tunnel = _two_parts(import_id, "account_id/tunnel_id")
        return tunnel, {"accountId": account}

    def made(self, call: Call) -> Created:
        """Nothing is connected at first."""
        refuse_foreign_account(self, call.inputs["accountId"])
        completed = self.completed(call.inputs, call.configuration)
        outputs: State = {
            **completed,
            "accountTag": call.inputs["accountId"],
            "connections": [],
            "createdAt": now(),
            "metadata": "{}",
            "remoteConfig": completed["configSrc"] == "cloudflare",
            "status": "inactive",
            "tunType": "cfd_tunnel",
        }
        return Created(str(uuid.uuid4()), outputs)

    def removed(self, resource_id: str, current: State) -> bool:
        """Its configuration goes with it."""
        if current.get("connections"):
            raise ApiError(
                HTTPStatus.BAD_REQUEST,
                f"tunnel {current['name']} has {len(current['connections'])} active connections; stop cloudflared",
            )
        self.store.delete(collection_of(TUNNEL_CONFIG), resource_id)
        return True


class TunnelConfig(StoredKind):
    """Which names a tunnel serves from where; a tunnel has exactly one configuration, which a PUT replaces."""

    token = TUNNEL_CONFIG
    noun = "configuration of tunnel"
    overwrites = True
    replace_on = frozenset({"accountId", "tunnelId"})
    renewed_on_update = frozenset({"version"})

    def claim(self, properties: State) -> str | None:
        """The tunnel."""
        return f"tunnel {properties['tunnelId']}"

    def completed(self, inputs: State, configuration: Mapping[str, Any]) -> State:
        """Configured at Cloudflare unless told otherwise."""
        del configuration
        return {"source": inputs.get("source", "cloudflare")}

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """The last rule, and no other, matches every name."""
        del configuration
        rules = (inputs.get("config") or {}).get("ingresses") or []
        for index, rule in enumerate(rules):
            matches_all = not rule.get("hostname") and not rule.get("path")
            last = index == len(rules) - 1
            if last and not matches_all:
                yield Violation(
                    f"config.ingresses[{index}]", "the last rule must match every name: no hostname, no path"
                )
            if matches_all and not last:
                yield Violation(f"config.ingresses[{index}]", "matches every name, so the rules after it never do")

    def import_target(self, import_id: str) -> tuple[str, State]:
        """`account/tunnel`."""
        account, tunnel = _two_parts(import_id, "account_id/tunnel_id")
        return tunnel, {"accountId": account, "tunnelId": tunnel}

    def made(self, call: Call) -> Created:
        """For a tunnel that exists and is configured at Cloudflare."""
        tunnel = self.store.get(collection_of(TUNNEL), call.inputs["tunnelId"])
        if tunnel is None:
            raise not_found(f"tunnel {call.inputs['tunnelId']}")
        completed = self.completed(call.inputs, call.configuration)
        return Created(call.inputs["tunnelId"], {**completed, "createdAt": now(), "version": 1})

    def changed(self, resource_id: str, call: Call, current: State) -> State:
        """Each change is a new version."""
        del resource_id
        return {**self.completed(call.inputs, call.configuration), "version": current["version"] + 1}


class _ZoneKind(StoredKind):
    """Something of the lab's zone."""

    def zone_name(self, zone_id: str) -> str:
        """The zone's domain; ApiError when the token knows no such zone."""
        lab = self.world.lab
        if zone_id != lab.cloud.cloudflare.zone_id:
            known = lab.cloud.cloudflare.zone_id
            raise ApiError(HTTPStatus.NOT_FOUND, f"there is no zone {zone_id}; the lab's is {known} ({lab.domain})")
        return lab.domain


class DnsRecord(_ZoneKind):
    """A record. A CNAME shares its name with no other CNAME, A or AAAA; no record exists twice."""

    token = "cloudflare:index/dnsRecord:DnsRecord"
    noun = "DNS record"
    replace_on = frozenset({"zoneId"})
    renewed_on_update = frozenset({"modifiedOn"})

    def completed(self, inputs: State, configuration: Mapping[str, Any]) -> State:
        """Not proxied unless told otherwise."""
        del configuration
        return {"proxied": inputs.get("proxied", False)}

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """What a single record must look like."""
        del configuration
        ttl, kind = inputs.get("ttl"), inputs.get("type")
        if ttl is not None and ttl != AUTOMATIC_TTL and not SHORTEST_TTL <= ttl <= LONGEST_TTL:
            yield Violation("ttl", f"must be 1 (automatic) or {SHORTEST_TTL} to {LONGEST_TTL} seconds, not {ttl}")
        if inputs.get("proxied"):
            if ttl not in (None, AUTOMATIC_TTL):
                yield Violation("ttl", "must be 1 (automatic) for a proxied record")
            if kind is not None and kind not in HOST_TYPES:
                yield Violation("proxied", f"only {', '.join(sorted(HOST_TYPES))} records can be proxied, not {kind}")
        if kind in ("A", "AAAA") and "content" in inputs and not _is_address(kind, inputs["content"]):
            yield Violation("content", f"of a record of type {kind} must be an address, not `{inputs['content']}`")
        if len(inputs.get("comment") or "") > LONGEST_COMMENT:
            yield Violation("comment", f"must not be longer than {LONGEST_COMMENT} characters")

    def import_target(self, import_id: str) -> tuple[str, State]:
        """`zone/record`."""
        zone, record = _two_parts(import_id, "zone_id/dns_record_id")
        return record, {"zoneId": zone}

    def made(self, call: Call) -> Created:
        """With a random id; a name without the zone gets it appended, as the API does."""
        name = self._full_name(call.inputs)
        self._refuse_clash(call.inputs, name, other_than="")
        moment = now()
        outputs = {
            **self.completed(call.inputs, call.configuration),
            "name": name, "createdOn": moment, "modifiedOn": moment, "meta": "{}",
            "proxiable": call.inputs["type"] in HOST_TYPES,
        }  # fmt: skip
        return Created(secrets.token_hex(16), outputs)

    def changed(self, resource_id: str, call: Call, current: State) -> State:
        """Checked like a new one."""
        del current
        name = self._full_name(call.inputs)
        self._refuse_clash(call.inputs, name, other_than=resource_id)
        return {**self.completed(call.inputs, call.configuration), "name": name, "modifiedOn": now()}

    def _full_name(self, inputs: State) -> str:
        zone = self.zone_name(inputs["zoneId"])
        name: str = inputs["name"].rstrip(".").lower()
        if name == "@":
            return zone
        return name if name == zone or name.endswith(f".{zone}") else f"{name}.{zone}"

    def _refuse_clash(self, inputs: State, name: str, other_than: str) -> None:
        for record in stored(self.store, self.token):
            if record["id"] == other_than or record["name"] != name:
                continue
            kinds = {inputs["type"], record["type"]}
            if "CNAME" in kinds and kinds <= HOST_TYPES:
                raise ApiError(
                    HTTPStatus.BAD_REQUEST,
                    f"{name} has a record of type {record['type']} to {record.get('content')} already; "
                    f"no {inputs['type']} record can have the same name",
                )
            if len(kinds) == 1 and record.get("content") == inputs.get("content"):
                raise ApiError(HTTPStatus.BAD_REQUEST, f"an identical record of {name} exists already")


class _ZoneSetting(_ZoneKind):
    """A setting that every zone has; a create only sets it, a delete sets it back."""

    overwrites = True
    replace_on = frozenset({"zoneId"})
    renewed_on_update = frozenset({"modifiedOn"})

    def claim(self, properties: State) -> str | None:
        """The zone."""
        return f"zone {properties['zoneId']}"

    def import_target(self, import_id: str) -> tuple[str, State]:
        """The zone."""
        return import_id, {"zoneId": import_id}

    def made(self, call: Call) -> Created:
        """The id is the zone's."""
        self.zone_name(call.inputs["zoneId"])
        return Created(call.inputs["zoneId"], {"editable": True, "modifiedOn": now()})

    def changed(self, resource_id: str, call: Call, current: State) -> State:
        """Set at this moment."""
        del resource_id, call, current
        return {"modifiedOn": now()}


class TieredCache(_ZoneSetting):
    """Smart tiered cache."""

    token = "cloudflare:index/tieredCache:TieredCache"
    noun = "tiered cache of zone"


class ArgoTieredCaching(_ZoneSetting):
    """Argo tiered caching."""

    token = "cloudflare:index/argoTieredCaching:ArgoTieredCaching"
    noun = "Argo tiered caching of zone"


class AccountToken(StoredKind):
    """An API token of the account; its value is told once."""

    token = "cloudflare:index/accountToken:AccountToken"
    noun = "account token"
    replace_on = frozenset({"accountId"})
    secret_outputs = frozenset({"value"})
    told_once = frozenset({"value"})

    def completed(self, inputs: State, configuration: Mapping[str, Any]) -> State:
        """Active unless told otherwise."""
        del configuration
        return {"status": inputs.get("status", "active")}

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """A token without a policy can do nothing, so there is none."""
        del configuration
        if inputs.get("policies") == []:
            yield Violation("policies", "must hold at least one policy")

    def import_target(self, import_id: str) -> tuple[str, State]:
        """`account/token`."""
        account, token = _two_parts(import_id, "account_id/token_id")
        return token, {"accountId": account}

    def made(self, call: Call) -> Created:
        """A value of the API's form, that opens nothing."""
        refuse_foreign_account(self, call.inputs["accountId"])
        moment = now()
        outputs = {
            **self.completed(call.inputs, call.configuration),
            "issuedOn": moment, "modifiedOn": moment, "value": secrets.token_urlsafe(30),
        }  # fmt: skip
        return Created(secrets.token_hex(16), outputs)


class Cloudflare(StandIn):
    """The `cloudflare` provider."""

    name = "cloudflare"
    sdk = "pulumi_cloudflare"

    def kinds(self, surroundings: Surroundings) -> Iterable[ResourceKind]:
        """What the lab uses of Cloudflare."""
        kinds = (
            R2Bucket, R2BucketLock, R2BucketLifecycle, Tunnel, TunnelConfig, DnsRecord, TieredCache,
            ArgoTieredCaching, AccountToken,
        )  # fmt: skip
        return [kind(surroundings) for kind in kinds]

    def configuration_violations(self, configuration: State) -> Iterable[Violation]:
        """One kind of credentials at most. None at all: the real plugin has them in its environment."""
        given = [name for name in ("apiToken", "apiKey", "apiUserServiceKey") if configuration.get(name)]
        if len(given) > 1:
            yield Violation(given[1], f"must not be given together with `{given[0]}`")
        if configuration.get("apiKey") and not configuration.get("email"):
            yield Violation("email", "is required with `apiKey`")


def _two_parts(import_id: str, form: str) -> tuple[str, str]:
    parts = import_id.split("/")
    if len(parts) != 2 or not all(parts):
        raise ApiError(HTTPStatus.BAD_REQUEST, f"the import id must have the form {form}, not `{import_id}`")
    return parts[0], parts[1]


def _is_tunnel_secret(secret: str) -> bool:
    try:
        return len(base64.b64decode(secret, validate=True)) >= MINIMUM_TUNNEL_SECRET_BYTES
    except binascii.Error:
        return False


def _is_address(kind: str, content: str) -> bool:
    try:
        IPv4Address(content) if kind == "A" else IPv6Address(content)
    except AddressValueError:
        return False
    return True
