"""What the stand-in of Harbor refuses, and whose Harbor a call reaches."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import grpc.aio
import pytest
import pytest_asyncio

from tests.twin.conftest import Connect
from tests.twin.provider_client import Known, ProviderClient, RefusedError
from tests.twin.refusals import refusal
from twin.providers import wire
from twin.providers.harbor import (
    COLLECTION,
    IMAGES,
    IMMUTABLE,
    LIBRARY_ID,
    LOGIN,
    PROJECT,
    REGISTRY,
    RETENTION,
    ROBOT,
    SCAN,
    SYSTEM,
    Harbor,
)
from twin.providers.harbor_servers import Server
from twin.providers.kinds import Surroundings

PASSWORD = "a password of the administrator"
GREEN = Server(
    cluster="green",
    hosts=frozenset({"harbor.lab.example", "harbor-green.lab.example"}),
    database="database-1",
    password=PASSWORD,
)
BLUE = replace(
    GREEN, cluster="blue", hosts=frozenset({"harbor.lab.example", "harbor-blue.lab.example"}), database="database-2"
)
HUB = {"name": "hub", "providerName": "docker-hub", "endpointUrl": "https://hub.docker.com"}
RULE: dict[str, wire.Value] = {"nDaysSinceLastPull": 30, "repoMatching": "**", "tagMatching": "**"}
PUSHER: dict[str, wire.Value] = {
    "name": "builder",
    "level": "system",
    "secret": wire.Secret("aB3aB3aB3"),
    "permissions": [
        {"kind": "project", "namespace": "library", "accesses": [{"resource": "repository", "action": "push"}]}
    ],
}


@dataclass
class Clusters:
    """Harbors that run, as a test says."""

    servers: Sequence[Server]

    async def __call__(self) -> Sequence[Server]:
        return self.servers


@pytest.fixture
def clusters() -> Clusters:
    return Clusters([GREEN])


@pytest_asyncio.fixture
async def unconfigured(connect: Connect, clusters: Clusters, monkeypatch: pytest.MonkeyPatch) -> ProviderClient:
    monkeypatch.setattr(Harbor, "servers", clusters)
    return await connect(Harbor)


async def configure(client: ProviderClient, url: str, password: str = PASSWORD, user: str = "admin") -> None:
    await client.configure({"url": url, "username": user, "password": wire.Secret(password)}, "harbor")


@pytest_asyncio.fixture
async def harbor(unconfigured: ProviderClient) -> ProviderClient:
    await configure(unconfigured, "https://harbor-green.lab.example")
    return unconfigured


async def cache(client: ProviderClient, **changes: wire.Value) -> tuple[Known, Known]:
    """A registry of others, and a project that is a cache of it."""
    registry = await client.create(REGISTRY, "hub", {**HUB})
    wanted: dict[str, wire.Value] = {"name": "hub", "public": True, "registryId": registry.plain("registryId")}
    return registry, await client.create(PROJECT, "hub", {**wanted, **changes})


# Who answers.


@pytest.mark.parametrize(
    ("servers", "url", "says"),
    [
        ([], "https://harbor-green.lab.example", "no cluster that runs has a route of that name to a Harbor"),
        ([GREEN], "https://harbor-blue.lab.example", "no cluster that runs has a route of that name to a Harbor"),
        ([GREEN, BLUE], "https://harbor.lab.example", "is a name of blue and green, and the DNS decides"),
        (
            [replace(GREEN, problem="is Progressing")],
            "https://harbor-green.lab.example",
            "does not answer: Harbor of green is Progressing",
        ),
        ([GREEN], "http://harbor-green.lab.example", "is not encrypted"),
    ],
)
async def test_only_a_harbor_that_runs_answers(
    unconfigured: ProviderClient, clusters: Clusters, servers: list[Server], url: str, says: str
) -> None:
    clusters.servers = servers
    await configure(unconfigured, url)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await unconfigured.create(REGISTRY, "hub", {**HUB})
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert says in str(caught.value.details())


async def test_a_preview_asks_no_harbor(unconfigured: ProviderClient, clusters: Clusters) -> None:
    clusters.servers = []
    await configure(unconfigured, "https://harbor-green.lab.example")
    planned = await unconfigured.preview(REGISTRY, "hub", {**HUB})
    assert wire.has_unknown(planned["registryId"])


@pytest.mark.parametrize(("user", "password"), [("admin", "guessed"), ("root", PASSWORD)])
async def test_a_wrong_login_is_refused(unconfigured: ProviderClient, user: str, password: str) -> None:
    await configure(unconfigured, "https://harbor-green.lab.example", password, user)
    said = await refusal(unconfigured.create(REGISTRY, "hub", {**HUB}))
    assert f"401 Unauthorized: Harbor of green does not know `{user}`" in said
    assert password not in said


async def test_a_url_must_be_given(unconfigured: ProviderClient) -> None:
    with pytest.raises(RefusedError, match="url: is required on the twin"):
        await unconfigured.configure({"username": "admin"}, "harbor")


async def test_each_colour_has_its_own(unconfigured: ProviderClient, clusters: Clusters) -> None:
    clusters.servers = [GREEN, BLUE]
    await configure(unconfigured, "https://harbor-green.lab.example")
    registry, _ = await cache(unconfigured)
    await configure(unconfigured, "https://harbor-blue.lab.example")
    assert await unconfigured.read(registry) is None
    await cache(unconfigured)
    await configure(unconfigured, "https://harbor-green.lab.example")
    assert await unconfigured.read(registry) is not None


async def test_it_is_forgotten_with_its_database_and_kept_without_its_cluster(
    harbor: ProviderClient, clusters: Clusters
) -> None:
    registry, _ = await cache(harbor)
    clusters.servers = []
    assert "does not answer" in await refusal(harbor.read(registry))
    clusters.servers = [GREEN]
    assert await harbor.read(registry) is not None
    clusters.servers = [replace(GREEN, database="database-3")]
    assert await harbor.read(registry) is None
    again, project = await cache(harbor)
    assert (again.resource_id, project.resource_id) == ("/registries/1", "/projects/2")


# What is set.


async def test_the_life_of_a_cache(harbor: ProviderClient, surroundings: Surroundings) -> None:
    registry, project = await cache(harbor, forceDestroy=True)
    policy = await harbor.create(RETENTION, "hub", {"scope": project.resource_id, "rules": [RULE], "schedule": "daily"})
    assert project.resource_id == "/projects/2", "library has the first number"
    assert "is used by the project hub" in await refusal(harbor.delete(registry))
    surroundings.store.put(IMAGES, "green/hub/library/busybox", {"tags": ["1.37.0"]})
    await harbor.delete(project)
    assert await harbor.read(policy) is None, "rules go with their project"
    await harbor.delete(registry)
    assert await harbor.read(registry) is None
    _, another = await cache(harbor)
    assert another.resource_id == "/projects/3", "numbers are not given out twice"


async def test_a_project_with_images_stays(harbor: ProviderClient, surroundings: Surroundings) -> None:
    _, project = await cache(harbor)
    surroundings.store.put(IMAGES, "green/hub/library/busybox", {"tags": ["1.37.0"]})
    assert "project hub is not empty, it has library/busybox" in await refusal(harbor.delete(project))
    assert await harbor.read(project) is not None


@pytest.mark.parametrize("name", ["library", "hub"])
async def test_a_name_that_is_taken_is_refused(harbor: ProviderClient, name: str) -> None:
    await cache(harbor)
    said = await refusal(harbor.create(PROJECT, "second", {"name": name}))
    assert f"409 Conflict: project with name {name} already exists" in said


async def test_a_cache_of_nothing_is_refused(harbor: ProviderClient) -> None:
    said = await refusal(harbor.create(PROJECT, "hub", {"name": "hub", "registryId": 7}))
    assert "404 Not Found: registry 7 does not exist" in said
    helm = await harbor.create(REGISTRY, "helm", {**HUB, "name": "helm", "providerName": "helm"})
    said = await refusal(harbor.create(PROJECT, "hub", {"name": "hub", "registryId": helm.plain("registryId")}))
    assert "cannot be a cache of a registry of the kind helm" in said


async def test_another_name_or_source_is_another_project(harbor: ProviderClient) -> None:
    _, project = await cache(harbor)
    same: dict[str, wire.Value] = {"name": "hub", "registryId": project.plain("registryId")}
    assert list((await harbor.diff(project, {**same, "public": False})).replaces) == []
    changed = await harbor.diff(project, {"name": "hub", "public": True, "registryId": 9})
    assert list(changed.replaces) == ["registryId"]
    assert changed.deleteBeforeReplace, "the name is free only when the old one is gone"


async def test_rules_of_what_is_not_there_are_refused(harbor: ProviderClient) -> None:
    policy: dict[str, wire.Value] = {"scope": "/projects/9", "rules": [RULE]}
    assert "project /projects/9 does not exist" in await refusal(harbor.create(RETENTION, "r", {**policy}))
    tags = {"projectId": "/projects/9", "repoMatching": "**", "tagMatching": "**"}
    assert "project /projects/9 does not exist" in await refusal(harbor.create(IMMUTABLE, "t", {**tags}))
    pulling: wire.Value = [{"resource": "repository", "action": "pull"}]
    lost: wire.Value = {"kind": "project", "namespace": "gone", "accesses": pulling}
    assert "project gone does not exist" in await refusal(harbor.create(ROBOT, "r", {**PUSHER, "permissions": [lost]}))


async def test_a_second_policy_takes_the_first_one_s_place(harbor: ProviderClient) -> None:
    wanted: dict[str, wire.Value] = {"scope": LIBRARY_ID, "rules": [RULE]}
    first = await harbor.create(RETENTION, "first", {**wanted})
    second = await harbor.create(RETENTION, "second", {**wanted})
    assert await harbor.read(first) is None
    assert await harbor.read(second) is not None


async def test_the_same_immutable_tags_twice_are_refused(harbor: ProviderClient) -> None:
    wanted = {"projectId": LIBRARY_ID, "repoMatching": "**", "tagMatching": "**"}
    rule = await harbor.create(IMMUTABLE, "first", {**wanted})
    assert rule.resource_id == "/projects/1/immutabletagrules/1"
    assert "already exists" in await refusal(harbor.create(IMMUTABLE, "second", {**wanted}))


async def test_a_robot_has_the_prefix_of_the_settings_and_never_tells_its_secret(harbor: ProviderClient) -> None:
    await harbor.create(SYSTEM, "system", {"robotNamePrefix": "bot$"})
    robot = await harbor.create(ROBOT, "builder", PUSHER)
    assert robot.plain("fullName") == "bot$builder"
    found = await harbor.import_(ROBOT, "builder", robot.resource_id)
    assert found is not None
    assert "secret" not in found.inputs
    assert "robot account with name bot$builder already exists" in await refusal(harbor.create(ROBOT, "b", PUSHER))
    drawn = await harbor.create(ROBOT, "drawn", {**PUSHER, "name": "drawn", "secret": None})
    assert isinstance(drawn.properties["secret"], wire.Secret)


async def test_login_by_oidc_is_completely_described(harbor: ProviderClient) -> None:
    whole: dict[str, wire.Value] = {
        "authMode": "oidc_auth", "oidcName": "Authelia", "oidcEndpoint": "https://auth.lab.example",
        "oidcClientId": "harbor", "oidcClientSecret": wire.Secret("of the client"), "oidcScope": "openid",
    }  # fmt: skip
    part = {name: value for name, value in whole.items() if name != "oidcScope"}
    assert "login by OIDC lacks oidcScope" in await refusal(harbor.create(LOGIN, "login", part))
    made = await harbor.create(LOGIN, "login", whole)
    assert isinstance(made.properties["oidcClientSecret"], wire.Secret)
    again = await harbor.create(LOGIN, "login", whole)
    assert again.resource_id == made.resource_id == "/configurations"


@pytest.mark.parametrize(
    ("token", "inputs", "says"),
    [
        (REGISTRY, {**HUB, "providerName": "dockerhub"}, "providerName: must be one of alibaba"),
        (REGISTRY, {**HUB, "endpointUrl": "hub.docker.com"}, "endpointUrl: must be an http or https URL"),
        (REGISTRY, {**HUB, "endpoint": "https://hub.docker.com"}, "endpoint: is not a property here"),
        (PROJECT, {"name": "Docker Hub"}, "name: `Docker Hub` must be small letters"),
        (PROJECT, {"name": "hub", "registryId": "1"}, "registryId: must be a whole number, not a string"),
        (RETENTION, {"scope": "/projects/1", "rules": []}, "rules: must be 1 to 15 rules, not 0"),
        (RETENTION, {"scope": "library", "rules": [RULE]}, "scope: must be a project's id such as /projects/1"),
        (
            RETENTION,
            {"scope": "/projects/1", "rules": [{**RULE, "mostRecentlyPulled": 3}]},
            "rules[0]: must have exactly one of alwaysRetain",
        ),
        (
            RETENTION,
            {"scope": "/projects/1", "rules": [{**RULE, "tagMatching": None}]},
            "rules[0]: must have exactly one of tagMatching, tagExcluding; it has none",
        ),
        (
            RETENTION,
            {"scope": "/projects/1", "rules": [{**RULE, "labelMatching": "old"}]},
            "rules[0].labelMatching: is not a property here",
        ),
        (RETENTION, {"scope": "/projects/1", "rules": [RULE], "schedule": "0 9 * * *"}, "of 6 fields, seconds first"),
        (IMMUTABLE, {"projectId": "/projects/1", "tagMatching": "**"}, "exactly one of repoMatching"),
        (ROBOT, {**PUSHER, "level": "cluster"}, "level: must be one of system, project, not `cluster`"),
        (ROBOT, {**PUSHER, "secret": "alllowercase1"}, "secret: must be 8 to 128 characters"),
        (
            ROBOT,
            {
                **PUSHER,
                "permissions": [
                    {"kind": "project", "namespace": "library", "accesses": [{"resource": "tag", "action": "write"}]}
                ],
            },
            "permissions[0].accesses[0].action: must be one of",
        ),
        (LOGIN, {"authMode": "oidc"}, "authMode: must be one of db_auth"),
        (
            LOGIN,
            {"authMode": "oidc_auth", "oidcName": "Authelia", "ldapUrl": "ldap://lldap"},
            "settings of OIDC and of LDAP exclude each other",
        ),
        (SYSTEM, {"projectCreationRestriction": "nobody"}, "must be one of adminonly, everyone"),
        (COLLECTION, {"schedule": "daily", "workers": 9}, "workers: must be 1 to 5, not 9"),
        (COLLECTION, {"schedule": "sometimes"}, "schedule: must be daily, hourly, weekly or a cron expression"),
        (SCAN, {"vulnerabilityScanPolicy": "0 9 * * *"}, "vulnerabilityScanPolicy: must be daily"),
    ],
)
async def test_inputs_that_harbor_refuses_are_told_at_preview(
    harbor: ProviderClient, token: str, inputs: dict[str, wire.Value], says: str
) -> None:
    with pytest.raises(RefusedError) as caught:
        await harbor.preview(token, "some", inputs)
    assert says in str(caught.value)


async def test_an_import_names_the_path_of_its_kind(harbor: ProviderClient) -> None:
    registry, project = await cache(harbor)
    found = await harbor.import_(PROJECT, "hub", project.resource_id)
    assert found is not None
    assert found.plain("name") == "hub"
    said = await refusal(harbor.import_(PROJECT, "hub", registry.resource_id))
    assert "must begin with /projects, not be `/registries/1`" in said
