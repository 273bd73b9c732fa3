"""bank-vaults: a Vault is unsealed and configured; and who may read or write what in it, by its own configuration."""

import asyncio
import re
import secrets
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from twin.kubernetes.api import Object
from twin.operators.certificate_making import AUTHORITY_LIFETIME, Request, make_authority, make_certificate
from twin.operators.cluster import (
    NAMESPACE,
    SECRET,
    SERVICE,
    STATEFUL_SET,
    Cluster,
    Kind,
    NotReadyError,
    Operator,
    now,
    owned,
)
from twin.operators.controller import Controller
from twin.operators.pods import stateful_set_ready
from twin.store import Collection

BANK_VAULTS: Final = Operator("bank-vaults")

VAULT: Final = Kind("vault.banzaicloud.com/v1alpha1", "Vault")
PORT: Final = 8200
SHARES: Final = 5
READY: Final = "Healthy"

FILLED: Final = Collection("vault/filled")
"""Key: cluster and uid of the Vault; body: when secrets of the lab were written into it, and at which paths.

No secret is kept.
"""

_RULE: Final = re.compile(r'path\s+"([^"]+)"\s*\{([^}]*)\}')
_CAPABILITIES: Final = re.compile(r"capabilities\s*=\s*\[([^\]]*)\]")


class Vaults(Controller):
    """Runs Vault: its pods, its Service, and the Secret with the unseal keys."""

    operator = BANK_VAULTS
    kind = VAULT

    async def reconcile(self, found: Object) -> None:
        """Ready when its pods are."""
        name, namespace = found["metadata"]["name"], found["metadata"]["namespace"]
        size = found["spec"].get("size", 1)
        refuse_configuration(found)
        tls = found["spec"].get("existingTlsSecretName") or f"{name}-tls"
        if await self.cluster.find(SECRET, namespace, tls) is None:
            await self.cluster.create(BANK_VAULTS, owned(found, await _tls(namespace, name, tls)))
        await self._distribute_authority(found, namespace, tls)
        await self.cluster.apply(BANK_VAULTS, owned(found, _service(found)))
        await self.cluster.apply(BANK_VAULTS, owned(found, _stateful_set(found)))
        await stateful_set_ready(self.cluster, namespace, name)
        unseal = unseal_secret(found)
        if await self.cluster.find(SECRET, namespace, unseal) is None:
            # Whoever deletes it locks a real Vault out; here as there it is made with the Vault only.
            await self.cluster.create(BANK_VAULTS, _keys(namespace, unseal))
        nodes = [f"{name}-{index}" for index in range(size)]
        healthy = [{"type": READY, "status": "True"}]
        await self.cluster.set_status(found, {"nodes": nodes, "leader": nodes[0], "conditions": healthy})

    async def _distribute_authority(self, found: Object, namespace: str, tls: str) -> None:
        """Copy what clients check the server against into the namespaces that are to have it; `*` is all."""
        wanted = found["spec"].get("caNamespaces") or []
        made = await self.cluster.find(SECRET, namespace, tls)
        if made is None or not wanted:
            return
        there = [one["metadata"]["name"] for one in await self.cluster.all(NAMESPACE)]
        for target in there:
            if target != namespace and (target in wanted or "*" in wanted):
                await self.cluster.create(
                    BANK_VAULTS,
                    {
                        "apiVersion": SECRET.api_version,
                        "kind": SECRET.kind,
                        "metadata": {"name": tls, "namespace": target},
                        "type": "Opaque",
                        "data": {"ca.crt": made["data"]["ca.crt"]},
                    },
                )

    async def refuse(self, found: Object, problem: NotReadyError) -> None:
        """Not healthy, and why."""
        healthy = [{"type": READY, "status": "False", "error": problem.message}]
        await self.cluster.set_status(found, {"nodes": [], "leader": "", "conditions": healthy})
        await self.tell(found, problem.reason, problem.message)


@dataclass(frozen=True)
class Role:
    """A role of the auth method `kubernetes`."""

    name: str
    accounts: tuple[str, ...]
    namespaces: tuple[str, ...]
    policies: tuple[str, ...]

    def admits(self, namespace: str, account: str) -> bool:
        """Whether the service account can log in as this role."""
        return _any(self.accounts, account) and _any(self.namespaces, namespace)


