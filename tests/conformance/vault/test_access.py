"""What the program configures inside Vault, on a real Vault API server that asks a real Kubernetes who is who.

Every namespace logs in as its own service account, and may read its own secrets and nothing else.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from components.kubernetes.secret_sync import WRITER
from components.kubernetes.vault import KUBERNETES_AUTH, MOUNT, NAMESPACE, READER, SERVER, SHARES, SYNC_ROLE, THRESHOLD
from inventory import LAB
from inventory.workloads import WORKLOADS
from model.exclusive import Colour
from model.secrets import Tree
from tests.conformance.vault.server import VaultServer, vault_server
from tests.harness.apiserver import ControlPlane, control_plane
from tests.harness.lab_stacks import read_configuration, record_stack
from tests.harness.recording import Recording

VAULT = "kubernetes:vault.banzaicloud.com/v1alpha1:Vault"
STORE = "kubernetes:external-secrets.io/v1:ClusterSecretStore"
EXTERNAL_SECRET = "kubernetes:external-secrets.io/v1:ExternalSecret"
BINDING = "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding"

WAYS_TO_CHANGE = (("POST", "data"), ("PUT", "data"), ("DELETE", "data"), ("DELETE", "metadata"), ("POST", "undelete"))
OK, REFUSED = frozenset({200, 204}), 403

Json = dict[str, Any]


@dataclass(frozen=True)
class Kubernetes:
    """The API server that knows the service accounts."""

    plane: ControlPlane
    kubeconfig: Path

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        found = subprocess.run(
            [str(Path(sys.executable).parent / "kubectl"), "--kubeconfig", str(self.kubeconfig), *arguments],
            input=stdin, capture_output=True, text=True, check=True, timeout=30,
        )  # fmt: skip
        return found.stdout

    def apply(self, *objects: Json) -> None:
        self.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def token(self, namespace: str, account: str) -> str:
        return self.kubectl("create", "token", account, "--namespace", namespace).strip()


@dataclass(frozen=True)
class FilledVault:
    """The Vault of one colour as the program wants it, filled as the SOPS file would fill it."""

    server: VaultServer
    kubernetes: Kubernetes
    recording: Recording

    @cached_property
    def inside(self) -> Json:
        (vault,) = self.recording.of_type(VAULT)
        return vault.clear_inputs["spec"]["externalConfig"]

    @cached_property
    def content(self) -> Mapping[str, Mapping[str, str]]:
        """Every property of every path, made up."""
        found: dict[str, dict[str, str]] = {}
        for key in LAB.secrets.keys:
            if key.place.tree is Tree.VAULT:
                found.setdefault(key.place.path, {})[key.place.property] = f"value of {key.place}"
        return found

    @cached_property
    def roles(self) -> Mapping[str, Json]:
        """Of the login by service account."""
        (method,) = [one for one in self.inside["auth"] if one["type"] == KUBERNETES_AUTH]
        return {role["name"]: role for role in method["roles"]}

    @cached_property
    def allowed(self) -> Mapping[str, frozenset[str]]:
        """By reading role: the paths that the schema of secrets gives its namespace."""
        access = {str(one.namespace): frozenset(one.paths) for one in WORKLOADS.vault_access}
        return {
            name: access[role["bound_service_account_namespaces"]]
            for name, role in self.roles.items()
            if name != SYNC_ROLE
        }

    def login(self, role: str) -> str:
        """The token of the role's own service account."""
        bound = self.roles[role]
        jwt = self.kubernetes.token(bound["bound_service_account_namespaces"], bound["bound_service_account_names"])
        answer = self.server.login(role, jwt)
        assert answer.status_code == 200, answer.text
        return answer.json()["auth"]["client_token"]


@pytest.fixture(scope="module")
def kubernetes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubernetes]:
    with control_plane(tmp_path_factory.mktemp("plane")) as plane:
        path = tmp_path_factory.mktemp("client") / "kubeconfig"
        path.write_text(plane.kubeconfig)
        yield Kubernetes(plane, path)


@pytest.fixture(scope="module", params=list(Colour), ids=str)
def vault(
    request: pytest.FixtureRequest, kubernetes: Kubernetes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FilledVault]:
    recording = record_stack(str(request.param), read_configuration())
    with vault_server(tmp_path_factory.mktemp("vault"), shares=SHARES, threshold=THRESHOLD) as server:
        found = FilledVault(server, kubernetes, recording)
        _make_accounts(found)
        certificate = (kubernetes.plane.directory / "ca.crt").read_text()
        settings = {
            "kubernetes_host": f"https://127.0.0.1:{kubernetes.plane.port}",
            "kubernetes_ca_cert": certificate,
            # On a cluster Vault finds this in its own pod.
            "token_reviewer_jwt": kubernetes.token(NAMESPACE, SERVER),
        }
        server.configure(found.inside, {KUBERNETES_AUTH: settings})
        for path, properties in found.content.items():
            server.administer("POST", f"{MOUNT}/data/{path}", {"data": dict(properties)})
        yield found


