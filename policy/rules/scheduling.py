"""I12 over the graph: every pod has a node that it fits, and its volumes come with it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from model.cluster import Taint
from model.units import MIB_PER_GIB
from model.violation import Rule, Violation
from policy.claims import claims, provisioner
from policy.graph import Graph
from policy.pods import Pods, pods
from policy.properties import Path, Property, entries, fields, has_withheld, text
from policy.surroundings import Node, Surroundings
from policy.told import told

SHARED_DEVICE = "gpu.intel.com/i915"
"""A card that several pods hold at once, up to its shares. The others are taken in turns, by scaling to zero."""
HOST_NAME = "kubernetes.io/hostname"
CEPH_CHARTS: Mapping[str, str] = {"rbd.csi.ceph.com": "ceph-csi-rbd", "cephfs.csi.ceph.com": "ceph-csi-cephfs"}
"""Drivers, and the charts whose node plugin mounts their volumes."""
_BYTES_PER_MIB = Decimal(2) ** 20


def scheduling(graph: Graph, lab: Surroundings) -> list[Violation]:
    """Each pod fits a node of its colour, shared cards are not promised twice, and volumes mount where pods may be."""
    found: list[Violation] = []
    for one in pods(graph):
        nodes = lab.nodes.get(one.owner.stack)
        # Argo fills in what a template takes as a parameter, so a template alone is not judged.
        if nodes is None or one.owner.kind.endswith("WorkflowTemplate"):
            continue
        found += _host_names(one)
        if not _can_be_judged(one):
            continue
        fitting = [node for node in nodes if not _reasons(one, node)]
        if not fitting:
            found.append(_nowhere(one, nodes))
        found += _mounts(graph, one, fitting)
    return [*found, *_shares(graph, lab)]


def _can_be_judged(one: Pods) -> bool:
    return not any(has_withheld(one.spec.get(field)) for field in ("nodeSelector", "tolerations", "affinity"))


def _reasons(one: Pods, node: Node) -> list[str]:
    """Why the pod cannot be on the node; none when it can."""
    found: list[str] = []
    if "nodeName" in one.spec and one.spec["nodeName"] not in (None, node.name):
        found.append("have another name")
    for key, value in fields(one.spec, "nodeSelector").items():
        if node.labels.get(key) != value:
            found.append(f"lack the label {key}={value}")
    if not _affine(one, node):
        found.append("do not match its node affinity")
    tolerations = entries(one.spec, "tolerations")
    found += [f"have the taint {taint.key}" for taint in node.taints if not _tolerated(taint, tolerations)]
    for resource, amount in one.requests.items():
        there = _capacity(node, resource)
        if there is not None and amount > there:
            found.append(f"have too little {resource}")
    return found


def _capacity(node: Node, resource: str) -> Decimal | None:
    """How much of it the node has; None for what every node has enough of."""
    if resource == "cpu":
        return Decimal(node.cpu) / 1000
    if resource == "memory":
        return Decimal(node.memory) * _BYTES_PER_MIB
    return Decimal(node.devices.get(resource, 0)) if "/" in resource and "hugepages" not in resource else None


def _tolerated(taint: Taint, tolerations: Sequence[Property]) -> bool:
    for one in tolerations:
        key, effect = text(one, "key"), text(one, "effect")
        exists = (text(one, "operator") or "Equal") == "Exists"
        if effect not in (None, "", str(taint.effect)):
            continue
        if exists and key in (None, "", taint.key):
            return True
        if key == taint.key and (text(one, "value") or "") == taint.value:
            return True
    return False


def _affine(one: Pods, node: Node) -> bool:
    required: Path = ("affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")
    terms = entries(one.spec, *required)
    return not terms or any(
        all(_matches(expression, node) for expression in entries(term, "matchExpressions")) for term in terms
    )


def _matches(expression: Property, node: Node) -> bool:
    key, operator = text(expression, "key") or "", text(expression, "operator")
    values, own = entries(expression, "values"), node.labels.get(key)
    if operator == "In":
        return own in values
    if operator == "NotIn":
        return own not in values
    if operator == "Exists":
        return own is not None
    # `Gt` and `Lt` compare numbers, which none of the lab's labels is.
    return own is None if operator == "DoesNotExist" else True


def _nowhere(one: Pods, nodes: Sequence[Node]) -> Violation:
    counted = Counter(reason for node in nodes for reason in _reasons(one, node))
    told_of = "; ".join(f"{times} {reason}" for reason, times in counted.items()) or "there is none"
    wanted = ", ".join(f"{_amount(name, amount)} {name}" for name, amount in one.requests.items())
    return told(
        Rule.SCHEDULING,
        f"no node of {one.owner.stack} fits {one.owner}{f' (it asks for {wanted})' if wanted else ''}: of {len(nodes)} "
        f"nodes {told_of}",
        (one.owner.urn, one.path),
        "tolerate the taint, select by a label that a node has, ask for less, or lease a node that has it",
    )


def _amount(resource: str, amount: Decimal) -> str:
    if resource == "memory":
        memory = amount / _BYTES_PER_MIB
        return f"{memory / MIB_PER_GIB:.1f} GiB of" if memory >= MIB_PER_GIB else f"{memory:.0f} MiB of"
    return f"{amount.normalize():f}"


def _host_names(one: Pods) -> Iterator[Violation]:
    if HOST_NAME in fields(one.spec, "nodeSelector"):
        yield told(
            Rule.SCHEDULING,
            f"{one.owner} is pinned to a host name, which has the colour in it: the other colour could never run it",
            (one.owner.urn, (*one.path, "nodeSelector", HOST_NAME)),
            "select by what the node has: its labels or devices",
        )


def _shares(graph: Graph, lab: Surroundings) -> Iterator[Violation]:
    for stack, nodes in lab.nodes.items():
        there = sum(node.devices.get(SHARED_DEVICE, 0) for node in nodes)
        holders = [
            (one, one.requests[SHARED_DEVICE] * one.replicas)
            for one in pods(graph)
            if one.owner.stack == stack and SHARED_DEVICE in one.requests
        ]
        wanted = sum(amount for _, amount in holders)
        if wanted > there and holders:
            last = holders[-1][0]
            listed = ", ".join(f"{one.owner} {amount:f}" for one, amount in holders)
            yield told(
                Rule.SCHEDULING,
                f"the pods of {stack} ask for {wanted:f} of {SHARED_DEVICE}, its nodes have {there}: {listed}",
                (last.owner.urn, last.path),
                "run one of them without the card, or give the device plugin more shares",
                *((one.owner.urn, one.path) for one, _ in holders[:-1]),
            )


def _mounts(graph: Graph, one: Pods, nodes: Sequence[Node]) -> Iterator[Violation]:
    """The node plugin of a driver runs on every node where a pod may want to mount."""
    stack = one.owner.stack
    for path, name, driver in _drivers(graph, one):
        charts = (one for one in graph.installations if one.stack == stack)
        plugin = next((one for one in charts if one.chart == CEPH_CHARTS[driver]), None)
        if plugin is None or has_withheld(plugin.values):
            continue
        tolerations = entries(plugin.values, "nodeplugin", "tolerations")
        blind = [
            (node, taint) for node in nodes for taint in node.taints if not _tolerated(taint, tolerations)
        ]
        if blind:
            taint = blind[0][1]
            yield told(
                Rule.SCHEDULING,
                f"{one.owner} may be on {', '.join(dict.fromkeys(node.name for node, _ in blind))}, where its volume "
                f"{name} cannot be mounted: the node plugin of {driver} does not tolerate {taint.key}",
                (one.owner.urn, path),
                f"add a toleration of {taint.key} to `nodeplugin.tolerations` of {plugin.name}",
                (plugin.urn, (*plugin.values_path, "nodeplugin", "tolerations")),
            )


def _drivers(graph: Graph, one: Pods) -> Iterator[tuple[Path, str, str]]:
    """The volumes of the pod that a Ceph driver mounts: where it is said, the claim's name, the driver."""
    owner = one.owner
    named = [
        ((*one.path, "volumes", index), text(volume, "persistentVolumeClaim", "claimName"))
        for index, volume in enumerate(entries(one.spec, "volumes"))
    ]
    for claim in claims(graph):
        if claim.owner.stack != owner.stack:
            continue
        driver = provisioner(graph, owner.stack, claim.storage_class)
        if driver is None or driver not in CEPH_CHARTS:
            continue
        if claim.owner is owner:
            yield claim.path, claim.name, driver
        elif not claim.path and claim.owner.place == owner.place:
            yield from ((path, claim.name, driver) for path, name in named if name == claim.owner.name)
