"""Power, kills and damage: what is told, that nothing is lost, and that it goes on."""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import time
from pathlib import Path

import pytest

from model.exclusive import Colour
from tests.twin.kubernetes.lab_state import PLANS, node
from tests.twin.kubernetes.running_lab import GET_HEALTH, RunningLab, is_alive, is_ready, until, until_node
from twin.faults import Fault, FaultKind
from twin.kubernetes.api import KubernetesApi, Object, UnreachableError
from twin.kubernetes.control_plane import NODE_MONITOR_GRACE_SECONDS, Part
from twin.kubernetes.mounts import CONFIG_MAPS
from twin.kubernetes.nodes import NODES

GREEN, BLUE = Colour.GREEN, Colour.BLUE
WORKER = node(GREEN, "worker-0")
NOSE = node(GREEN, "worker-nose")


async def write(api: KubernetesApi, name: str) -> None:
    body: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"written": "yes"}}
    await api.create(CONFIG_MAPS, "default", body)


async def has(api: KubernetesApi, name: str) -> bool:
    return await api.get(CONFIG_MAPS, "default", name) is not None


async def test_a_machine_without_power_is_not_ready_and_comes_back(running: RunningLab) -> None:
    async with running.api(GREEN) as api:
        await until_node(api, WORKER, ready=True)
        await until_node(api, NOSE, ready=True)
        running.switch(WORKER, on=False)
        running.twin.inject(Fault(kind=FaultKind.HOST_DOWN, target="nose"))
        try:
            # A controller manager that has just begun counts from then on.
            assert await until_node(api, WORKER, ready=False) < NODE_MONITOR_GRACE_SECONDS + 6
            await until_node(api, NOSE, ready=False)
            gone = await api.get(NODES, None, WORKER.name) or {}
            # By the controller of Kubernetes itself, not by the twin.
            condition = next(c for c in gone["status"]["conditions"] if c["type"] == "Ready")
            assert (condition["status"], condition["reason"]) == ("Unknown", "NodeStatusUnknown")
            assert "node.kubernetes.io/unreachable" in {taint["key"] for taint in gone["spec"]["taints"]}
            assert is_ready(await api.get(NODES, None, "green-talos-worker-amd-gpu"))
        finally:
            running.switch(WORKER, on=True)
            running.twin.clear()
        assert await until_node(api, WORKER, ready=True) < 5
        await until_node(api, NOSE, ready=True)


@pytest.mark.parametrize("part", [*Part])
async def test_a_killed_program_is_told_and_started_again(running: RunningLab, part: Part) -> None:
    async with running.api(GREEN) as api:
        await write(api, f"before-{part}")
        before = running.plane(GREEN)["processes"]
        os.kill(before[part], signal.SIGKILL)
        await until(
            lambda: (running.plane(GREEN)["processes"][part] or before[part]) != before[part], f"{part} started again"
        )
        await until(lambda: running.plane(GREEN)["state"] == "ready", "ready again")
        plane = running.plane(GREEN)
        assert f"{part} ended at" in "; ".join(plane["problems"])
        assert "killed by SIGKILL" in "; ".join(plane["problems"])
        # Nothing else ended with it.
        assert {p: i for p, i in plane["processes"].items() if p != part} == {
            p: i for p, i in before.items() if p != part
        }
        assert await has(api, f"before-{part}")
        await write(api, f"after-{part}")
        # kwok takes the nodes over before anybody misses it.
        assert is_ready(await api.get(NODES, None, WORKER.name))


async def test_a_watch_outlives_the_api_server(running: RunningLab) -> None:
    async with running.api(GREEN) as api:
        seen: list[str] = []

        async def follow() -> None:
            async for kind, item in api.watch(CONFIG_MAPS, "default"):
                seen.append(f"{kind} {item['metadata']['name']}")

        following = asyncio.create_task(follow())
        await asyncio.sleep(0.5)
        os.kill(running.plane(GREEN)["processes"][Part.API_SERVER], signal.SIGKILL)
        await until(lambda: running.plane(GREEN)["state"] != "ready", "the death noticed")
        await until(lambda: running.plane(GREEN)["state"] == "ready", "ready again")
        await write(api, "after-the-watch-broke")
        await until(lambda: "ADDED after-the-watch-broke" in seen, "the watch goes on")
        following.cancel()
        assert len(seen) == len(set(seen))


async def test_a_killed_daemon_leaves_no_process_and_loses_nothing(running: RunningLab) -> None:
    async with running.api(GREEN) as api:
        await write(api, "before-the-daemon-died")
    processes = running.plane(GREEN)["processes"]
    assert len(processes) == len(Part)
    running.kill_daemon()
    await until(lambda: not any(is_alive(pid) for pid in processes.values()), "every program ended", 2)
    running.twin.start()
    await until(lambda: running.plane(GREEN).get("state") == "ready", "ready again")
    # The same kubeconfig, so the same proxy.
    async with running.api(GREEN) as api:
        assert await has(api, "before-the-daemon-died")