class VaultContents:
    """What is in the Vaults of one cluster: the lab's secrets, as they were when they were written into it."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._copies: dict[str, Mapping[str, Mapping[str, str]]] = {}

    async def at(self, server: str, default_namespace: str) -> Object:
        """The Vault that answers at the address; NotReadyError when none does, or it is sealed."""
        host = server.partition("://")[2].partition(":")[0].partition("/")[0]
        name, _, rest = host.partition(".")
        namespace = rest.partition(".")[0] or default_namespace
        found = await self._cluster.find(VAULT, namespace, name)
        if found is None:
            message = f"unable to validate store: {server}: no such host (no Vault {namespace}/{name})"
            raise NotReadyError("InvalidProviderConfig", message)
        if not is_healthy(found):
            raise NotReadyError(
                "InvalidProviderConfig", f"unable to validate store: {server}: Vault {namespace}/{name} is not ready"
            )
        return found

    def fill(self, vault: Object, paths: Sequence[str]) -> None:
        """Write the lab's secrets at the paths, as the sync workflow does; others stay as they were."""
        key = self._key(vault)
        before = self._cluster.around.store.get(FILLED, key) or {"paths": []}
        read = self._cluster.around.secrets()
        self._copies[key] = {**self._copies.get(key, {}), **{path: read[path] for path in paths if path in read}}
        self._cluster.around.store.put(FILLED, key, {"at": now(), "paths": sorted({*before["paths"], *paths})})

    def read(self, vault: Object, path: str) -> Mapping[str, str] | None:
        """Properties at the path below the engine, e.g. `core/lldap`; None when there is nothing."""
        key = self._key(vault)
        if key not in self._copies:
            filled = self._cluster.around.store.get(FILLED, key)
            if filled is None:
                return None
            # The twin was started anew: its memory of the contents is gone, the Vault's volume is not.
            secrets_now = self._cluster.around.secrets()
            self._copies[key] = {name: secrets_now[name] for name in filled["paths"] if name in secrets_now}
        return self._copies[key].get(path)

    def _key(self, vault: Object) -> str:
        return f"{self._cluster.name}/{vault['metadata']['uid']}"


def is_healthy(vault: Object) -> bool:
    """Whether bank-vaults says so."""
    conditions: list[Object] = (vault.get("status") or {}).get("conditions") or []
    return any(one["type"] == READY and one["status"] == "True" for one in conditions)


def unseal_secret(vault: Object) -> str:
    """Name of the Secret with root token and unseal keys."""
    configured = (vault["spec"].get("unsealConfig") or {}).get("kubernetes") or {}
    return configured.get("secretName") or f"{vault['metadata']['name']}-unseal-keys"


def roles(vault: Object, mount: str = "kubernetes") -> tuple[Role, ...]:
    """The roles of the auth method; NotReadyError when it is not enabled at the mount."""
    methods: list[Object] = _external(vault).get("auth") or []
    method = next((one for one in methods if one.get("type") == "kubernetes" and one.get("path", one["type"]) == mount),
                  None)  # fmt: skip
    if method is None:
        raise NotReadyError("InvalidProviderConfig", f"Vault has no auth method kubernetes at {mount}")
    return tuple(
        Role(
            name=one["name"],
            accounts=_words(one.get("bound_service_account_names")),
            namespaces=_words(one.get("bound_service_account_namespaces")),
            policies=_words(one.get("token_policies") or one.get("policies")),
        )
        for one in method.get("roles") or ()
    )


def has_engine(vault: Object, path: str) -> bool:
    """Whether a KV engine of version 2 is at the path."""
    engines: list[Object] = _external(vault).get("secrets") or []
    return any(
        one.get("path", one.get("type")) == path
        and one.get("type") == "kv"
        and str((one.get("options") or {}).get("version", "1")) == "2"
        for one in engines
    )


def may(vault: Object, policies: Sequence[str], capability: str, path: str) -> bool:
    """Whether one of the policies gives the capability at the API path, e.g. `read` at `secret/data/core/lldap`."""
    for policy in _external(vault).get("policies") or ():
        if policy["name"] not in policies:
            continue
        for pattern, body in _RULE.findall(policy.get("rules") or ""):
            given = _CAPABILITIES.search(body)
            if given and f'"{capability}"' in given[1] and '"deny"' not in given[1] and _covers(pattern, path):
                return True
    return False


