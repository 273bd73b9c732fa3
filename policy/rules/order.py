"""I10: what is needed is there before."""

import re
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from urllib.parse import urlsplit

from model.violation import Rule, Violation
from policy.claims import claims
from policy.graph import Graph
from policy.installations import Installation
from policy.objects import BUILT_IN_NAMESPACES, KubernetesObject
from policy.pods import pods
from policy.properties import Path, at, entries, fields, has_withheld, is_withheld, text, walk
from policy.references import Need, Told, installed_in, references, repository_name
from policy.surroundings import Surroundings
from policy.told import told

BUILT_IN_GROUPS = frozenset(
    {
        "", "admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "apps",
        "authentication.k8s.io", "authorization.k8s.io", "autoscaling", "batch", "certificates.k8s.io",
        "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io", "flowcontrol.apiserver.k8s.io",
        "networking.k8s.io", "node.k8s.io", "policy", "rbac.authorization.k8s.io", "resource.k8s.io",
        "scheduling.k8s.io", "storage.k8s.io",
    }
)  # fmt: skip
"""API groups that every cluster has."""

OF_THE_CLUSTER = frozenset({"cilium.io"})
"""Groups that the cluster brings itself, with its network."""

BRINGERS: Mapping[str, tuple[str, ...]] = {
    "acme.cert-manager.io": ("cert-manager",),
    "amd.com": ("gpu-operator-charts",),
    "argoproj.io/Application": ("argo-cd",),
    "argoproj.io/ApplicationSet": ("argo-cd",),
    "argoproj.io/AppProject": ("argo-cd",),
    "argoproj.io/EventBus": ("argo-events",),
    "argoproj.io/EventSource": ("argo-events",),
    "argoproj.io/Sensor": ("argo-events",),
    "argoproj.io": ("argo-workflows",),
    "barmancloud.cnpg.io": ("plugin-barman-cloud",),
    "cert-manager.io": ("cert-manager",),
    "deviceplugin.intel.com": ("intel-device-plugins-for-kubernetes", "intel-device-plugins-operator"),
    "dragonflydb.io": ("dragonfly-operator",),
    "elasti.truefoundry.com": ("elasti",),
    "external-secrets.io": ("external-secrets",),
    "k8up.io": ("k8up",),
    "monitoring.coreos.com": ("kube-prometheus-stack", "prometheus-operator-crds"),
    "networking.cfargotunnel.com": ("cloudflare-operator",),
    "nfd.k8s-sigs.io": ("node-feature-discovery",),
    "postgresql.cnpg.io": ("cloudnative-pg",),
    "snapshot.storage.k8s.io": ("external-snapshotter",),
    "traefik.io": ("traefik",),
    "vault.banzaicloud.com": ("vault-operator",),
}
"""Groups of custom kinds (one kind where a group has several origins), and the charts or repositories of each."""

SERVICE_USERS = frozenset({"ObjectStore", "Schedule", "ClusterSecretStore", "SecretStore"})
"""Kinds that do not work, and say so, while the service that they name is not there."""

REGISTRY_CHART = "harbor"
REGISTRY_PROVIDER = "pulumi:providers:harbor"

IMAGE_FIELDS = frozenset({"image", "imageName"})
NO_PODS = frozenset({"Application", "ConfigMap", "CustomResourceDefinition", "Secret"})
"""Kinds whose fields of that name are no images that a node pulls for them."""

SERVING = ("Service", "Vault", "Cluster", "Dragonfly")
"""Kinds that are services, or that an operator makes services for, under names that begin with theirs."""

ANNOUNCERS: Mapping[str, str] = {"gpu.intel.com/i915": "GpuDevicePlugin", "amd.com/gpu": "DeviceConfig"}
"""Extended resources, and the kinds by which an operator is told to announce them."""

NODE_SELECTORS: Mapping[str, str] = {"GpuDevicePlugin": "nodeSelector", "DeviceConfig": "selector"}
"""Kinds that find their nodes by labels, and the field of their spec that names the labels."""

PERMISSIONS = "rbac"
"""A folder of a repository with roles, and no definitions."""

CREATES_NAMESPACE = "CreateNamespace=true"
_SERVICE = re.compile(r"https?://([a-z0-9-]+)\.([a-z0-9-]+)\.svc(?:[.:/]|$)")


