"""A small program on the stand-ins, driven by the real engine."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from inventory import LAB
from tools.build import ensure
from tools.recipe import ENGINE
from twin.client import Twin
from twin.faults import Fault, FaultKind
from twin.providers.gcp import ACCOUNT, ACCOUNT_KEY
from twin.providers.kinds import collection_of

PROJECT = "twin-test"
ACCOUNT_NAME = (
    f"projects/{LAB.cloud.google.project}/serviceAccounts/decrypt@{LAB.cloud.google.project}.iam.gserviceaccount.com"
)

PROGRAM = """
import pulumi, pulumi_command as command, pulumi_gcp as gcp, pulumi_random as random
google = gcp.Provider("google", project=PROJECT)
on_google = pulumi.ResourceOptions(provider=google)
iam = gcp.projects.Service("iam", service="iam.googleapis.com", opts=on_google)
account = gcp.serviceaccount.Account(
    "account", account_id="decrypt", display_name=pulumi.Config().get("purpose") or "decrypts",
    opts=pulumi.ResourceOptions(provider=google, depends_on=[iam]),
)
key = gcp.serviceaccount.Key("key", service_account_id=account.name, opts=on_google)
password = random.RandomPassword("password", length=24)
for number in range(COMMANDS):
    after = pulumi.ResourceOptions(depends_on=[account])
    command.local.Command(f"command-{number}", create=f"echo {number}", opts=after)
