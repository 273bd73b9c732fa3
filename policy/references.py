"""What objects of a cluster refer to by name, and who makes it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from policy.graph import Graph
from policy.objects import KubernetesObject
from policy.pods import pods
from policy.properties import Path, Property, entries, fields, is_withheld, text

DRIVERS: Mapping[str, tuple[str, ...]] = {
    "rbd.csi.ceph.com": ("ceph-csi-rbd",),
    "cephfs.csi.ceph.com": ("ceph-csi-cephfs",),
    "rancher.io/local-path": ("local-path-provisioner",),
}
"""Drivers of volumes, and the charts or repositories that run each."""

IN_EVERY_NAMESPACE = frozenset({"kube-root-ca.crt"})
"""ConfigMaps that Kubernetes makes."""

PARAMETER = "{{"
"""Begins what Argo fills in when a workflow runs."""

TEMPLATES = frozenset({"WorkflowTemplate", "ClusterWorkflowTemplate"})
"""Kinds whose pods run in the namespace of another object."""


@dataclass(frozen=True)
class Need:
    """Something that must be there before a resource is made."""

    what: str
    path: Path
    producers: frozenset[str]
    """URNs; any one of them is enough."""
    fix: str
    may_hide: bool = False
    """Whether somebody may make it under a name that is not known yet: then nothing can be said."""
    may_follow: bool = False
    """Whether the resource works as soon as it comes, also when it comes later."""


Told = tuple[str, str, Need]
"""Who needs it, its URN, and what it needs."""


def references(graph: Graph) -> Iterator[Told]:
    """Every reference to an object that has a name of its own."""
    for one in graph.of_kind("Application", group="argoproj.io"):
        name = one.text("spec", "project")
        if name not in (None, "default"):
            yield _by_name(graph, one, "AppProject", name, one.place, ("spec", "project"))
    for kind, path in (("StorageClass", ("provisioner",)), ("VolumeSnapshotClass", ("driver",))):
        for one in graph.of_kind(kind):
            yield from _driver(graph, one, path)
    for one in graph.of_kind("Cluster", group="postgresql.cnpg.io"):
        yield from _archives(graph, one)
    for one in graph.of_kind("IngressRoute", group="traefik.io"):
        yield from _services(graph, one)
    for one in graph.of_kind("ClusterSecretStore", "SecretStore"):
        yield from _login(graph, one)
    for one in graph.of_kind("RoleBinding", "ClusterRoleBinding"):
        yield from _role(graph, one)
    for one in graph.of_kind("Vault"):
        yield from _mounted(graph, one, entries(one.at("spec", "volumes")), ("spec", "volumes"))
    for one in pods(graph):
        if one.owner.kind not in TEMPLATES:
            yield from _mounted(graph, one.owner, entries(one.spec, "volumes"), (*one.path, "volumes"))


def installed_in(graph: Graph, stack: str, namespace: str | None) -> list[str]:
    """What may make anything in a namespace: nobody sees into a chart from here."""
    return [one.urn for one in graph.installations if one.stack == stack and one.namespace == namespace]


def repository_name(url: str) -> str:
    """Last part of the URL of a git repository."""
    return url.rstrip("/").removesuffix(".git").rsplit("/", 1)[-1]


def _by_name(
    graph: Graph, user: KubernetesObject, kind: str, name: str, place: str | None, path: Path, *, follows: bool = False
) -> Told:
    """An object of the user's stack; in a namespace with charts one of them may make it."""
    found = graph.find(user.stack, kind, name, place)
    made = [found.urn] if found is not None else [] if kind == "AppProject" else installed_in(graph, user.stack, place)
    # A chart makes nothing for an object that it waits for.
    made = [urn for urn in made if user.urn not in graph.everything_before(urn)]
    where = name if place is None else f"{place}/{name}"
    return str(user), user.urn, Need(
        f"the {kind} {where}", path, frozenset(made), f"register the {kind}",
        place is None or graph.may_hide(user.stack, kind) or graph.may_install(user.stack), follows,
    )  # fmt: skip


def _driver(graph: Graph, one: KubernetesObject, path: Path) -> Iterator[Told]:
    name = one.text(*path)
    bringers = DRIVERS.get(name or "", ())
    if not bringers:
        return
    made = [
        installed.urn
        for installed in graph.installations
        if installed.stack == one.stack
        and (installed.chart in bringers or repository_name(installed.repository) in bringers)
    ]
    yield str(one), one.urn, Need(
        f"the driver {name}", path, frozenset(made), f"register the application that runs it ({' or '.join(bringers)})",
        graph.may_install(one.stack),
    )  # fmt: skip


def _archives(graph: Graph, one: KubernetesObject) -> Iterator[Told]:
    plugins: list[Path] = [("spec", "plugins", index) for index in range(len(entries(one.at("spec", "plugins"))))]
    clusters = range(len(entries(one.at("spec", "externalClusters"))))
    plugins += [("spec", "externalClusters", index, "plugin") for index in clusters]
    for plugin in plugins:
        path: Path = (*plugin, "parameters", "barmanObjectName")
        name = one.text(*path)
        if name is not None:
            yield _by_name(graph, one, "ObjectStore", name, one.place, path, follows=True)


def _services(graph: Graph, one: KubernetesObject) -> Iterator[Told]:
    for route, rule in enumerate(entries(one.at("spec", "routes"))):
        for index, service in enumerate(entries(rule, "services")):
            name, path = text(service, "name"), ("spec", "routes", route, "services", index)
            # It may be of another kind, or somewhere else.
            if is_withheld(service, "kind") or is_withheld(service, "namespace"):
                continue
            if name is not None and text(service, "kind") in (None, "Service"):
                place = text(service, "namespace") or one.place
                yield _by_name(graph, one, "Service", name, place, path, follows=True)


def _login(graph: Graph, one: KubernetesObject) -> Iterator[Told]:
    path: Path = ("spec", "provider", "vault", "auth", "kubernetes", "serviceAccountRef")
    name = one.text(*path, "name")
    if name is not None and not is_withheld(one.at(*path, "namespace")):
        yield _by_name(graph, one, "ServiceAccount", name, one.text(*path, "namespace") or one.place, path)


def _role(graph: Graph, one: KubernetesObject) -> Iterator[Told]:
    kind, name = one.text("roleRef", "kind"), one.text("roleRef", "name")
    # The cluster's own roles, and those of charts, are for the whole cluster.
    if kind == "Role" and name is not None:
        yield _by_name(graph, one, "Role", name, one.place, ("roleRef",), follows=True)


def _mounted(graph: Graph, owner: KubernetesObject, volumes: Iterable[Property], of: Path) -> Iterator[Told]:
    for index, volume in enumerate(volumes):
        path: Path = (*of, index)
        claim = text(fields(volume, "persistentVolumeClaim"), "claimName")
        if claim is not None and PARAMETER not in claim:
            yield _by_name(graph, owner, "PersistentVolumeClaim", claim, owner.place, path)
        settings = fields(volume, "configMap")
        name = text(settings, "name")
        optional = settings.get("optional") not in (None, False)
        if optional or name is None or name in IN_EVERY_NAMESPACE or PARAMETER in name:
            continue
        yield _by_name(graph, owner, "ConfigMap", name, owner.place, path)
