"""Jobs and what they refer to: k8up's backups and restores, Argo's workflows, Dragonfly's caches, Traefik's routes."""

from typing import Any

import pytest
import pytest_asyncio

from tests.twin.operators.conftest import Bench, status_of
from twin.faults import Fault, FaultKind, Faults
from twin.kubernetes.api import Object
from twin.operators import k8up
from twin.operators.archives import Repositories
from twin.operators.argo_workflows import CRON_WORKFLOW, WORKFLOW, WORKFLOW_TEMPLATE
from twin.operators.cluster import PERSISTENT_VOLUME_CLAIM, SERVICE, STATEFUL_SET, Kind, is_true
from twin.operators.dragonfly import DRAGONFLY
from twin.operators.traefik import INGRESS_ROUTE
from twin.store import Store

OPERATORS = frozenset({"k8up", "argo-workflows", "dragonfly", "traefik"})

SCHEDULE, BACKUP, RESTORE, CHECK = (Kind(k8up.GROUP, name) for name in ("Schedule", "Backup", "Restore", "Check"))


def message(found: Object, condition: str) -> str:
    conditions = status_of(found).get("conditions") or []
    return next((one["message"] for one in conditions if one["type"] == condition), "")


def completed(found: Object) -> bool:
    return is_true(found, "Completed")


def job(kind: Kind, name: str, bucket: str, **spec: Any) -> Object:
    def key(of: str) -> Object:
        return {"name": "restic", "key": of}

    s3 = {"endpoint": "http://s3:8333", "bucket": bucket, "accessKeyIDSecretRef": key("access"),
          "secretAccessKeySecretRef": key("secret")}  # fmt: skip
    backend = {"s3": s3, "repoPasswordSecretRef": key("password")}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": name},
            "spec": {"backend": backend, **spec}}  # fmt: skip


@pytest_asyncio.fixture
async def volumes(bench: Bench) -> Bench:
    """K8up, its keys, and a bound claim."""
    await bench.define("k8up")
    await bench.secret("restic", {"access": "id", "secret": "key", "password": "first"})
    name = f"hand-{bench.namespace}"
    claim = {"namespace": bench.namespace, "name": "data"}
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "claimRef": claim,
            "hostPath": {"path": "/data"}}  # fmt: skip
    await bench.apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec})
    await bench.claim("data", "")
    bound = await bench.until(PERSISTENT_VOLUME_CLAIM, "data", lambda found: found["status"]["phase"] == "Bound")
    await bench.cluster.merge(bound, {"metadata": {"annotations": {k8up.BACKUP_NOTE: "true"}}})
    return bench


async def test_a_restore_needs_a_backup_of_its_namespace(volumes: Bench, store: Store) -> None:
    method = {"folder": {"claimName": "data"}}
    await volumes.apply(job(RESTORE, "early", "bucket", restoreMethod=method))
    early = await volumes.until(RESTORE, "early", completed)
    assert "does not exist" in message(early, "Completed")
    await volumes.apply(job(BACKUP, "nightly", "bucket"))
    await volumes.until(BACKUP, "nightly", completed)
    snapshots = Repositories(store).open("http://s3:8333/bucket", "Zmlyc3Q=", create=False).snapshots
    assert [(one.host, one.paths) for one in snapshots] == [(volumes.namespace, ("/data/data",))]
    await volumes.apply(job(RESTORE, "late", "bucket", restoreMethod=method))
    late = await volumes.until(RESTORE, "late", completed)
    assert f"restored snapshot {snapshots[0].id[:8]}" in message(late, "Completed")
    await volumes.apply(job(RESTORE, "named", "bucket", restoreMethod=method, snapshot="ffff"))
    assert "no snapshot ffff" in message(await volumes.until(RESTORE, "named", completed), "Completed")


