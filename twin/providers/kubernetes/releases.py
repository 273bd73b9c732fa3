"""`helm.sh/v3:Release`: recorded in the cluster as Helm does. No chart is rendered: a table says what it brings."""

import asyncio
import base64
import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import yaml

from twin.kubernetes.api import ApiStatusError, KubernetesApi, Object, ResourceType
from twin.kubernetes.custom_resources import BundleError, bundle
from twin.operators.chart_objects import Installation
from twin.operators.charts import KnownChart, UnknownChartError, known_chart
from twin.providers import wire
from twin.providers.errors import ApiError, OverdueError
from twin.providers.inputs import Violation
from twin.providers.kinds import State
from twin.providers.kubernetes import objects
from twin.providers.kubernetes.conditions import find_condition

TOKEN: Final = "kubernetes:helm.sh/v3:Release"  # noqa: S105 - a type token is no password
MANAGER: Final = "helm"
TYPE: Final = "helm.sh/release.v1"
DEPLOYED: Final = "deployed"
SUPERSEDED: Final = "superseded"
DEFAULT_TIMEOUT_SECONDS: Final = 300
POLL_SECONDS: Final = 0.1
MANAGED_BY: Final = "app.kubernetes.io/managed-by"
RELEASE_NAME: Final = "meta.helm.sh/release-name"
RELEASE_NAMESPACE: Final = "meta.helm.sh/release-namespace"

SECRETS: Final = ResourceType("", "v1", "secrets", "Secret", True)
NAMESPACES: Final = ResourceType("", "v1", "namespaces", "Namespace", False)
DEFINITIONS: Final = ResourceType(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", False
)
NOT_EMULATED: Final = {
    "postrender": "the twin renders no chart, so there is nothing to hand to a command",
    "valueYamlFiles": "the twin does not read files of values; give them in `values`",
    "verify": "the twin fetches no chart, so there is nothing to verify",
}


@dataclass(frozen=True)
class Release:
    """A revision of a release."""

    namespace: str
    name: str
    chart: str
    version: str
    values: State
    revision: int
    first_deployed: str
    last_deployed: str
    status: str
    brought: tuple[Object, ...]
    """What the chart brought besides custom resource definitions."""
    description: str


def named(
    inputs: wire.Properties, old: wire.Properties, logical_name: str, seed: bytes, namespace: str
) -> wire.Properties:
    """The inputs with a name, a namespace and a time limit."""
    given = {name: value for name, value in inputs.items() if value != ""}
    if "name" not in given:
        given["name"] = old.get("name") or f"{logical_name}-{seed.hex()[:8]}"
    given.setdefault("namespace", namespace)
    if not given.get("skipAwait"):
        given.setdefault("timeout", DEFAULT_TIMEOUT_SECONDS)
    return given


def violations(inputs: State) -> Iterable[Violation]:
    """What the twin cannot do with inputs of the right types."""
    for name, why in NOT_EMULATED.items():
        if inputs.get(name):
            yield Violation(name, why)
    if "chart" not in inputs:
        return
    try:
        _entry(inputs)
    except UnknownChartError as error:
        yield Violation("chart", str(error))


def not_rendered(inputs: State) -> str:
    """What a person must know who sees the release succeed."""
    definitions = ", ".join(_bundles(inputs)) or "no"
    return (
        f"the twin renders no chart: of {inputs['chart']} there are {definitions} custom resource definitions and what "
        "its table says that others refer to, no workload of its own"
    )


async def install(api: KubernetesApi, inputs: State, tools: Path) -> Release:
    """Bring what the chart brings, and record it; ApiError when the name is in use."""
    namespace, name = inputs["namespace"], inputs["name"]
    if await find(api, namespace, name) is not None:
        raise ApiError(HTTPStatus.CONFLICT, f"cannot re-use a name that is still in use: {namespace}/{name}")
    if await api.get(NAMESPACES, None, namespace) is None:
        if not inputs.get("createNamespace"):
            raise ApiError(
                HTTPStatus.NOT_FOUND,
                f'create: failed to create: namespaces "{namespace}" not found; `createNamespace` makes it',
            )
        await api.create(NAMESPACES, None, _namespace(namespace, {"name": namespace}), field_manager=MANAGER)
    brought = await _bring(api, inputs, tools, ())
    moment = _now()
    release = _release(inputs, brought, 1, moment, moment, "Install complete")
    await api.create(SECRETS, namespace, _record(release), field_manager=MANAGER)
    return release


async def upgrade(api: KubernetesApi, inputs: State, tools: Path) -> Release:
    """The next revision; ApiError when there is no release of the name."""
    namespace, name = inputs["namespace"], inputs["name"]
    before = await find(api, namespace, name)
    if before is None:
        raise ApiError(HTTPStatus.NOT_FOUND, f'"{name}" has no deployed releases; it was removed behind Pulumi\'s back')
    brought = await _bring(api, inputs, tools, before.brought)
    release = _release(inputs, brought, before.revision + 1, before.first_deployed, _now(), "Upgrade complete")
    await api.create(SECRETS, namespace, _record(release), field_manager=MANAGER)
    superseded = {"metadata": {"labels": {"status": SUPERSEDED}}}
    await api.merge(SECRETS, namespace, _record_name(name, before.revision), superseded)
    return release


