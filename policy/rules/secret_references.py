"""I9: whoever reads a secret finds it, and nobody writes one down."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from model.secrets import SecretReference
from model.violation import Rule, Violation
from policy.graph import Graph
from policy.objects import KubernetesObject
from policy.pods import pods
from policy.properties import SECRET, Path, Property, Withheld, at, entries, fields, is_withheld, text, walk
from policy.surroundings import Surroundings
from policy.told import told

ISSUER_NAMESPACE = "cert-manager"
"""Where cert-manager looks for the Secrets of issuers that belong to no namespace."""

DATABASE_KEYS = frozenset(
    {"username", "user", "password", "dbname", "host", "port", "uri", "jdbc-uri", "fqdn-uri", "fqdn-jdbc-uri", "pgpass"}
)
"""Of the Secret that CloudNativePG makes for the owner of a database."""
CERTIFICATE_KEYS = frozenset({"tls.crt", "tls.key", "ca.crt"})

_REFERENCE = re.compile(r"secret(?:key)?ref$|^(?:accesskeyid|secretaccesskey|imagepullsecrets)$", re.IGNORECASE)
"""Fields that name a Secret by `name`, often with a `key`."""
_LOGIN = (("basicAuth", "username"), ("basicAuth", "password"))
"""With which Prometheus logs in: each a key of a Secret."""
_ASKED_LOGIN = ("basicAuth", "secret")
"""What Traefik compares a login with: the name of a Secret."""
_PRODUCED = frozenset({"privateKeySecretRef"})
"""Fields of that form that name a Secret which the operator makes itself."""
_EXISTING = re.compile(r"^existing\w*secret\w*$", re.IGNORECASE)
"""Values by which charts are told of a Secret that is there already."""
_SENSITIVE = re.compile(
    r"(?:password|passwd|passphrase|token|secret|credentials?|(?:api|private|access|secret|encryption|master)[-_.]?key)$",
    re.IGNORECASE,
)
_REFERS = re.compile(r"^(?:$|[$/]|\{\{|https?://|true$|false$)")
"""Values that lead to a secret and are none: variables, files, templates, addresses, switches."""
_BESIDE = frozenset({"name", "secretName", "secretRef", "existingSecret"})
"""Beside one of them a sensitive field holds a key's name."""

Key: TypeAlias = tuple[str, str, str]
"""Stack, namespace, name."""
Keys: TypeAlias = frozenset[str] | None
"""The keys of a Secret; None where they cannot be known."""


@dataclass(frozen=True)
class Produced:
    """The Secrets that somebody makes."""

    keys: Mapping[Key, Keys]
    hiding: frozenset[str]
    """Stacks with Secrets whose name or namespace is not known yet."""


@dataclass(frozen=True)
class Reference:
    """One Secret that an object names."""

    namespace: str | None
    """None when it is not known."""
    name: str
    keys: tuple[tuple[Path, str], ...]
    """Keys that must be there, each with the path where it is named."""
    path: Path


def secret_references(graph: Graph, lab: Surroundings) -> list[Violation]:
    """Each key that is read is in Vault or made in the same namespace, and no secret stands in clear anywhere."""
    produced = _produced(graph)
    return [
        *_vault(graph, lab),
        *_references(graph, produced),
        *_installed(graph, produced),
        *_literals(graph, produced),
    ]


def _vault(graph: Graph, lab: Surroundings) -> Iterator[Violation]:
    known = set(lab.vault)
    paths = {one.path for one in known}
    for one in graph.of_kind("ExternalSecret"):
        for index, entry in enumerate(entries(one.at("spec", "data"))):
            path, name = text(entry, "remoteRef", "key"), text(entry, "remoteRef", "property")
            where: Path = ("spec", "data", index, "remoteRef")
            if path is None or (name is None and at(entry, "remoteRef", "property") is not None):
                continue
            if path not in paths:
                yield told(
                    Rule.SECRET_REFERENCES,
                    f"{one} reads `{path}`, which the secrets file does not have",
                    (one.urn, (*where, "key")),
                    f"name one of its paths{_like(path, paths)}, or add the path to the schema in inventory/secrets.py",
                )
            elif name is not None and not _is_known(path, name, known):
                there = {other.property for other in known if other.path == path}
                yield told(
                    Rule.SECRET_REFERENCES,
                    f"{one} reads the property `{name}` of `{path}`, which has only {', '.join(sorted(there))}",
                    (one.urn, (*where, "property")),
                    "name one of these, or add the property to the schema in inventory/secrets.py",
                )


def _is_known(path: str, name: str, known: Collection[SecretReference]) -> bool:
    return any(one.path == path and one.property == name for one in known)


def _like(path: str, paths: Collection[str]) -> str:
    folder, _, application = path.partition("/")
    near = sorted(one for one in paths if one.split("/")[0] == folder or one.endswith(f"/{application}"))
    return f" ({', '.join(near)})" if near else ""


