"""Argo CD: an Application brings what its chart brings, as the table of charts says."""

import asyncio
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

import yaml

from twin.kubernetes.api import ApiStatusError, Object
from twin.kubernetes.custom_resources import BundleError, bundle
from twin.operators.chart_objects import Installation
from twin.operators.charts import UnknownChartError, known_chart, normalised
from twin.operators.cluster import (
    CUSTOM_RESOURCE_DEFINITION,
    NAMESPACE,
    Cluster,
    Kind,
    NotReadyError,
    Operator,
    now,
)
from twin.operators.controller import Controller

ARGO_CD: Final = Operator("argo-cd")

APPLICATION: Final = Kind("argoproj.io/v1alpha1", "Application")
PROJECT: Final = Kind("argoproj.io/v1alpha1", "AppProject")
FINALIZER: Final = "resources-finalizer.argocd.argoproj.io"
TRACKING: Final = "argocd.argoproj.io/tracking-id"
IN_CLUSTER: Final = "https://kubernetes.default.svc"
DEFAULT_PROJECT: Final = "default"

_CHART_VERSION: Final = re.compile(r"v?\d+\.\d+\.\d+([-+.][0-9A-Za-z.+-]+)?")
_TAG: Final = re.compile(r"(refs/tags/)?[\w.-]*\d+\.\d+[\w.+-]*|[0-9a-f]{40}")


class ApplicationError(NotReadyError):
    """What is wrong with an Application: `reason` is the type of its condition."""

    def __init__(self, reason: str, message: str, *, sync: str = "Unknown", health: str = "Unknown") -> None:
        super().__init__(reason, message)
        self.sync = sync
        self.health = health


@dataclass(frozen=True)
class Source:
    """One source of an Application, checked."""

    repository: str
    revision: str
    bundles: tuple[str, ...]
    objects: tuple[Object, ...]


