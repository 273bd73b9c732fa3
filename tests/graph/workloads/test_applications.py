"""Entries of applications that cannot work are refused where they are written, with what to do."""

from typing import Any

import pytest
from pydantic import ValidationError

from inventory.workloads import WORKLOADS
from inventory.workloads.canary import CANARY
from model.secrets import SecretReference
from model.units import GiB
from model.workloads.applications import Application
from model.workloads.keeping import BackedUp, Disposable
from model.workloads.namespaces import Namespace
from model.workloads.permissions import Permission
from model.workloads.routes import ApiKey, ForwardAuth, NativeOidc, Open, OpenRoute, OwnLogin, Route
from model.workloads.storage import AccessMode, StorageTier, Volume
from tests.graph.workloads.layers import changed, with_application

WORKLOAD = CANARY.workloads[0].model_dump()
KEY = SecretReference(path="default/qdrant", property="api-key")


def application(**parts: Any) -> Application:
    return Application.model_validate({"name": "some", "namespace": {"name": "some"}, **parts})


def volume(**parts: Any) -> dict[str, Any]:
    return {"name": "data", "size": 5, "tier": "block", "keeping": {"kind": "backed-up"}, **parts}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"volumes": [{"name": "data", "sise": 5, "tier": "block", "keeping": {"kind": "backed-up"}}]}, "sise"),
        ({"volumes": [{"name": "data", "size": 5, "tier": "block"}]}, "keeping"),
        ({"volumes": [volume(), volume()]}, "data: the name is taken more than once"),
        ({"volumes": [volume(access="ReadWriteMany")]}, "for many nodes, which only tier files offers"),
        ({"volumes": [volume(tier="local")]}, "on one node's disk, which no backup reaches; make it disposable"),
        ({"workloads": [WORKLOAD]}, r"test mounts the volume `test`; there are none"),
        (
            {"workloads": [{**WORKLOAD, "mounts": [], "environment": {"KEY": {"kind": "secret", "key": "token"}}}]},
            "test reads KEY from key `token`, not in none",
        ),
        (
            {"workloads": [{**WORKLOAD, "mounts": [], "environment": {"HOST": {"kind": "database", "key": "host"}}}]},
            "test reads HOST from a database, but the application has none",
        ),
        (
            {
                "volumes": [volume(name="test")],
                "workloads": [{**WORKLOAD, "replicas": 2}],
            },
            "test runs 2 times, but `test` can be on one node only",
        ),
        (
            {"workloads": [{**WORKLOAD, "mounts": [], "probe": {"path": "/", "port": 81}}]},
            "is probed at port 81, which is none of its ports",
        ),
        (
            {
                "workloads": [{**WORKLOAD, "mounts": []}],
                "routes": [{"host": "a", "service": "test", "port": 81, "authentication": {"kind": "forward-auth"}}],
            },
            "route a leads to port 81 of test, which has `8080`",
        ),
        (
            {"routes": [{"host": "a", "service": "other", "port": 80, "authentication": {"kind": "forward-auth"}}]},
            "route a leads to the service `other`; there are none",
        ),
        ({"routes": [{"host": "a", "service": "other", "port": 80}]}, "authentication"),
        (
            {
                "routes": [
                    {
                        "host": "a", "service": "b", "port": 80, "tunnelled": True,
                        "authentication": {"kind": "forward-auth"},
                    }
                ]
            },
            "the tunnel leads past the ingress",
        ),
        (
            {
                "charts": [
                    {
                        "name": "chart", "namespace": "elsewhere",
                        "source": {"kind": "helm", "url": "https://a.example", "chart": "a", "version": "1.2.3"},
                    }
                ]
            },
            "chart chart goes to elsewhere, not to some",
        ),
        ({"permissions": [{"resources": ["*"], "verbs": ["get"]}]}, "would give what nobody asked for"),
        ({"database": {"database": "some", "owner": "some"}}, "keeping"),
        ({"database": {"database": "some", "owner": "some", "keeping": {"kind": "disposable"}}}, "reason"),
        ({"postgresql": {}}, "postgresql"),
    ],
)  # fmt: skip
def test_an_entry_that_cannot_work_is_refused(parts: dict[str, Any], message: str):
    with pytest.raises(ValidationError, match=message):
        application(**parts)


def test_every_mistake_is_told_at_once():
    with pytest.raises(ValidationError) as caught:
        application(workloads=[WORKLOAD], volumes=[volume(tier="local")])
    assert "mounts the volume `test`" in str(caught.value)
    assert "no backup reaches" in str(caught.value)