def _produced(graph: Graph) -> Produced:
    """Every Secret that somebody makes."""
    found: dict[Key, Keys] = {}
    hiding: set[str] = set()
    for one in graph.objects:
        for namespace, name, keys in _secrets_of(one):
            if namespace is None or name is None:
                hiding.add(one.stack)
                continue
            key = (one.stack, namespace, name)
            before = found.get(key, frozenset())
            found[key] = None if keys is None or before is None else before | keys
    return Produced(found, frozenset(hiding))


def _secrets_of(one: KubernetesObject) -> Iterator[tuple[str | None, str | None, Keys]]:
    """Namespace, name and keys of the Secrets that come of the object; None for what is not known."""
    name = one.name if isinstance(one.name, str) else None
    if one.kind == "Secret" and one.group == "":
        hidden = is_withheld(one.at("data")) or is_withheld(one.at("stringData"))
        keys = frozenset((*fields(one.content, "data"), *fields(one.content, "stringData")))
        yield one.place, name, None if hidden else keys
    elif one.kind == "ExternalSecret":
        target = one.at("spec", "target", "name")
        yield one.place, name if target is None else text(target), _target_keys(one)
    elif one.kind == "Cluster" and one.group == "postgresql.cnpg.io":
        yield one.place, name and f"{name}-app", DATABASE_KEYS
        for suffix in ("superuser", "ca", "server", "replication"):
            yield one.place, name and f"{name}-{suffix}", None
    elif one.kind == "Certificate" and one.at("spec", "secretName") is not None:
        keys = CERTIFICATE_KEYS if one.at("spec", "keystores") is None else None
        yield one.place, one.text("spec", "secretName"), keys
    elif one.kind in ("ClusterIssuer", "Issuer") and one.at("spec", "acme", "privateKeySecretRef") is not None:
        namespace = ISSUER_NAMESPACE if one.kind == "ClusterIssuer" else one.place
        yield namespace, one.text("spec", "acme", "privateKeySecretRef", "name"), frozenset({"tls.key"})
    elif one.kind == "Vault":
        clients = one.at("spec", "caNamespaces")
        yield one.place, name and f"{name}-unseal-keys", None
        for namespace in (one.place, *((None,) if is_withheld(clients) else entries(clients))):
            yield text(namespace), name and f"{name}-tls", None


def _target_keys(one: KubernetesObject) -> Keys:
    template = one.at("spec", "target", "template", "data")
    if isinstance(template, Mapping) and one.text("spec", "target", "template", "mergePolicy") != "Merge":
        return frozenset(template)
    named = [text(entry, "secretKey") for entry in entries(one.at("spec", "data"))]
    if one.at("spec", "dataFrom") is not None or is_withheld(one.at("spec", "data")) or None in named:
        return None
    return frozenset(name for name in named if name is not None)


def _references(graph: Graph, produced: Produced) -> Iterator[Violation]:
    for one in graph.objects:
        if one.kind in ("CustomResourceDefinition", "Application", "ExternalSecret", "Secret", "ConfigMap"):
            continue
        for reference in _named(one):
            yield from _resolve(one.stack, str(one), one.urn, reference, produced)


def _resolve(
    stack: str, who: str, urn: str, reference: Reference, produced: Produced
) -> Iterator[Violation]:
    if reference.namespace is None:
        return
    place = f"{reference.namespace}/{reference.name}"
    made = (stack, reference.namespace, reference.name)
    if made not in produced.keys:
        others = ", ".join(sorted(key[1] for key in produced.keys if key[0] == stack and key[2] == reference.name))
        elsewhere = f"; namespace {others} has one of that name, but Secrets are not shared" if others else ""
        if stack not in produced.hiding:
            yield told(
                Rule.SECRET_REFERENCES,
                f"{who} reads the Secret {place}, which nobody makes{elsewhere}",
                (urn, reference.path),
                f"make it in {reference.namespace}, by an ExternalSecret for example",
            )
        return
    keys = produced.keys[made]
    for path, key in reference.keys:
        if keys is not None and key not in keys:
            there = ", ".join(sorted(keys)) or "nothing"
            yield told(
                Rule.SECRET_REFERENCES,
                f"{who} reads the key `{key}` of the Secret {place}, which has only {there}",
                (urn, path),
                "name one of these, or add the key where the Secret is made",
            )


def _named(one: KubernetesObject) -> Iterator[Reference]:
    """Every Secret that the object names, wherever in it."""
    otherwise = ISSUER_NAMESPACE if one.kind == "ClusterIssuer" else one.place
    for path, value in walk(one.content):
        if not path or path[0] == "status":
            continue
        field = next((step for step in reversed(path) if isinstance(step, str)), "")
        if isinstance(value, Mapping) and value.get("optional") is not True:
            if field == "secret" or (field == "caProvider" and value.get("type") == "Secret"):
                yield from _volume(value, path, otherwise)
            if field == "caProvider" or (_REFERENCE.search(field) and field not in _PRODUCED):
                yield from _selector(value, path, otherwise)
            if path[-2:] in _LOGIN:
                yield from _selector(value, path, otherwise)
        elif isinstance(value, str) and _is_a_name(one, path, field):
            yield Reference(otherwise, value, (), path)
    yield from _parameters(one)


