"""Load balancers: Cilium gives each Service an address of the pools, and shares one where both sides agree."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from twin.kubernetes.api import Object
from twin.operators.cluster import (
    SERVICE,
    Cluster,
    Kind,
    NotReadyError,
    Operator,
    key_of,
    with_condition,
)
from twin.operators.controller import Controller

CILIUM: Final = Operator("cilium")

POOL: Final = Kind("cilium.io/v2alpha1", "CiliumLoadBalancerIPPool")
POOL_STABLE: Final = Kind("cilium.io/v2", "CiliumLoadBalancerIPPool")
CONDITION: Final = "cilium.io/IPAMRequestSatisfied"
ADDRESSES: Final = ("lbipam.cilium.io/ips", "io.cilium/lb-ipam-ips")
SHARING_KEY: Final = ("lbipam.cilium.io/sharing-key", "io.cilium/lb-ipam-sharing-key")
SHARING_NAMESPACES: Final = ("lbipam.cilium.io/sharing-cross-namespace", "io.cilium/lb-ipam-sharing-cross-namespace")
CLASSES: Final = (None, "io.cilium/l2-announcer", "io.cilium/bgp-control-plane")
EVERY_NAMESPACE: Final = "*"


@dataclass(frozen=True)
class Pool:
    """Addresses for the Services that the selector takes."""

    name: str
    addresses: tuple[IPv4Address, ...]
    selector: Mapping[str, object]

    def takes(self, service: Object) -> bool:
        """Whether the pool is for the Service."""
        return selects(self.selector, service)


@dataclass(frozen=True)
class Share:
    """What decides whether two Services can have one address."""

    namespace: str
    key: str | None
    others: frozenset[str]
    """Namespaces with which it shares; the sharing key must be the same."""
    ports: frozenset[tuple[int, str]]

    def goes_with(self, other: "Share") -> bool:
        """Whether both agree and none of their ports clash."""
        if self.key is None or self.key != other.key or self.ports & other.ports:
            return False
        return self.namespace == other.namespace or (
            self.admits(other.namespace) and other.admits(self.namespace)
        )

    def admits(self, namespace: str) -> bool:
        """Whether it shares with Services of the namespace."""
        return EVERY_NAMESPACE in self.others or namespace in self.others


class LoadBalancers(Controller):
    """Addresses for Services of type LoadBalancer."""

    operator = CILIUM
    kind = SERVICE
    wakes_on = (POOL, POOL_STABLE)

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        # What is taken is read from the cluster: two at once would take the same address.
        self._one_at_a_time = asyncio.Lock()

    async def reconcile(self, found: Object) -> None:
        """Give, keep or take back the address."""
        spec = found["spec"]
        present = addresses_of(found)
        if spec["type"] != "LoadBalancer" or spec.get("loadBalancerClass") not in CLASSES:
            if present and spec["type"] != "LoadBalancer":
                await self.cluster.set_status(found, {"loadBalancer": {"ingress": None}})
            return
        async with self._one_at_a_time:
            services = await self.cluster.all(SERVICE)
            current = next((one for one in services if key_of(one) == key_of(found)), None)
            if current is None:
                return
            pools = await read_pools(self.cluster)
            chosen = choose(current, [one for one in services if key_of(one) != key_of(found)], pools)
            await self.cluster.set_status(
                current,
                {
                    "loadBalancer": {"ingress": [{"ip": str(address), "ipMode": "VIP"} for address in chosen]},
                    "conditions": with_condition(
                        current, CONDITION, true=True, reason="satisfied", generation=True
                    ),
                },
            )

    async def refuse(self, found: Object, problem: NotReadyError) -> None:
        """Cilium's condition, and no address."""
        current = await self.cluster.find(SERVICE, *key_of(found))
        if current is None:
            return
        conditions = with_condition(
            current, CONDITION, true=False, reason=problem.reason, message=problem.message, generation=True
        )
        await self.cluster.set_status(current, {"loadBalancer": {"ingress": None}, "conditions": conditions})
        await self.tell(found, problem.reason, problem.message)