async def test_a_repository_opens_with_its_own_password_only(volumes: Bench) -> None:
    await volumes.apply(job(BACKUP, "nightly", "bucket"))
    await volumes.until(BACKUP, "nightly", completed)
    await volumes.secret("restic", {"access": "id", "secret": "key", "password": "second"})
    await volumes.apply(job(CHECK, "check", "bucket"))
    assert "wrong password" in message(await volumes.until(CHECK, "check", completed), "Completed")


async def test_a_claim_that_is_opted_out_is_not_backed_up(volumes: Bench) -> None:
    claim = await volumes.until(PERSISTENT_VOLUME_CLAIM, "data")
    await volumes.cluster.merge(claim, {"metadata": {"annotations": {k8up.BACKUP_NOTE: "false"}}})
    await volumes.apply(job(BACKUP, "nightly", "bucket"))
    assert "no claim is annotated" in message(await volumes.until(BACKUP, "nightly", completed), "Completed")


async def test_a_schedule_waits_for_keys_and_refuses_what_is_no_time(volumes: Bench) -> None:
    await volumes.apply(job(SCHEDULE, "fine", "bucket", backup={"schedule": "17 0 * * *"}))
    await volumes.until(SCHEDULE, "fine", lambda found: is_true(found, "Ready"))
    await volumes.apply(job(SCHEDULE, "wrong", "bucket", prune={"schedule": "61 0 * * *"}))
    await volumes.until(SCHEDULE, "wrong", lambda found: "spec.prune.schedule: '61'" in message(found, "Ready"))
    await volumes.secret("restic", {"access": "id"})
    body = job(SCHEDULE, "keyless", "bucket", backup={"schedule": "17 0 * * *"})
    body["spec"]["backend"]["repoPasswordSecretRef"]["key"] = "absent"
    await volumes.apply(body)
    await volumes.until(SCHEDULE, "keyless", lambda found: 'has no key "absent"' in message(found, "Ready"))


@pytest_asyncio.fixture
async def workflows(bench: Bench) -> Bench:
    await bench.define("argo-workflows")
    return bench


def workflow(name: str, templates: list[Object], **spec: Any) -> Object:
    return {"apiVersion": WORKFLOW.api_version, "kind": WORKFLOW.kind, "metadata": {"name": name},
            "spec": {"entrypoint": "main", "templates": templates, **spec}}  # fmt: skip


def container(name: str, **more: Any) -> Object:
    return {"name": name, "container": {"name": name, "image": "example.org/main:1", **more}}


def steps(*found: Object) -> Object:
    return {"name": "main", "steps": [list(found)]}


async def phase(bench: Bench, name: str, wanted: str, text: str = "") -> Object:
    def holds(found: Object) -> bool:
        status = found.get("status") or {}
        return status.get("phase") == wanted and text in (status.get("message") or "")

    return await bench.until(WORKFLOW, name, holds)


async def test_references_of_a_workflow_resolve_or_it_ends_in_error(workflows: Bench) -> None:
    called: Object = {"name": "call", "templateRef": {"name": "manage", "template": "backup"}}
    await workflows.apply(workflow("dangling", [steps(called)]))
    await phase(workflows, "dangling", "Error", 'workflowtemplates.argoproj.io "manage" not found')
    spec = {"entrypoint": "restore", "templates": [container("restore")]}
    await workflows.apply({"apiVersion": WORKFLOW_TEMPLATE.api_version, "kind": WORKFLOW_TEMPLATE.kind,
                           "metadata": {"name": "manage"}, "spec": spec})  # fmt: skip
    await workflows.apply(workflow("deleted", [steps(called)]))
    await phase(workflows, "deleted", "Error", "template backup not found in workflow template manage")
    called["templateRef"]["template"] = "restore"
    await workflows.apply(workflow("fine", [steps(called)]))
    await phase(workflows, "fine", "Succeeded")
    await workflows.apply(workflow("lost", [container("other")]))
    await phase(workflows, "lost", "Error", "template name 'main' undefined")