def _make_accounts(vault: FilledVault) -> None:
    """Service accounts of the roles, Vault's own, and one in each namespace that nobody gave a role."""
    accounts = {(NAMESPACE, SERVER), (WRITER.namespace, WRITER.account)}
    for role in vault.roles.values():
        namespace = role["bound_service_account_namespaces"]
        accounts |= {(namespace, role["bound_service_account_names"]), (namespace, "other")}
    spaces = {space for space, _ in accounts}
    vault.kubernetes.apply(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": one}} for one in spaces))
    vault.kubernetes.apply(
        *(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": space}}
            for space, name in accounts
        ),
        *(
            one.clear_inputs | {"metadata": {"name": one.clear_inputs["metadata"]["name"]}}
            for one in vault.recording.of_type(BINDING)
            if {"kind": "ServiceAccount", "name": SERVER, "namespace": NAMESPACE} in one.clear_inputs["subjects"]
        ),
    )


def excesses(vault: FilledVault, role: str, policies: list[str]) -> list[str]:
    """What holders of the policies may do and the role should not be able to; and what they should and may not."""
    token, allowed = vault.server.token(policies), vault.allowed[role]
    found: list[str] = []
    for path in vault.content:
        status = vault.server.status("GET", f"{MOUNT}/data/{path}", token)
        if path in allowed and status not in OK:
            found.append(f"{role} may not read {path}, which is its own: {status}")
        if path not in allowed and status != REFUSED:
            found.append(f"{role} may read {path}, which is not its own: {status}")
        for method, part in WAYS_TO_CHANGE:
            status = vault.server.status(method, f"{MOUNT}/{part}/{path}", token, {"data": {"key": "changed"}})
            if status != REFUSED:
                found.append(f"{role} may {method} {part} of {path}: {status}")
    for folder in ("", *sorted({path.partition("/")[0] for path in vault.content})):
        status = vault.server.status("LIST", f"{MOUNT}/metadata/{folder}", token)
        if status != REFUSED:
            found.append(f"{role} may list `{folder}`: {status}")
    for method, path in (("GET", "sys/policies/acl/root"), ("LIST", "sys/policies/acl"), ("GET", "sys/mounts")):
        status = vault.server.status(method, path, token)
        if status != REFUSED:
            found.append(f"{role} may {method} {path}: {status}")
    return found


def test_each_namespace_reads_its_own_paths_and_can_do_nothing_else(vault: FilledVault) -> None:
    assert vault.allowed
    assert [line for role in vault.allowed for line in excesses(vault, role, vault.roles[role]["policies"])] == []


def test_a_namespace_has_its_role_by_its_own_account_and_by_no_other(vault: FilledVault) -> None:
    readers = {role: vault.roles[role]["bound_service_account_namespaces"] for role in vault.allowed}
    for role, namespace in readers.items():
        answer = vault.server.login(role, vault.kubernetes.token(namespace, READER))
        assert answer.status_code == 200, answer.text
        assert set(answer.json()["auth"]["policies"]) <= {role, "default"}
        refused = vault.server.login(role, vault.kubernetes.token(namespace, "other"))
        assert refused.status_code in (400, 403), f"another account of {namespace}: {refused.text}"
    for role in readers:
        stranger = next((one for other, one in readers.items() if other != role), NAMESPACE)
        account = READER if stranger != NAMESPACE else SERVER
        refused = vault.server.login(role, vault.kubernetes.token(stranger, account))
        assert refused.status_code in (400, 403), f"{stranger} as {role}: {refused.text}"


def test_a_forged_token_is_nobody_s(vault: FilledVault) -> None:
    role, namespace = next(
        (role, vault.roles[role]["bound_service_account_namespaces"]) for role in vault.allowed
    )
    header, claims, signature = vault.kubernetes.token(namespace, READER).split(".")
    forged = ".".join((header, claims, signature[:-8] + "AAAAAAAA"))
    assert vault.server.login(role, forged).status_code in (400, 403)


def test_every_secret_that_the_cluster_asks_for_is_read_by_the_store_that_it_asks(vault: FilledVault) -> None:
    stores = {one.clear_inputs["metadata"]["name"]: one.clear_inputs["spec"] for one in vault.recording.of_type(STORE)}
    tokens: dict[str, str] = {}
    read = 0
    for one in vault.recording.of_type(EXTERNAL_SECRET):
        store = one.clear_inputs["spec"]["secretStoreRef"]["name"]
        provider = stores[store]["provider"]["vault"]
        assert (provider["path"], provider["version"]) == (MOUNT, "v2")
        assert one.clear_inputs["metadata"]["namespace"] in stores[store]["conditions"][0]["namespaces"]
        tokens.setdefault(store, vault.login(provider["auth"]["kubernetes"]["role"]))
        for data in one.clear_inputs["spec"]["data"]:
            reference = data["remoteRef"]
            answer = vault.server.call("GET", f"{MOUNT}/data/{reference['key']}", tokens[store])
            assert answer.status_code == 200, f"{one}: {reference}: {answer.text}"
            assert reference["property"] in answer.json()["data"]["data"], f"{one}: {reference}"
            read += 1
    assert read > 5


def test_the_writer_replaces_what_the_file_has_by_vault_s_own_command(vault: FilledVault, tmp_path: Path) -> None:
    token = vault.login(SYNC_ROLE)
    path, properties = next(iter(vault.content.items()))
    file = tmp_path / "content.json"
    file.write_text(json.dumps({**properties, "new": "a new property"}))
    done = vault.server.command(token, "kv", "put", f"-mount={MOUNT}", path, f"@{file}")
    assert done.returncode == 0, done.stderr
    assert vault.server.administer("GET", f"{MOUNT}/data/{path}")["data"]["data"]["new"] == "a new property"
    for path, properties in vault.content.items():
        assert vault.server.status("POST", f"{MOUNT}/data/{path}", token, {"data": dict(properties)}) in OK, path
    assert vault.server.status("POST", f"{MOUNT}/data/core/unknown", token, {"data": {"a": "b"}}) == REFUSED


def test_the_writer_reads_and_destroys_nothing(vault: FilledVault) -> None:
    token = vault.login(SYNC_ROLE)
    for path in vault.content:
        assert vault.server.status("GET", f"{MOUNT}/data/{path}", token) == REFUSED
        assert vault.server.status("DELETE", f"{MOUNT}/data/{path}", token) == REFUSED
        assert vault.server.status("DELETE", f"{MOUNT}/metadata/{path}", token) == REFUSED
    assert vault.server.status("LIST", f"{MOUNT}/metadata/", token) == REFUSED


def test_the_login_by_approle_is_for_the_writer_and_once(vault: FilledVault) -> None:
    role = vault.server.administer("GET", f"auth/approle/role/{SYNC_ROLE}/role-id")["data"]["role_id"]
    secret = vault.server.administer("POST", f"auth/approle/role/{SYNC_ROLE}/secret-id")["data"]["secret_id"]
    body = {"role_id": role, "secret_id": secret}
    answer = vault.server.call("POST", "auth/approle/login", None, body)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()["auth"]["policies"]) <= {SYNC_ROLE, "default"}
    assert vault.server.call("POST", "auth/approle/login", None, body).status_code in (400, 403)


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ('path "secret/data/*" { capabilities = ["read"] }', "which is not its own"),
        ('path "secret/data/+/k8up" { capabilities = ["read"] }', "may read core/k8up, which is not its own"),
        ('path "secret/data/core/cnpg" { capabilities = ["read", "update"] }', "may POST data of core/cnpg"),
        ('path "secret/metadata/*" { capabilities = ["list"] }', "may list ``"),
        ('path "secret/metadata/*" { capabilities = ["delete"] }', "may DELETE metadata of"),
        ('path "sys/*" { capabilities = ["read"] }', "may GET sys/mounts"),
    ],
    ids=["all", "by-pattern", "write", "list", "destroy", "system"],
)
def test_a_policy_that_is_made_too_wide_is_noticed(vault: FilledVault, rules: str, told: str) -> None:
    role = next(name for name, paths in vault.allowed.items() if "core/k8up" not in paths)
    assert excesses(vault, role, vault.roles[role]["policies"]) == []
    vault.server.administer("PUT", "sys/policies/acl/too-wide", {"policy": rules})
    found = excesses(vault, role, [*vault.roles[role]["policies"], "too-wide"])
    # What the check itself wrote where it should not have been able to is written back.
    for path, properties in vault.content.items():
        vault.server.administer("POST", f"{MOUNT}/data/{path}", {"data": dict(properties)})
    assert any(told in line for line in found), found


def test_a_role_that_lost_its_path_is_noticed(vault: FilledVault) -> None:
    role, paths = next((role, paths) for role, paths in vault.allowed.items() if paths)
    found = excesses(vault, role, ["default"])
    assert [line for line in found if "which is its own" in line] == [
        f"{role} may not read {path}, which is its own: {REFUSED}" for path in vault.content if path in paths
    ]