def choose(service: Object, others: Iterable[Object], pools: Iterable[Pool]) -> tuple[IPv4Address, ...]:
    """The addresses for the Service; NotReadyError when the pools have none for it. What it has it keeps."""
    usable = [pool for pool in pools if pool.takes(service)]
    if not usable:
        raise NotReadyError("no_pool", "There are no enabled CiliumLoadBalancerIPPools that match this service")
    known = {address: pool for pool in usable for address in pool.addresses}
    taken: dict[IPv4Address, list[Object]] = {}
    for other in others:
        for address in addresses_of(other):
            taken.setdefault(address, []).append(other)
    asked = _asked(service)
    for address in asked:
        if address not in known:
            raise NotReadyError("pool_selector_mismatch", f"{address} is in no pool for this service: {_names(usable)}")
        _refuse_taken(service, address, taken.get(address, []))
    if asked:
        return asked
    mine = _share(service)
    kept = [address for address in addresses_of(service) if address in known]
    shared = [
        address for address, holders in taken.items()
        if address in known and holders and all(mine.goes_with(_share(holder)) for holder in holders)
    ]  # fmt: skip
    free = [address for address in known if address not in taken]
    for address in (*kept, *sorted(shared), *free):
        if all(mine.goes_with(_share(holder)) for holder in taken.get(address, [])):
            return (address,)
    raise NotReadyError("out_of_ips", f"no address of {_names(usable)} is left: {len(known)} are taken")


async def read_pools(cluster: Cluster) -> list[Pool]:
    """The enabled pools of the cluster, by name."""
    found = {item["metadata"]["name"]: item for kind in (POOL, POOL_STABLE) for item in await cluster.all(kind)}
    return [
        Pool(name, tuple(_addresses(item)), item["spec"].get("serviceSelector") or {})
        for name, item in sorted(found.items())
        if not item["spec"].get("disabled") and "deletionTimestamp" not in item["metadata"]
    ]


def addresses_of(service: Object) -> tuple[IPv4Address, ...]:
    """The addresses that the Service was given."""
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return tuple(IPv4Address(one["ip"]) for one in ingress if "ip" in one)


def selects(selector: Mapping[str, object], service: Object) -> bool:
    """A label selector, with Cilium's two labels for namespace and name."""
    namespace, name = key_of(service)
    labels: dict[str, str] = {
        **(service["metadata"].get("labels") or {}),
        "io.kubernetes.service.namespace": namespace,
        "io.kubernetes.service.name": name,
    }
    wanted = selector.get("matchLabels")
    if isinstance(wanted, dict) and any(labels.get(key) != value for key, value in wanted.items()):
        return False
    expressions = selector.get("matchExpressions")
    return not isinstance(expressions, list) or all(_holds(one, labels) for one in expressions)


def _holds(expression: Object, labels: Mapping[str, str]) -> bool:
    value = labels.get(expression["key"])
    values: list[str] = expression.get("values") or []
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case _:
            return value is None


def _addresses(pool: Object) -> Iterator[IPv4Address]:
    for block in pool["spec"].get("blocks") or ():
        if "cidr" in block:
            network = IPv4Network(block["cidr"])
            first_and_last = pool["spec"].get("allowFirstLastIPs", "Yes") == "Yes" or network.num_addresses <= 2
            yield from network if first_and_last else network.hosts()
        else:
            start = IPv4Address(block["start"])
            stop = IPv4Address(block.get("stop", block["start"]))
            yield from (start + offset for offset in range(int(stop) - int(start) + 1))


def _asked(service: Object) -> tuple[IPv4Address, ...]:
    text = _note(service, ADDRESSES) or service["spec"].get("loadBalancerIP") or ""
    try:
        return tuple(IPv4Address(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise NotReadyError("invalid_ip", f"annotation {ADDRESSES[0]}: {error}") from error


def _refuse_taken(service: Object, address: IPv4Address, holders: Iterable[Object]) -> None:
    mine = _share(service)
    clashing = [holder for holder in holders if not mine.goes_with(_share(holder))]
    if not clashing:
        return
    names = ", ".join("/".join(key_of(holder)) for holder in clashing)
    if mine.key is None or any(_share(holder).key != mine.key for holder in clashing):
        raise NotReadyError("already_allocated", f"{address} is allocated to {names}, with another or no sharing key")
    raise NotReadyError(
        "already_allocated_incompatible_service",
        f"{address} is allocated to {names}: a port is the same, or a namespace is not admitted",
    )


def _share(service: Object) -> Share:
    namespaces = (_note(service, SHARING_NAMESPACES) or "").split(",")
    return Share(
        namespace=service["metadata"]["namespace"],
        key=_note(service, SHARING_KEY),
        others=frozenset(part.strip() for part in namespaces if part.strip()),
        ports=frozenset((port["port"], port.get("protocol", "TCP")) for port in service["spec"].get("ports") or ()),
    )


def _note(service: Object, names: Iterable[str]) -> str | None:
    annotations: Mapping[str, str] = service["metadata"].get("annotations") or {}
    return next((annotations[name] for name in names if name in annotations), None)


def _names(pools: Iterable[Pool]) -> str:
    return ", ".join(pool.name for pool in pools)
