"""Which planes should run, and where addresses lead, without any program."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from model.exclusive import Colour
from tests.conformance.talos.configurations import ClusterSecrets
from tests.twin.kubernetes.lab_state import PLANS, LabState, node
from tests.twin.kubernetes.running_lab import until
from twin.kubernetes.plane import PlaneNotReadyError
from twin.kubernetes.planes import Planes

GREEN = Colour.GREEN
CONTROL_PLANES = ("master-0", "master-1", "master-2")


@pytest.fixture(autouse=True)
def no_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


@pytest_asyncio.fixture
async def planes(lab: LabState, tmp_path: Path) -> AsyncIterator[Planes]:
    ports = iter(range(28500, 28600))
    made = Planes(
        tmp_path / "kubernetes", lab.clusters, lab.world, lab.hardware, lab.faults, lambda _service: next(ports)
    )
    await made.start()
    yield made
    await made.stop()


async def build(lab: LabState, secrets: Mapping[Colour, ClusterSecrets], *names: str) -> str:
    await lab.build(GREEN, secrets[GREEN], *names)
    lab.bootstrap(GREEN, secrets[GREEN])
    return lab.clusters.clusters()[0].cluster_id


def state(planes: Planes) -> str | None:
    return next((plane["state"] for plane in planes.report()), None)


async def test_missing_programs_are_told_at_once(
    planes: Planes, lab: LabState, secrets: Mapping[Colour, ClusterSecrets]
) -> None:
    cluster_id = await build(lab, secrets, "master-0")
    with pytest.raises(PlaneNotReadyError, match=r"kwok are not on PATH.*`\./lab up` builds what is missing"):
        await planes.wait_ready(cluster_id, 600)
    (plane,) = planes.report()
    assert plane["state"] == "starting"
    assert "`./lab up`" in plane["problems"][0]
    assert plane["nodes"] == 1


async def test_a_cluster_that_is_not_bootstrapped_has_no_plane(
    planes: Planes, lab: LabState, secrets: Mapping[Colour, ClusterSecrets]
) -> None:
    await lab.build(GREEN, secrets[GREEN], "master-0")
    planes.wake()
    await until(lambda: state(planes) == "not-bootstrapped", "seen", 5)
    assert planes.running() == ()
    with pytest.raises(PlaneNotReadyError, match="does not answer after 0 s"):
        await planes.wait_ready(lab.clusters.clusters()[0].cluster_id, 0)


async def test_the_folder_goes_with_the_machines(
    planes: Planes, lab: LabState, secrets: Mapping[Colour, ClusterSecrets], tmp_path: Path
) -> None:
    await build(lab, secrets, *CONTROL_PLANES, "worker-0")
    folder = tmp_path / "kubernetes" / "green"
    await until(folder.exists, "its folder", 5)
    lab.switch(node(GREEN, "master-0"), on=False)
    lab.switch(node(GREEN, "master-1"), on=False)
    await until(lambda: state(planes) == "no-quorum", "no quorum", 5)
    # Switched off is not gone.
    assert folder.exists()
    lab.destroy(PLANS[GREEN].control_planes)
    await until(lambda: not folder.exists(), "the folder is gone", 5)
    # The worker is still there, configured for a cluster that has no data.
    await until(lambda: state(planes) == "not-bootstrapped", "not bootstrapped", 5)
    lab.destroy([node(GREEN, "worker-0")])
    await until(lambda: planes.report() == [], "nothing is left", 5)


async def test_what_another_bootstrap_left_is_removed(
    planes: Planes, lab: LabState, secrets: Mapping[Colour, ClusterSecrets], tmp_path: Path
) -> None:
    await build(lab, secrets, "master-0")
    left = tmp_path / "kubernetes" / "green" / "etcd"
    await until(left.parent.exists, "its folder", 5)
    left.mkdir()
    lab.destroy([node(GREEN, "master-0")])
    await build(lab, secrets, "master-0")
    planes.wake()
    await until(lambda: not left.exists(), "the other's data is gone", 5)
    await until(lambda: state(planes) == "starting", "it begins", 5)


async def test_a_folder_of_no_cluster_is_removed(planes: Planes, tmp_path: Path) -> None:
    stray = tmp_path / "kubernetes" / "red"
    stray.mkdir()
    await until(lambda: not stray.exists(), "removed", 5)


async def test_power_and_programs_do_not_matter_to_what_is_told_of_the_nodes(
    planes: Planes, lab: LabState, secrets: Mapping[Colour, ClusterSecrets]
) -> None:
    await build(lab, secrets, "master-0", "worker-0")
    await until(lambda: bool(planes.running()), "a plane", 5)
    (plane,) = planes.running()
    await until(lambda: set(plane.running) == {"green-talos-master-0", "green-talos-worker-0"}, "both", 5)
    lab.switch(node(GREEN, "worker-0"), on=False)
    await until(lambda: set(plane.running) == {"green-talos-master-0"}, "one is off", 5)
