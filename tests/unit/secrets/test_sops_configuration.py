"""`.sops.yaml`: whom people's own `sops` encrypts to."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from inventory import LAB
from model.secrets import SECRETS_FILE, encryption_key_id
from stacks.secrets_file import SecretsFile, find_sops
from tests.unit.secrets.samples import AgeKey

PROJECT_DIRECTORY = Path(__file__).resolve().parents[3]
CONFIGURATION = PROJECT_DIRECTORY / ".sops.yaml"


def rule() -> dict[str, Any]:
    (only,) = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))["creation_rules"]
    return only


def encrypt(directory: Path, name: str = SECRETS_FILE) -> subprocess.CompletedProcess[str]:
    (directory / name).parent.mkdir(parents=True, exist_ok=True)
    (directory / name).write_text('{"init": {"a": {"b": {"c": "d"}}}}', encoding="utf-8")
    return subprocess.run(
        [find_sops(os.environ), "encrypt", "--in-place", name],
        cwd=directory, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_the_kms_key_is_that_of_the_inventory():
    assert rule()["gcp_kms"] == encryption_key_id(LAB.cloud.google)


def test_only_the_real_file_is_meant():
    assert re.search(rule()["path_regex"], SECRETS_FILE)
    assert not re.search(rule()["path_regex"], f".lab/secrets/{SECRETS_FILE}")


def test_sops_refuses_it_until_somebody_has_put_in_a_key(tmp_path: Path):
    shutil.copy(CONFIGURATION, tmp_path)
    answer = encrypt(tmp_path)

    assert answer.returncode != 0
    assert rule()["age"] in answer.stderr


def test_sops_takes_it_with_a_key(tmp_path: Path, age_key: AgeKey):
    text = CONFIGURATION.read_text(encoding="utf-8").replace(rule()["age"], age_key.public)
    # Without the KMS key, which cannot be reached here.
    (tmp_path / ".sops.yaml").write_text(re.sub(r"(?m)^ *gcp_kms:.*$", "", text), encoding="utf-8")

    assert encrypt(tmp_path).returncode == 0
    assert SecretsFile.read(tmp_path / SECRETS_FILE).recipients.age == (age_key.public,)
    assert encrypt(tmp_path, f".lab/secrets/{SECRETS_FILE}").returncode != 0