async def test_a_workflow_waits_for_what_its_pods_need(workflows: Bench) -> None:
    secret = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "token", "key": "value"}}}
    await workflows.apply(workflow("run", [container("main", env=[secret])], serviceAccountName="runner"))
    await phase(workflows, "run", "Running", 'serviceaccount "runner" not found')
    await workflows.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "runner"}})
    await phase(workflows, "run", "Running", 'secrets "token" not found')
    await workflows.secret("token", {"value": "any"})
    found = await phase(workflows, "run", "Succeeded")
    assert found["metadata"]["labels"]["workflows.argoproj.io/phase"] == "Succeeded"


async def test_a_workflow_fails_on_demand(workflows: Bench, faults: Faults) -> None:
    faults.set(Fault(kind=FaultKind.OPERATOR_FAILS, target="argo-workflows", operation="*/doomed", remaining=1))
    await workflows.apply(workflow("doomed", [container("main")]))
    await phase(workflows, "doomed", "Failed", "injected fault")


async def test_a_timed_workflow_is_looked_at(workflows: Bench) -> None:
    spec: Object = {"entrypoint": "main", "templates": [container("main")]}
    body: Object = {"apiVersion": CRON_WORKFLOW.api_version, "kind": CRON_WORKFLOW.kind, "metadata": {"name": "timed"},
                    "spec": {"schedules": ["0 25 * * *"], "workflowSpec": spec}}  # fmt: skip
    await workflows.apply(body)
    await workflows.until(CRON_WORKFLOW, "timed", lambda found: "'25'" in message(found, "SpecError"))
    body["spec"]["schedules"] = ["0 1 * * *"]
    body["spec"]["workflowSpec"] = {"workflowTemplateRef": {"name": "absent"}}
    await workflows.apply(body)
    await workflows.until(CRON_WORKFLOW, "timed", lambda found: '"absent" not found' in message(
        found, "SubmissionError"
    ))  # fmt: skip


async def test_a_cache_is_ready_when_its_pods_are(bench: Bench) -> None:
    await bench.define("dragonfly")
    spec = {"replicas": 2, "image": "docker.dragonflydb.io/dragonflydb/dragonfly:v1.25.0",
            "resources": {"requests": {"cpu": "100m", "memory": "320Mi"}}}  # fmt: skip
    await bench.apply({"apiVersion": DRAGONFLY.api_version, "kind": DRAGONFLY.kind, "metadata": {"name": "cache"},
                       "spec": spec})  # fmt: skip
    await bench.node(f"node-{bench.namespace}")
    await bench.until(DRAGONFLY, "cache", lambda found: status_of(found).get("phase") == "ready")
    stateful_set = await bench.until(STATEFUL_SET, "cache")
    assert stateful_set["status"]["readyReplicas"] == 2
    await bench.until(SERVICE, "cache", lambda found: found["spec"]["ports"][0]["port"] == 6379)


@pytest.mark.parametrize(
    ("service", "middleware", "text"),
    [
        ({"name": "web", "port": 80}, "absent", "middleware auth/absent does not exist"),
        ({"name": "absent", "port": 80}, None, "Cannot create service: service"),
        ({"name": "web", "port": 8080}, None, "service port not found: 8080"),
    ],
)
async def test_a_route_to_nowhere_gets_an_event(
    bench: Bench, service: Object, middleware: str | None, text: str
) -> None:
    await bench.define("traefik")
    await bench.apply(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
    )
    route: Object = {"match": "Host(`web.bhamm-lab.com`)", "kind": "Rule", "services": [service]}
    if middleware is not None:
        route["middlewares"] = [{"name": middleware, "namespace": "auth"}]
    await bench.apply({"apiVersion": INGRESS_ROUTE.api_version, "kind": INGRESS_ROUTE.kind,
                       "metadata": {"name": "web"}, "spec": {"routes": [route]}})  # fmt: skip
    assert text in await bench.event("web", "RouteNotServed")
