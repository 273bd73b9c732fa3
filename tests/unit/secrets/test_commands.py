"""`./lab secrets`: what it says, how it ends, and that it never shows a value."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import cli.secrets
from cli.exit_code import ExitCode
from engine.secrets import DevelopmentSecrets
from engine.workspace import Workspace
from inventory import LAB
from inventory.secrets import SCHEMA
from model.secrets import SecretPlace, Tree, encryption_key_id
from stacks.secrets_file import SecretsFile
from tests.unit.secrets.samples import AgeKey, encrypt, nested, place

Command = Callable[..., Result]

UNUSED = sum(key.unread is not None for key in SCHEMA.keys)
REPOSITORY_PASSWORD = place("core/k8up", "repo-password")
CLIENT_SECRET_COPY = place("vault/vault-external-secret", "OIDC_VAULT_CLIENT_SECRET", Tree.INIT)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    made = Workspace(project=tmp_path, local=tmp_path / ".lab")
    monkeypatch.setattr(cli.secrets, "Workspace", lambda: made)
    monkeypatch.chdir(tmp_path)
    for variable in ("LAB_TARGET", "LAB_SECRETS_FILE", "SOPS_AGE_KEY_FILE"):
        monkeypatch.delenv(variable, raising=False)
    return made


@pytest.fixture
def lab(workspace: Workspace) -> Command:
    """Run a command; whatever it prints has no value of the development file."""

    def run(*arguments: str, **environment: str) -> Result:
        answer = CliRunner().invoke(cli.secrets.application, list(arguments), env=environment)
        development = DevelopmentSecrets.of(workspace)
        values = development_values(development) if development.file.exists() else {}
        secret = {key.place: values.get(key.place) for key in SCHEMA.keys if key.is_secret}
        assert [str(where) for where, value in secret.items() if value and str(value) in answer.output] == []
        return answer

    return run


def development_values(development: DevelopmentSecrets) -> dict[SecretPlace, object]:
    return SecretsFile.read(development.file).decrypt(development.sops_environment())


def rewrite(workspace: Workspace, change: Callable[[dict[SecretPlace, object]], None]) -> None:
    """Change the development file as a person would with `sops edit`."""
    development = DevelopmentSecrets.of(workspace)
    values = development_values(development)
    change(values)
    encrypt(development.file, nested(values), AgeKey(development.key_file, development.public_key()))


def test_init_makes_everything_once(lab: Command):
    first, second = lab("init"), lab("init")

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert first.stderr == "made a new age key\n"
    assert first.stdout == f".lab/secrets/secrets.enc.json: {len(SCHEMA.keys)} keys, {len(SCHEMA.keys)} of them new\n"
    assert second.stderr == ""
    assert second.stdout == f".lab/secrets/secrets.enc.json: {len(SCHEMA.keys)} keys, 0 of them new\n"


def test_init_names_what_it_adds_and_keeps_and_prune_what_it_removes(lab: Command, workspace: Workspace):
    lab("init")

    def change(values: dict[SecretPlace, object]) -> None:
        del values[REPOSITORY_PASSWORD]
        values[place("core/k8up", "old")] = "x" * 20

    rewrite(workspace, change)
    kept, pruned = lab("init"), lab("init", "--prune")

    assert kept.stderr.splitlines() == [
        f"added {REPOSITORY_PASSWORD}",
        "kept vault_secrets.core.k8up.old, which the schema does not have; --prune removes it",
    ]
    assert pruned.stderr == "removed vault_secrets.core.k8up.old\n"


def test_check_tells_that_the_development_file_has_no_kms_key(lab: Command, workspace: Workspace):
    lab("init")
    answer = lab("check")

    assert answer.exit_code == 0
    assert f"is for {DevelopmentSecrets.of(workspace).public_key()}" in answer.stdout
    assert "no KMS key is among them" in answer.stdout
    assert "unused: vault_secrets.external.cloudflare.tunnel_id" in answer.stdout
    assert f"{len(SCHEMA.keys)} keys: none missing, none extra, {UNUSED} unused; values agree" in answer.stdout


def test_check_reports_everything_that_is_wrong(lab: Command, workspace: Workspace):
    lab("init")

    def change(values: dict[SecretPlace, object]) -> None:
        del values[REPOSITORY_PASSWORD]
        values[place("core/k8up", "repo-pasword")] = "x" * 20

    rewrite(workspace, change)
    answer = lab("check")

    assert answer.exit_code == ExitCode.USER_ERROR
    assert "2 violations" in answer.stderr
    assert f"at:   .lab/secrets/secrets.enc.json: {REPOSITORY_PASSWORD}" in answer.stderr
    assert f"did you mean `{REPOSITORY_PASSWORD}`?" in answer.stderr


def test_a_client_secret_changed_in_one_place_is_told(lab: Command, workspace: Workspace):
    lab("init")
    rewrite(workspace, lambda values: values.update({CLIENT_SECRET_COPY: "x" * 64}))
    answer = lab("check")

    assert answer.exit_code == ExitCode.USER_ERROR
    assert f"{CLIENT_SECRET_COPY}" in answer.stderr
    assert "not that of core/vault: OIDC_VAULT_CLIENT_SECRET, of which it is a copy" in answer.stderr
    assert lab("init").exit_code == 0
    assert lab("check").exit_code == 0


def test_check_for_scripts(lab: Command, workspace: Workspace):
    lab("init")
    rewrite(workspace, lambda values: values.update({REPOSITORY_PASSWORD: ""}))
    answer = lab("check", "--json")
    document: dict[str, Any] = json.loads(answer.stdout)

    assert answer.exit_code == ExitCode.USER_ERROR
    assert document["decrypted"] is False
    assert document["recipients"]["age"] == [DevelopmentSecrets.of(workspace).public_key()]
    assert [one["at"] for one in document["violations"]] == [f".lab/secrets/secrets.enc.json: {REPOSITORY_PASSWORD}"]
    assert len(document["unused"]) == UNUSED


def test_check_before_init_says_what_to_do(lab: Command):
    answer = lab("check")

    assert answer.exit_code == ExitCode.USER_ERROR
    assert "./lab secrets init" in answer.stderr


def real_file(directory: Path, workspace: Workspace, *recipients: AgeKey) -> Path:
    """The development values as a file for somebody else, with the KMS key among its recipients."""
    values = development_values(DevelopmentSecrets.of(workspace))
    file = encrypt(directory / "secrets.enc.json", nested(values), *recipients)
    document = json.loads(file.read_text(encoding="utf-8"))
    entry = {"resource_id": encryption_key_id(LAB.cloud.google), "created_at": "2026-01-24T00:00:00Z", "enc": "eA=="}
    document["sops"]["gcp_kms"] = [entry]
    file.write_text(json.dumps(document), encoding="utf-8")
    return file


def test_the_real_file_is_checked_with_the_callers_own_key(lab: Command, workspace: Workspace, other_key: AgeKey):
    lab("init")
    real_file(workspace.project, workspace, other_key)
    answer = lab("check", "--target", "hardware", SOPS_AGE_KEY_FILE=str(other_key.file))

    assert answer.exit_code == 0, answer.stderr
    assert encryption_key_id(LAB.cloud.google) in answer.stdout
    assert "values agree" in answer.stdout
    assert "development" not in answer.stdout


def test_names_and_recipients_are_checked_without_any_key(
    lab: Command, workspace: Workspace, other_key: AgeKey, tmp_path: Path
):
    lab("init")
    (tmp_path / "elsewhere").mkdir()
    file = real_file(tmp_path / "elsewhere", workspace, other_key)
    answer = lab("check", "--keys-only", LAB_TARGET="hardware", LAB_SECRETS_FILE=str(file), HOME=str(tmp_path))

    assert answer.exit_code == 0, answer.stderr
    assert "values were not looked at" in answer.stdout


def test_a_real_file_that_cannot_be_decrypted_is_no_success(
    lab: Command, workspace: Workspace, other_key: AgeKey, age_key: AgeKey
):
    lab("init")
    real_file(workspace.project, workspace, other_key)
    environment = {"SOPS_AGE_KEY_FILE": str(age_key.file), "GOOGLE_APPLICATION_CREDENTIALS": "/nowhere.json"}
    answer = lab("check", "--target", "hardware", **environment)

    assert answer.exit_code == ExitCode.USER_ERROR
    assert f"here: {age_key.public}" in answer.stderr


def test_without_sops_the_exit_code_says_that_a_tool_is_missing(
    lab: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))

    assert lab("init", PATH=str(tmp_path)).exit_code == ExitCode.TOOL_MISSING


def test_keys_have_a_line_each(lab: Command):
    lines = lab("keys").stdout.splitlines()

    assert len(lines) == len(SCHEMA.keys)
    (line,) = (one for one in lines if one.startswith("vault_secrets.core.lldap.LLDAP_LDAP_USER_PASS:"))
    assert line.endswith("password of lldap, for lldap (ExternalSecret), vault_secrets.core.authelia.ldap_password")


def test_keys_for_scripts(lab: Command):
    keys: list[dict[str, Any]] = json.loads(lab("keys", "--json").stdout)
    by_place = {f"{key['tree']}.{key['path']}.{key['property']}": key for key in keys}
    copy = by_place["vault_secrets.core/authelia.ldap_password"]

    assert len(by_place) == len(SCHEMA.keys)
    assert copy["owner"] == "lldap"
    assert copy["consumers"] == [{"name": "authelia", "access": "ExternalSecret"}]
    assert copy["made_of"] == ["vault_secrets.core.lldap.LLDAP_LDAP_USER_PASS"]
    assert by_place["vault_secrets.core/monitor.GF_AUTH_GENERIC_OAUTH_CLIENT_SECRET"]["oidc_client"] == "grafana"
