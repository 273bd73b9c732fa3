"""External Secrets: Secrets out of Vault, where the store's role may read them and they are there."""

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Final

from twin.kubernetes.api import Object
from twin.operators.cluster import (
    SECRET,
    SERVICE_ACCOUNT,
    Cluster,
    Kind,
    NotReadyError,
    Operator,
    is_true,
    now,
    with_condition,
)
from twin.operators.controller import Controller
from twin.operators.vault import Role, VaultContents, has_engine, may, roles

EXTERNAL_SECRETS: Final = Operator("external-secrets")

CLUSTER_STORE: Final = Kind("external-secrets.io/v1", "ClusterSecretStore")
STORE: Final = Kind("external-secrets.io/v1", "SecretStore")
EXTERNAL_SECRET: Final = Kind("external-secrets.io/v1", "ExternalSecret")
OWN_ACCOUNT: Final = "external-secrets"

_REFERENCE: Final = re.compile(r"\{\{-?\s*\.(\w+)\s*(?:\|\s*toString\s*)?-?\}\}")


class _Stores(Controller):
    """A store is ready when its Vault is, and lets it in."""

    operator = EXTERNAL_SECRETS
    kind = CLUSTER_STORE

    def __init__(self, cluster: Cluster, contents: VaultContents) -> None:
        super().__init__(cluster)
        self._contents = contents

    async def reconcile(self, found: Object) -> None:
        """Validate the store."""
        await open_store(self.cluster, self._contents, found, found["metadata"].get("namespace"))
        conditions = with_condition(found, "Ready", true=True, reason="Valid", message="store validated")
        await self.cluster.set_status(found, {"capabilities": "ReadWrite", "conditions": conditions})

    async def refuse(self, found: Object, problem: NotReadyError) -> None:
        """Not ready, and why."""
        conditions = with_condition(found, "Ready", true=False, reason=problem.reason, message=problem.message)
        await self.cluster.set_status(found, {"conditions": conditions})
        await self.tell(found, problem.reason, problem.message)


class ClusterStores(_Stores):
    """Stores of the whole cluster."""


class Stores(_Stores):
    """Stores of one namespace."""

    kind = STORE


