"""`./lab env` is all that a plain `pulumi` needs."""

import json
import os
import subprocess

from tests.engine.laboratory import Laboratory


def test_plain_preview(laboratory: Laboratory) -> None:
    answer = laboratory.command("env", "--json")
    assert answer.returncode == 0, answer.stderr
    environment = json.loads(answer.stdout)
    plain = subprocess.run(
        ["pulumi", "preview", "--stack", "green", "--non-interactive"],
        cwd=laboratory.project, env={**os.environ, **environment}, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL,
    )
    assert plain.returncode == 0, plain.stdout + plain.stderr
    assert "to create" in plain.stdout


def test_the_shell_form_is_the_same(laboratory: Laboratory) -> None:
    as_json = json.loads(laboratory.command("env", "--json").stdout)
    text = laboratory.command("env").stdout
    script = text + "\nenv -0"
    shell = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, env={})
    read = dict(entry.split("=", 1) for entry in shell.stdout.split("\0") if entry)
    assert {name: read.get(name) for name in as_json} == as_json
