"""A Kubernetes API as its clients in the twin use it: typed paths, server-side apply, watches that go on.

Everything is asked over verified TLS with a client certificate, through the proxy that the kubeconfig names.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Self
from urllib.parse import quote

import aiohttp

from twin.kubernetes.access import Access, read_kubeconfig

Object = dict[str, Any]
"""A Kubernetes object as JSON."""

ANSWER_SECONDS: Final = 60.0
CONNECT_SECONDS: Final = 10.0
WATCH_SECONDS: Final = 300
"""After so long the API server ends a watch, and it is begun anew where it ended."""
WATCH_SLACK_SECONDS: Final = 30.0
PATIENCE_SECONDS: Final = 60.0
"""How long a watch tries to come back before it gives up."""
FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 2.0
BUSY_ATTEMPTS: Final = 5
"""How often a call is made again when the API server says that it has too much to do."""
PAGE_ITEMS: Final = 500
LONGEST_LINE_BYTES: Final = 8 * 1024 * 1024
"""Of a watch; etcd takes objects of 1.5 MB."""
EXPIRED: Final = (HTTPStatus.GONE, HTTPStatus.GATEWAY_TIMEOUT)
"""What a watch is answered whose resource version is too old, or of another etcd's data."""
TRANSIENT: Final = (
    HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE,
)  # fmt: skip
"""What an API server answers that has just begun, or is about to end."""


@dataclass(frozen=True)
class ResourceType:
    """One API resource, e.g. `apps/v1` `deployments`."""

    group: str
    """Empty for the core API."""
    version: str
    plural: str
    kind: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """`GROUP/VERSION`, or `VERSION` of the core API."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """Path of one object, or of all (`name` None) in the namespace (None: in every one)."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespaced and namespace is not None:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name is not None:
            parts.append(name)
        if subresource is not None:
            parts.append(subresource)
        return "/" + "/".join(quote(part, safe="") for part in parts)


@dataclass(frozen=True)
class Cause:
    """One of the reasons for which an object was refused."""

    field: str
    """Path of the field, e.g. `spec.replicas`; empty when it is about the whole object."""
    reason: str
    message: str