pulumi.export("email", account.email)
pulumi.export("password", password.result)
pulumi.export("key", key.private_key)
"""


@dataclass
class Engine:
    """One stack of the program."""

    directory: Path
    environment: Mapping[str, str]

    def pulumi(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["pulumi", *arguments], cwd=self.directory, env=dict(self.environment),
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def succeed(self, *arguments: str) -> str:
        done = self.pulumi(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def changes(self, *arguments: str) -> dict[str, int]:
        return json.loads(self.succeed(*arguments, "--json"))["changeSummary"]

    def export(self) -> dict[str, Any]:
        return json.loads(self.succeed("stack", "export", "--stack", "dev"))

    def import_(self, exported: Mapping[str, Any]) -> None:
        path = self.directory / "state.json"
        path.write_text(json.dumps(exported))
        self.succeed("stack", "import", "--stack", "dev", "--file", str(path))

    def state(self) -> dict[str, Any]:
        return self.export()["deployment"]


@pytest.fixture(scope="module")
def engine_path() -> str:
    directories = [str(tool.directory) for tool in ensure(ENGINE, print)]
    return os.pathsep.join([str(Path(sys.executable).parent), *directories, os.environ["PATH"]])


@pytest.fixture
def twin(tmp_path: Path, cache: Path) -> Iterator[Twin]:
    created = Twin(tmp_path / "twin", cache)
    created.start()
    yield created
    created.stop()


@pytest.fixture
def engine(tmp_path: Path, twin: Twin, engine_path: str) -> Engine:
    directory = tmp_path / "program"
    directory.mkdir()
    (directory / "Pulumi.yaml").write_text(f"name: {PROJECT}\nruntime: python\n")
    write_program(directory, commands=2)
    environment = {
        **os.environ,
        **twin.environment(),
        "PATH": engine_path,
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_BACKEND_URL": tmp_path.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_SKIP_CHECKPOINTS": "false",
    }
    made = Engine(directory, environment)
    made.succeed("stack", "init", "dev")
    return made


def write_program(directory: Path, commands: int) -> None:
    text = PROGRAM.replace("PROJECT", repr(LAB.cloud.google.project)).replace("COMMANDS", str(commands))
    (directory / "__main__.py").write_text(text)


def test_life_of_a_stack(engine: Engine, twin: Twin) -> None:
    assert set(engine.changes("preview")) == {"create"}
    engine.succeed("up", "--yes", "--skip-preview")
    assert set(engine.changes("preview", "--expect-no-changes")) == {"same"}
    assert "[secret]" in engine.succeed("stack", "output")
    stored = json.dumps(engine.state())
    assert "PRIVATE KEY" not in stored

    engine.succeed("config", "set", "purpose", "decrypts secrets")
    assert engine.changes("preview")["update"] == 1
    engine.succeed("up", "--yes", "--skip-preview")

    twin.change(collection_of(ACCOUNT), ACCOUNT_NAME, {"inputs": {"displayName": "by hand"}})
    assert set(engine.changes("preview")) == {"same"}
    assert engine.changes("preview", "--refresh")["update"] == 1
    engine.succeed("up", "--yes", "--skip-preview", "--refresh")
    assert twin.documents(collection_of(ACCOUNT))[ACCOUNT_NAME]["inputs"]["displayName"] == "decrypts secrets"

    twin.remove(collection_of(ACCOUNT), ACCOUNT_NAME)
    engine.succeed("refresh", "--yes", "--skip-preview")
    assert ACCOUNT not in {resource["type"] for resource in engine.state()["resources"]}
    engine.succeed("up", "--yes", "--skip-preview")
    assert ACCOUNT_NAME in twin.documents(collection_of(ACCOUNT))

    engine.succeed("destroy", "--yes", "--skip-preview")
    assert engine.state().get("resources", []) == []
    assert twin.documents(collection_of(ACCOUNT)) == {}


def test_refusal_reaches_the_person_without_a_traceback(engine: Engine, twin: Twin) -> None:
    twin.inject(Fault(kind=FaultKind.API_ERROR, target="gcp", operation=f"create {ACCOUNT}", status=429))
    failed = engine.pulumi("up", "--yes", "--skip-preview")
    assert failed.returncode != 0
    assert f"gcp: gcp answered 429 to `create {ACCOUNT}` (injected fault)" in failed.stdout
    assert "Traceback" not in failed.stdout + failed.stderr
    assert "is expected to have version" not in failed.stdout
    twin.clear()
    engine.succeed("up", "--yes", "--skip-preview")


def test_wrong_input_fails_at_preview_naming_the_property(engine: Engine) -> None:
    program = engine.directory / "__main__.py"
    program.write_text(program.read_text() + 'gcp.kms.CryptoKey("k", key_ring="ring", opts=on_google)\n')
    failed = engine.pulumi("preview")
    assert failed.returncode != 0
    assert "must be the id of a key ring, not `ring`" in failed.stdout


def test_create_whose_answer_was_lost_is_taken_up_by_its_urn(engine: Engine, twin: Twin) -> None:
    write_program(engine.directory, commands=0)
    engine.succeed("up", "--yes", "--skip-preview")
    before = twin.documents(collection_of(ACCOUNT))
    exported = engine.export()
    resources = exported["deployment"]["resources"]
    (answered,) = [resource for resource in resources if resource["type"] == ACCOUNT]
    unanswered = {name: value for name, value in answered.items() if name not in ("id", "outputs")}
    kept = [resource for resource in resources if resource["type"] not in (ACCOUNT, ACCOUNT_KEY)]

    engine.import_({**exported, "deployment": {**exported["deployment"], "resources": kept}})
    failed = engine.pulumi("up", "--yes", "--skip-preview")
    assert f"service account with name {ACCOUNT_NAME.rsplit('/', 1)[-1]} already exists" in failed.stdout

    found = {**unanswered, "id": twin.created([answered["urn"]])[answered["urn"]]["id"]}
    engine.import_({**exported, "deployment": {**exported["deployment"], "resources": [*kept, found]}})
    engine.succeed("refresh", "--yes", "--skip-preview")
    (read,) = [resource for resource in engine.export()["deployment"]["resources"] if resource["type"] == ACCOUNT]
    assert read["outputs"] == answered["outputs"]
    engine.succeed("up", "--yes", "--skip-preview")
    assert set(engine.changes("preview", "--expect-no-changes")) == {"same"}
    assert twin.documents(collection_of(ACCOUNT)) == before


def test_daemon_killed_in_mid_up(engine: Engine, twin: Twin) -> None:
    commands = 40
    write_program(engine.directory, commands)
    endpoints = twin.running()
    assert endpoints is not None
    # Every command waits for the account, so its creation is in the middle of the work.
    running = subprocess.Popen(
        ["pulumi", "up", "--yes", "--skip-preview", "--parallel", "2"], cwd=engine.directory,
        env=dict(engine.environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert running.stdout is not None
    seen: list[str] = []
    for line in running.stdout:
        seen.append(line)
        if "command-" in line and "created" in line:
            os.kill(endpoints.pid, signal.SIGKILL)
            break
    seen.extend(running.stdout)
    assert running.wait() != 0, "".join(seen)
    twin.start()
    engine.succeed("refresh", "--yes", "--skip-preview", "--clear-pending-creates")
    engine.succeed("up", "--yes", "--skip-preview")
    assert set(engine.changes("preview", "--expect-no-changes")) == {"same"}
    types = [resource["type"] for resource in engine.state()["resources"]]
    assert types.count("command:local:Command") == commands
    assert list(twin.documents(collection_of(ACCOUNT))) == [ACCOUNT_NAME]