def _is_a_name(one: KubernetesObject, path: Path, field: str) -> bool:
    """Whether the text there is a Secret's name and nothing else."""
    return path[-2:] == _ASKED_LOGIN or (field == "secretName" and one.kind in ("IngressRoute", "TLSStore", "Ingress"))


def _volume(value: Mapping[str, Property], path: Path, namespace: str | None) -> Iterator[Reference]:
    # A pod's own volume says `secretName`, one that is put together of several says `name`.
    field = "secretName" if "secretName" in value else "name"
    name = text(value, field)
    if name is None or (field == "name" and "items" not in value and len(value) > 1):
        return
    keys = tuple(
        ((*path, "items", index, "key"), key)
        for index, item in enumerate(entries(value, "items"))
        if (key := text(item, "key")) is not None
    )
    yield Reference(namespace, name, keys, (*path, field))


def _selector(value: Mapping[str, Property], path: Path, namespace: str | None) -> Iterator[Reference]:
    name, key, given = text(value, "name"), text(value, "key"), value.get("namespace")
    if name is not None and not isinstance(given, Withheld):
        keys = () if key is None else (((*path, "key"), key),)
        yield Reference(given if isinstance(given, str) else namespace, name, keys, (*path, "name"))


def _parameters(one: KubernetesObject) -> Iterator[Reference]:
    """What a class of volumes tells its driver."""
    if one.kind not in ("StorageClass", "VolumeSnapshotClass"):
        return
    seen: set[tuple[str, str]] = set()
    parameters = fields(one.content, "parameters")
    for name, value in parameters.items():
        namespace = text(parameters, name.replace("-secret-name", "-secret-namespace"))
        if not name.endswith("-secret-name") or not isinstance(value, str) or namespace is None:
            continue
        if (namespace, value) not in seen:
            seen.add((namespace, value))
            yield Reference(namespace, value, (), ("parameters", name))


def _installed(graph: Graph, produced: Produced) -> Iterator[Violation]:
    for installed in graph.installations:
        for path, value in walk(installed.values):
            if isinstance(value, str) and value and _is_existing(installed.values, path):
                where = (*installed.values_path, *path)
                reference = Reference(installed.namespace, value, (), where)
                yield from _resolve(installed.stack, str(installed), installed.urn, reference, produced)


def _is_existing(values: Property, path: Path) -> bool:
    """Whether the value there names a Secret, and not one of its keys, which stands beside such a name."""
    field = path[-1] if path else None
    if not isinstance(field, str) or not _EXISTING.match(field):
        return False
    beside = fields(values, *path[:-1])
    return not field.endswith("Key") or not {field.removesuffix("Key"), "existingSecret"} & {*beside}


def _literals(graph: Graph, produced: Produced) -> Iterator[Violation]:
    """Secrets that are written where anybody may read who may read the object. Their values are never told."""
    for installed in graph.installations:
        for path, value in walk(installed.values):
            if value is SECRET:
                yield _revealed(str(installed), (installed.urn, (*installed.values_path, *path)))
                break
        for path, value in walk(installed.values):
            beside = at(installed.values, *path[:-1]) if path else None
            names_a_key = isinstance(beside, Mapping) and not _BESIDE.isdisjoint(beside)
            if names_a_key or not path or not isinstance(path[-1], str) or not isinstance(value, str):
                continue
            is_name = (installed.stack, installed.namespace or "", value) in produced.keys
            if _is_sensitive(path[-1], value) and not is_name:
                yield _literal(str(installed), path[-1], (installed.urn, (*installed.values_path, *path)))
    for one in pods(graph):
        for path, container in one.containers:
            for index, variable in enumerate(entries(container, "env")):
                where = (one.owner.urn, (*one.path, *path, "env", index, "value"))
                name, value = text(variable, "name") or "", at(variable, "value")
                if value is SECRET:
                    yield _revealed(str(one.owner), where)
                elif isinstance(value, str) and _is_sensitive(name, value):
                    yield _literal(str(one.owner), name, where)
    for one in graph.of_kind("ConfigMap"):
        for path, value in walk(fields(one.content, "data")):
            if value is SECRET:
                yield _revealed(str(one), (one.urn, ("data", *path)))
                break


def _is_sensitive(name: str, value: str) -> bool:
    if name.lower().startswith("existing"):
        return False
    return _SENSITIVE.search(name) is not None and _REFERS.match(value) is None


def _literal(who: str, name: str, where: tuple[str, Path]) -> Violation:
    return told(
        Rule.SECRET_REFERENCES,
        f"{who} has `{name}` in clear: whoever may read the object, or the program, has the secret",
        where,
        "put it into the secrets file and read it from a Secret",
    )


def _revealed(who: str, where: tuple[str, Path]) -> Violation:
    return told(
        Rule.SECRET_REFERENCES,
        f"{who} has a secret of the program in it: on the cluster whoever may read the object has it",
        where,
        "put it into a Secret, and name that",
    )
