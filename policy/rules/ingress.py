"""I13: every way in is known, encrypted and guarded."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from model.violation import Rule, Violation
from model.workloads.annotations import AUTHENTICATION
from policy.graph import Graph
from policy.objects import KubernetesObject
from policy.properties import Path, at, entries, is_withheld, text
from policy.surroundings import Surroundings
from policy.told import told

TUNNEL_DOMAIN = ".cfargotunnel.com"
DNS_RECORD = "cloudflare:index/dnsRecord:DnsRecord"
TUNNEL_CONFIGURATION = "cloudflare:index/zeroTrustTunnelCloudflaredConfig:ZeroTrustTunnelCloudflaredConfig"

FORWARD_AUTH = "forward-auth"
BASIC_AUTH = "basic-auth"
GUARDED = frozenset({FORWARD_AUTH, BASIC_AUTH})
"""Kinds that the ingress sees to, by a middleware."""
GUARDS = ("forwardAuth", "basicAuth")
"""The middlewares that do."""
SELF_GUARDED = frozenset({"native-oidc", "api-key"})
"""Kinds of authentication that the application sees to itself, against identities of the lab."""
LISTED = frozenset({"own-login", "open"})
"""Kinds that must be on the list of open routes."""

_HOSTS = re.compile(r"Host\(([^)]*)\)")
_NAME = re.compile(r"[`\"']([^`\"']+)[`\"']")
_PATH = re.compile(r"Path(?:Prefix)?\([`\"']([^`\"']+)[`\"']\)")


@dataclass(frozen=True, eq=False)
class Entrance:
    """One host name and path of an IngressRoute."""

    route: KubernetesObject
    path: Path
    """Of the rule in it."""
    host: str
    below: str
    """Path of the URL."""

    @property
    def url(self) -> str:
        """For people."""
        return self.host if self.below == "/" else f"{self.host}{self.below}"


def ingress(graph: Graph, lab: Surroundings) -> list[Violation]:
    """Host names are unique, of the domain, with TLS and a login or a reason; public ones come by the tunnel alone."""
    entrances = [entrance for route in graph.of_kind("IngressRoute") for entrance in _entrances(route)]
    return [
        *_unreadable(graph),
        *_twice(entrances),
        *(violation for entrance in entrances for violation in _domain(entrance, lab)),
        *_encrypted(graph),
        *(violation for entrance in entrances for violation in _guarded(graph, entrance, lab)),
        *_public(graph, lab),
    ]


def _entrances(route: KubernetesObject) -> Iterator[Entrance]:
    for index, rule in enumerate(entries(route.at("spec", "routes"))):
        match = text(rule, "match")
        if match is None:
            continue
        below = _PATH.search(match)
        for hosts in _HOSTS.findall(match):
            for host in _NAME.findall(hosts):
                yield Entrance(route, ("spec", "routes", index), host, "/" if below is None else below[1])


def _unreadable(graph: Graph) -> Iterator[Violation]:
    for route in graph.of_kind("IngressRoute"):
        for index, rule in enumerate(entries(route.at("spec", "routes"))):
            match = text(rule, "match")
            if match is not None and (_HOSTS.search(match) is None or "HostRegexp" in match):
                yield told(
                    Rule.INGRESS,
                    f"{route} matches `{match}`, which names no host: it would answer for names of others",
                    (route.urn, ("spec", "routes", index, "match")),
                    "name each host: Host(`name.domain`)",
                )


def _twice(entrances: list[Entrance]) -> Iterator[Violation]:
    first: dict[tuple[str, str, str], Entrance] = {}
    for one in entrances:
        other = first.setdefault((one.route.stack, one.host, one.below), one)
        if other is not one:
            yield told(
                Rule.INGRESS,
                f"{one.route} and {other.route} both answer for {one.url}",
                (one.route.urn, (*one.path, "match")),
                "give one of them another host name",
                (other.route.urn, (*other.path, "match")),
            )


def _domain(one: Entrance, lab: Surroundings) -> Iterator[Violation]:
    if one.host != lab.domain and not one.host.endswith(f".{lab.domain}"):
        yield told(
            Rule.INGRESS,
            f"{one.route} answers for {one.host}, which is not under {lab.domain}: nothing leads here",
            (one.route.urn, (*one.path, "match")),
            f"choose a name under {lab.domain}",
        )


def _encrypted(graph: Graph) -> Iterator[Violation]:
    for route in graph.of_kind("IngressRoute"):
        tls = route.at("spec", "tls")
        if not isinstance(tls, Mapping) and not is_withheld(tls):
            yield told(
                Rule.INGRESS, f"{route} has no TLS: passwords would pass in clear", (route.urn, ("spec", "tls")),
                "set `tls: {}` for the certificate of the whole domain",
            )  # fmt: skip


def _guarded(graph: Graph, one: Entrance, lab: Surroundings) -> Iterator[Violation]:
    route = one.route
    said = at(route.annotations, AUTHENTICATION)
    rule = at(route.content, *one.path)
    if is_withheld(said) or is_withheld(rule, "middlewares"):
        return
    guards: list[KubernetesObject] = []
    for index, middleware in enumerate(entries(rule, "middlewares")):
        name, namespace = text(middleware, "name"), text(middleware, "namespace") or route.place
        if name is None or namespace is None or is_withheld(middleware, "namespace"):
            return
        guard = graph.find(route.stack, "Middleware", name, namespace)
        if guard is not None:
            guards.append(guard)
            continue
        if not graph.may_hide(route.stack, "Middleware"):
            yield told(
                Rule.INGRESS,
                f"{route} passes the middleware {namespace}/{name}, which nobody makes",
                (route.urn, (*one.path, "middlewares", index)),
                "register the middleware, or take it off the route",
            )
        return
    asked = any(guard.at("spec", kind) is not None for guard in guards for kind in GUARDS)
    where = (route.urn, ("metadata", "annotations", AUTHENTICATION))
    label = one.host.removesuffix(f".{lab.domain}")
    listed = any(open_route.host == label and open_route.path == one.below for open_route in lab.open_routes)
    if asked or said in SELF_GUARDED or listed:
        return
    if said in GUARDED:
        asking = "Authelia is asked" if said == FORWARD_AUTH else "a password is asked for"
        yield told(
            Rule.INGRESS,
            f"{route} says that {asking} before {one.url}, but none of its middlewares asks",
            (route.urn, (*one.path, "middlewares")),
            f"add the {said} middleware",
            where,
        )
        return
    kind = "has no login" if said is None else f"is `{said}`" if said in LISTED else f"has the unknown login `{said}`"
    yield told(
        Rule.INGRESS,
        f"{one.url} of {route} {kind} and is not among the open routes: everybody on the network is let in",
        where,
        f"put forward-auth before it, say in {AUTHENTICATION} that it logs in itself "
        f"({', '.join(sorted(SELF_GUARDED))}), or list it with a reason among the open routes of the inventory",
    )


def _public(graph: Graph, lab: Surroundings) -> Iterator[Violation]:
    allowed = set(lab.public_names)
    for binding in graph.of_kind("TunnelBinding"):
        for index, subject in enumerate(entries(binding.at("subjects"))):
            name = text(subject, "spec", "fqdn")
            if name is not None and name not in allowed:
                where: Path = ("subjects", index, "spec", "fqdn")
                yield _exposed(f"{binding} offers {name}", name, (binding.urn, where), lab)
    for resource in graph.resources:
        if resource.token == TUNNEL_CONFIGURATION:
            for index, rule in enumerate(entries(resource.properties, "config", "ingresses")):
                name = text(rule, "hostname")
                if name is not None and name not in allowed:
                    where = ("config", "ingresses", index, "hostname")
                    yield _exposed(f"the tunnel ({resource.name}) offers {name}", name, (resource.urn, where), lab)
        elif resource.token == DNS_RECORD:
            name, content = text(resource.properties, "name"), text(resource.properties, "content")
            if name is not None and name not in allowed:
                yield _exposed(f"the DNS record {resource.name} offers {name}", name, (resource.urn, ("name",)), lab)
            if content is not None and not content.endswith(TUNNEL_DOMAIN) and _leads_somewhere(resource.properties):
                yield told(
                    Rule.INGRESS,
                    f"the DNS record {resource.name} leads to {content}, past the tunnel",
                    (resource.urn, ("content",)),
                    f"let public names lead to the tunnel (…{TUNNEL_DOMAIN}) alone",
                )


def _leads_somewhere(record: Mapping[str, object]) -> bool:
    return record.get("type") in ("A", "AAAA", "CNAME")


def _exposed(what: str, name: str, where: tuple[str, Path], lab: Surroundings) -> Violation:
    return told(
        Rule.INGRESS,
        f"{what} to the Internet, which may reach only {', '.join(lab.public_names) or 'nothing'}",
        where,
        f"remove it, or add {name} to the tunnel's names in inventory/cloud.py",
    )