async def test_a_port_that_another_program_took_is_given_up(running: RunningLab) -> None:
    before = running.plane(GREEN)["processes"]
    port = _ports(running.directory)["kubernetes-api/green"]["port"]
    os.kill(before[Part.API_SERVER], signal.SIGKILL)
    taker = await _take(port)
    try:
        await until(lambda: running.plane(GREEN)["processes"].get(Part.ETCD) != before[Part.ETCD], "all begun anew")
        await until(lambda: running.plane(GREEN)["state"] == "ready", "ready at another port")
        assert _ports(running.directory)["kubernetes-api/green"]["port"] != port
        # Nobody outside notices: the kubeconfig names the virtual IP.
        async with running.api(GREEN) as api:
            assert await api.read("/readyz") == "ok"
    finally:
        taker.close()


async def _take(port: int) -> socket.socket:
    """Be quicker than the API server that is started again."""
    while True:
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            await asyncio.sleep(0.005)


def _ports(directory: Path) -> dict[str, dict[str, int]]:
    with sqlite3.connect(directory / "state.sqlite") as connection:
        rows = connection.execute("SELECT key, body FROM documents WHERE collection = 'daemon/ports'").fetchall()
    return {key: json.loads(body) for key, body in rows}


async def test_without_quorum_nothing_answers_and_nothing_is_lost(running: RunningLab) -> None:
    async with running.api(GREEN) as api:
        await write(api, "before-the-quorum-was-lost")
    processes = running.plane(GREEN)["processes"]
    for name in ("master-1", "master-2"):
        running.switch(node(GREEN, name), on=False)
    await until(lambda: running.plane(GREEN)["state"] == "no-quorum", "no quorum")
    assert "these do not answer: green-talos-master-1" in running.plane(GREEN)["problems"][0]
    await until(lambda: not any(is_alive(pid) for pid in processes.values()), "every program ended")
    async with running.api(GREEN) as api:
        with pytest.raises(UnreachableError, match=r"the virtual IP 10\.0\.30\.30 of cluster green"):
            await api.read("/readyz")
    running.switch(node(GREEN, "master-1"), on=True)
    await until(lambda: running.plane(GREEN)["state"] == "ready", "ready again")
    async with running.api(GREEN) as api:
        assert await has(api, "before-the-quorum-was-lost")
    running.switch(node(GREEN, "master-2"), on=True)


async def test_damaged_data_is_told_and_kept(running: RunningLab) -> None:
    running.twin.stop()
    data = running.folder(GREEN) / "etcd"
    database = data / "member" / "snap" / "db"
    sound = database.read_bytes()
    database.write_bytes(b"\0" * 8192 + sound[8192:])
    running.twin.start()
    await until(lambda: any("damaged" in p for p in running.plane(GREEN).get("problems", ())), "the damage told")
    (problem,) = (p for p in running.plane(GREEN)["problems"] if "damaged" in p)
    assert str(data) in problem
    assert "./lab" in problem
    assert running.plane(GREEN)["state"] == "starting"
    client = await running.talos()
    begun = time.monotonic()
    with pytest.raises(Exception, match="damaged"):
        await client.invoke(GET_HEALTH, running.health(GREEN, timeout="10m"))
    # No waiting mends it, so nobody waits ten minutes.
    assert time.monotonic() - begun < 5
    await client.close()
    assert database.stat().st_size == len(sound)
    # A copy put back, and it goes on by itself.
    database.write_bytes(sound)
    await until(lambda: running.plane(GREEN)["state"] == "ready", "ready again")


async def test_an_api_server_that_answers_slowly_is_only_slow(running: RunningLab) -> None:
    running.twin.inject(Fault(kind=FaultKind.API_SLOW, target="kubernetes", seconds=0.5))
    try:
        async with running.api(GREEN) as api:
            begun = time.monotonic()
            assert await api.get(NODES, None, WORKER.name) is not None
            assert time.monotonic() - begun > 0.5
        assert running.plane(GREEN)["state"] == "ready"
    finally:
        running.twin.clear()


async def test_an_injected_refusal_reaches_the_client(running: RunningLab) -> None:
    running.twin.inject(Fault(kind=FaultKind.API_ERROR, target="kubernetes", remaining=1))
    async with running.api(GREEN) as api:
        with pytest.raises(UnreachableError, match="injected fault"):
            await api.read("/readyz")
        assert await api.read("/readyz") == "ok"


async def test_both_colours_run_at_once_and_a_destroyed_one_leaves_nothing(running: RunningLab) -> None:
    await running.bootstrap(BLUE)
    green, blue = running.plane(GREEN), running.plane(BLUE)
    assert (green["state"], blue["state"]) == ("ready", "ready")
    assert blue["endpoint"] == "https://10.0.30.130:6443"
    async with running.api(GREEN) as one, running.api(BLUE) as other:
        await until_node(other, node(BLUE, "worker-0"), ready=True)
        names = {item["metadata"]["name"] for item in await other.list(NODES)}
        assert names == {f"blue-talos-{name}" for name in ("master-0", "master-1", "master-2", "worker-0")}
        await write(other, "of-blue")
        assert not await has(one, "of-blue")
    for machine in (*PLANS[BLUE].control_planes, node(BLUE, "worker-0")):
        running.destroy(machine)
    await until(lambda: running.plane(BLUE) == {}, "blue is gone")
    await until(lambda: not running.folder(BLUE).exists(), "its folder is gone")
    assert not any(is_alive(pid) for pid in blue["processes"].values())
    assert running.plane(GREEN)["processes"] == green["processes"]
    assert running.plane(GREEN)["state"] == "ready"
    assert {path.name for path in running.folder(GREEN).parent.iterdir()} == {"green"}
