"""What is right is not complained of."""

import pytest

from components.kubernetes import node_features
from inventory import LAB
from model.cluster import NodeRole
from model.configuration import BackupRole
from model.hardware import Vendor
from model.workloads.annotations import AUTHENTICATION, DISPOSABLE
from model.workloads.routes import OpenRoute
from policy.rules import check
from policy.surroundings import FEATURE_LABELS
from tests.graph.policy.changed_graph import (
    Change,
    all_of,
    copied,
    lab,
    put,
    registered,
    sound,
    taken,
    waiting,
    with_resources,
    without,
)
from tests.graph.policy.recorded import graph_of
from tests.graph.workloads.layers import build, everything
from tests.harness.lab_stacks import STACKS, read_configuration, record_stack

DEPLOYMENT, ROUTE = "Deployment test/test", "IngressRoute test/test"
CLAIM, CLUSTER = "PersistentVolumeClaim test/test", "Cluster test/test-postgresql"
POD = ("spec", "template", "spec")
CONTAINER = (*POD, "containers", 0)
NO_MIDDLEWARE = put(ROUTE, ("spec", "routes", 0, "middlewares"), [])


def test_the_labs_own_cluster_keeps_every_rule():
    assert [str(violation) for violation in check(graph_of(everything()), lab())] == []


def test_a_colour_that_only_restores_needs_no_backups_of_its_own():
    quiet = lab().model_copy(update={"backup_roles": {"green": BackupRole.RESTORER}})
    graph = graph_of(build(role=BackupRole.RESTORER))
    assert [str(violation) for violation in check(graph, quiet)] == []


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("preview", [False, True])
def test_every_stack_of_the_lab_keeps_every_rule(stack: str, preview: bool):
    graph = graph_of(record_stack(stack, read_configuration(), preview=preview))
    assert [str(violation) for violation in check(graph, lab())] == []


SOUND: dict[str, Change] = {
    "disposable-volume": all_of(
        put(CLAIM, ("metadata", "annotations", "k8up.io/backup"), "false"),
        put(CLAIM, ("metadata", "annotations", DISPOSABLE), "It is a cache of the Internet."),
    ),
    "disposable-database": all_of(
        taken(CLUSTER, ("spec", "plugins")),
        without("ScheduledBackup test/test-postgresql-backup"),
        put(CLUSTER, ("metadata", "annotations", DISPOSABLE), "It is made again from the directory."),
    ),
    "local-volume": all_of(
        put(CLAIM, ("spec", "storageClassName"), "local-path"),
        put(CLAIM, ("metadata", "annotations"), {}),
        waiting(CLAIM, "StorageClass local-path"),
    ),
    "route-with-its-own-oidc": all_of(
        NO_MIDDLEWARE, put(ROUTE, ("metadata", "annotations", AUTHENTICATION), "native-oidc")
    ),
    "two-paths-of-one-host": copied(
        ROUTE, "below", (("metadata", "name"), "below"),
        (("spec", "routes", 0, "match"), "Host(`test.bhamm-lab.com`) && PathPrefix(`/api`)"),
    ),
    "image-by-digest": put(DEPLOYMENT, (*CONTAINER, "image"), f"docker.io/library/busybox:latest@sha256:{'0' * 64}"),
    "image-without-its-registry": put(DEPLOYMENT, (*CONTAINER, "image"), "busybox:1.37.0"),
    "optional-secret": put(
        DEPLOYMENT, (*CONTAINER, "envFrom"), [{"secretRef": {"name": "perhaps", "optional": True}}]
    ),
    "certificate-mounted": put(
        DEPLOYMENT, (*CONTAINER, "env"),
        [{"name": "KEY_FILE_PASSPHRASE", "valueFrom": {"secretKeyRef": {"name": "test-postgresql-app", "key": "uri"}}}],
    ),
    "secret-by-reference": put(
        DEPLOYMENT, (*CONTAINER, "env"),
        [{"name": "ADMIN_PASSWORD", "value": "$(OTHER)"}, {"name": "API_TOKEN", "value": "/run/secrets/token"}],
    ),
    "card-with-its-toleration": all_of(
        put(DEPLOYMENT, (*POD, "tolerations"), [{"key": "amd.com/gpu", "operator": "Equal", "value": "present"}]),
        put(DEPLOYMENT, (*CONTAINER, "resources"), {"limits": {"amd.com/gpu": "1", "memory": "100Gi"}}),
        waiting(DEPLOYMENT, "DeviceConfig amd/graphics-cards"),
    ),
    "node-affinity": put(
        DEPLOYMENT, (*POD, "affinity"),
        {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {"matchExpressions": [{"key": "machine_type", "operator": "In", "values": ["vm"]}]}
                    ]
                }
            }
        },
    ),
    "pods-of-every-node": with_resources(
        registered(
            "kubernetes:apps/v1:DaemonSet", "agent",
            {
                "metadata": {"name": "agent", "namespace": "default"},
                "spec": {"template": {"spec": {"tolerations": [{"operator": "Exists"}]}}},
            },
        )
    ),
    "public-name-by-the-tunnel": with_resources(
        registered(
            "cloudflare:index/dnsRecord:DnsRecord", "public-docs",
            {"name": "docs.bhamm-lab.com", "type": "CNAME", "content": "id.cfargotunnel.com"},
        )
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", SOUND.values(), ids=SOUND.keys())
def test_a_sound_change_breaks_no_rule(change: Change):
    assert [str(violation) for violation in check(change(sound()), lab())] == []


def test_an_open_route_on_the_list_is_let_be():
    listed = (OpenRoute(host="test", reason="It shows nothing but the time."),)
    assert check(NO_MIDDLEWARE(sound()), lab().model_copy(update={"open_routes": listed})) == []


def test_a_resource_whose_retention_nobody_tells_is_not_judged_for_it():
    bucket = registered("cloudflare:index/r2Bucket:R2Bucket", "copies", {}, protect=True, retain_on_delete=None)
    assert check(with_resources(bucket)(sound()), lab()) == []


def test_labels_of_features_are_those_that_the_components_register():
    assert FEATURE_LABELS == {Vendor.AMD: node_features.AMD_LABEL, Vendor.INTEL: node_features.INTEL_LABEL}


def test_nodes_are_those_of_the_plan():
    nodes = {node.name: node for node in lab().nodes["green"]}
    graphics = nodes["green-talos-worker-intel-gpu"]
    assert graphics.devices == {"gpu.intel.com/i915": 4}
    assert {taint.key for taint in graphics.taints} == {"intel.com/gpu"}
    assert graphics.labels[FEATURE_LABELS[Vendor.INTEL]] == "true"
    masters = [node for node in nodes.values() if "node-role.kubernetes.io/control-plane" in node.labels]
    assert len(masters) == sum(one.role is NodeRole.CONTROL_PLANE for one in LAB.cluster.placements)