class ExternalSecrets(Controller):
    """A Secret with what Vault has at the paths."""

    operator = EXTERNAL_SECRETS
    kind = EXTERNAL_SECRET

    def __init__(self, cluster: Cluster, contents: VaultContents) -> None:
        super().__init__(cluster)
        self._contents = contents

    async def reconcile(self, found: Object) -> None:
        """Read every reference, and write the Secret."""
        metadata, spec = found["metadata"], found["spec"]
        values = await self._values(found)
        target = spec.get("target") or {}
        name = target.get("name") or metadata["name"]
        template = target.get("template") or {}
        present = await self.cluster.find(SECRET, metadata["namespace"], name)
        policy = target.get("creationPolicy", "Owner")
        if policy == "Merge" and present is None:
            raise _failed(f"the desired secret {name} was not found; creationPolicy is Merge")
        body: Object = {
            "apiVersion": SECRET.api_version,
            "kind": SECRET.kind,
            "metadata": {"name": name, "namespace": metadata["namespace"], **_labels(template)},
            "data": {key: b64encode(value.encode()).decode() for key, value in _rendered(template, values).items()},
        }
        if policy != "Merge":
            body["type"] = template.get("type") or (present or {}).get("type") or "Opaque"
        if policy == "Owner":
            _refuse_other_owner(found, present)
            body["metadata"]["ownerReferences"] = [_reference(found)]
        if policy != "None":
            written = await self.cluster.apply(EXTERNAL_SECRETS, body)
            unchanged = present is not None and present["metadata"]["resourceVersion"] == (
                written["metadata"]["resourceVersion"]
            )
        else:
            unchanged = True
        conditions = with_condition(found, "Ready", true=True, reason="SecretSynced", message="secret synced")
        status: Object = {"conditions": conditions, "binding": {"name": name}}
        if not unchanged or not is_true(found, "Ready"):
            status["refreshTime"] = now()
        await self.cluster.set_status(found, status)

    async def refuse(self, found: Object, problem: NotReadyError) -> None:
        """Not ready, and which reference it is."""
        conditions = with_condition(
            found, "Ready", true=False, reason="SecretSyncedError", message=problem.message
        )
        await self.cluster.set_status(found, {"conditions": conditions})
        await self.tell(found, "UpdateFailed", problem.message)

    async def _values(self, found: Object) -> dict[str, str]:
        spec, namespace = found["spec"], found["metadata"]["namespace"]
        values: dict[str, str] = {}
        for index, entry in enumerate(spec.get("dataFrom") or ()):
            if "extract" not in entry or "rewrite" in entry:
                raise _failed(f"spec.dataFrom[{index}]: the twin knows extract only, and no rewrite")
            where = f"spec.dataFrom[{index}].extract"
            values |= await self._read(entry["extract"]["key"], where, spec.get("secretStoreRef"), namespace)
        for index, entry in enumerate(spec.get("data") or ()):
            reference = entry["remoteRef"]
            where = f"spec.data[{index}]"
            store = (entry.get("sourceRef") or {}).get("storeRef") or spec.get("secretStoreRef")
            properties = await self._read(reference["key"], where, store, namespace)
            wanted = reference.get("property")
            if wanted is None:
                raise _failed(f"error processing {where} (key: {reference['key']}): the twin needs a property")
            if wanted not in properties:
                raise _failed(
                    f"error processing {where} (key: {reference['key']}), err: cannot find secret data for key: "
                    f'"{wanted}"; there are {", ".join(sorted(properties))}'
                )
            values[entry["secretKey"]] = properties[wanted]
        return values

    async def _read(
        self, key: str, where: str, reference: Object | None, namespace: str
    ) -> Mapping[str, str]:
        if reference is None:
            raise _failed(f"{where}: no store is named")
        kind = CLUSTER_STORE if reference.get("kind") == CLUSTER_STORE.kind else STORE
        name = reference["name"]
        store = await self.cluster.find(kind, None if kind is CLUSTER_STORE else namespace, name)
        if store is None:
            raise _failed(f'could not get {kind.kind} "{name}": not found')
        if not is_true(store, "Ready"):
            raise _failed(f'{kind.kind} "{name}" is not ready')
        _refuse_namespace(store, namespace)
        vault, role = await open_store(self.cluster, self._contents, store, namespace)
        engine = store["spec"]["provider"]["vault"].get("path", "secret")
        path = key.removeprefix(f"{engine}/").removeprefix("data/")
        if not may(vault, role.policies, "read", f"{engine}/data/{path}"):
            raise _failed(
                f"error processing {where} (key: {key}), err: permission denied: no policy of role {role.name} "
                f"({', '.join(role.policies) or 'none'}) gives read at {engine}/data/{path}"
            )
        properties = self._contents.read(vault, path)
        if properties is None:
            raise _failed(
                f"error processing {where} (key: {key}), err: Secret does not exist: nothing is at {path}; the lab's "
                "secrets get there by the sync workflow, from the tree vault_secrets"
            )
        return properties


