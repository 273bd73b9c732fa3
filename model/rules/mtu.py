"""N1: no hop of the path is wider than the one that carries it."""

from itertools import pairwise

from model.configuration import Configuration
from model.lab import Lab
from model.network import Link
from model.rules.places import Part, place
from model.units import Mtu
from model.violation import Rule, Source, Violation

HOPS = ("bridge", "vlan", "vm", "node")
"""Hops of the chain from the outside in; the pod is the last."""

SMALLEST = Mtu(1280)
"""RFC 8200, section 5: the least that every IPv6 link carries."""

LARGEST = Mtu(65520)
"""Linux' limit of a bridge."""


def mtu(lab: Lab, configuration: Configuration) -> list[Violation]:  # noqa: ARG001 (every rule is called alike)
    """The MTU never grows from bridge to VLAN, VM, node and pod, with room for the overlay's header at the last hop."""
    chain = lab.mtu
    names = tuple(link.name for link in chain.links)
    if names != HOPS:
        return [
            _violation(
                f"the MTU chain names the hops [{', '.join(names)}], but packets pass [{', '.join(HOPS)}]",
                _where("links"),
                "give every hop once, from the outside in",
            )
        ]
    found = [
        _violation(
            f"MTU {link.mtu} of hop `{link.name}` is outside {SMALLEST} to {LARGEST}",
            _hop(link),
            "9000 for jumbo frames, 1500 for ordinary ones",
        )
        for link in chain.links
        if not SMALLEST <= link.mtu <= LARGEST
    ]
    found += [
        _violation(
            f"hop `{inner.name}` has MTU {inner.mtu}, but `{outer.name}`, which carries it, only {outer.mtu}: "
            "large packets would be dropped without a word",
            _hop(inner),
            f"set `{inner.name}` to {outer.mtu} or less, or `{outer.name}` to {inner.mtu} or more",
            _hop(outer),
        )
        for outer, inner in pairwise(chain.links)
        if inner.mtu > outer.mtu
    ]
    if chain.encapsulation < 0:
        found.append(
            _violation(
                f"the overlay's header cannot be {chain.encapsulation} bytes",
                _where("encapsulation"),
                "50 for VXLAN, 0 without an overlay",
            )
        )
    innermost = chain.links[-1]
    room = innermost.mtu - chain.encapsulation
    if chain.pod > room:
        found.append(
            _violation(
                f"pods have MTU {chain.pod}, but with {chain.encapsulation} bytes of encapsulation hop "
                f"`{innermost.name}` ({innermost.mtu}) leaves them {room}",
                _where("pod"),
                f"set `pod` to {room} or less",
                _hop(innermost),
            )
        )
    elif chain.pod < SMALLEST:
        found.append(
            _violation(
                f"MTU {chain.pod} of the pods is below {SMALLEST}", _where("pod"), f"{room} uses the path fully"
            )
        )
    if lab.cluster.node_mtu != innermost.mtu:
        found.append(
            _violation(
                f"the machine configurations set MTU {lab.cluster.node_mtu}, the chain says {innermost.mtu} for "
                f"`{innermost.name}`",
                place(Part.CLUSTER, "node_mtu"),
                "make both the same number",
                _hop(innermost),
            )
        )
    return found


def _where(path: str) -> Source:
    return place(Part.MTU, path)


def _hop(link: Link) -> Source:
    return _where(f"links[{link.name}]")


def _violation(message: str, where: Source, fix: str, *also: Source) -> Violation:
    return Violation(rule=Rule.MTU, message=message, where=where, also=also, fix=fix)