async def uninstall(api: KubernetesApi, namespace: str, name: str) -> None:
    """Remove what the chart brought, and the records. Custom resource definitions stay, as Helm leaves them."""
    release = await find(api, namespace, name)
    if release is not None:
        await _remove(api, release, release.brought)
    for record in await _records(api, namespace, name):
        await api.delete(SECRETS, namespace, record["metadata"]["name"])


async def find(api: KubernetesApi, namespace: str, name: str) -> Release | None:
    """The newest revision; None when there is no release of the name."""
    records = await _records(api, namespace, name)
    newest = max(records, key=lambda record: int(record["metadata"]["labels"]["version"]), default=None)
    return None if newest is None else _read(newest)


def outputs(release: Release, inputs: wire.Properties) -> wire.Properties:
    """The inputs, and what is known of the release; secret where the inputs are."""
    names: State = {}
    for one in release.brought:
        where = objects.identity_of(one).resource_id
        names.setdefault(f"{one['kind']}.{objects.split_api_version(one['apiVersion'])[0] or 'core'}", []).append(where)
    status: State = {
        "name": release.name,
        "namespace": release.namespace,
        "chart": release.chart,
        "version": release.version,
        "revision": release.revision,
        "status": release.status,
    }
    return {**inputs, "resourceNames": names, "status": status}


def as_now(release: Release, inputs: wire.Properties) -> wire.Properties:
    """The inputs as the release has them now; all that it tells when there are none."""
    clear = wire.reveal_all(inputs)
    told: State = {"chart": release.chart, "values": release.values, "version": release.version}
    if not inputs:
        return {"name": release.name, "namespace": release.namespace, **{k: v for k, v in told.items() if v}}
    changed: wire.Properties = {}
    for name, value in told.items():
        given = clear.get(name)
        chart_of_repository = name == "chart" and isinstance(given, str) and given.rsplit("/", 1)[-1] == value
        if given is not None and not chart_of_repository:
            changed[name] = objects.conceal(value, inputs.get(name))
    return {**inputs, **changed}


async def _bring(api: KubernetesApi, inputs: State, tools: Path, before: Sequence[Object]) -> tuple[Object, ...]:
    entry = _entry(inputs)
    await _define(api, _bundles(inputs), tools, float(inputs.get("timeout") or DEFAULT_TIMEOUT_SECONDS))
    brings = entry.objects(_installation(inputs))
    wanted = [*(_namespace(name, {"name": name}) for name in entry.namespaces), *brings]
    owned = tuple(_owned(one, inputs) for one in wanted)
    for one in owned:
        resource_type = await _served(api, one)
        identity = objects.identity_of(one)
        present = await api.get(resource_type, identity.namespace, identity.name)
        if present is not None and not _is_of(present, inputs):
            raise ApiError(
                HTTPStatus.CONFLICT,
                f"{one['kind']} {identity.resource_id} exists and cannot be imported into the current release: "
                "invalid ownership metadata",
            )
        await api.apply(resource_type, identity.namespace, identity.name, one, field_manager=MANAGER, force=True)
    kept = {(one["apiVersion"], one["kind"], objects.identity_of(one)) for one in owned}
    gone = [one for one in before if (one["apiVersion"], one["kind"], objects.identity_of(one)) not in kept]
    for one in gone:
        await _delete(api, one)
    return owned


async def _define(api: KubernetesApi, bundles: Iterable[str], tools: Path, seconds: float) -> None:
    """Make the custom resource definitions that are not there, and wait until they are served."""
    try:
        wanted = [one for name in bundles for one in await asyncio.to_thread(bundle, name, tools)]
    except BundleError as error:
        raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
    for one in wanted:
        try:
            await api.create(DEFINITIONS, None, one, field_manager=MANAGER)
        except ApiStatusError as error:
            if error.reason != "AlreadyExists":
                raise
    deadline = asyncio.get_running_loop().time() + seconds
    for one in wanted:
        name = one["metadata"]["name"]
        while not _is_established(await api.get(DEFINITIONS, None, name)):
            if asyncio.get_running_loop().time() > deadline:
                raise OverdueError(f"custom resource definition {name} is not established after {seconds:.0f} s")
            await asyncio.sleep(POLL_SECONDS)


async def _remove(api: KubernetesApi, release: Release, brought: Iterable[Object]) -> None:
    for one in reversed(tuple(brought)):
        resource_type = await api.resource_type(one["apiVersion"], one["kind"])
        identity = objects.identity_of(one)
        present = None if resource_type is None else await api.get(resource_type, identity.namespace, identity.name)
        if present is not None and _is_of(present, {"name": release.name, "namespace": release.namespace}):
            await _delete(api, one)


