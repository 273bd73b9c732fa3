"""`LabApp`: what an entry becomes, and in which order."""

import re
from typing import Any

import pytest

from components.kubernetes.volumes import RESTORE
from inventory.workloads.canary import CANARY
from model.configuration import BackupRole, Layer
from model.lineage import IncarnationNumber
from model.workloads.applications import Application
from tests.graph.workloads import layers
from tests.graph.workloads.layers import before, build, everything, first_build, of_role, spec, with_application
from tests.harness import checks
from tests.harness.recording import Recording, Registration

BACKUP_ROLES_THAT_READ = (BackupRole.RESTORER, BackupRole.IDLE)
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
CRON_JOB = "kubernetes:batch/v1:CronJob"
SERVICE = "kubernetes:core/v1:Service"


def postgres(recording: Recording) -> Registration:
    return recording.one(layers.CLUSTER, "test-postgresql")


def pod(registration: Registration) -> dict[str, Any]:
    template = spec(registration).get("jobTemplate", {}).get("spec", spec(registration))["template"]
    return template["spec"]


def entry(**parts: Any) -> Application:
    base: dict[str, Any] = {
        "name": "some",
        "namespace": {"name": "some"},
        "layer": Layer.BASE,
        "workloads": [
            {
                "name": "web", "image": "ghcr.io/some/web:1.2.3", "ports": [80],
                "resources": {"requests": {"cpu": 100, "memory": 128}},
            }
        ],
        "routes": [
            {"host": "some", "service": "web", "port": 80, "authentication": {"kind": "api-key", "key": {
                "path": "default/qdrant", "property": "api-key",
            }}}
        ],
    }  # fmt: skip
    return Application.model_validate({**base, **parts})


def build_entry(**parts: Any) -> Recording:
    return build(workloads=with_application(entry(**parts)))


def test_a_database_is_recovered_from_the_older_build_and_archived_as_the_new_one():
    cluster = spec(postgres(everything()))
    (source,) = cluster["externalClusters"]
    (archiver,) = cluster["plugins"]
    assert cluster["bootstrap"] == {"recovery": {"source": source["name"], "database": "test", "owner": "test"}}
    assert source["plugin"]["parameters"]["serverName"] == "test-postgresql-blue-7"
    assert archiver["parameters"]["serverName"] == "test-postgresql-green-8"
    assert archiver["isWALArchiver"] is True
    store = everything().one(layers.ARCHIVE, archiver["parameters"]["barmanObjectName"])
    assert "serverName" not in spec(store)["configuration"]


def test_a_cluster_that_begins_empty_recovers_nothing():
    cluster = spec(postgres(first_build()))
    assert cluster["bootstrap"] == {"initdb": {"database": "test", "owner": "test"}}
    assert "externalClusters" not in cluster
    assert [one.name for one in first_build().of_type(layers.JOB)] == ["network-probe"]


@pytest.mark.parametrize("role", BACKUP_ROLES_THAT_READ)
def test_who_does_not_write_backups_writes_no_archive_at_all(role: BackupRole):
    recording = of_role(role)
    cluster = spec(postgres(recording))
    assert "plugins" not in cluster
    assert recording.of_type(layers.SCHEDULED_BACKUP) == ()
    assert recording.of_type(layers.SCHEDULE) == ()
    assert "retentionPolicy" not in spec(recording.one(layers.ARCHIVE, "test-postgresql-archive"))
    # It still begins with the data of the older build.
    assert "recovery" in cluster["bootstrap"]


def test_backups_are_at_the_times_of_the_table():
    backup = spec(everything().one(layers.SCHEDULED_BACKUP, "test-postgresql-backup"))
    volumes = spec(everything().one(layers.SCHEDULE, "test-volumes"))
    assert backup["schedule"] == "0 30 7,19 * * *"
    assert backup["immediate"] is True
    assert volumes["backup"] == {"schedule": "20 7,19 * * *", "concurrentRunsAllowed": False, "tags": ["green-8"]}
    assert spec(everything().one(layers.ARCHIVE, "test-postgresql-archive"))["retentionPolicy"] == "3d"


def test_a_volume_is_filled_before_it_is_used_and_before_it_is_backed_up():
    restore = everything().one(layers.JOB, "test-test-restore")
    for later in (
        everything().one(DEPLOYMENT, "test-test"),
        everything().one(CRON_JOB, "test-test-timestamp-volume"),
        everything().one(layers.SCHEDULE, "test-volumes"),
    ):
        assert restore.key in before(everything(), later)
    assert (layers.CLAIM, "test-test") in before(everything(), restore)
    assert (layers.APPLICATION, "seaweedfs") in before(everything(), restore)


