"""The daemon as the command line sees it: started, stopped, killed, damaged, contended."""

import asyncio
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc.aio
import httpx
import pytest

from inventory import LAB
from tests.twin.provider_client import ProviderClient, urn
from twin.__main__ import IN_USE
from twin.certificates import Certificates
from twin.client import NotRunningError, Twin, TwinError
from twin.daemon import PORTS, STAND_INS
from twin.directory import REPOSITORY, InUseError, TwinDirectory
from twin.faults import Fault, FaultKind
from twin.providers.gcp import ACCOUNT, SERVICE
from twin.providers.kinds import collection_of
from twin.store import Store

HOST_DOWN = Fault(kind=FaultKind.HOST_DOWN, target="nose")


@pytest.fixture
def twin(tmp_path: Path, cache: Path) -> Iterator[Twin]:
    created = Twin(tmp_path / "twin", cache)
    yield created
    created.stop()


def kill(twin: Twin) -> None:
    endpoints = twin.running()
    assert endpoints is not None
    descriptor = os.pidfd_open(endpoints.pid)
    os.kill(endpoints.pid, signal.SIGKILL)
    # A child of this process stays a zombie until it is waited for.
    os.waitid(os.P_PIDFD, descriptor, os.WEXITED)
    os.close(descriptor)


def test_start_serves_every_provider_and_stop_ends_it(twin: Twin) -> None:
    steps: list[str] = []
    endpoints = twin.start(steps.append)
    assert set(endpoints.providers) >= {kind.name for kind in STAND_INS}
    for port in endpoints.providers.values():
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    assert "starting cloudflare" in steps
    assert twin.status()["pid"] == endpoints.pid
    assert twin.stop()
    assert not twin.stop()
    assert twin.running() is None
    with pytest.raises(NotRunningError, match=r"\./lab twin start"):
        twin.environment()


def test_second_start_finds_the_first(twin: Twin) -> None:
    first = twin.start()
    assert twin.start() == first


def test_starts_at_the_same_time_make_one_daemon(twin: Twin) -> None:
    with ThreadPoolExecutor(4) as pool:
        starts = [pool.submit(twin.start) for _ in range(4)]
    assert len({start.result().pid for start in starts}) == 1


def test_start_while_another_daemon_is_ending(twin: Twin, tmp_path: Path) -> None:
    ending = TwinDirectory(tmp_path / "twin").acquire()
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(twin.start)
        ending.close()
        assert starting.result().providers


def test_environment_outlives_a_restart(twin: Twin) -> None:
    twin.start()
    before = twin.environment()
    twin.stop()
    twin.start()
    assert twin.environment() == before
    assert "cloudflare:" in before["PULUMI_DEBUG_PROVIDERS"]


def test_killed_daemon_loses_nothing_and_leaves_nothing_to_clear(twin: Twin) -> None:
    twin.start()
    before = twin.environment()
    twin.inject(HOST_DOWN)
    kill(twin)
    assert twin.running() is None
    twin.start()
    assert twin.environment() == before
    assert twin.faults() == [HOST_DOWN]
    assert "nose" not in [machine["name"] for machine in twin.machines()]
    assert twin.clear() == 1
    assert "nose" in [machine["name"] for machine in twin.machines()]


async def test_every_acknowledged_change_survives_a_kill(twin: Twin) -> None:
    client = ProviderClient(twin.start().providers["gcp"])
    await client.configure({"project": LAB.cloud.google.project}, "gcp")
    await client.create(SERVICE, "iam", {"service": "iam.googleapis.com"})
    acknowledged: set[str] = set()

    async def make(number: int) -> None:
        made = await client.create(ACCOUNT, f"account-{number}", {"accountId": f"account-{number}"})
        acknowledged.add(made.resource_id)
        if len(acknowledged) == 40:
            kill(twin)

    outcomes = await asyncio.gather(*(make(number) for number in range(200)), return_exceptions=True)
    await client.close()
    assert any(isinstance(outcome, grpc.aio.AioRpcError) for outcome in outcomes)
    twin.start()
    assert acknowledged <= twin.documents(collection_of(ACCOUNT)).keys()
    created = twin.created([urn(ACCOUNT, f"account-{number}") for number in range(200)])
    # Document and journal are one transaction: neither has what the other lacks.
    assert {entry["id"] for entry in created.values()} == twin.documents(collection_of(ACCOUNT)).keys()