async def _delete(api: KubernetesApi, one: Object) -> None:
    resource_type = await api.resource_type(one["apiVersion"], one["kind"])
    if resource_type is not None:
        identity = objects.identity_of(one)
        await api.delete(resource_type, identity.namespace, identity.name)


async def _served(api: KubernetesApi, one: Object) -> ResourceType:
    resource_type = await api.resource_type(one["apiVersion"], one["kind"])
    if resource_type is None:
        raise ApiError(
            HTTPStatus.NOT_FOUND,
            f'resource mapping not found: no matches for kind "{one["kind"]}" in version "{one["apiVersion"]}"; '
            "ensure CRDs are installed first",
        )
    return resource_type


async def _records(api: KubernetesApi, namespace: str, name: str) -> list[Object]:
    return await api.list(SECRETS, namespace, label_selector=f"owner=helm,name={name}")


def _entry(inputs: Mapping[str, Any]) -> KnownChart:
    chart: str = inputs["chart"]
    repository: str = (inputs.get("repositoryOpts") or {}).get("repo") or ""
    if chart.startswith("oci://"):
        repository, _, chart = chart.rpartition("/")
    return known_chart(repository, chart=chart, path=None)


def _bundles(inputs: State) -> tuple[str, ...]:
    """The custom resource definitions that the chart brings with these values."""
    entry = _entry(inputs)
    return entry.bundles if entry.defines(_installation(inputs)) and not inputs.get("skipCrds") else ()


def _installation(inputs: State) -> Installation:
    return Installation(inputs["name"], inputs["namespace"], inputs.get("values") or {})


def _owned(one: Object, inputs: State) -> Object:
    metadata: Object = one["metadata"]
    labels = {**(metadata.get("labels") or {}), MANAGED_BY: "Helm"}
    owner = {RELEASE_NAME: inputs["name"], RELEASE_NAMESPACE: inputs["namespace"]}
    annotations = {**(metadata.get("annotations") or {}), **owner}
    return {**one, "metadata": {**metadata, "labels": labels, "annotations": annotations}}


def _is_of(present: Object, inputs: Mapping[str, Any]) -> bool:
    annotations = present["metadata"].get("annotations") or {}
    owner = (annotations.get(RELEASE_NAME), annotations.get(RELEASE_NAMESPACE))
    return owner == (inputs["name"], inputs["namespace"])


def _is_established(definition: Object | None) -> bool:
    condition = None if definition is None else find_condition(definition, "Established")
    return condition is not None and condition.get("status") == "True"


def _namespace(name: str, metadata: Object) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {**metadata, "labels": {"name": name}}}


def _release(
    inputs: State, brought: tuple[Object, ...], revision: int, first: str, last: str, description: str
) -> Release:
    return Release(
        namespace=inputs["namespace"],
        name=inputs["name"],
        chart=inputs["chart"].rsplit("/", 1)[-1],
        version=inputs.get("version") or "",
        values=inputs.get("values") or {},
        revision=revision,
        first_deployed=first,
        last_deployed=last,
        status=DEPLOYED,
        brought=brought,
        description=inputs.get("description") or description,
    )


def _record_name(name: str, revision: int) -> str:
    return f"sh.helm.release.v1.{name}.v{revision}"


def _record(release: Release) -> Object:
    document = {
        "name": release.name,
        "namespace": release.namespace,
        "version": release.revision,
        "info": {
            "first_deployed": release.first_deployed,
            "last_deployed": release.last_deployed,
            "deleted": "",
            "description": release.description,
            "status": release.status,
        },
        "chart": {"metadata": {"name": release.chart, "version": release.version, "apiVersion": "v2"}},
        "config": release.values,
        "manifest": yaml.safe_dump_all(release.brought, sort_keys=False),
    }
    packed = base64.b64encode(gzip.compress(json.dumps(document).encode())).decode()
    labels = {"name": release.name, "owner": "helm", "status": release.status, "version": str(release.revision)}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": _record_name(release.name, release.revision), "labels": labels},
        "type": TYPE,
        "data": {"release": objects.encoded(packed)},
    }


def _read(record: Object) -> Release:
    packed = base64.b64decode(base64.b64decode(record["data"]["release"]))
    document: Any = json.loads(gzip.decompress(packed))
    information = document["info"]
    return Release(
        namespace=document["namespace"],
        name=document["name"],
        chart=document["chart"]["metadata"]["name"],
        version=document["chart"]["metadata"]["version"],
        values=document.get("config") or {},
        revision=int(document["version"]),
        first_deployed=information["first_deployed"],
        last_deployed=information["last_deployed"],
        status=information["status"],
        brought=tuple(one for one in yaml.safe_load_all(document["manifest"]) if one),
        description=information["description"],
    )


def _now() -> str:
    return datetime.now(UTC).isoformat()
