"""Which Harbors run in a cluster, by the objects of a real API server."""

import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.harness.apiserver import ControlPlane
from tests.twin.operators.conftest import Bench
from tests.twin.operators.test_argo_cd import application, chart, health
from twin.faults import Fault, FaultKind, Faults
from twin.kubernetes.api import Object
from twin.operators.argo_cd import APPLICATION
from twin.operators.cluster import Kind
from twin.providers.harbor_servers import DEFAULT_PASSWORD, ClusterServers, RunningPlane, Server, servers_in

OPERATORS = frozenset({"argo-cd"})

HOST = "harbor-green.lab.example"
DATABASE = Kind("postgresql.cnpg.io/v1", "Cluster")
CHART = "https://helm.goharbor.io"


@pytest_asyncio.fixture
async def cluster(bench: Bench, faults: Faults) -> AsyncIterator[Bench]:
    await bench.define("argo-cd", "traefik", "cloudnative-pg")
    yield bench
    faults.clear()
    await bench.cluster.remove(APPLICATION, bench.namespace, "harbor")
    await bench.gone(APPLICATION, "harbor")


async def install(bench: Bench, **values: Any) -> Object:
    """The chart, until it is healthy or degraded."""
    wanted = {"database": {"external": {"host": "harbor-postgresql-rw"}}, **values}
    await bench.apply(application("harbor", chart("harbor", CHART, "1.16.2", valuesObject=wanted), bench.namespace))
    return await bench.until(APPLICATION, "harbor", lambda found: health(found) in ("Healthy", "Degraded"))


async def route(bench: Bench) -> None:
    rule = {
        "kind": "Rule", "match": f"(Host(`harbor.lab.example`) || Host(`{HOST}`))",
        "services": [{"name": "harbor", "port": 80}],
    }  # fmt: skip
    kind = {"apiVersion": "traefik.io/v1alpha1", "kind": "IngressRoute"}
    await bench.apply({**kind, "metadata": {"name": "harbor"}, "spec": {"routes": [rule]}})


async def database(bench: Bench) -> str:
    """Its uid."""
    spec = {"instances": 1, "storage": {"size": "2Gi"}}
    made = await bench.apply(
        {
            "apiVersion": DATABASE.api_version, "kind": DATABASE.kind, "metadata": {"name": "harbor-postgresql"},
            "spec": spec,
        }
    )  # fmt: skip
    return made["metadata"]["uid"]


async def only(bench: Bench) -> Server:
    (server,) = await servers_in("green", bench.api)
    return server


async def test_a_harbor_is_known_by_its_routes_its_database_and_its_password(cluster: Bench) -> None:
    uid = await database(cluster)
    await route(cluster)
    await cluster.secret("harbor-external-secret", {"PASSWORD": "of the administrator"})
    await install(
        cluster, existingSecretAdminPassword="harbor-external-secret", existingSecretAdminPasswordKey="PASSWORD"
    )
    assert await only(cluster) == Server(
        cluster="green", hosts=frozenset({"harbor.lab.example", HOST}), database=uid, password="of the administrator"
    )


async def test_without_a_password_of_its_own_it_has_everybody_s(cluster: Bench) -> None:
    await database(cluster)
    await install(cluster)
    found = await only(cluster)
    assert (found.password, found.hosts) == (DEFAULT_PASSWORD, frozenset())


@pytest.mark.parametrize("values", [{}, {"existingSecretAdminPassword": "not-there"}])
async def test_a_harbor_that_lacks_something_does_not_answer(cluster: Bench, values: dict[str, Any]) -> None:
    await install(cluster, **values)
    found = await only(cluster)
    assert found.problem == "has no database"
    assert (found.password is None) == bool(values)


async def test_a_harbor_that_is_ill_says_so(cluster: Bench, faults: Faults) -> None:
    await database(cluster)
    faults.set(
        Fault(kind=FaultKind.OPERATOR_FAILS, target="argo-cd", operation=f"{cluster.namespace}/harbor")
    )
    await install(cluster)
    assert (await only(cluster)).problem == "is Degraded"


async def test_a_cluster_that_is_built_again_is_asked_anew(cluster: Bench, plane: ControlPlane) -> None:
    """It has the name and the port of the one before, and takes none of that one's certificates."""
    await database(cluster)
    await install(cluster)
    asked: list[str] = []
    now = [RunningPlane("green", "first", lambda user: asked.append(user) or plane.kubeconfig)]
    servers = ClusterServers(lambda: now)
    try:
        assert [len(await servers()) for _ in range(2)] == [1, 1]
        assert asked == ["twin:harbor"], "each certificate costs time"
        now[0] = dataclasses.replace(now[0], identity="second")
        assert len(await servers()) == 1
        assert len(asked) == 2
        now.clear()
        assert await servers() == []
    finally:
        await servers.close()
