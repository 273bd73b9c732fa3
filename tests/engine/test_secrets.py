"""Nothing secret stands in the clear in any file that a run leaves, nor in what it prints."""

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from engine.operation import Operation
from engine.secrets import DevelopmentSecrets
from inventory import LAB
from stacks.secrets_file import SecretsFile
from tests.engine.laboratory import Laboratory

SHORTEST = 8
"""Characters; a shorter text would be found by chance."""


def outputs(laboratory: Laboratory, stack: str) -> dict[str, Any]:
    answer = subprocess.run(
        ["pulumi", "stack", "output", "--json", "--show-secrets", "--stack", stack],
        cwd=laboratory.project, env={**os.environ, **laboratory.environment}, capture_output=True, text=True,
        check=True, stdin=subprocess.DEVNULL,
    )
    return json.loads(answer.stdout)


def lab_secrets(laboratory: Laboratory) -> dict[str, str]:
    """Everything secret in the SOPS file, by its place."""
    development = DevelopmentSecrets.of(laboratory.workspace)
    values = SecretsFile.read(development.file).decrypt(development.sops_environment())
    found = {str(key.place): str(values[key.place]) for key in LAB.secrets.keys if key.is_secret}
    # Of several lines the longest: files and logs write the ends of lines in many ways.
    return {place: max(value.splitlines(), key=len) for place, value in found.items()}


def secrets_of(laboratory: Laboratory) -> dict[str, str]:
    shared, green = outputs(laboratory, "shared"), outputs(laboratory, "green")
    user = yaml.safe_load(green["kubeconfig"])["users"][0]["user"]
    talos = next(iter(yaml.safe_load(green["talosconfig"])["contexts"].values()))
    account = json.loads(base64.b64decode(shared["sops_account_key"]))
    return {
        "administrator's key of the cluster": user["client-key-data"],
        "administrator's key of Talos": talos["key"],
        "Google account key": account["private_key"].splitlines()[1],
        "Google account key, encoded": shared["sops_account_key"],
        "Vertex account key, encoded": shared["vertex_account_key"],
        **{f"password of {name}": password for name, password in shared["backup_server_passwords"].items()},
        **lab_secrets(laboratory),
        "Proxmox token": laboratory.environment["PROXMOX_VE_API_TOKEN"],
        "a private key in PEM": "PRIVATE KEY-----",
        "a private key in base64": base64.b64encode(b"-----BEGIN RSA PRIVATE KEY").decode()[:20],
    }


def test_no_secret_stands_in_the_clear(whole: Laboratory) -> None:
    laboratory = whole
    printed = ""
    for stack in ("shared", "green"):
        for command in ("preview", "up", "preview", "refresh"):
            answer = laboratory.command(command, stack)
            assert answer.returncode == 0, answer.stderr
            printed += answer.stdout + answer.stderr
        printed += laboratory.command("preview", stack, "--json").stdout
    secrets = secrets_of(laboratory)
    assert all(len(secret) >= SHORTEST for secret in secrets.values())

    def found_in(text: str) -> list[str]:
        return [name for name, secret in secrets.items() if secret in text]

    assert found_in(printed) == []
    # The twin's own folder is the emulated hardware and the accounts; it holds what those hold.
    files = [
        path
        for path in laboratory.workspace.local.rglob("*")
        if path.is_file() and laboratory.workspace.twin not in path.parents
    ]
    assert any("green" in path.name for path in files)
    leaks = {str(path.relative_to(laboratory.project)): found_in(_text(path)) for path in files}
    assert {path: names for path, names in leaks.items() if names} == {}
    assert found_in(_text(laboratory.workspace.twin / "daemon.log")) == []


def test_the_local_folder_is_its_owners_alone(laboratory: Laboratory) -> None:
    assert laboratory.workspace.local.stat().st_mode & 0o077 == 0
    assert laboratory.state.export("shared")["deployment"] is not None
    assert laboratory.succeed(Operation.PREVIEW, "green").errors == []


def _text(path: Path) -> str:
    return path.read_bytes().decode(errors="replace")