class ApiStatusError(Exception):
    """The API server refused; what its Status says."""

    def __init__(self, code: int, reason: str, message: str, causes: tuple[Cause, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        """E.g. `AlreadyExists`, `Conflict`, `Invalid`."""
        self.message = message
        self.causes = causes


class UnreachableError(Exception):
    """The API server cannot be asked: no connection, a refusal of the proxy, TLS that does not verify, no answer."""


@dataclass(frozen=True)
class Page:
    """Objects of a list."""

    items: tuple[Object, ...]
    resource_version: str
    """Of the whole list: a watch from here on misses nothing."""


class KubernetesApi:
    """A client of one API server. It belongs to the event loop in which it is first used."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._session: aiohttp.ClientSession | None = None
        self._types: dict[str, dict[str, ResourceType]] = {}

    @classmethod
    def from_kubeconfig(cls, text: str, context: str | None = None) -> "KubernetesApi":
        """KubeconfigError when the text is no kubeconfig with a verified server and a client certificate."""
        return cls(read_kubeconfig(text, context))

    @property
    def server(self) -> str:
        """`https://HOST:PORT`."""
        return self._access.server

    async def close(self) -> None:
        """Let go of the connections; the client may be used again."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def resource_type(self, api_version: str, kind: str) -> ResourceType | None:
        """What the API server serves for the kind; None when it serves none (yet)."""
        found = self._types.get(api_version, {}).get(kind)
        if found is None:
            # It may have come with a CustomResourceDefinition since.
            self._types[api_version] = await self._discover(api_version)
            found = self._types[api_version].get(kind)
        return found

    async def get(self, t: ResourceType, namespace: str | None, name: str) -> Object | None:
        """The object, None when there is none."""
        try:
            return await self._ask("GET", t.path(namespace, name))
        except ApiStatusError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return None
            raise

    async def list(
        self, t: ResourceType, namespace: str | None = None, *, label_selector: str = "", field_selector: str = ""
    ) -> list[Object]:
        """The objects of the namespace (None: of every one)."""
        page = await self.list_page(t, namespace, label_selector=label_selector, field_selector=field_selector)
        return [*page.items]

    async def list_page(
        self, t: ResourceType, namespace: str | None = None, *, label_selector: str = "", field_selector: str = ""
    ) -> Page:
        """The objects of the namespace (None: of every one), and from where to watch them."""
        query = _without_empty(
            {"labelSelector": label_selector, "fieldSelector": field_selector, "limit": str(PAGE_ITEMS)}
        )
        items: list[Object] = []
        while True:
            answer = await self._ask("GET", t.path(namespace), query)
            # Lists leave out what is the same for all.
            items += [{"apiVersion": t.api_version, "kind": t.kind, **item} for item in answer.get("items") or ()]
            position: Mapping[str, str] = answer["metadata"]
            if not position.get("continue"):
                return Page(tuple(items), position["resourceVersion"])
            query["continue"] = position["continue"]

    async def watch(
        self, t: ResourceType, namespace: str | None = None, *, resource_version: str = ""
    ) -> AsyncIterator[tuple[str, Object]]:
        """`ADDED`, `MODIFIED` or `DELETED` with the object, for ever.

        Without `resource_version` every object that is there comes first, as `ADDED`. It goes on when the connection
        or the API server ends; when the server does not know any more where it was, what is there now is compared
        with what was told before. UnreachableError when the server stays away for `PATIENCE_SECONDS`.
        """
        known: dict[tuple[str, str], Object] = {}
        position = resource_version
        clock = asyncio.get_running_loop().time
        lost_at: float | None = None
        pause = FIRST_PAUSE_SECONDS
        while True:
            trouble: Exception | None = None
            try:
                if not position:
                    page = await self.list_page(t, namespace)
                    for event in _compared(known, page.items):
                        yield event
                    position = page.resource_version
                async with self._watching(t, namespace, position) as lines:
                    lost_at, pause = None, FIRST_PAUSE_SECONDS
                    async for kind, item in lines:
                        position = item["metadata"]["resourceVersion"]
                        if kind == "BOOKMARK":
                            continue
                        if kind == "DELETED":
                            known.pop(_identity(item), None)
                        else:
                            known[_identity(item)] = item
                        yield kind, item
            except ApiStatusError as error:
                if error.code not in EXPIRED and error.code not in TRANSIENT:
                    raise
                if error.code in EXPIRED:
                    position = ""
                trouble = error
            except UnreachableError as error:
                trouble = error
            if trouble is not None:
                lost_at = clock() if lost_at is None else lost_at
                if clock() - lost_at > PATIENCE_SECONDS:
                    raise trouble
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def apply(
        self,
        t: ResourceType,
        namespace: str | None,
        name: str,
        body: Object,
        *,
        field_manager: str,
        force: bool = False,
        dry_run: bool = False,
        subresource: str | None = None,
    ) -> Object:
        """Server-side apply; an unknown or doubled field is refused. Returns the object as it is then."""
        query = _without_empty(
            {
                "fieldManager": field_manager,
                "force": "true" if force else "",
                "fieldValidation": "Strict",
                "dryRun": "All" if dry_run else "",
            }
        )
        path = t.path(namespace, name, subresource)
        return await self._ask("PATCH", path, query, body, "application/apply-patch+yaml")

    async def create(
        self, t: ResourceType, namespace: str | None, body: Object, *, field_manager: str = "", dry_run: bool = False
    ) -> Object:
        """Create the object; an unknown or doubled field is refused. Returns it with its (generated) name."""
        query = _without_empty(
            {"fieldManager": field_manager, "fieldValidation": "Strict", "dryRun": "All" if dry_run else ""}
        )
        return await self._ask("POST", t.path(namespace), query, body)

    async def merge(
        self,
        t: ResourceType,
        namespace: str | None,
        name: str,
        patch: Object,
        *,
        subresource: str | None = None,
        field_manager: str = "",
    ) -> Object:
        """Merge patch; None removes a field, a list is replaced as a whole. Returns the object as it is then."""
        query = _without_empty({"fieldManager": field_manager, "fieldValidation": "Strict"})
        path = t.path(namespace, name, subresource)
        return await self._ask("PATCH", path, query, patch, "application/merge-patch+json")

    async def delete(
        self,
        t: ResourceType,
        namespace: str | None,
        name: str,
        *,
        propagation: str = "Background",
        grace_seconds: int | None = None,
    ) -> None:
        """Begin to delete the object; it is gone when its finalizers are. One that is not there is fine."""
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        try:
            await self._ask("DELETE", t.path(namespace, name), {}, options)
        except ApiStatusError as error:
            if error.code != HTTPStatus.NOT_FOUND:
                raise

    async def read(self, path: str) -> str:
        """What the API server says at any other path, e.g. `/readyz`; ApiStatusError unless it is 200."""
        async with self._request("GET", path, {}, None, "") as response:
            return await response.text()

    async def _discover(self, api_version: str) -> dict[str, ResourceType]:
        group, _, version = api_version.rpartition("/")
        try:
            answer = await self._ask("GET", f"/apis/{group}/{version}" if group else f"/api/{version}")
        except ApiStatusError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return {}
            raise
        return {
            resource["kind"]: ResourceType(group, version, resource["name"], resource["kind"], resource["namespaced"])
            for resource in answer["resources"]
            if "/" not in resource["name"]
        }

    async def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        content_type: str = "application/json",
    ) -> Object:
        for attempt in range(1, BUSY_ATTEMPTS + 1):
            try:
                async with self._request(method, path, query or {}, body, content_type) as response:
                    return await response.json()
            except _BusyError as error:
                if attempt == BUSY_ATTEMPTS:
                    raise
                await asyncio.sleep(error.pause_seconds)
        raise AssertionError("the last attempt either answers or raises")

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Object | None,
        content_type: str,
        total_seconds: float | None = ANSWER_SECONDS,
        silent_seconds: float | None = None,
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        timeout = aiohttp.ClientTimeout(total=total_seconds, sock_connect=CONNECT_SECONDS, sock_read=silent_seconds)
        try:
            async with self._connected().request(
                method,
                self.server + path,
                params=query,
                data=None if body is None else json.dumps(body).encode(),
                headers={"Accept": "application/json"} | ({} if body is None else {"Content-Type": content_type}),
                proxy=self._access.proxy,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                if response.status >= HTTPStatus.BAD_REQUEST:
                    raise _refused(response, await response.text())
                yield response
        except aiohttp.ClientHttpProxyError as error:
            raise UnreachableError(f"{self.server} cannot be reached: {error.message}") from error
        except aiohttp.ClientError as error:
            raise UnreachableError(f"{self.server} cannot be reached: {error}") from error
        except TimeoutError as error:
            raise UnreachableError(f"{self.server} did not answer {method} {path} in time") from error

    @asynccontextmanager
    async def _watching(
        self, t: ResourceType, namespace: str | None, position: str
    ) -> AsyncGenerator[AsyncGenerator[tuple[str, Object]]]:
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": position,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        silence = WATCH_SECONDS + WATCH_SLACK_SECONDS
        async with self._request("GET", t.path(namespace), query, None, "", None, silence) as response:
            yield _events(response)

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            # No limit of connections: every watch holds one.
            connector = aiohttp.TCPConnector(ssl=self._access.ssl_context(), limit=0)
            self._session = aiohttp.ClientSession(connector=connector, read_bufsize=LONGEST_LINE_BYTES)
        return self._session


class _BusyError(ApiStatusError):
    """The API server asks to come back later."""

    pause_seconds = 1.0


async def _events(response: aiohttp.ClientResponse) -> AsyncGenerator[tuple[str, Object]]:
    while line := await response.content.readline():
        if not line.endswith(b"\n"):
            # The server ended in the middle of it; the watch begun anew tells it again.
            return
        event = json.loads(line)
        kind, item = event["type"], event["object"]
        if kind == "ERROR":
            raise _status_error(item, int(item.get("code") or HTTPStatus.INTERNAL_SERVER_ERROR))
        yield kind, item


def _compared(known: dict[tuple[str, str], Object], items: tuple[Object, ...]) -> list[tuple[str, Object]]:
    """What changed from `known` to `items`, which becomes the known."""
    present = {_identity(item): item for item in items}
    events = [("DELETED", item) for identity, item in known.items() if identity not in present]
    for identity, item in present.items():
        before = known.get(identity)
        if before is None:
            events.append(("ADDED", item))
        elif before["metadata"]["uid"] != item["metadata"]["uid"]:
            events += [("DELETED", before), ("ADDED", item)]
        elif before["metadata"]["resourceVersion"] != item["metadata"]["resourceVersion"]:
            events.append(("MODIFIED", item))
    known.clear()
    known.update(present)
    return events


def _identity(item: Object) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _refused(response: aiohttp.ClientResponse, text: str) -> ApiStatusError:
    document: Any = None
    with suppress(ValueError):
        document = json.loads(text)
    if not isinstance(document, dict) or document.get("kind") != "Status":
        document = {"reason": response.reason or "", "message": text.strip() or f"HTTP status {response.status}"}
    error = _status_error(document, response.status)
    if response.status == HTTPStatus.TOO_MANY_REQUESTS and "Retry-After" in response.headers:
        error = _BusyError(error.code, error.reason, error.message, error.causes)
        with suppress(ValueError):
            error.pause_seconds = float(response.headers["Retry-After"])
    return error


def _status_error(status: Mapping[str, Any], code: int) -> ApiStatusError:
    causes = tuple(
        Cause(cause.get("field") or "", cause.get("reason") or "", cause.get("message") or "")
        for cause in (status.get("details") or {}).get("causes") or ()
    )
    return ApiStatusError(code, status.get("reason") or "", status.get("message") or "", causes)


def _without_empty(query: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in query.items() if value}