ROUTED = Route(host="some", service="some", port=80, authentication=ForwardAuth())
CHART = {
    "name": "some", "namespace": "some",
    "source": {"kind": "helm", "url": "https://a.example", "chart": "a", "version": "1.2.3"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("added", "message"),
    [
        (CANARY, "the application `test` is declared 2 times"),
        (application(namespace={"name": "test"}), "the namespace of an application `test` is declared 2 times"),
        (
            application(charts=[CHART], routes=[ROUTED.model_copy(update={"host": "test"})]),
            "test and some both have the route test/; give one of them another host",
        ),
        (
            application(charts=[CHART], routes=[ROUTED.model_copy(update={"authentication": Open()})]),
            r"some/ lets everybody in \(open\)",
        ),
        (
            application(charts=[CHART], routes=[ROUTED.model_copy(update={"authentication": OwnLogin()})]),
            r"some/ lets everybody in \(own-login\)",
        ),
        (
            application(secrets={"token": SecretReference(path="default/qdrant", property="api-kee")}),
            "reads default/qdrant: api-kee, which the schema of secrets does not have",
        ),
        (
            application(secrets={"token": KEY}),
            "reads default/qdrant: api-key, whose consumers do not include some",
        ),
        (
            application(namespace={"name": "vault"}),
            "declares the namespace vault otherwise than the platform",
        ),
    ],
)
def test_applications_that_do_not_fit_the_lab_are_refused(added: Application, message: str):
    with pytest.raises(ValidationError, match=message):
        with_application(added)


def test_a_listed_open_route_is_taken():
    asked = application(charts=[CHART], routes=[ROUTED.model_copy(update={"authentication": Open()})])
    listed = OpenRoute(host="some", reason="a page for everybody")
    taken = changed(applications=(*WORKLOADS.applications, asked), open_routes=(listed,))
    assert taken.open_routes == (listed,)


def test_an_open_route_that_nobody_has_is_told():
    with pytest.raises(ValidationError, match="some/ is listed as an open route, but no application has it"):
        changed(open_routes=(OpenRoute(host="some", reason="a page for everybody"),))


def test_a_key_of_the_platform_must_exist():
    backups = WORKLOADS.backups.model_copy(
        update={"repository_password": SecretReference(path="core/k8up", property="repository-password")}
    )
    with pytest.raises(ValidationError, match="the restic repository is opened with core/k8up: repository-password"):
        changed(backups=backups)


def test_a_namespace_reads_the_backup_keys_only_when_it_is_backed_up():
    kept = Volume(name="data", size=GiB(1), tier=StorageTier.BLOCK, keeping=BackedUp())
    lost = kept.model_copy(update={"keeping": Disposable(reason="downloaded again")})
    for volumes, paths in (((kept,), ("core/k8up",)), ((lost,), None)):
        whole = with_application(application(volumes=[one.model_dump() for one in volumes]))
        found = {access.namespace: access.paths for access in whole.vault_access}
        assert found.get(Namespace(name="some").key) == paths


def test_what_needs_a_time_has_one():
    plain = application()
    assert plain.slots == ()
    assert [str(slot) for slot in CANARY.slots] == ["volumes of test", "databases of test"]
    assert set(CANARY.slots) <= set(WORKLOADS.timetable.slots)


def test_an_api_key_is_not_an_open_door():
    route = ROUTED.model_copy(update={"authentication": ApiKey(key=KEY)})
    assert not route.needs_listing


def oidc(client: str) -> Application:
    secret = SecretReference(path="default/immich", property="client-secret")
    login = NativeOidc(client=client, client_secret=secret, callback="/auth/login")
    return application(
        namespace={"name": "immich"}, charts=[{**CHART, "namespace": "immich"}],
        routes=[ROUTED.model_copy(update={"host": "photos", "authentication": login})],
        secrets={"client-secret": secret},
    )  # fmt: skip


def test_authelia_is_told_of_every_login_at_it():
    clients = {one.client: one.redirect for one in with_application(oidc("immich")).oidc_clients("lab.example")}
    assert clients["immich"] == "https://photos.lab.example/auth/login"


def test_a_client_has_its_own_secret():
    with pytest.raises(ValidationError, match="client-secret is not the secret of the OIDC client `grafana`"):
        with_application(oidc("grafana"))


def test_a_permission_names_what_it_gives():
    assert Permission(group="apps", resources=("deployments",), verbs=("get", "patch")).group == "apps"


def test_a_folder_is_for_many_nodes():
    shared = volume(tier="files", access="ReadWriteMany")
    assert application(volumes=[shared]).volumes[0].access is AccessMode.MANY_NODES
