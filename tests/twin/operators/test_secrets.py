"""From the encrypted file to a Secret: Vault is ready, the sync workflow runs, stores log in, references resolve."""

from base64 import b64decode
from typing import Any

import pytest
import pytest_asyncio

from tests.twin.operators.conftest import Bench, status_of
from twin.faults import Fault, FaultKind, Faults
from twin.kubernetes.api import Object
from twin.operators.argo_workflows import WORKFLOW
from twin.operators.cluster import SECRET, SERVICE_ACCOUNT, STATEFUL_SET, is_true
from twin.operators.external_secrets import CLUSTER_STORE, EXTERNAL_SECRET
from twin.operators.vault import VAULT, may

OPERATORS = frozenset({"bank-vaults", "external-secrets", "argo-workflows"})

READ = 'path "secret/data/default/*" { capabilities = ["read"] }'
WRITE = 'path "secret/*" {\n  capabilities = ["create", "update"]\n}'


@pytest_asyncio.fixture
async def lab(bench: Bench) -> Bench:
    """Definitions, a node, the accounts, and secrets in the file."""
    await bench.define("vault-operator", "external-secrets", "argo-workflows")
    await bench.node(f"node-{bench.namespace}")
    for name in ("vault", "reader", "argo-workflow"):
        await bench.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}})
    bench.secrets |= {"default/immich": {"password": "first"}, "core/lldap": {"admin": "hidden"}}
    return bench


def vault(bench: Bench, *, read: str = READ) -> Object:
    roles = [
        {"name": "apps", "bound_service_account_names": "reader",
         "bound_service_account_namespaces": bench.namespace, "policies": ["read"]},
        {"name": "sops", "bound_service_account_names": ["argo-workflow"],
         "bound_service_account_namespaces": [bench.namespace], "policies": ["write"]},
    ]  # fmt: skip
    external = {
        "policies": [{"name": "read", "rules": read}, {"name": "write", "rules": WRITE}],
        "auth": [{"type": "kubernetes", "roles": roles}],
        "secrets": [{"path": "secret", "type": "kv", "options": {"version": 2}}],
    }
    return {
        "apiVersion": VAULT.api_version,
        "kind": VAULT.kind,
        "metadata": {"name": "vault"},
        "spec": {"size": 1, "image": "hashicorp/vault:1.19.3", "serviceAccount": "vault", "config": {},
                 "externalConfig": external},
    }


def store(bench: Bench, role: str = "apps", **more: Any) -> Object:
    account = {"name": "reader", "namespace": bench.namespace}
    login = {"mountPath": "kubernetes", "role": role, "serviceAccountRef": account}
    provider = {"server": f"https://vault.{bench.namespace}.svc:8200", "path": "secret", "version": "v2",
                "auth": {"kubernetes": login}}  # fmt: skip
    return {
        "apiVersion": CLUSTER_STORE.api_version,
        "kind": CLUSTER_STORE.kind,
        "metadata": {"name": bench.namespace},
        "spec": {"provider": {"vault": provider}, **more},
    }


def external_secret(bench: Bench, name: str, key: str, prop: str, **target: Any) -> Object:
    return {
        "apiVersion": EXTERNAL_SECRET.api_version,
        "kind": EXTERNAL_SECRET.kind,
        "metadata": {"name": name},
        "spec": {
            "refreshInterval": "30m",
            "secretStoreRef": {"name": bench.namespace, "kind": CLUSTER_STORE.kind},
            "target": {"name": name, "creationPolicy": "Owner", **target},
            "data": [{"secretKey": "value", "remoteRef": {"key": key, "property": prop}}],
        },
    }


def sync(account: str = "argo-workflow", name: str = "sops-vault-sync") -> Object:
    container = {"name": "main", "image": "example.org/sync:1"}
    templates = [{"name": "main", "container": container}]
    spec = {"entrypoint": "main", "serviceAccountName": account, "templates": templates}
    return {"apiVersion": WORKFLOW.api_version, "kind": WORKFLOW.kind, "metadata": {"name": name}, "spec": spec}


def why_not(found: Object) -> str:
    conditions = status_of(found).get("conditions") or []
    return next((one["message"] for one in conditions if one["type"] == "Ready" and one["status"] == "False"), "")


def ready(found: Object) -> bool:
    return is_true(found, "Ready")


def phase(found: Object) -> str | None:
    return status_of(found).get("phase")


async def filled(lab: Bench, **more: Any) -> None:
    """Everything up to a ready store with secrets behind it."""
    await lab.apply(vault(lab))
    await lab.apply(store(lab, **more))
    await lab.apply(sync())
    await lab.until(WORKFLOW, "sops-vault-sync", lambda found: phase(found) == "Succeeded")
    await lab.until(CLUSTER_STORE, lab.namespace, ready, namespace=None)