def order(graph: Graph, lab: Surroundings) -> list[Violation]:
    """Who uses a kind, class, namespace, issuer, endpoint, account, label, card, own image waits for it; no circle."""
    return [
        *_circles(graph),
        *(
            violation
            for one in graph.objects
            for need in _needs(graph, one)
            for violation in _missed(graph, str(one), one.urn, need)
        ),
        *(
            violation
            for one in graph.installations
            for need in _installation_needs(graph, one)
            for violation in _missed(graph, str(one), one.urn, need)
        ),
        *(
            violation
            for who, urn, need in (*_other_needs(graph), *references(graph), *_registry_needs(graph, lab))
            for violation in _missed(graph, who, urn, need)
        ),
        *_foreign_registries(graph, lab),
    ]


def _missed(graph: Graph, who: str, urn: str, need: Need) -> Iterator[Violation]:
    if need.may_hide or (need.may_follow and need.producers):
        return
    if not need.producers:
        yield told(Rule.ORDER, f"{who} needs {need.what}, which nobody makes", (urn, need.path), need.fix)
    elif urn not in need.producers and need.producers.isdisjoint(graph.everything_before(urn)):
        makers = sorted(need.producers)
        yield told(
            Rule.ORDER,
            f"{who} needs {need.what}, but does not wait for {makers[0].rsplit('::', 1)[-1]}, which makes it: on a new "
            "cluster it may come first and fail",
            (urn, need.path),
            f"let it depend on {makers[0].rsplit('::', 1)[-1]}, or on something that does",
            *((maker, ()) for maker in makers),
        )


def _circles(graph: Graph) -> Iterator[Violation]:
    sorter = TopologicalSorter({one.urn: one.needs for one in graph.resources})
    try:
        sorter.prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        names = " → ".join(urn.rsplit("::", 1)[-1] for urn in reversed(circle))
        yield told(
            Rule.ORDER,
            f"nothing of this can be made first: {names}",
            (circle[0], ()),
            "take out one of these dependencies",
            *((urn, ()) for urn in dict.fromkeys(circle[1:-1])),
        )


def _needs(graph: Graph, one: KubernetesObject) -> Iterator[Need]:
    if isinstance(one.namespace, str) and one.namespace not in BUILT_IN_NAMESPACES:
        yield _namespace(graph, one.stack, one.namespace, ("metadata", "namespace"))
    if one.group not in BUILT_IN_GROUPS | OF_THE_CLUSTER:
        yield _definition(graph, one)
    if one.kind == "Certificate" and one.group == "cert-manager.io":
        yield from _issuer(graph, one)
    if one.kind == "Cluster" and one.group == "postgresql.cnpg.io":
        for volume in ("storage", "walStorage"):
            name = one.text("spec", volume, "storageClass")
            if name is not None:
                yield _storage_class(graph, one.stack, name, ("spec", volume, "storageClass"))
    if one.kind in SERVICE_USERS:
        yield from _services(graph, one)


def _namespace(graph: Graph, stack: str, name: str, path: Path) -> Need:
    made = [one.urn for one in graph.of_kind("Namespace") if one.stack == stack and one.name == name]
    made += [one.urn for one in graph.installations if one.stack == stack and _creates(graph, one, name)]
    return Need(
        f"the namespace {name}", path, frozenset(made), "register the namespace, with its Pod Security level",
        graph.may_hide(stack, "Namespace") or graph.may_install(stack),
    )  # fmt: skip


def _creates(graph: Graph, one: Installation, namespace: str) -> bool:
    resource = graph.by_urn[one.urn]
    options = entries(resource.properties, "spec", "syncPolicy", "syncOptions")
    asked = CREATES_NAMESPACE in options or resource.properties.get("createNamespace") is True
    return asked and one.namespace == namespace


def _definition(graph: Graph, one: KubernetesObject) -> Need:
    bringers = BRINGERS.get(f"{one.group}/{one.kind}") or BRINGERS.get(one.group, ())
    made = [
        other.urn
        for other in graph.of_kind("CustomResourceDefinition")
        if other.stack == one.stack
        and (other.text("spec", "group"), other.text("spec", "names", "kind")) == (one.group, one.kind)
    ]
    made += [
        installed.urn
        for installed in graph.installations
        if installed.stack == one.stack and _brings(graph, installed, bringers)
    ]
    fix = (
        f"register the application that brings it ({' or '.join(bringers)})"
        if bringers
        else "say which application brings the group, in BRINGERS of policy/rules/order.py"
    )
    return Need(f"the kind {one.kind} of {one.group}", (), frozenset(made), fix, graph.may_install(one.stack))