async def open_store(
    cluster: Cluster, contents: VaultContents, store: Object, namespace: str | None
) -> tuple[Object, Role]:
    """The Vault of the store, and the role that it logs in as; NotReadyError when that fails."""
    vault_settings = (store["spec"].get("provider") or {}).get("vault")
    if vault_settings is None:
        raise NotReadyError("InvalidProviderConfig", "the twin has stores of provider vault only")
    place = namespace or "default"
    vault = await contents.at(vault_settings["server"], place)
    authority = vault_settings.get("caProvider")
    if authority is not None and authority.get("type") == SECRET.kind:
        where = authority.get("namespace") or place
        await cluster.secret_value(where, authority["name"], authority.get("key", "ca.crt"))
    engine = vault_settings.get("path", "secret")
    if not has_engine(vault, engine):
        raise NotReadyError("InvalidProviderConfig", f"Vault has no KV engine of version 2 at {engine}")
    login = (vault_settings.get("auth") or {}).get("kubernetes")
    if login is None:
        raise NotReadyError("InvalidProviderConfig", "the twin logs in to Vault by auth.kubernetes only")
    role = next((one for one in roles(vault, login.get("mountPath", "kubernetes")) if one.name == login["role"]), None)
    if role is None:
        raise NotReadyError("InvalidProviderConfig", f'unable to log in: role "{login["role"]}" could not be found')
    if namespace is None and "namespace" not in (login.get("serviceAccountRef") or {"namespace": ""}):
        # Who logs in is known only with each ExternalSecret.
        return vault, role
    account_namespace, account = await _account(cluster, login, place)
    if await cluster.find(SERVICE_ACCOUNT, account_namespace, account) is None:
        raise NotReadyError("InvalidProviderConfig", f'serviceaccounts "{account}" not found in {account_namespace}')
    if not role.admits(account_namespace, account):
        raise NotReadyError(
            "InvalidProviderConfig",
            f"unable to log in: service account {account_namespace}/{account} is not bound to role {role.name}",
        )
    return vault, role


async def _account(cluster: Cluster, login: Object, namespace: str) -> tuple[str, str]:
    reference = login.get("serviceAccountRef")
    if reference is not None:
        return reference.get("namespace") or namespace, reference["name"]
    accounts = await cluster.all(SERVICE_ACCOUNT)
    own = next((one for one in accounts if one["metadata"]["name"] == OWN_ACCOUNT), None)
    if own is None:
        raise NotReadyError("InvalidProviderConfig", f"External Secrets has no service account {OWN_ACCOUNT}")
    return own["metadata"]["namespace"], OWN_ACCOUNT


def _refuse_namespace(store: Object, namespace: str) -> None:
    conditions: list[Object] = store["spec"].get("conditions") or []
    if not conditions or any(namespace in (one.get("namespaces") or ()) for one in conditions):
        return
    if any("namespaceRegexes" in one or "namespaceSelector" in one for one in conditions):
        raise _failed("spec.conditions of a store: the twin knows namespaces only, no selector and no pattern")
    name = store["metadata"]["name"]
    raise _failed(
        f'using cluster store "{name}" is not allowed from namespace "{namespace}": denied by spec.condition'
    )


def _failed(message: str) -> NotReadyError:
    return NotReadyError("SecretSyncedError", message)


def _labels(template: Object) -> Object:
    metadata = template.get("metadata") or {}
    return {key: metadata[key] for key in ("labels", "annotations") if metadata.get(key)}


def _rendered(template: Object, values: Mapping[str, str]) -> Mapping[str, str]:
    data: Mapping[str, str] | None = template.get("data")
    if data is None:
        if "templateFrom" in template:
            raise _failed("spec.target.template.templateFrom: the twin renders template.data only")
        return values
    rendered: dict[str, str] = {}
    for key, text in data.items():
        missing = [name for name in _REFERENCE.findall(text) if name not in values]
        if missing:
            raise _failed(f"spec.target.template.data.{key}: no value for {', '.join(missing)}")
        rendered[key] = _REFERENCE.sub(lambda match: values[match[1]], text)
        if "{{" in _REFERENCE.sub("", text):
            raise _failed(f"spec.target.template.data.{key}: the twin renders {{{{ .name }}}} only")
    return {**values, **rendered} if template.get("mergePolicy") == "Merge" else rendered


def _reference(found: Object) -> Object:
    return {
        "apiVersion": found["apiVersion"],
        "kind": found["kind"],
        "name": found["metadata"]["name"],
        "uid": found["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _refuse_other_owner(found: Object, present: Object | None) -> None:
    owners: list[Object] = [] if present is None else present["metadata"].get("ownerReferences") or []
    for owner in owners:
        if owner.get("controller") and owner["uid"] != found["metadata"]["uid"]:
            raise _failed(f"the secret is owned by {owner['kind']} {owner['name']}")