class Applications(Controller):
    """Syncs Applications."""

    operator = ARGO_CD
    kind = APPLICATION

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self._applied: dict[str, tuple[str, str]] = {}
        """By tracking id: digest of what was applied, and the version that this made. Saves work, decides nothing."""

    async def reconcile(self, found: Object) -> None:
        """Check, bring, and become Healthy when all that was brought is."""
        project = await self._project(found)
        sources = read_sources(found)
        destination = found["spec"]["destination"]
        policy: Mapping[str, Any] = found["spec"].get("syncPolicy") or {}
        if policy.get("automated") is None and not (found.get("operation") or {}).get("sync"):
            raise ApplicationError(
                "", "not synced: the Application has no automated sync policy", sync="OutOfSync", health="Missing"
            )
        revisions = [source.revision for source in sources]
        previous = found.get("status") or {}
        compared = {"destination": destination} | _either(found["spec"])
        if (previous.get("sync") or {}).get("comparedTo") != compared:
            await self._set(found, "OutOfSync", "Progressing", sync_more={"comparedTo": compared})
        wanted = [item for source in sources for item in await self._items(source)]
        if project is not None:
            refuse_kinds(wanted, project)
        resources = await self._bring(found, wanted, policy)
        await self._prune(found, resources)
        unready = [
            item["metadata"]["name"]
            for item in wanted
            if item["kind"] == CUSTOM_RESOURCE_DEFINITION.kind and not self.cluster.is_established(item)
        ]
        revision = {"revisions": revisions} if "sources" in found["spec"] else {"revision": revisions[0]}
        await self._set(
            found, "Synced", "Progressing" if unready else "Healthy", resources=resources,
            sync_more={"comparedTo": compared, **revision},
        )  # fmt: skip
        if unready:
            raise _StillProgressingError(unready)

    async def refuse(self, found: Object, problem: NotReadyError) -> None:
        """A condition, and the health that Argo CD shows."""
        if isinstance(problem, _StillProgressingError):
            return
        error = problem if isinstance(problem, ApplicationError) else ApplicationError(
            "SyncError", problem.message, sync="OutOfSync", health="Degraded"
        )
        await self._set(found, error.sync, error.health, problem=error)
        if error.reason:
            await self.tell(found, error.reason, error.message)

    async def release(self, found: Object) -> None:
        """With the resources finalizer: delete what was brought first."""
        finalizers: list[str] = found["metadata"].get("finalizers") or []
        ours = [one for one in finalizers if one.partition("/")[0] == FINALIZER]
        if not ours:
            return
        await self._prune(found, [])
        left = [one for one in finalizers if one not in ours]
        await self.cluster.merge(found, {"metadata": {"finalizers": left or None}})

    async def _project(self, found: Object) -> Object | None:
        """The project, which allows source and destination; None for the default one that was just made."""
        spec = found["spec"]
        name = spec.get("project") or DEFAULT_PROJECT
        project = await self.cluster.find(PROJECT, found["metadata"]["namespace"], name)
        if project is None and name == DEFAULT_PROJECT:
            await self.cluster.create(ARGO_CD, default_project(found["metadata"]["namespace"]))
            return None
        if project is None:
            raise ApplicationError("InvalidSpecError", f"Application referencing project {name} which does not exist")
        refuse_by_project(spec, project)
        return project

    async def _items(self, source: Source) -> list[Object]:
        definitions: list[Object] = []
        for name in source.bundles:
            # Reading a bundle's YAML takes long enough to hold everything else up.
            try:
                definitions += await asyncio.to_thread(bundle, name, self.cluster.around.cache)
            except BundleError as error:
                raise ApplicationError("ComparisonError", str(error), health="Degraded") from error
        return [*definitions, *source.objects]

    async def _bring(self, found: Object, wanted: Sequence[Object], policy: Mapping[str, Any]) -> list[Object]:
        namespace = found["spec"]["destination"].get("namespace")
        options: list[str] = policy.get("syncOptions") or []
        if namespace and await self.cluster.find(NAMESPACE, None, namespace) is None:
            if "CreateNamespace=true" not in options:
                raise ApplicationError(
                    "SyncError", f'namespaces "{namespace}" not found, and CreateNamespace=true is not set',
                    sync="OutOfSync", health="Missing",
                )  # fmt: skip
            labels = (policy.get("managedNamespaceMetadata") or {}).get("labels") or {}
            metadata: Object = {"name": namespace, "labels": labels}
            await self.cluster.apply(ARGO_CD, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        name = found["metadata"]["name"]
        resources: list[Object] = []
        for item in sorted(wanted, key=_order):
            kind = Kind(item["apiVersion"], item["kind"])
            metadata = item["metadata"]
            place = metadata.get("namespace", "")
            tracking = f"{name}:{kind.group}/{kind.kind}:{place}/{metadata['name']}"
            await self._bring_one(kind, item, name, tracking)
            entry = {"version": kind.api_version.rpartition("/")[2], "kind": kind.kind, "name": metadata["name"]}
            entry |= {"status": "Synced"} | ({"group": kind.group} if kind.group else {})
            resources.append(entry | ({"namespace": place} if place else {}))
        return resources

    async def _bring_one(self, kind: Kind, item: Object, name: str, tracking: str) -> None:
        digest = hashlib.sha256(json.dumps(item, sort_keys=True).encode()).hexdigest()
        applied, version = self._applied.get(tracking, ("", ""))
        if kind == CUSTOM_RESOURCE_DEFINITION and applied == digest and self.cluster.is_established(item):
            return
        metadata = item["metadata"]
        present = await self.cluster.find(kind, metadata.get("namespace"), metadata["name"])
        owner = _owner(present)
        if owner not in ("", name):
            raise ApplicationError(
                "SharedResourceWarning", f"{kind.kind}/{metadata['name']} is part of applications {name} and {owner}",
                sync="OutOfSync", health="Degraded",
            )  # fmt: skip
        if present is not None and owner == name and (applied, version) == (digest, _version(present)):
            return
        annotated = {**metadata, "annotations": {**(metadata.get("annotations") or {}), TRACKING: tracking}}
        try:
            body = {**item, "metadata": annotated}
            if kind == CUSTOM_RESOURCE_DEFINITION and present is None:
                # The largest ones take the API server four times as long to apply as to create.
                await self.cluster.create(ARGO_CD, body)
                self._applied[tracking] = (digest, "1")
                return
            made = await self.cluster.apply(ARGO_CD, body)
        except ApiStatusError as error:
            raise ApplicationError(
                "SyncError", f"one or more objects failed to apply: {error.message}",
                sync="OutOfSync", health="Degraded",
            ) from error  # fmt: skip
        self._applied[tracking] = (digest, _version(made))

    async def _prune(self, found: Object, kept: Sequence[Object]) -> None:
        """Delete what the Application brought once and does not bring now; what another one took over stays."""
        identities = {_identity(entry) for entry in kept}
        left: list[str] = []
        for entry in reversed((found.get("status") or {}).get("resources") or []):
            if _identity(entry) in identities:
                continue
            version = f"{entry['group']}/{entry['version']}" if entry.get("group") else entry["version"]
            kind = Kind(version, entry["kind"])
            present = await self.cluster.find(kind, entry.get("namespace"), entry["name"])
            if present is None or _owner(present) != found["metadata"]["name"]:
                continue
            await self.cluster.remove(kind, entry.get("namespace"), entry["name"])
            if await self.cluster.find(kind, entry.get("namespace"), entry["name"]) is not None:
                left.append(f"{entry['kind']}/{entry['name']}")
        if left:
            raise ApplicationError("DeletionError", f"waiting for the deletion of {', '.join(left)}")

    async def _set(
        self, found: Object, sync: str, health: str, *,
        problem: ApplicationError | None = None, resources: list[Object] | None = None, sync_more: Object | None = None,
    ) -> None:  # fmt: skip
        before: Object = found.get("status") or {}
        moment = now()
        previous = before.get("health") or {}
        same = previous.get("status") == health
        status: Object = {
            "sync": {**(before.get("sync") or {}), "status": sync, **(sync_more or {})},
            "health": {
                "status": health,
                "lastTransitionTime": previous.get("lastTransitionTime", moment) if same else moment,
            },
            "conditions": _conditions(before, problem, moment),
        }
        if "comparedTo" not in status["sync"]:
            status["sync"]["comparedTo"] = {"destination": found["spec"]["destination"]}
        if resources is not None:
            status["resources"] = resources
        if not same or (before.get("sync") or {}).get("status") != sync:
            status["reconciledAt"] = moment
            status["operationState"] = _operation(before, sync, health, problem, moment)
        await self.cluster.set_status(found, status)
        found["status"] = {**before, **status}


class _StillProgressingError(NotReadyError):
    """Brought, but not all of it is ready; the status says so already."""

    def __init__(self, unready: Sequence[str]) -> None:
        super().__init__("Progressing", f"waiting for {', '.join(unready)}")


def read_sources(found: Object) -> tuple[Source, ...]:
    """What each source brings; ApplicationError when Argo CD could not make manifests of it, or the table cannot."""
    spec = found["spec"]
    sources = [one for one in sources_of(spec) if not one.get("ref") or one.get("chart") or one.get("path")]
    if not sources:
        message = "spec.source.repoURL and either source.path or source.chart required"
        raise ApplicationError("InvalidSpecError", message)
    return tuple(_read_source(found, one) for one in sources)


def sources_of(spec: Object) -> list[Object]:
    """The sources of an Application, whether it has one or several."""
    return spec["sources"] if "sources" in spec else [spec["source"]] if "source" in spec else []


def refuse_by_project(spec: Object, project: Object) -> None:
    """ApplicationError when the project does not allow a source or the destination."""
    name = project["metadata"]["name"]
    allowed: list[str] = project["spec"].get("sourceRepos") or []
    for source in sources_of(spec):
        repository: str = source["repoURL"]
        if not any(fnmatchcase(normalised(repository), normalised(pattern)) for pattern in allowed):
            raise ApplicationError(
                "InvalidSpecError", f"application repo {repository} is not permitted in project '{name}'"
            )
    destination = spec["destination"]
    server = destination.get("server") or (IN_CLUSTER if destination.get("name") == "in-cluster" else "")
    if server != IN_CLUSTER:
        raise ApplicationError(
            "InvalidSpecError", f"the destination must be {IN_CLUSTER} or the name in-cluster, not {destination}"
        )
    namespace = destination.get("namespace", "")
    targets: list[Object] = project["spec"].get("destinations") or []
    permitted = any(
        fnmatchcase(server, target.get("server", "*")) and fnmatchcase(namespace, target.get("namespace", "*"))
        for target in targets
    )
    if not permitted:
        raise ApplicationError(
            "InvalidSpecError",
            f"application destination server '{server}' and namespace '{namespace}' do not match any of the allowed "
            f"destinations in project '{name}'",
        )


def refuse_kinds(items: Sequence[Object], project: Object) -> None:
    """ApplicationError when the project does not permit an object outside of namespaces."""
    allowed: list[Object] = project["spec"].get("clusterResourceWhitelist") or []
    for item in items:
        group, kind = Kind(item["apiVersion"], item["kind"]).group, item["kind"]
        permitted = any(fnmatchcase(group, one["group"]) and fnmatchcase(kind, one["kind"]) for one in allowed)
        if "namespace" not in item["metadata"] and not permitted:
            raise ApplicationError(
                "SyncError",
                f"resource {group}:{kind} is not permitted in project {project['metadata']['name']}",
                sync="OutOfSync", health="Missing",
            )  # fmt: skip


def default_project(namespace: str) -> Object:
    """The project that Argo CD makes when it starts: everything is permitted in it."""
    anything = [{"group": "*", "kind": "*"}]
    return {
        "apiVersion": PROJECT.api_version,
        "kind": PROJECT.kind,
        "metadata": {"name": DEFAULT_PROJECT, "namespace": namespace},
        "spec": {
            "sourceRepos": ["*"],
            "destinations": [{"server": "*", "namespace": "*"}],
            "clusterResourceWhitelist": anything,
        },
    }


def _read_source(found: Object, source: Object) -> Source:
    repository, revision = source["repoURL"], source.get("targetRevision") or "HEAD"
    chart, path = source.get("chart"), source.get("path")
    if chart is not None and not _CHART_VERSION.fullmatch(revision):
        raise ApplicationError(
            "ComparisonError",
            f"failed to get version of chart {chart} for revision {revision}: invalid semantic version "
            "(the twin knows no ranges)",
        )
    if chart is None and not _TAG.fullmatch(revision):
        raise ApplicationError(
            "ComparisonError",
            f"unable to resolve '{revision}' of {repository} to a commit SHA (the twin has no repository and takes "
            "tags with a version and whole commits only: what a branch names changes)",
        )
    try:
        entry = known_chart(repository, chart=chart, path=path)
    except UnknownChartError as error:
        raise ApplicationError("ComparisonError", str(error), health="Degraded") from error
    helm = source.get("helm") or {}
    installation = Installation(
        release=helm.get("releaseName") or found["metadata"]["name"],
        namespace=found["spec"]["destination"].get("namespace") or "default",
        values=_values(helm),
    )
    namespaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in entry.namespaces]
    bundles = entry.bundles if entry.defines(installation) and not helm.get("skipCrds") else ()
    return Source(repository, revision, bundles, (*namespaces, *entry.objects(installation)))