def test_second_daemon_in_the_foreground_is_refused_by_name(twin: Twin, tmp_path: Path, cache: Path) -> None:
    endpoints = twin.start()
    second = subprocess.run(
        [sys.executable, "-m", "twin", "serve", "--directory", tmp_path / "twin", "--cache", cache],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (second.returncode, second.stdout) == (IN_USE, "")
    assert f"is in use by the twin's daemon, process {endpoints.pid}" in second.stderr
    assert "Traceback" not in second.stderr


def test_port_that_somebody_took_is_changed_and_said(twin: Twin, tmp_path: Path) -> None:
    twin.start()
    before = twin.running()
    assert before is not None
    twin.stop()
    with socket.create_server(("127.0.0.1", before.providers["gcp"])):
        steps: list[str] = []
        after = twin.start(steps.append)
        assert set(after.notices) <= set(steps)
        assert after.providers["gcp"] != before.providers["gcp"]
        assert any("gcp" in notice and str(after.providers["gcp"]) in notice for notice in after.notices)
    assert after.providers["random"] == before.providers["random"]
    store = Store(tmp_path / "twin" / "state.sqlite")
    assert store.get(PORTS, "gcp") == {"port": after.providers["gcp"]}
    store.close()


def test_damaged_state_names_the_way_out(twin: Twin, tmp_path: Path) -> None:
    twin.start()
    twin.stop()
    (tmp_path / "twin" / "state.sqlite").write_bytes(b"not a database " * 300)
    with pytest.raises(TwinError, match=r"state.sqlite is damaged .*`\./lab twin reset`"):
        twin.start()
    twin.reset()
    assert twin.start().providers


def test_page_lost_in_the_middle_is_noticed(twin: Twin, tmp_path: Path) -> None:
    twin.start()
    for number in range(200):
        twin.inject(Fault(kind=FaultKind.API_SLOW, target=f"api-{number}", operation="x" * 200))
    twin.stop()
    state = tmp_path / "twin" / "state.sqlite"
    with state.open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(4096))
    with pytest.raises(TwinError, match="is damaged"):
        twin.start()


def test_reset_forgets_everything(twin: Twin, tmp_path: Path) -> None:
    twin.start()
    twin.inject(HOST_DOWN)
    twin.reset()
    assert [path.name for path in (tmp_path / "twin").iterdir()] == ["daemon.lock"]
    twin.start()
    assert twin.faults() == []


def test_directory_of_a_living_daemon_is_not_shared(twin: Twin, tmp_path: Path) -> None:
    endpoints = twin.start()
    with pytest.raises(InUseError, match=f"process {endpoints.pid}; `./lab twin stop`"):
        TwinDirectory(tmp_path / "twin").acquire()


def test_outdated_daemon_is_restarted(twin: Twin, tmp_path: Path) -> None:
    first = twin.start()
    directory = TwinDirectory(tmp_path / "twin")
    directory.write_endpoints(first.model_copy(update={"sources": "of yesterday"}))
    steps: list[str] = []
    assert twin.start(steps.append).pid != first.pid
    assert steps[0].startswith("restarting the twin")


def test_everything_in_the_directory_is_private(twin: Twin, tmp_path: Path) -> None:
    twin.start()
    root = tmp_path / "twin"
    for path in (root, *root.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_control_socket_of_a_deep_directory(tmp_path: Path, cache: Path) -> None:
    twin = Twin(tmp_path / ("d" * 120), cache)
    twin.start()
    assert twin.status()["providers"]
    twin.stop()


def test_drift_by_hand(twin: Twin) -> None:
    twin.start()
    assert twin.documents("daemon/ports").keys() >= {"gcp"}
    twin.change("daemon/ports", "gcp", {"port": 1})
    assert twin.documents("daemon/ports")["gcp"] == {"port": 1}
    twin.remove("daemon/ports", "gcp")
    with pytest.raises(TwinError, match="daemon/ports has no gcp; it has cloudflare"):
        twin.remove("daemon/ports", "gcp")


def test_objects_need_their_bucket(twin: Twin) -> None:
    twin.start()
    with pytest.raises(TwinError, match="bucket a/default/b does not exist"):
        twin.put_object("a/default/b", "key", 1)
    assert twin.delete_object("a/default/b", "key") == []


def test_emulated_proxmox_answers_who_has_the_token_and_trusts_the_twin(twin: Twin) -> None:
    twin.start()
    environment = twin.environment()
    url = environment["PROXMOX_VE_ENDPOINT"] + "api2/json/version"
    trusting = ssl.create_default_context(cafile=environment["SSL_CERT_FILE"])
    token = {"Authorization": f"PVEAPIToken={environment['PROXMOX_VE_API_TOKEN']}"}
    assert httpx.get(url, headers=token, verify=trusting).json()["data"]["version"]
    assert httpx.get(url, headers={"Authorization": token["Authorization"] + "x"}, verify=trusting).status_code == 401
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(url, headers=token)


def test_capacity_is_told_per_host(twin: Twin) -> None:
    twin.start()
    told = {host["host"]: host for host in twin.capacity()}
    assert told.keys() == {host.name for host in LAB.hypervisors}
    for host in told.values():
        assert host["free"] == host["installed"] - host["reserved"]


def test_certificates_are_trusted_by_the_bundle_alone(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path / "certificates")
    certificates.ensure()
    authority = certificates.authority.read_bytes()
    certificates.ensure()
    assert certificates.authority.read_bytes() == authority

    def handshake(trusted: ssl.SSLContext, name: str) -> None:
        ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = trusted.wrap_bio(ours, theirs, server_hostname=name)
        server = certificates.server_context().wrap_bio(theirs, ours, server_side=True)
        for _ in range(4):
            for side in (client, server):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue
        client.do_handshake()

    for name in ("127.0.0.1", "localhost"):
        handshake(ssl.create_default_context(cafile=str(certificates.bundle)), name)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(ssl.create_default_context(cafile=str(certificates.bundle)), "example.org")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(ssl.create_default_context(), "localhost")
