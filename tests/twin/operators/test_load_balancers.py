"""Addresses of Services: from the pools, one each, shared where both sides agree."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from tests.twin.operators.conftest import Bench
from twin.kubernetes.api import Object
from twin.operators.cluster import SERVICE, is_true
from twin.operators.load_balancers import CONDITION, POOL_STABLE

OPERATORS = frozenset({"cilium"})

SHARED = {"lbipam.cilium.io/sharing-key": "shared", "lbipam.cilium.io/sharing-cross-namespace": "*"}


def service(name: str, port: int, annotations: dict[str, str] | None = None, **spec: Any) -> Object:
    metadata: Object = {"name": name, "annotations": annotations or {}}
    ports = [{"name": "main", "port": port}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata,
            "spec": {"type": "LoadBalancer", "ports": ports, **spec}}  # fmt: skip


def address(found: Object) -> str | None:
    ingress = found["status"]["loadBalancer"].get("ingress") or []
    return ingress[0]["ip"] if ingress else None


def reason(found: Object) -> str | None:
    conditions = found["status"].get("conditions") or []
    return next((one["reason"] for one in conditions if one["type"] == CONDITION), None)


@pytest_asyncio.fixture
async def pools(bench: Bench) -> AsyncIterator[Bench]:
    """Two addresses for this test's namespace alone."""
    await bench.define("cilium")
    await bench.apply(
        {
            "apiVersion": POOL_STABLE.api_version,
            "kind": POOL_STABLE.kind,
            "metadata": {"name": bench.namespace},
            "spec": {
                "blocks": [{"start": "10.0.30.31", "stop": "10.0.30.32"}],
                "serviceSelector": {"matchLabels": {"io.kubernetes.service.namespace": bench.namespace}},
            },
        }
    )
    yield bench
    for found in await bench.cluster.all(SERVICE, bench.namespace):
        await bench.cluster.remove(SERVICE, bench.namespace, found["metadata"]["name"])
    await bench.cluster.remove(POOL_STABLE, None, bench.namespace)


async def test_each_service_gets_the_next_address_until_none_is_left(pools: Bench) -> None:
    await pools.apply(service("first", 80))
    assert address(await pools.until(SERVICE, "first", address)) == "10.0.30.31"
    await pools.apply(service("second", 80))
    assert address(await pools.until(SERVICE, "second", address)) == "10.0.30.32"
    await pools.apply(service("third", 80))
    refused = await pools.until(SERVICE, "third", lambda found: reason(found) == "out_of_ips")
    assert address(refused) is None
    await pools.cluster.remove(SERVICE, pools.namespace, "first")
    assert address(await pools.until(SERVICE, "third", address)) == "10.0.30.31"


async def test_services_share_an_address_by_their_key_unless_a_port_clashes(pools: Bench) -> None:
    await pools.apply(service("traefik", 443, SHARED))
    given = address(await pools.until(SERVICE, "traefik", address))
    await pools.apply(service("forgejo-ssh", 22, SHARED))
    assert address(await pools.until(SERVICE, "forgejo-ssh", address)) == given
    await pools.apply(service("other", 443, SHARED))
    assert address(await pools.until(SERVICE, "other", address)) != given


async def test_a_pinned_address_is_given_or_refused(pools: Bench) -> None:
    await pools.apply(service("pinned", 80, {"lbipam.cilium.io/ips": "10.0.30.32"}))
    pinned = await pools.until(SERVICE, "pinned", address)
    assert address(pinned) == "10.0.30.32"
    assert is_true(pinned, CONDITION)
    await pools.apply(service("again", 81, {"lbipam.cilium.io/ips": "10.0.30.32"}))
    await pools.until(SERVICE, "again", lambda found: reason(found) == "already_allocated")
    assert f"allocated to {pools.namespace}/pinned" in await pools.event("again", "already_allocated")
    await pools.apply(service("foreign", 82, {"lbipam.cilium.io/ips": "10.0.30.131"}))
    await pools.until(SERVICE, "foreign", lambda found: reason(found) == "pool_selector_mismatch")


async def test_what_is_no_load_balancer_has_no_address(pools: Bench) -> None:
    await pools.apply(service("internal", 80, type="ClusterIP"))
    await pools.apply(service("classed", 80, loadBalancerClass="example.org/other"))
    await pools.apply(service("changed", 80))
    await pools.until(SERVICE, "changed", address)
    await pools.apply(service("changed", 80, type="ClusterIP"))
    await pools.until(SERVICE, "changed", lambda found: address(found) is None)
    for name in ("internal", "classed"):
        assert address(await pools.until(SERVICE, name)) is None


async def test_a_pool_that_comes_later_is_used(bench: Bench) -> None:
    await bench.define("cilium")
    await bench.apply(service("early", 80))
    await bench.until(SERVICE, "early", lambda found: reason(found) == "no_pool")
    name = f"late-{bench.namespace}"
    selector = {"matchLabels": {"io.kubernetes.service.namespace": bench.namespace}}
    spec = {"blocks": [{"cidr": "10.0.31.0/30"}], "serviceSelector": selector}
    await bench.apply({"apiVersion": POOL_STABLE.api_version, "kind": POOL_STABLE.kind, "metadata": {"name": name},
                       "spec": spec})  # fmt: skip
    assert address(await bench.until(SERVICE, "early", address)) == "10.0.31.0"
    await bench.cluster.remove(SERVICE, bench.namespace, "early")
    await bench.cluster.remove(POOL_STABLE, None, name)