def refuse_configuration(vault: Object) -> None:
    """NotReadyError when a role names a policy that the Vault is not configured with."""
    external = _external(vault)
    known = {policy["name"] for policy in external.get("policies") or ()} | {"default", "root"}
    for method in external.get("auth") or ():
        for role in method.get("roles") or ():
            missing = set(_words(role.get("token_policies") or role.get("policies"))) - known
            if missing:
                raise NotReadyError(
                    "ConfigurationFailed",
                    f"role {role['name']} of auth method {method['type']} has policies that do not exist: "
                    f"{', '.join(sorted(missing))}",
                )


def _external(vault: Object) -> Mapping[str, Any]:
    return vault["spec"].get("externalConfig") or {}


def _words(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return tuple(str(part) for part in value or ())


def _any(allowed: Iterable[str], name: str) -> bool:
    return any(one in ("*", name) for one in allowed)


def _covers(pattern: str, path: str) -> bool:
    # What a templated policy puts there depends on who logged in: any one segment will do.
    text = re.sub(r"\{\{.*?\}\}", "+", pattern)
    expression = re.escape(text.removesuffix("*")).replace(r"\+", "[^/]+")
    return re.fullmatch(expression + (".*" if text.endswith("*") else ""), path) is not None


def _service(vault: Object) -> Object:
    name, namespace = vault["metadata"]["name"], vault["metadata"]["namespace"]
    return {
        "apiVersion": SERVICE.api_version,
        "kind": SERVICE.kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": _labels(name), "ports": [{"name": "client", "port": PORT}]},
    }


def _stateful_set(vault: Object) -> Object:
    name, namespace, spec = vault["metadata"]["name"], vault["metadata"]["namespace"], vault["spec"]
    container: Object = {"name": "vault", "image": spec.get("image", "hashicorp/vault")}
    container["ports"] = [{"containerPort": PORT, "name": "client"}]
    if spec.get("volumeMounts"):
        container["volumeMounts"] = spec["volumeMounts"]
    resources = (spec.get("resources") or {}).get("vault")
    if resources:
        container["resources"] = resources
    pod: Object = {"serviceAccountName": spec.get("serviceAccount", "default"), "containers": [container]}
    for key in ("volumes", "nodeSelector", "tolerations", "affinity"):
        if spec.get(key):
            pod[key] = spec[key]
    templates = [
        {**template, "apiVersion": "v1", "kind": "PersistentVolumeClaim"}
        for template in spec.get("volumeClaimTemplates") or ()
    ]
    return {
        "apiVersion": STATEFUL_SET.api_version,
        "kind": STATEFUL_SET.kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "serviceName": name,
            "replicas": spec.get("size", 1),
            "selector": {"matchLabels": _labels(name)},
            "template": {"metadata": {"labels": _labels(name)}, "spec": pod},
            **({"volumeClaimTemplates": templates} if templates else {}),
        },
    }


def _labels(name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": "vault", "vault_cr": name}


async def _tls(namespace: str, vault: str, name: str) -> Object:
    authority = await asyncio.to_thread(make_authority, f"{vault} (twin)")
    names = (vault, f"{vault}.{namespace}", f"{vault}.{namespace}.svc", f"{vault}.{namespace}.svc.cluster.local")
    request = Request(names, vault, AUTHORITY_LIFETIME, "ECDSA", 256)
    server = await asyncio.to_thread(make_certificate, request, authority)
    data = {"ca.crt": authority.certificate, "server.crt": server.certificate, "server.key": server.key}
    return {
        "apiVersion": SECRET.api_version,
        "kind": SECRET.kind,
        "metadata": {"name": name, "namespace": namespace},
        "type": "Opaque",
        "data": {key: b64encode(value).decode() for key, value in data.items()},
    }


def _keys(namespace: str, name: str) -> Object:
    values = {"vault-root": f"hvs.{secrets.token_urlsafe(24)}"}
    values |= {f"vault-unseal-{share}": secrets.token_hex(33) for share in range(SHARES)}
    return {
        "apiVersion": SECRET.api_version,
        "kind": SECRET.kind,
        "metadata": {"name": name, "namespace": namespace},
        "type": "Opaque",
        "data": {key: b64encode(value.encode()).decode() for key, value in values.items()},
    }