def _brings(graph: Graph, installed: Installation, bringers: Iterable[str]) -> bool:
    """Whether the chart, or what is taken of the repository, has the definitions."""
    if installed.is_chart:
        left_out = at(graph.by_urn[installed.urn].properties, *installed.path, "helm", "skipCrds") is True
        return installed.chart in bringers and not left_out
    return repository_name(installed.repository) in bringers and PERMISSIONS not in installed.chart.split("/")


def _issuer(graph: Graph, one: KubernetesObject) -> Iterator[Need]:
    name, kind = one.text("spec", "issuerRef", "name"), one.text("spec", "issuerRef", "kind") or "Issuer"
    if name is None or is_withheld(one.at("spec", "issuerRef", "kind")):
        return
    found = graph.find(one.stack, kind, name, None if kind == "ClusterIssuer" else one.place)
    yield Need(
        f"the {kind} {name}", ("spec", "issuerRef"), frozenset() if found is None else frozenset({found.urn}),
        "register the issuer", graph.may_hide(one.stack, kind),
    )  # fmt: skip


def _storage_class(graph: Graph, stack: str, name: str, path: Path) -> Need:
    found = graph.find(stack, "StorageClass", name)
    return Need(
        f"the StorageClass {name}",
        path,
        frozenset() if found is None else frozenset({found.urn}),
        f"register the class, or use one of {_named(graph, stack, 'StorageClass')}",
        graph.may_hide(stack, "StorageClass"),
    )


def _named(graph: Graph, stack: str, kind: str) -> str:
    return ", ".join(str(one.name) for one in graph.of_kind(kind) if one.stack == stack) or "none there yet"


def _services(graph: Graph, one: KubernetesObject) -> Iterator[Need]:
    seen: set[str] = set()
    for path, value in walk(one.content):
        match = _SERVICE.match(value) if isinstance(value, str) and path[0] == "spec" else None
        if match is None or match[0] in seen:
            continue
        seen.add(match[0])
        name, namespace = match[1], match[2]
        # Operators name the services of what they make after it.
        made = [
            other.urn
            for other in graph.objects
            if other.stack == one.stack and other.place == namespace and isinstance(other.name, str)
            and (name == other.name or name.startswith(f"{other.name}-"))
            and other.kind in SERVING
        ]  # fmt: skip
        made += installed_in(graph, one.stack, namespace)
        yield Need(
            f"the service {name} in {namespace}", path, frozenset(made), "register what answers there",
            any(graph.may_hide(one.stack, kind) for kind in SERVING) or graph.may_install(one.stack),
        )  # fmt: skip


def _installation_needs(graph: Graph, one: Installation) -> Iterator[Need]:
    namespace = one.namespace
    if namespace is not None and namespace not in BUILT_IN_NAMESPACES:
        path: Path = ("spec", "destination", "namespace") if one.path else ("namespace",)
        yield _namespace(graph, one.stack, namespace, path)
    seen: set[str] = set()
    for path, value in walk(one.values):
        asked = path and path[-1] in ("storageClass", "storageClassName") and isinstance(value, str)
        if asked and isinstance(value, str) and value not in seen and value not in ("", "-"):
            seen.add(value)
            yield _storage_class(graph, one.stack, value, (*one.values_path, *path))


def _other_needs(graph: Graph) -> Iterator[Told]:
    for claim in claims(graph):
        if isinstance(claim.storage_class, str):
            path: Path = (*claim.path, "spec", "storageClassName")
            yield str(claim), claim.owner.urn, _storage_class(graph, claim.owner.stack, claim.storage_class, path)
    labels = dict(_feature_labels(graph))
    for kind, field in NODE_SELECTORS.items():
        for one in graph.of_kind(kind):
            for label in fields(one.at("spec"), field):
                yield str(one), one.urn, _label(graph, labels, one.stack, label, ("spec", field, label))
    for one in pods(graph):
        owner, who = one.owner, str(one.owner)
        if owner.kind not in ("WorkflowTemplate", "ClusterWorkflowTemplate"):
            account = text(one.spec, "serviceAccountName")
            if account not in (None, "", "default"):
                yield who, owner.urn, _account(graph, owner, account, (*one.path, "serviceAccountName"))
        for label in fields(one.spec, "nodeSelector"):
            if (owner.stack, label) in labels:
                yield who, owner.urn, _label(graph, labels, owner.stack, label, (*one.path, "nodeSelector", label))
        for index, container in enumerate(entries(one.spec, "containers")):
            for resource in fields(container, "resources", "limits"):
                if resource in ANNOUNCERS:
                    path = (*one.path, "containers", index, "resources", "limits", resource)
                    yield who, owner.urn, _announced(graph, owner.stack, resource, path)