def test_a_restore_takes_the_snapshot_of_the_build_it_begins_with():
    container = pod(everything().one(layers.JOB, "test-test-restore"))["containers"][0]
    settings = {one["name"]: one.get("value") for one in container["env"]}
    assert settings["SOURCE"] == "blue-7"
    assert settings["INCARNATION"] == "green-8"
    assert settings["VOLUME"] == "/data/test"
    assert settings["RESTIC_REPOSITORY"] == "s3:http://seaweedfs-s3.seaweedfs.svc.cluster.local:8333/k8up-backups"
    assert settings["RESTIC_PASSWORD"] is None


def test_a_restore_never_runs_again_for_a_newer_image():
    assert everything().one(layers.JOB, "test-test-restore").ignore_changes == ("spec",)
    assert "nothing is written over it" in RESTORE


def test_what_is_newer_than_the_older_build_begins_empty():
    young = CANARY.model_copy(
        update={
            "volumes": tuple(
                volume.model_copy(update={"keeping": volume.keeping.model_copy(update={"since": IncarnationNumber(8)})})
                for volume in CANARY.volumes
            )
        }
    )
    recording = build(workloads=layers.changed(applications=(young,)))
    assert [one.name for one in recording.of_type(layers.JOB)] == ["network-probe"]
    assert "recovery" in spec(postgres(recording))["bootstrap"]


def test_the_claim_says_whether_it_is_backed_up():
    kept = everything().one(layers.CLAIM, "test-test").clear_inputs["metadata"]["annotations"]
    assert kept == {"k8up.io/backup": "true"}
    recording = build_entry(
        volumes=[
            {
                "name": "cache", "size": 5, "tier": "files",
                "keeping": {"kind": "disposable", "reason": "downloaded again"},
            }
        ]
    )  # fmt: skip
    claim = recording.one(layers.CLAIM, "some-cache").clear_inputs
    assert claim["metadata"]["annotations"] == {
        "k8up.io/backup": "false",
        "lab/disposable": "downloaded again",
    }
    assert claim["spec"]["storageClassName"] == "csi-cephfs-sc"
    assert claim["spec"]["resources"]["requests"] == {"storage": "5Gi"}
    assert "some-volumes" not in [one.name for one in recording.of_type(layers.SCHEDULE)]


def test_a_colour_without_such_a_disk_cannot_have_the_volume():
    local = {
        "name": "cache", "size": 5, "tier": "local",
        "keeping": {"kind": "disposable", "reason": "downloaded again"},
    }  # fmt: skip
    workloads = with_application(entry(volumes=[local]))
    with pytest.raises(Exception, match="the colour has no storage of tier local; it has block, files"):
        build(workloads=workloads, colour=layers.Colour.BLUE)


def test_a_route_asks_authelia_where_the_application_does_not_ask_itself():
    guarded = spec(everything().one(layers.ROUTE, "test-test"))
    plain = spec(build_entry().one(layers.ROUTE, "some-some"))
    names = [[one["name"] for one in route["routes"][0]["middlewares"]] for route in (guarded, plain)]
    assert names == [["default-headers", "forward-auth"], ["default-headers"]]
    assert guarded["routes"][0]["match"] == "Host(`test.bhamm-lab.com`)"
    assert guarded["entryPoints"] == ["websecure"]
    assert guarded["tls"] == {}


def test_a_route_comes_after_what_answers():
    route = everything().one(layers.ROUTE, "test-test")
    assert {(SERVICE, "test-test"), (DEPLOYMENT, "test-test")} <= before(everything(), route)