async def value(lab: Bench, name: str) -> str:
    secret = await lab.until(SECRET, name, lambda found: "value" in found["data"])
    return b64decode(secret["data"]["value"]).decode()


async def test_the_whole_chain_in_whatever_order_it_is_applied(lab: Bench) -> None:
    await lab.apply(external_secret(lab, "immich", "default/immich", "password"))
    await lab.until(EXTERNAL_SECRET, "immich", lambda found: "not found" in why_not(found))
    await lab.apply(store(lab))
    await lab.until(CLUSTER_STORE, lab.namespace, lambda found: "no such host" in why_not(found), namespace=None)
    await lab.apply(sync())
    await lab.until(WORKFLOW, "sops-vault-sync", lambda found: phase(found) == "Running")
    await lab.apply(vault(lab))
    await lab.until(VAULT, "vault", lambda found: is_true(found, "Healthy"))
    keys = await lab.until(SECRET, "vault-unseal-keys")
    assert sorted(keys["data"]) == ["vault-root", *(f"vault-unseal-{share}" for share in range(5))]
    await lab.until(EXTERNAL_SECRET, "immich", ready)
    assert await value(lab, "immich") == "first"


async def test_nothing_is_in_vault_before_the_sync_and_a_change_needs_another(lab: Bench) -> None:
    await lab.apply(vault(lab))
    await lab.apply(store(lab))
    await lab.apply(external_secret(lab, "immich", "default/immich", "password"))
    await lab.until(EXTERNAL_SECRET, "immich", lambda found: "nothing is at default/immich" in why_not(found))
    await lab.apply(sync())
    await lab.until(EXTERNAL_SECRET, "immich", ready)
    lab.secrets["default/immich"]["password"] = "second"
    await lab.apply(external_secret(lab, "other", "default/immich", "password"))
    await lab.until(EXTERNAL_SECRET, "other", ready)
    assert await value(lab, "other") == "first"
    await lab.apply(sync(name="sops-vault-sync-2"))
    await lab.until(WORKFLOW, "sops-vault-sync-2", lambda found: phase(found) == "Succeeded")
    await lab.apply(external_secret(lab, "third", "default/immich", "password"))
    await lab.until(EXTERNAL_SECRET, "third", ready)
    assert await value(lab, "third") == "second"


@pytest.mark.parametrize(
    ("key", "prop", "message"),
    [
        ("default/nothing", "password", "nothing is at default/nothing"),
        ("default/immich", "pasword", 'cannot find secret data for key: "pasword"; there are password'),
        ("core/lldap", "admin", "permission denied: no policy of role apps"),
    ],
)
async def test_a_reference_that_leads_nowhere_is_named(lab: Bench, key: str, prop: str, message: str) -> None:
    await filled(lab)
    await lab.apply(external_secret(lab, "broken", key, prop))
    found = await lab.until(EXTERNAL_SECRET, "broken", lambda found: message in why_not(found))
    assert "spec.data[0]" in why_not(found)
    assert await lab.cluster.find(SECRET, lab.namespace, "broken") is None


async def test_a_template_puts_values_together(lab: Bench) -> None:
    await filled(lab)
    template = {"data": {"url": "https://immich:{{ .value }}@host"}, "engineVersion": "v2"}
    await lab.apply(external_secret(lab, "url", "default/immich", "password", template=template))
    secret = await lab.until(SECRET, "url", lambda found: "url" in found["data"])
    assert b64decode(secret["data"]["url"]) == b"https://immich:first@host"
    template = {"data": {"url": "{{ .absent }}"}, "engineVersion": "v2"}
    await lab.apply(external_secret(lab, "wrong", "default/immich", "password", template=template))
    await lab.until(EXTERNAL_SECRET, "wrong", lambda found: "no value for absent" in why_not(found))


async def test_a_secret_that_is_there_is_adopted(lab: Bench) -> None:
    await filled(lab)
    await lab.secret("immich", {"other": "kept"})
    await lab.apply(external_secret(lab, "immich", "default/immich", "password"))
    secret = await lab.until(SECRET, "immich", lambda found: "value" in found["data"])
    assert "other" in secret["data"]
    owner = await lab.until(EXTERNAL_SECRET, "immich")
    assert secret["metadata"]["ownerReferences"][0]["uid"] == owner["metadata"]["uid"]


