"""The few shell scripts that run on the cluster, run here: against the real `sops`, and stand-ins of the rest."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from pyrage import x25519  # pyright: ignore[reportAttributeAccessIssue]

from components.kubernetes.secret_sync import CLEAR, DECRYPT, ENCRYPTED, WRITE
from components.kubernetes.volumes import RESTORE
from model.secrets import SECRETS_FILE
from tests.unit.architecture.source import PROJECT

TREE = {
    "init": {"ceph": {"csi-rbd-secret": {"userKey": "never in Vault"}}},
    "vault_secrets": {
        "core": {"lldap": {"users.json": '{"users": []}', "key": "a b'c\"d$e\n"}},
        "default": {"actual-budget": {"client-secret": "e"}},
    },
}

RESTIC = """\
#!/bin/sh
echo "$@" >> "$CALLS"
[ -z "${FAIL:-}" ] || { touch "$VOLUME/half"; exit 1; }
echo restored > "$VOLUME/timestamps"
"""

VAULT = """\
#!/bin/sh
echo "$@" >> "$CALLS"
[ "$1" = write ] && echo token
exit 0
"""


def stand_in(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return folder


def run(script: str, *arguments: str, path: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", script, "script", *arguments],
        env={"PATH": f"{path}:{os.environ['PATH']}", **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    folder = tmp_path / "volume"
    (folder / "lost+found").mkdir(parents=True)
    return folder


def restore(volume: Path, incarnation: str = "green-8", **environment: str) -> subprocess.CompletedProcess[str]:
    tools = stand_in(volume.parent / "tools", "restic", RESTIC)
    return run(
        RESTORE, path=str(tools), VOLUME=str(volume), NAMESPACE="test", INCARNATION=incarnation, SOURCE="blue-7",
        CALLS=str(volume.parent / "calls"), **environment,
    )  # fmt: skip


def calls(volume: Path) -> list[str]:
    return (volume.parent / "calls").read_text().splitlines()


def test_an_empty_volume_is_restored(volume: Path):
    assert restore(volume).returncode == 0
    assert (volume / "timestamps").read_text() == "restored\n"
    assert calls(volume) == [f"restore latest --host test --path {volume} --tag blue-7 --target /"]


def test_a_volume_in_use_is_never_written_over(volume: Path):
    (volume / "timestamps").write_text("written today\n")
    refused = restore(volume)
    assert refused.returncode == 1
    assert "nothing is written over it" in refused.stderr
    assert (volume / "timestamps").read_text() == "written today\n"


def test_a_second_run_changes_nothing(volume: Path):
    restore(volume)
    (volume / "timestamps").write_text("written since\n")
    assert restore(volume).returncode == 0
    assert (volume / "timestamps").read_text() == "written since\n"


def test_a_restore_that_was_cut_off_goes_on(volume: Path):
    assert restore(volume, FAIL="1").returncode != 0
    assert (volume / "half").exists()
    assert restore(volume).returncode == 0
    assert len(calls(volume)) == 2


def test_the_mark_of_an_older_restore_is_no_reason_to_skip_one(volume: Path):
    """The mark is in the volume, so it is in the snapshot that the next build begins with."""
    restore(volume, incarnation="blue-7")
    fresh = volume.parent / "fresh"
    fresh.mkdir()
    assert restore(fresh, incarnation="green-8").returncode == 0
    assert (fresh / "timestamps").exists()


@pytest.fixture
def encrypted(tmp_path: Path) -> Path:
    """The SOPS file as it lies in the cluster, and the key that opens it."""
    key = x25519.Identity.generate()
    (tmp_path / "key").write_text(str(key))
    folder = tmp_path / "encrypted"
    folder.mkdir()
    clear = tmp_path / "clear.json"
    clear.write_text(json.dumps(TREE))
    text = subprocess.run(
        [str(PROJECT / ".venv/bin/sops"), "encrypt", "--age", str(key.to_public()), str(clear)],
        env={"PATH": os.environ["PATH"]}, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=30,
    ).stdout  # fmt: skip
    (folder / SECRETS_FILE).write_text(text)
    clear.unlink()
    return folder


def test_each_path_is_decrypted_into_a_file_of_its_own(encrypted: Path, tmp_path: Path):
    clear = tmp_path / "clear"
    script = DECRYPT.replace(ENCRYPTED, str(encrypted)).replace(CLEAR, str(clear))
    done = run(
        script, "core/lldap", "default/actual-budget",
        path=str(PROJECT / ".venv/bin"), SOPS_AGE_KEY_FILE=str(tmp_path / "key"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    found = {str(path.relative_to(clear)): json.loads(path.read_text()) for path in clear.rglob("*.json")}
    assert found == {
        "core/lldap.json": TREE["vault_secrets"]["core"]["lldap"],
        "default/actual-budget.json": {"client-secret": "e"},
    }


def test_a_path_that_the_file_does_not_have_ends_the_run(encrypted: Path, tmp_path: Path):
    script = DECRYPT.replace(ENCRYPTED, str(encrypted)).replace(CLEAR, str(tmp_path / "clear"))
    done = run(
        script, "core/nothing", path=str(PROJECT / ".venv/bin"), SOPS_AGE_KEY_FILE=str(tmp_path / "key")
    )
    assert done.returncode != 0


def test_each_file_is_written_to_its_path_and_no_value_is_told(tmp_path: Path):
    clear = tmp_path / "clear"
    (clear / "core").mkdir(parents=True)
    (clear / "core/lldap.json").write_text('{"key": "value"}')
    token = tmp_path / "token"
    token.write_text("of the account")
    script = WRITE.replace(CLEAR, str(clear)).replace(
        "/var/run/secrets/kubernetes.io/serviceaccount/token", str(token)
    )
    done = run(
        script, "core/lldap",
        path=str(stand_in(tmp_path / "tools", "vault", VAULT)), CALLS=str(tmp_path / "calls"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["core/lldap"]
    assert (tmp_path / "calls").read_text().splitlines() == [
        "write -field=token auth/kubernetes/login role=sops jwt=of the account",
        f"kv put -mount=secret core/lldap @{clear}/core/lldap.json",
    ]
