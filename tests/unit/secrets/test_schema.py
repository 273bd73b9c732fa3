"""The lab's own schema: what the lab's documents name is there, and it keeps every rule."""

import json

import pytest

from inventory import LAB
from inventory.secrets import DATABASE_BACKUPS, SCHEMA, VOLUME_BACKUPS
from model.secret_rules import schema_violations
from model.secrets import (
    Access,
    ApplicationName,
    Copy,
    SecretKind,
    SecretPlace,
    Tree,
    encryption_key_id,
    external_secret_name,
    target_secret_name,
)

INIT = {
    "argo/gcp-sops-sa": {"service-account.json"},
    "argo/argo-external-secret": {"access_key", "secret_key", "client-id", "client-secret"},
    "ceph/csi-rbd-secret": {"userID", "userKey"},
    "ceph/csi-cephfs-secret": {"adminID", "adminKey", "userID", "userKey"},
    "vault/vault-external-secret": {"OIDC_VAULT_CLIENT_SECRET"},
    "monitor/monitor-external-secret": {
        "GF_AUTH_GENERIC_OAUTH_CLIENT_SECRET", "alert-owner-url", "alert-watchman-url",
    },
}
VAULT_PATHS = {
    "core/lldap", "core/authelia", "core/vault", "core/argocd", "core/argo-workflows", "core/k8up", "core/monitor",
    "core/harbor", "core/seaweedfs", "external/cloudflare", "external/proxmox", "external/opnsense", "external/github",
    "default/immich", "default/gitea", "default/servarr", "default/open-webui", "default/litellm", "default/qdrant",
    "default/searxng", "default/llm-models", "default/actual-budget", "default/twenty",
}  # fmt: skip
CLIENTS = {
    "vault", "argocd", "gitea", "grafana", "harbor", "argo", "immich", "open-webui", "jellyfin", "jellyseerr",
    "actual-budget",
}  # fmt: skip
"""The OIDC clients of the lab that have a secret; argocd-cli is public."""


def test_the_schema_keeps_every_rule():
    assert [str(violation) for violation in schema_violations(SCHEMA)] == []


def test_the_bootstrap_secrets_are_those_of_the_lab():
    found = {f"{one.namespace}/{one.name}": {key.place.property for key in one.keys} for one in SCHEMA.init_secrets()}
    seaweedfs = found.pop("seaweedfs/seaweedfs-external-secret")

    assert found == INIT
    assert {"seaweedfs_s3_config", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "repo-password"} <= seaweedfs


def test_every_vault_path_of_the_lab_is_there():
    assert VAULT_PATHS - {key.place.path for key in SCHEMA.keys if key.place.tree is Tree.VAULT} == set()


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("core/harbor", {"robot-username", "robot-token", "HARBOR_ADMIN_PASSWORD", "oidc"}),
        ("external/cloudflare", {"cloudflare-token", "account-id", "terraform-token", "tunnel_secret", "tunnel_id"}),
        ("default/searxng", {"SEARXNG_OPEN_METRICS", "smon_username"}),
    ],
)
def test_the_properties_that_the_lab_names_are_there(path: str, names: set[str]):
    assert names <= {key.place.property for key in SCHEMA.keys if key.place.path == path}


def test_every_client_has_one_secret_and_authelia_gets_it_from_the_program():
    own = {key.client: key for key in SCHEMA.keys if key.client is not None}
    others = [key for key in SCHEMA.keys if key.kind is SecretKind.CLIENT_SECRET and key.client is None]

    assert set(own) == CLIENTS
    assert all(isinstance(key.shape, Copy) for key in others), [str(key.place) for key in others]
    for client, key in own.items():
        assert SCHEMA.client_secret(client).place() == key.place
        assert any(one.name == "authelia" and one.access is Access.PROGRAM for one in key.consumers)


def test_a_client_without_a_secret_is_an_error():
    with pytest.raises(KeyError, match="argocd-cli"):
        SCHEMA.client_secret("argocd-cli")


def test_a_reference_is_only_given_for_a_key_that_is_declared():
    assert SCHEMA.reference("core/k8up", "repo-password").place() == SecretPlace(
        tree=Tree.VAULT, path="core/k8up", property="repo-password"
    )
    with pytest.raises(KeyError, match="core/k8up: repo_password"):
        SCHEMA.reference("core/k8up", "repo_password")


@pytest.mark.parametrize("application", VOLUME_BACKUPS)
def test_what_backs_up_volumes_may_read_the_repository_and_no_key_of_the_store(application: ApplicationName):
    paths = SCHEMA.paths_read_in(application)
    assert "core/k8up" in paths
    assert not {"core/seaweedfs", "external/cloudflare", "core/harbor"} & set(paths) - {f"core/{application}"}


@pytest.mark.parametrize("application", DATABASE_BACKUPS)
def test_what_backs_up_databases_may_read_their_bucket(application: ApplicationName):
    assert "core/cnpg" in SCHEMA.paths_read_in(application)


def test_a_namespace_that_reads_nothing_may_read_nothing():
    assert SCHEMA.paths_read_in("dashy") == ()


def test_a_secret_is_adopted_under_the_name_it_had():
    names = {one.namespace: one.name for one in SCHEMA.init_secrets() if one.name.endswith("-external-secret")}

    assert set(names) == {"argo", "vault", "monitor", "seaweedfs"}
    for namespace, name in names.items():
        assert target_secret_name(ApplicationName(namespace)) == name
        assert external_secret_name(ApplicationName(namespace)) == f"{name}s"


def test_values_of_the_inventory_are_not_written_a_second_time():
    text = json.dumps([key.model_dump(mode="json") for key in SCHEMA.keys])
    account = LAB.cloud.google.secrets_account.account_id

    assert LAB.cloud.cloudflare.account_id in text
    assert f"{account}@{LAB.cloud.google.project}" in text


def test_the_kms_key_is_named_as_google_names_it():
    assert (
        encryption_key_id(LAB.cloud.google)
        == "projects/bhamm-lab/locations/us-central1/keyRings/sops-key-ring/cryptoKeys/sops-key"
    )
