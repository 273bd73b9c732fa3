"""A Vault API server on loopback, with what the program configures inside it."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from twin.kubernetes import launch

LOOPBACK: Final = "127.0.0.1"
START_SECONDS: Final = 30.0
CALL_SECONDS: Final = 10.0
PROGRAM: Final = "bao"

Json = dict[str, Any]


class VaultError(Exception):
    """The server does not start, or refuses its own administrator."""


@dataclass(frozen=True)
class VaultServer:
    """A running server that is unsealed."""

    address: str
    root_token: str
    client: httpx.Client

    def call(self, method: str, path: str, token: str | None = None, body: Json | None = None) -> httpx.Response:
        """One request as the token's holder; nobody when there is none."""
        headers = {} if token is None else {"X-Vault-Token": token}
        return self.client.request(method, f"/v1/{path}", headers=headers, json=body)

    def administer(self, method: str, path: str, body: Json | None = None) -> Json:
        """One request that must succeed, as the administrator."""
        answer = self.call(method, path, self.root_token, body)
        if answer.is_error:
            raise VaultError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else {}

    def status(self, method: str, path: str, token: str, body: Json | None = None) -> int:
        """What the server thinks of a request."""
        return self.call(method, path, token, body).status_code

    def token(self, policies: Iterable[str]) -> str:
        """A token with these policies and no others."""
        body = {"policies": list(policies), "no_default_policy": True, "ttl": "5m"}
        return self.administer("POST", "auth/token/create", body)["auth"]["client_token"]

    def configure(self, inside: Mapping[str, Any], methods: Mapping[str, Json]) -> None:
        """What the operator does with `externalConfig` of a Vault resource.

        `methods` are the settings of login methods that only the cluster around the server knows.
        """
        for engine in inside["secrets"]:
            options = {key: str(value) for key, value in engine["options"].items()}
            body = {"type": engine["type"], "description": engine["description"], "options": options}
            self.administer("POST", f"sys/mounts/{engine['path']}", body)
        for policy in inside["policies"]:
            self.administer("PUT", f"sys/policies/acl/{policy['name']}", {"policy": policy["rules"]})
        for method in inside["auth"]:
            kind: str = method["type"]
            self.administer("POST", f"sys/auth/{kind}", {"type": kind})
            settings = {**method.get("config", {}), **methods.get(kind, {})}
            if settings:
                self.administer("POST", f"auth/{kind}/config", settings)
            for role in method["roles"]:
                body = {name: value for name, value in role.items() if name != "name"}
                answer = self.administer("POST", f"auth/{kind}/role/{role['name']}", body)
                ignored = [line for line in answer.get("warnings") or () if "unrecognized" in line]
                if ignored:
                    raise VaultError(f"role {role['name']} of {kind}: {ignored}")

    def login(self, role: str, token: str) -> httpx.Response:
        """Log in with the token of a service account."""
        return self.call("POST", "auth/kubernetes/login", None, {"role": role, "jwt": token})

    def command(self, token: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Vault's own command line, as the token's holder."""
        environment = {**os.environ, "BAO_ADDR": self.address, "BAO_TOKEN": token, "HOME": "/nonexistent"}
        return subprocess.run(
            [executable(), *arguments], env=environment, capture_output=True, text=True, check=False,
            timeout=CALL_SECONDS, stdin=subprocess.DEVNULL,
        )  # fmt: skip


def executable() -> str:
    """The server's program, which is its command line too; VaultError when it is not installed."""
    found = shutil.which(PROGRAM, path=str(Path(sys.executable).parent)) or shutil.which(PROGRAM)
    if found is None:
        raise VaultError(f"there is no {PROGRAM}: it is in requirements-dev.txt")
    return found


@contextmanager
def vault_server(directory: Path, *, shares: int, threshold: int) -> Generator[VaultServer]:
    """Run a server with its data in memory until the end of the block, initialised and unsealed."""
    directory.mkdir(parents=True, exist_ok=True)
    with socket.create_server((LOOPBACK, 0)) as free:
        port: int = free.getsockname()[1]
    settings = {
        "storage": {"inmem": {}},
        "listener": [{"tcp": {"address": f"{LOOPBACK}:{port}", "tls_disable": True}}],
        "api_addr": f"http://{LOOPBACK}:{port}",
    }
    path = directory / "vault.json"
    path.write_text(json.dumps(settings))
    # Through this it ends with the tests, however they end.
    bound = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid())]
    log = directory / "vault.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*bound, executable(), "server", f"-config={path}"], stdout=output, stderr=output, cwd=directory
        )
    try:
        address = f"http://{LOOPBACK}:{port}"
        with httpx.Client(base_url=address, timeout=CALL_SECONDS) as client:
            _wait(process, client, log)
            starting = VaultServer(address, "", client)
            made = starting.administer("PUT", "sys/init", {"secret_shares": shares, "secret_threshold": threshold})
            for key in made["keys"][:threshold]:
                starting.administer("PUT", "sys/unseal", {"key": key})
            running = VaultServer(address, made["root_token"], client)
            _until_active(running, log)
            yield running
    finally:
        process.terminate()
        try:
            process.wait(CALL_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", client: httpx.Client, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise VaultError(f"the server ended with {process.returncode}: {log.read_text(errors='replace')[-2000:]}")
        try:
            client.get("/v1/sys/seal-status").raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise VaultError(f"the server does not answer after {START_SECONDS} s: {log.read_text(errors='replace')[-2000:]}")


def _until_active(server: VaultServer, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while server.call("GET", "sys/health").status_code != 200:
        if time.monotonic() > deadline:
            raise VaultError(f"the server stays sealed: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.1)
