"""Stand-in of the `harbor` provider: what is set in the Harbors of the twin's clusters, each for itself.

A call reaches the Harbor that answers at the provider's URL, or fails. What was set is kept for as long as that Harbor
keeps its database.
"""

import secrets
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from http import HTTPStatus
from re import compile as regular_expression
from typing import Any, ClassVar, Final, Protocol
from urllib.parse import urlsplit

from twin.kubernetes.plane import Plane
from twin.kubernetes.plane_state import PlaneState
from twin.providers import wire
from twin.providers.errors import ApiError, already_exists, not_found
from twin.providers.harbor_servers import ClusterServers, RunningPlane, Server, Servers, answering
from twin.providers.inputs import Violation
from twin.providers.kinds import Call, Created, ResourceKind, State, StoredKind, Surroundings, collection_of
from twin.providers.operation import Operation
from twin.providers.stand_in import Resource, StandIn
from twin.store import Collection

REGISTRY: Final = "harbor:index/registry:Registry"
PROJECT: Final = "harbor:index/project:Project"
RETENTION: Final = "harbor:index/retentionPolicy:RetentionPolicy"
IMMUTABLE: Final = "harbor:index/immutableTagRule:ImmutableTagRule"
ROBOT: Final = "harbor:index/robotAccount:RobotAccount"
LOGIN: Final = "harbor:index/configAuth:ConfigAuth"
SYSTEM: Final = "harbor:index/configSystem:ConfigSystem"
COLLECTION: Final = "harbor:index/garbageCollection:GarbageCollection"
SCAN: Final = "harbor:index/interrogationServices:InterrogationServices"

LIBRARY: Final = "library"
LIBRARY_ID: Final = "/projects/1"
"""Harbor makes it itself, public, when its database is new."""

DATABASES: Final = Collection("harbor/databases")
"""Key: cluster; body: `database`, the one that what is stored was set in."""
NUMBERS: Final = Collection("harbor/numbers")
"""Key: cluster and path; body: `last`, the last number that was given out. None is given twice."""
IMAGES: Final = Collection("harbor/images")
"""Key: cluster, project and repository; body: `tags`. Written by tests, as pushes and pulls would."""