def _registry_needs(graph: Graph, lab: Surroundings) -> Iterator[tuple[str, str, Need]]:
    """Images of the lab's own are pulled from the Harbor of the same colour, never from the other's."""
    for stack, who, urn, path, image in _images(graph):
        if image.split("/", maxsplit=1)[0] != lab.registry:
            continue
        made = [one.urn for one in graph.installations if one.stack == stack and one.chart == REGISTRY_CHART]
        yield who, urn, Need(
            f"the image `{image}`, which the colour's own Harbor has", path, frozenset(made),
            "give the colour a Harbor, or take an image of somebody else: that of the other colour is not there when "
            "it is needed most",
            graph.may_install(stack),
        )  # fmt: skip


def _images(graph: Graph) -> Iterator[tuple[str, str, str, Path, str]]:
    """Stack, who runs it, URN and path, and the image: of objects, and of the values of charts."""
    for one in graph.objects:
        if one.kind in NO_PODS:
            continue
        for path, value in walk(one.content):
            if path and path[0] != "status" and path[-1] in IMAGE_FIELDS and isinstance(value, str):
                yield one.stack, str(one), one.urn, path, value
    for installed in graph.installations:
        for path, value in walk(installed.values):
            if not path or not isinstance(value, str):
                continue
            # Charts write an image as one text, or in parts; the registry is the first of them, or in the first.
            if path[-1] in ("image", "repository", "registry"):
                yield installed.stack, str(installed), installed.urn, (*installed.values_path, *path), value


def _foreign_registries(graph: Graph, lab: Surroundings) -> Iterator[Violation]:
    """What is set in Harbor is set in that of the same colour: by a name that leads to no other."""
    for one in graph.resources:
        if one.token != REGISTRY_PROVIDER:
            continue
        url = text(one.properties, "url")
        host = None if url is None else urlsplit(url).hostname
        if host is None:
            continue
        routes = [
            route
            for route in graph.of_kind("IngressRoute")
            if any(host in (text(rule, "match") or "") for rule in entries(route.at("spec", "routes")))
        ]
        elsewhere = sorted({route.stack for route in routes} - {one.stack})
        if host == lab.registry or elsewhere:
            whose = f"that of {elsewhere[0]}" if elsewhere and host != lab.registry else "that of the live colour"
            yield told(
                Rule.ORDER,
                f"the provider {one.name} of {one.stack} sets up the Harbor at {host}, which is {whose}",
                (one.urn, ("url",)),
                "use the name of the colour's own (`with_own_name` of the route)",
                *((route.urn, ("spec", "routes")) for route in routes if route.stack != one.stack),
            )


def _account(graph: Graph, owner: KubernetesObject, name: str, path: Path) -> Need:
    found = graph.find(owner.stack, "ServiceAccount", name, owner.place)
    made = [found.urn] if found is not None else installed_in(graph, owner.stack, owner.place)
    return Need(
        f"the ServiceAccount {owner.place}/{name}", path, frozenset(made), "register the account",
        owner.place is None or graph.may_hide(owner.stack, "ServiceAccount") or graph.may_install(owner.stack),
    )  # fmt: skip


def _label(
    graph: Graph, labels: Mapping[tuple[str, str], frozenset[str]], stack: str, label: str, path: Path
) -> Need:
    rules = (one for one in graph.of_kind("NodeFeatureRule") if one.stack == stack)
    return Need(
        f"the node label {label}", path, labels.get((stack, label), frozenset()), "register the rule",
        any(has_withheld(one.at("spec")) for one in rules),
    )  # fmt: skip


def _announced(graph: Graph, stack: str, resource: str, path: Path) -> Need:
    kind = ANNOUNCERS[resource]
    made = frozenset(one.urn for one in graph.of_kind(kind) if one.stack == stack)
    return Need(
        f"the resource {resource}", path, made, f"register a {kind}, in a colour that holds such a card",
        graph.may_install(stack),
    )  # fmt: skip


def _feature_labels(graph: Graph) -> Iterable[tuple[tuple[str, str], frozenset[str]]]:
    """Node labels that rules of Node Feature Discovery give, and who registers the rules."""
    found: dict[tuple[str, str], set[str]] = {}
    for one in graph.of_kind("NodeFeatureRule"):
        for rule in entries(one.at("spec", "rules")):
            for label in fields(rule, "labels"):
                found.setdefault((one.stack, label), set()).add(one.urn)
    return ((key, frozenset(urns)) for key, urns in found.items())