async def test_a_store_serves_its_namespaces_only(lab: Bench) -> None:
    await filled(lab, conditions=[{"namespaces": ["elsewhere"]}])
    await lab.apply(external_secret(lab, "immich", "default/immich", "password"))
    await lab.until(EXTERNAL_SECRET, "immich", lambda found: "denied by spec.condition" in why_not(found))


async def test_a_store_needs_a_role_that_admits_its_account(lab: Bench) -> None:
    await lab.apply(vault(lab))
    await lab.apply(store(lab, role="absent"))
    message = 'role "absent" could not be found'
    await lab.until(CLUSTER_STORE, lab.namespace, lambda found: message in why_not(found), namespace=None)
    await lab.apply(store(lab, role="sops"))
    message = "is not bound to role sops"
    await lab.until(CLUSTER_STORE, lab.namespace, lambda found: message in why_not(found), namespace=None)


async def test_a_sync_without_the_right_to_write_does_not_end(lab: Bench) -> None:
    await lab.apply(vault(lab))
    await lab.until(VAULT, "vault", lambda found: is_true(found, "Healthy"))
    await lab.apply(sync(account="reader"))
    message = "permission denied: no role of Vault that admits"
    await lab.until(
        WORKFLOW, "sops-vault-sync", lambda found: message in (status_of(found).get("message") or "")
    )


async def test_a_sync_writes_what_it_is_told_to_and_may(lab: Bench) -> None:
    await lab.apply(vault(lab))
    await lab.apply(store(lab))
    run = sync()
    run["spec"]["templates"][0]["container"]["args"] = ["core/lldap"]
    await lab.apply(run)
    await lab.until(WORKFLOW, "sops-vault-sync", lambda found: status_of(found).get("phase") == "Succeeded")
    await lab.apply(external_secret(lab, "immich", "default/immich", "password"))
    await lab.until(EXTERNAL_SECRET, "immich", lambda found: "nothing is at default/immich" in why_not(found))
    run["metadata"]["name"] = "sops-vault-sync-2"
    run["spec"]["templates"][0]["container"]["args"] = ["default/absent"]
    await lab.apply(run)
    message = "the tree vault_secrets has no default/absent"
    await lab.until(WORKFLOW, "sops-vault-sync-2", lambda found: message in (status_of(found).get("message") or ""))


async def test_vault_needs_its_account_and_known_policies(lab: Bench) -> None:
    wrong = vault(lab)
    wrong["spec"]["externalConfig"]["auth"][0]["roles"][0]["policies"] = ["absent"]
    await lab.apply(wrong)
    assert "policies that do not exist: absent" in await lab.event("vault", "ConfigurationFailed")
    await lab.cluster.remove(SERVICE_ACCOUNT, lab.namespace, "vault")
    await lab.apply(vault(lab))
    message = await lab.event("vault", "FailedCreate")
    assert 'serviceaccount "vault" not found' in message
    found = await lab.until(STATEFUL_SET, "vault")
    assert not status_of(found).get("readyReplicas")


async def test_vault_fails_on_demand_and_the_store_with_it(lab: Bench, faults: Faults) -> None:
    await filled(lab)
    faults.set(Fault(kind=FaultKind.OPERATOR_FAILS, target="bank-vaults", operation=f"{lab.namespace}/vault"))
    await lab.until(VAULT, "vault", lambda found: not is_true(found, "Healthy"))
    await lab.apply(external_secret(lab, "late", "default/immich", "password"))
    await lab.until(EXTERNAL_SECRET, "late", lambda found: "is not ready" in why_not(found))


@pytest.mark.parametrize(
    ("rules", "path", "allowed"),
    [
        ('path "secret/*" { capabilities = ["read"] }', "secret/data/core/lldap", True),
        ('path "secret/data/core/lldap" { capabilities = ["read", "list"] }', "secret/data/core/lldap", True),
        ('path "secret/data/core" { capabilities = ["read"] }', "secret/data/core/lldap", False),
        ('path "secret/data/+/lldap" { capabilities = ["read"] }', "secret/data/core/lldap", True),
        ('path "secret/data/+" { capabilities = ["read"] }', "secret/data/core/lldap", False),
        ('path "secret/metadata/*" { capabilities = ["read"] }', "secret/data/core/lldap", False),
        ('path "secret/*" { capabilities = ["create"] }', "secret/data/core/lldap", False),
        ('path "secret/*" { capabilities = ["deny"] }', "secret/data/core/lldap", False),
    ],
)
def test_policies_cover_paths_as_vault_s_do(rules: str, path: str, *, allowed: bool) -> None:
    found = {"spec": {"externalConfig": {"policies": [{"name": "p", "rules": rules}]}}}
    assert may(found, ["p"], "read", path) is allowed
    assert not may(found, ["other"], "read", path)