PROVIDERS: Final = (
    "alibaba", "artifact-hub", "aws", "azure", "docker-hub", "docker-registry", "github", "gitlab", "google", "harbor",
    "helm", "huawei", "jfrog", "quay",
)  # fmt: skip
CACHEABLE: Final = frozenset(
    {"alibaba", "aws", "azure", "docker-hub", "docker-registry", "github", "google", "harbor", "jfrog", "quay"}
)
"""Kinds of registries that a project can be a cache of."""
NAME: Final = regular_expression(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
LONGEST_NAME: Final = 255
PROJECT_PATH: Final = regular_expression(r"/projects/\d+")
SCHEDULES: Final = frozenset({"hourly", "daily", "weekly"})
CRON_FIELDS: Final = 6
TEMPLATES: Final = (
    "alwaysRetain", "mostRecentlyPulled", "mostRecentlyPushed", "nDaysSinceLastPull", "nDaysSinceLastPush",
)  # fmt: skip
REPOSITORIES: Final = ("repoMatching", "repoExcluding")
TAGS: Final = ("tagMatching", "tagExcluding")
MOST_RULES: Final = 15
ROBOT_PREFIX: Final = "robot$"
LEVELS: Final = ("system", "project")
SHORTEST_SECRET, LONGEST_SECRET = 8, 128
ACTIONS: Final = frozenset({"pull", "push", "delete", "read", "create", "update", "list", "stop", "operate"})
LOGIN_MODES: Final = ("db_auth", "ldap_auth", "oidc_auth", "uaa_auth", "http_auth")
OIDC_TOGETHER: Final = ("oidcName", "oidcEndpoint", "oidcClientId", "oidcClientSecret", "oidcScope")
RESTRICTIONS: Final = ("adminonly", "everyone")
MOST_WORKERS: Final = 5

_REACHED: ContextVar[Server] = ContextVar("the Harbor that the call has reached")


class Planes(Protocol):
    """What the stand-in needs of the clusters."""

    def running(self) -> tuple[Plane, ...]:
        """Their control planes, ready or not."""
        ...


def documents_of(token: str, cluster: str) -> Collection:
    """Where the documents of a type of a cluster's Harbor are."""
    return Collection(f"{collection_of(token)}/{cluster}")


class _HarborKind(StoredKind):
    """Something of the Harbor that the call has reached."""

    path: ClassVar[str]
    """Of its ids in Harbor's API, e.g. `/projects`."""

    @property
    def cluster(self) -> str:
        """Whose Harbor it is."""
        return _REACHED.get().cluster

    @property
    def collection(self) -> Collection:
        """The documents of each Harbor are apart."""
        return self.documents_of(self.token)

    def documents_of(self, token: str) -> Collection:
        """Where this Harbor's documents of a type are."""
        return documents_of(token, self.cluster)

    def stored(self, token: str) -> list[State]:
        """Inputs, outputs and `id` of everything of the type in this Harbor."""
        items = self.store.items(self.documents_of(token))
        return [{**body["inputs"], **body["outputs"], "id": body["id"]} for _, body in items]

    def number(self, path: str, first: int = 1) -> int:
        """The next number of the path."""
        key = f"{self.cluster}{path}"
        kept = self.store.get(NUMBERS, key)
        number = first if kept is None else int(kept["last"]) + 1
        self.store.put(NUMBERS, key, {"last": number})
        return number

    def import_target(self, import_id: str) -> tuple[str, State]:
        """The path in Harbor's API."""
        if not import_id.startswith(f"{self.path}/") and import_id != self.path:
            raise ApiError(HTTPStatus.BAD_REQUEST, f"the import id must begin with {self.path}, not be `{import_id}`")
        return import_id, {}

    def project(self, path: str) -> State:
        """The project of the path; ApiError when there is none."""
        if path == LIBRARY_ID:
            return {"id": LIBRARY_ID, "name": LIBRARY, "public": True}
        for project in self.stored(PROJECT):
            if project["id"] == path:
                return project
        raise not_found(f"project {path}")


class Registry(_HarborKind):
    """A registry of others. It cannot be removed while a project is a cache of it."""

    token = REGISTRY
    noun = "registry"
    path = "/registries"
    replace_on = frozenset({"providerName"})
    secret_outputs = frozenset({"accessSecret"})
    told_once = frozenset({"accessSecret"})
    generated_name = "name"

    def claim(self, properties: State) -> str | None:
        """The name."""
        return f"name {properties['name']}"

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """A kind that Harbor knows, and a URL."""
        del configuration
        yield from _one_of(inputs, "providerName", PROVIDERS)
        url = inputs.get("endpointUrl")
        if url is not None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
            yield Violation("endpointUrl", f"must be an http or https URL, not `{url}`")

    def made(self, call: Call) -> Created:
        """Numbered; healthy, as far as the twin can see."""
        del call
        number = self.number(self.path)
        return Created(f"{self.path}/{number}", {"registryId": number, "status": "healthy"})

    def changed(self, resource_id: str, call: Call, current: State) -> State:
        """What it is a registry of stays."""
        del resource_id, call
        return {"registryId": current["registryId"], "status": current["status"]}

    def removed(self, resource_id: str, current: State) -> bool:
        """Unless a project is a cache of it."""
        del resource_id
        users = [one["name"] for one in self.stored(PROJECT) if one.get("registryId") == current["registryId"]]
        if users:
            raise ApiError(
                HTTPStatus.PRECONDITION_FAILED,
                f"registry {current['name']} is used by the project {', '.join(users)}; remove that first",
            )
        return True


class Project(_HarborKind):
    """A project. `library` is there from the start; one with images in it is removed only when forced."""

    token = PROJECT
    noun = "project"
    path = "/projects"
    replace_on = frozenset({"name", "registryId"})
    generated_name = "name"

    def claim(self, properties: State) -> str | None:
        """The name."""
        return f"name {properties['name']}"

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """The rules of its name."""
        del configuration
        yield from _name(inputs)

    def made(self, call: Call) -> Created:
        """Numbered; `library` has the first number."""
        if call.inputs["name"] == LIBRARY:
            raise already_exists(f"project with name {LIBRARY}")
        self._refuse_upstream(call.inputs)
        number = self.number(self.path, first=2)
        return Created(f"{self.path}/{number}", {"projectId": number})

    def changed(self, resource_id: str, call: Call, current: State) -> State:
        """Checked like a new one."""
        del resource_id
        self._refuse_upstream(call.inputs)
        return {"projectId": current["projectId"]}

    def removed(self, resource_id: str, current: State) -> bool:
        """With its rules; images only when forced."""
        prefix = f"{self.cluster}/{current['name']}/"
        images = [key for key, _ in self.store.items(IMAGES) if key.startswith(prefix)]
        if images and not current.get("forceDestroy"):
            names = ", ".join(key.removeprefix(prefix) for key in images)
            raise ApiError(
                HTTPStatus.PRECONDITION_FAILED,
                f"project {current['name']} is not empty, it has {names}; remove the images, or set forceDestroy",
            )
        for key in images:
            self.store.delete(IMAGES, key)
        for token, name in ((RETENTION, "scope"), (IMMUTABLE, "projectId")):
            for one in self.stored(token):
                if one[name] == resource_id:
                    self.store.delete(self.documents_of(token), one["id"])
        return True

    def _refuse_upstream(self, inputs: State) -> None:
        wanted = inputs.get("registryId")
        if not wanted:
            return
        found = next((one for one in self.stored(REGISTRY) if one["registryId"] == wanted), None)
        if found is None:
            raise not_found(f"registry {wanted}")
        if found["providerName"] not in CACHEABLE:
            kind = found["providerName"]
            raise ApiError(HTTPStatus.BAD_REQUEST, f"a project cannot be a cache of a registry of the kind {kind}")


class RetentionPolicy(_HarborKind):
    """What is kept of a project's images. A project has one; a second takes the first one's place."""

    token = RETENTION
    noun = "retention policy"
    path = "/retentions"
    replace_on = frozenset({"scope"})

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """One measure, one choice of repositories and one of tags in each rule."""
        del configuration
        yield from _schedule(inputs)
        if "scope" in inputs and not PROJECT_PATH.fullmatch(inputs["scope"]):
            yield Violation("scope", f"must be a project's id such as {LIBRARY_ID}, not `{inputs['scope']}`")
        rules = inputs.get("rules")
        if rules is not None and not 1 <= len(rules) <= MOST_RULES:
            yield Violation("rules", f"must be 1 to {MOST_RULES} rules, not {len(rules)}")
        for index, rule in enumerate(rules or ()):
            for names in (TEMPLATES, REPOSITORIES, TAGS):
                yield from _exactly_one(rule, names, f"rules[{index}]")

    def made(self, call: Call) -> Created:
        """For a project that is there; what it had is replaced."""
        scope = self.project(call.inputs["scope"])["id"]
        for one in self.stored(RETENTION):
            if one["scope"] == scope:
                self.store.delete(self.collection, one["id"])
        return Created(f"{self.path}/{self.number(self.path)}", {})


class ImmutableTagRule(_HarborKind):
    """Tags that nobody can move or remove. No project has the same rule twice."""

    token = IMMUTABLE
    noun = "immutable tag rule"
    path = "/projects"
    replace_on = frozenset({"projectId"})

    def claim(self, properties: State) -> str | None:
        """What it matches, in which project."""
        return " ".join(f"{properties.get(name) or '-'}" for name in ("projectId", *REPOSITORIES, *TAGS))

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """One choice of repositories and one of tags."""
        del configuration
        for names in (REPOSITORIES, TAGS):
            yield from _exactly_one(inputs, names, "")

    def made(self, call: Call) -> Created:
        """In a project that is there."""
        project = self.project(call.inputs["projectId"])["id"]
        path = f"{project}/immutabletagrules"
        return Created(f"{path}/{self.number(path)}", {})


class RobotAccount(_HarborKind):
    """A login of a program; Harbor never tells its secret again."""

    token = ROBOT
    noun = "robot account"
    path = "/robots"
    replace_on = frozenset({"name", "level"})
    secret_outputs = frozenset({"secret"})
    told_once = frozenset({"secret"})
    generated_name = "name"

    def claim(self, properties: State) -> str | None:
        """The full name."""
        return f"name {properties['fullName']}"

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """Rights on projects by their names, and a secret that is not too simple."""
        del configuration
        yield from _one_of(inputs, "level", LEVELS)
        yield from _name(inputs)
        secret = inputs.get("secret")
        if secret is not None and not _is_strong(secret):
            yield Violation(
                "secret",
                f"must be {SHORTEST_SECRET} to {LONGEST_SECRET} characters, with a small letter, a capital one and a "
                "digit",
            )
        if inputs.get("duration") == 0:
            yield Violation("duration", "must be -1 (for ever) or a number of days")
        for index, permission in enumerate(inputs.get("permissions") or ()):
            for place, access in enumerate(permission.get("accesses") or ()):
                if access.get("action") not in ACTIONS:
                    where = f"permissions[{index}].accesses[{place}].action"
                    yield Violation(where, f"must be one of {', '.join(sorted(ACTIONS))}, not `{access.get('action')}`")

    def made(self, call: Call) -> Created:
        """With rights on projects that are there."""
        self._refuse_rights(call.inputs)
        number = self.number(self.path)
        outputs: State = {"robotId": str(number), "fullName": self._full_name(call.inputs)}
        if not call.inputs.get("secret"):
            outputs["secret"] = f"Aa1{secrets.token_urlsafe(24)}"
        return Created(f"{self.path}/{number}", outputs)

    def changed(self, resource_id: str, call: Call, current: State) -> State:
        """Checked like a new one."""
        del resource_id
        self._refuse_rights(call.inputs)
        return {"robotId": current["robotId"], "fullName": current["fullName"]}

    def _refuse_rights(self, inputs: State) -> None:
        names = {LIBRARY, "*", *(project["name"] for project in self.stored(PROJECT))}
        for permission in inputs["permissions"]:
            if permission["kind"] == "project" and permission["namespace"] not in names:
                raise not_found(f"project {permission['namespace']}")
        if inputs["level"] == "project" and len(inputs["permissions"]) != 1:
            raise ApiError(HTTPStatus.BAD_REQUEST, "a robot of a project has rights on that one project")

    def _full_name(self, inputs: State) -> str:
        system = self.store.get(self.documents_of(SYSTEM), Configuration.path)
        prefix = ((system or {}).get("inputs") or {}).get("robotNamePrefix") or ROBOT_PREFIX
        of_project = f"{inputs['permissions'][0]['namespace']}+" if inputs["level"] == "project" else ""
        return f"{prefix}{of_project}{inputs['name']}"


class Configuration(_HarborKind):
    """Settings that every Harbor has; a create only sets them."""

    path = "/configurations"
    overwrites = True

    def claim(self, properties: State) -> str | None:
        """There is one of each kind."""
        del properties
        return f"path {self.path}"

    def made(self, call: Call) -> Created:
        """The id is the path of the settings."""
        del call
        return Created(self.path, {})


class ConfigAuth(Configuration):
    """How people log in."""

    token = LOGIN
    noun = "login settings"
    secret_outputs = frozenset({"oidcClientSecret", "ldapSearchPassword"})
    told_once = frozenset({"oidcClientSecret", "ldapSearchPassword"})

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """One way, completely described."""
        del configuration
        yield from _one_of(inputs, "authMode", LOGIN_MODES)
        oidc = [name for name in inputs if name.startswith("oidc")]
        if oidc and any(name.startswith("ldap") for name in inputs):
            yield Violation("authMode", "settings of OIDC and of LDAP exclude each other")
        endpoint = inputs.get("oidcEndpoint")
        if endpoint is not None and urlsplit(endpoint).scheme != "https":
            yield Violation("oidcEndpoint", f"must be an https URL, not `{endpoint}`")

    def made(self, call: Call) -> Created:
        """All of OIDC's settings belong together."""
        self._refuse_part(call.inputs)
        return super().made(call)

    def changed(self, resource_id: str, call: Call, current: State) -> State:
        """The same."""
        del resource_id, current
        self._refuse_part(call.inputs)
        return {}

    def _refuse_part(self, inputs: State) -> None:
        missing = [name for name in OIDC_TOGETHER if not inputs.get(name)]
        if inputs["authMode"] == "oidc_auth" and missing:
            raise ApiError(HTTPStatus.BAD_REQUEST, f"login by OIDC lacks {', '.join(missing)}")


class ConfigSystem(Configuration):
    """Who may make projects, and what robots are called."""

    token = SYSTEM
    noun = "system settings"

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """The values that Harbor knows."""
        del configuration
        yield from _one_of(inputs, "projectCreationRestriction", RESTRICTIONS)


class GarbageCollection(Configuration):
    """When the room of images that are gone is given back."""

    token = COLLECTION
    noun = "garbage collection"
    path = "/system/gc/schedule"

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """A schedule, and few workers."""
        del configuration
        yield from _schedule(inputs)
        workers = inputs.get("workers")
        if workers is not None and not 1 <= workers <= MOST_WORKERS:
            yield Violation("workers", f"must be 1 to {MOST_WORKERS}, not {workers}")


class InterrogationServices(Configuration):
    """When every image is scanned."""

    token = SCAN
    noun = "scan schedule"
    path = "/system/scanAll/schedule"

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """A schedule."""
        del configuration
        yield from _schedule(inputs, "vulnerabilityScanPolicy")


class Harbor(StandIn):
    """The `harbor` provider."""

    name = "harbor"
    sdk = "pulumiverse_harbor"
    servers: Servers | None = None
    """Where Harbors run; None where no cluster can."""

    def kinds(self, surroundings: Surroundings) -> Iterable[ResourceKind]:
        """What the lab sets in Harbor."""
        kinds = (
            Registry, Project, RetentionPolicy, ImmutableTagRule, RobotAccount, ConfigAuth, ConfigSystem,
            GarbageCollection, InterrogationServices,
        )  # fmt: skip
        return [kind(surroundings) for kind in kinds]

    def configuration_violations(self, configuration: State) -> Iterable[Violation]:
        """A URL must be given: the stand-in does not look into the environment."""
        if not configuration.get("url"):
            yield Violation("url", "is required on the twin: it looks for no Harbor of the environment")

    def connect(self, planes: Planes) -> None:
        """From now on the Harbors of these clusters answer."""

        def ready() -> Iterator[RunningPlane]:
            for plane in planes.running():
                if plane.state is PlaneState.READY:
                    yield RunningPlane(plane.name, (plane.settings, plane.port), plane.kubeconfig)

        self.servers = ClusterServers(ready)

    async def close(self) -> None:
        """Let go of every connection."""
        if isinstance(self.servers, ClusterServers):
            await self.servers.close()
        await super().close()

    async def create(self, operation: Operation, inputs: wire.Properties) -> Resource:
        """In the Harbor that answers."""
        with _at(await self._reach(operation)):
            return await super().create(operation, inputs)

    async def update(
        self, operation: Operation, resource_id: str, inputs: wire.Properties, old: wire.Properties
    ) -> wire.Properties:
        """In the Harbor that answers."""
        with _at(await self._reach(operation)):
            return await super().update(operation, resource_id, inputs, old)

    async def delete(self, operation: Operation, resource_id: str, old: wire.Properties) -> None:
        """In the Harbor that answers."""
        with _at(await self._reach(operation)):
            await super().delete(operation, resource_id, old)

    async def read(
        self, operation: Operation, resource_id: str, properties: wire.Properties, inputs: wire.Properties
    ) -> Resource | None:
        """In the Harbor that answers."""
        with _at(await self._reach(operation)):
            return await super().read(operation, resource_id, properties, inputs)

    async def _reach(self, operation: Operation) -> Server:
        async def nobody() -> tuple[Server, ...]:
            return ()

        server = await answering(self.servers or nobody, self.configuration(operation))
        self._forget_others(server)
        return server

    def _forget_others(self, server: Server) -> None:
        """What was set in a database that is no more is gone with it."""
        store = self.surroundings.store
        kept = store.get(DATABASES, server.cluster)
        if kept is not None and kept["database"] == server.database:
            return
        with store.transaction():
            for token in self.tokens:
                collection = documents_of(token, server.cluster)
                for key, _ in store.items(collection):
                    store.delete(collection, key)
            for collection in (NUMBERS, IMAGES):
                for key, _ in store.items(collection):
                    if key.startswith(f"{server.cluster}/"):
                        store.delete(collection, key)
            store.put(DATABASES, server.cluster, {"database": server.database})


@contextmanager
def _at(server: Server) -> Generator[None]:
    """The resource types work on this Harbor meanwhile."""
    token = _REACHED.set(server)
    try:
        yield
    finally:
        _REACHED.reset(token)


def _one_of(inputs: State, name: str, known: Iterable[str]) -> Iterable[Violation]:
    value = inputs.get(name)
    if value is not None and value not in known:
        yield Violation(name, f"must be one of {', '.join(known)}, not `{value}`")


def _name(inputs: State) -> Iterable[Violation]:
    name = inputs.get("name")
    if name is not None and (not NAME.fullmatch(name) or len(name) > LONGEST_NAME):
        yield Violation("name", f"`{name}` must be small letters and digits, with single . _ - between")


def _exactly_one(inputs: Mapping[str, Any], names: Sequence[str], where: str) -> Iterable[Violation]:
    given = [name for name in names if inputs.get(name)]
    if len(given) != 1:
        has = " and ".join(given) or "none"
        yield Violation(where, f"must have exactly one of {', '.join(names)}; it has {has}")


def _schedule(inputs: State, name: str = "schedule") -> Iterable[Violation]:
    schedule = inputs.get(name)
    if schedule is None or schedule.lower() in SCHEDULES:
        return
    if len(schedule.split()) != CRON_FIELDS:
        yield Violation(
            name,
            f"must be {', '.join(sorted(SCHEDULES))} or a cron expression of {CRON_FIELDS} fields, seconds first, "
            f"not `{schedule}`",
        )


def _is_strong(secret: str) -> bool:
    kinds = (str.islower, str.isupper, str.isdigit)
    return SHORTEST_SECRET <= len(secret) <= LONGEST_SECRET and all(any(map(kind, secret)) for kind in kinds)