def _values(helm: Object) -> Mapping[str, Any]:
    given: Any = helm.get("valuesObject")
    if given is None and helm.get("values"):
        try:
            given = yaml.safe_load(helm["values"])
        except yaml.YAMLError as error:
            raise ApplicationError("ComparisonError", f"failed to parse helm.values: {error}") from error
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise ApplicationError(
            "ComparisonError", f"failed to parse the values: {type(given).__name__} is not a mapping of keys"
        )
    return given


def _either(spec: Object) -> Object:
    return {key: spec[key] for key in ("source", "sources") if key in spec}


def _order(item: Object) -> int:
    order = ("Namespace", "CustomResourceDefinition", "ServiceAccount")
    return order.index(item["kind"]) if item["kind"] in order else len(order)


def _identity(entry: Object) -> tuple[str, str, str, str]:
    return entry.get("group", ""), entry["kind"], entry.get("namespace", ""), entry["name"]


def _version(present: Object) -> str:
    """Changes when somebody changes the object; what controllers write into its status does not count, if it can."""
    metadata = present["metadata"]
    return str(metadata.get("generation", metadata["resourceVersion"]))


def _owner(present: Object | None) -> str:
    """Name of the Application that brought the object; empty when none did."""
    annotations: Mapping[str, str] = {} if present is None else present["metadata"].get("annotations") or {}
    return annotations.get(TRACKING, "").partition(":")[0]


def _conditions(before: Object, problem: ApplicationError | None, moment: str) -> list[Object]:
    if problem is None or not problem.reason:
        return []
    present: list[Object] = before.get("conditions") or []
    for one in present:
        if one["type"] == problem.reason and one["message"] == problem.message:
            return [one]
    return [{"type": problem.reason, "message": problem.message, "lastTransitionTime": moment}]


def _operation(
    before: Object, sync: str, health: str, problem: ApplicationError | None, moment: str
) -> Object:
    started = (before.get("operationState") or {}).get("startedAt", moment)
    state: Object = {"operation": {"sync": {}}, "startedAt": started}
    if problem is not None:
        return {**state, "phase": "Failed", "message": problem.message, "finishedAt": moment}
    if sync == "Synced" and health == "Healthy":
        return {**state, "phase": "Succeeded", "message": "successfully synced", "finishedAt": moment}
    return {**state, "phase": "Running", "message": "waiting for healthy state", "finishedAt": None}