def test_processes_that_share_a_volume_of_one_node_are_on_one_node():
    web, task = everything().one(DEPLOYMENT, "test-test"), everything().one(CRON_JOB, "test-test-timestamp-volume")
    terms = [
        pod(one)["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] for one in (web, task)
    ]
    assert terms[0] == terms[1]
    (term,) = terms[0]
    assert term["topologyKey"] == "kubernetes.io/hostname"
    labels = spec(web)["template"]["metadata"]["labels"]
    assert term["labelSelector"]["matchLabels"].items() <= labels.items()
    assert "affinity" not in pod(everything().one(CRON_JOB, "test-test-timestamp-database"))
    assert spec(web)["strategy"] == {"type": "Recreate"}


def test_the_canary_writes_into_its_database():
    container = pod(everything().one(CRON_JOB, "test-test-timestamp-database"))["containers"][0]
    settings = {one["name"]: one for one in container["env"]}
    assert settings["DATABASE"]["valueFrom"] == {"secretKeyRef": {"name": "test-postgresql-app", "key": "uri"}}
    assert "insert into timestamps" in settings["STATEMENTS"]["value"]
    assert postgres(everything()).key in before(
        everything(), everything().one(CRON_JOB, "test-test-timestamp-database")
    )


def test_a_device_brings_the_toleration_of_its_taint():
    gpu = {"resource": "amd.com/gpu", "count": 1, "tolerates": {"key": "amd.com/gpu"}}
    workload = {
        "name": "web", "image": "ghcr.io/some/web:1.2.3", "ports": [80],
        "resources": {"requests": {"memory": 1024}, "gpu": gpu},
    }  # fmt: skip
    placed = pod(build_entry(workloads=[workload]).one(DEPLOYMENT, "some-web"))
    assert placed["tolerations"] == [{"key": "amd.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    resources = placed["containers"][0]["resources"]
    assert resources["requests"] == {"memory": "1Gi", "amd.com/gpu": "1"}
    assert resources["limits"] == {"amd.com/gpu": "1"}


def test_pods_have_no_token_unless_they_may_do_something():
    assert pod(build_entry().one(DEPLOYMENT, "some-web"))["automountServiceAccountToken"] is False
    allowed = build_entry(permissions=[{"group": "apps", "resources": ["deployments"], "verbs": ["get"]}])
    assert pod(allowed.one(DEPLOYMENT, "some-web"))["automountServiceAccountToken"] is True
    role = allowed.one("kubernetes:rbac.authorization.k8s.io/v1:Role", "some").clear_inputs
    assert role["rules"] == [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]}]


def test_a_chart_of_an_application_comes_after_its_data_and_stays_in_its_project():
    chart = {
        "name": "some", "namespace": "some",
        "source": {"kind": "git-chart", "repository": "https://git.example/a", "path": "chart", "revision": "v1.2.3"},
    }  # fmt: skip
    recording = build_entry(
        charts=[chart],
        database={"database": "some", "owner": "some", "keeping": {"kind": "backed-up"}},
        cache={},
    )
    installed = recording.one(layers.APPLICATION, "some")
    assert {
        (layers.CLUSTER, "some-postgresql"),
        ("kubernetes:dragonflydb.io/v1alpha1:Dragonfly", "some-dragonfly"),
        (layers.NAMESPACE, "namespace-some"),
    } <= before(recording, installed)
    project = spec(recording.one(layers.PROJECT, "project-base"))
    assert "https://git.example/a" in project["sourceRepos"]
    assert {"namespace": "some", "server": "https://kubernetes.default.svc"} in project["destinations"]
    assert [check(recording) for check in (checks.duplicate_urns, checks.escaped_children)] == [[], []]


def test_two_applications_do_not_meet():
    parts: dict[str, Any] = {
        "volumes": [{"name": "data", "size": 1, "tier": "block", "keeping": {"kind": "backed-up"}}],
        "database": {"database": "some", "owner": "some", "keeping": {"kind": "backed-up"}},
        "cache": {},
    }
    other = entry(
        name="other", namespace={"name": "other"},
        routes=[{"host": "other", "service": "web", "port": 80, "authentication": {"kind": "forward-auth"}}],
        **parts,
    )  # fmt: skip
    recording = build(workloads=layers.changed(applications=(CANARY, entry(**parts), other)))
    assert checks.duplicate_urns(recording) == []
    written = [
        plugin["parameters"]["serverName"]
        for one in recording.of_type(layers.CLUSTER)
        for plugin in spec(one)["plugins"]
    ]
    assert len(set(written)) == len(written) == 3
    times = [spec(one)["backup"]["schedule"] for one in recording.of_type(layers.SCHEDULE) if "backup" in spec(one)]
    times += [spec(one)["schedule"].removeprefix("0 ") for one in recording.of_type(layers.SCHEDULED_BACKUP)]
    assert len(set(times)) == len(times) == 6


def test_a_namespace_of_the_platform_is_not_made_twice():
    platform = layers.WORKLOADS.namespace("ceph")
    recording = build_entry(namespace=platform.model_dump())
    assert [one.name for one in recording.of_type(layers.NAMESPACE)].count("namespace-ceph") == 1


def test_a_reference_that_the_role_may_not_read_is_refused_by_the_component():
    forbidden = entry(secrets={"token": {"path": "core/vault", "property": "OIDC_VAULT_CLIENT_SECRET"}})
    smuggled = layers.WORKLOADS.model_copy(update={"applications": (*layers.WORKLOADS.applications, forbidden)})
    expected = re.escape("the namespace some may not read core/vault: OIDC_VAULT_CLIENT_SECRET in Vault")
    with pytest.raises(Exception, match=expected):
        build(workloads=smuggled)
