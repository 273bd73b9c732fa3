"""Which Harbor answers at a URL: the ones that run in the twin's clusters, and what is wrong with them."""

import asyncio
import base64
import hmac
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from twin.kubernetes.api import ApiStatusError, KubernetesApi, Object, UnreachableError
from twin.providers.errors import ApiError, OutOfReachError

CHART: Final = "harbor"
ADMINISTRATOR: Final = "admin"
USER: Final = "twin:harbor"
"""Who reads the clusters' objects."""
DEFAULT_PASSWORD: Final = "Harbor12345"  # noqa: S105 - everybody knows it
"""What the chart sets when its values name none."""

_HOST: Final = re.compile(r"Host\(`([^`]+)`\)")
_READ_WRITE: Final = "-rw"

APPLICATION: Final = ("argoproj.io/v1alpha1", "Application")
ROUTE: Final = ("traefik.io/v1alpha1", "IngressRoute")
DATABASE: Final = ("postgresql.cnpg.io/v1", "Cluster")
SECRET: Final = ("v1", "Secret")


@dataclass(frozen=True)
class Server:
    """A Harbor in a cluster."""

    cluster: str
    """Its name, which is the colour's."""
    hosts: frozenset[str]
    """Names that the cluster's routes lead to it."""
    database: str | None
    """Which database it has: another one is another Harbor, and an empty one. None when it has none."""
    password: str | None
    """Of its administrator; None when nobody knows."""
    problem: str | None = None
    """Why it does not answer, None when it does."""


Servers = Callable[[], Awaitable[Sequence[Server]]]
"""Every Harbor of every cluster that runs."""


async def answering(servers: Servers, configuration: Mapping[str, Any]) -> Server:
    """The Harbor that the provider's configuration leads to; OutOfReachError when none answers there."""
    url = str(configuration.get("url") or "")
    host = urlsplit(url).hostname or ""
    there = [server for server in await servers() if host in server.hosts]
    if not there:
        raise OutOfReachError(f"{url} does not answer: no cluster that runs has a route of that name to a Harbor")
    if len(there) > 1:
        names = " and ".join(sorted(server.cluster for server in there))
        raise OutOfReachError(
            f"{host} is a name of {names}, and the DNS decides whose Harbor answers there; use the name of one colour"
        )
    (server,) = there
    if server.problem is not None:
        raise OutOfReachError(f"{url} does not answer: Harbor of {server.cluster} {server.problem}")
    if urlsplit(url).scheme != "https":
        raise OutOfReachError(f"{url} is not encrypted, and the ingress only sends such requests away")
    _log_in(server, configuration)
    return server


def _log_in(server: Server, configuration: Mapping[str, Any]) -> None:
    user, password = str(configuration.get("username") or ""), str(configuration.get("password") or "")
    known = user == ADMINISTRATOR and server.password is not None
    if not known or not hmac.compare_digest(password.encode(), (server.password or "").encode()):
        raise ApiError(HTTPStatus.UNAUTHORIZED, f"Harbor of {server.cluster} does not know `{user}` by this password")


@dataclass(frozen=True)
class RunningPlane:
    """What is needed of a control plane that is ready."""

    name: str
    """Of its cluster."""
    identity: object
    """Equal for as long as a client of it is good: a cluster that is built again has the same name and other keys."""
    kubeconfig: Callable[[str], str]
    """Text of a kubeconfig for a client of the given name."""


class ClusterServers:
    """The Harbors in the clusters of the twin, as their objects tell."""

    def __init__(self, planes: Callable[[], Iterable[RunningPlane]]) -> None:
        """`planes` are those that are ready now."""
        self._planes = planes
        self._clients: dict[str, tuple[object, KubernetesApi]] = {}

    async def __call__(self) -> Sequence[Server]:
        """Every Harbor, cluster by cluster."""
        found = await asyncio.gather(*(self._of(plane) for plane in self._planes()))
        return [server for servers in found for server in servers]

    async def close(self) -> None:
        """Let go of every connection."""
        clients, self._clients = self._clients, {}
        for _, client in clients.values():
            await client.close()

    async def _of(self, plane: RunningPlane) -> Sequence[Server]:
        try:
            return await servers_in(plane.name, await self._client(plane))
        except (ApiStatusError, UnreachableError):
            # A cluster that is going down has no Harbor that could answer.
            return ()

    async def _client(self, plane: RunningPlane) -> KubernetesApi:
        kept = self._clients.get(plane.name)
        if kept is not None and kept[0] == plane.identity:
            return kept[1]
        # Made before anything is waited for, so that of two calls at once the second finds the first one's.
        made = KubernetesApi.from_kubeconfig(plane.kubeconfig(USER))
        self._clients[plane.name] = (plane.identity, made)
        if kept is not None:
            await kept[1].close()
        return made


async def servers_in(cluster: str, api: KubernetesApi) -> Sequence[Server]:
    """The Harbors that Argo CD has installed in a cluster."""
    applications = await _all(api, APPLICATION, None)
    return [await _server(cluster, api, one) for one in applications if _source(one).get("chart") == CHART]


async def _server(cluster: str, api: KubernetesApi, application: Object) -> Server:
    namespace = application["spec"]["destination"]["namespace"]
    values: Mapping[str, Any] = (_source(application).get("helm") or {}).get("valuesObject") or {}
    routes = await _all(api, ROUTE, namespace)
    database = await _database(api, namespace, values)
    return Server(
        cluster=cluster,
        hosts=frozenset(host for route in routes for host in _hosts(route)),
        database=None if database is None else database["metadata"]["uid"],
        password=await _password(api, namespace, values),
        problem=_problem(application, database),
    )


def _problem(application: Object, database: Object | None) -> str | None:
    if "deletionTimestamp" in application["metadata"]:
        return "is being taken down"
    status = application.get("status") or {}
    health = (status.get("health") or {}).get("status") or "Missing"
    if health != "Healthy":
        return f"is {health}"
    return "has no database" if database is None else None


def _source(application: Object) -> Mapping[str, Any]:
    return application["spec"].get("source") or {}


def _hosts(route: Object) -> Iterable[str]:
    for rule in route["spec"].get("routes") or ():
        yield from _HOST.findall(rule.get("match") or "")


async def _database(api: KubernetesApi, namespace: str, values: Mapping[str, Any]) -> Object | None:
    settings: Mapping[str, Any] = (values.get("database") or {}).get("external") or {}
    name, _, rest = str(settings.get("host") or "").partition(".")
    place = rest.partition(".")[0] or namespace
    return await _one(api, DATABASE, place, name.removesuffix(_READ_WRITE)) if name else None


async def _password(api: KubernetesApi, namespace: str, values: Mapping[str, Any]) -> str | None:
    name = values.get("existingSecretAdminPassword")
    if not name:
        return str(values.get("harborAdminPassword") or DEFAULT_PASSWORD)
    secret = await _one(api, SECRET, namespace, str(name))
    key = values.get("existingSecretAdminPasswordKey") or "HARBOR_ADMIN_PASSWORD"
    value = None if secret is None else (secret.get("data") or {}).get(key)
    return None if value is None else base64.b64decode(value).decode()


async def _all(api: KubernetesApi, kind: tuple[str, str], namespace: str | None) -> Sequence[Object]:
    resource = await api.resource_type(*kind)
    return [] if resource is None else await api.list(resource, namespace)


async def _one(api: KubernetesApi, kind: tuple[str, str], namespace: str, name: str) -> Object | None:
    resource = await api.resource_type(*kind)
    return None if resource is None else await api.get(resource, namespace, name)
