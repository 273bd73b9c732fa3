"""Who comes before whom, and how a graph is read from what a harness, an engine or a state tells."""

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_policy import PolicyCustomTimeouts, PolicyProviderResource, PolicyResource, PolicyResourceOptions
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy

from policy.deployment import exported
from policy.graph import Graph
from policy.properties import SECRET, UNKNOWN, at, fields
from policy.rules import check
from policy.stack_resources import told_by_engine
from tests.graph.policy.changed_graph import lab, named, registered, sound, with_resources
from tests.graph.policy.recorded import graph_of
from tests.graph.workloads.layers import answers
from tests.harness.program import record
from tests.harness.recording import Recording

SECRET_TOKEN = "kubernetes:core/v1:Secret"


class Box(pulumi.ComponentResource):
    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("test:index:Box", name, None, opts)
        self.inside = pulumi.ResourceOptions(parent=self)
        self.register_outputs({})


def namespace(name: str, opts: pulumi.ResourceOptions) -> kubernetes.core.v1.Namespace:
    return kubernetes.core.v1.Namespace(name, metadata={"name": name}, opts=opts)


def nested(*, preview: bool = False) -> Recording:
    """`first` and `second` in boxes; the second box waits for the first box, its content for nothing itself."""

    def program() -> None:
        provider = kubernetes.Provider("kubernetes")
        first = Box("first-box", pulumi.ResourceOptions(providers=[provider]))
        namespace("first", first.inside)
        second = Box("second-box", pulumi.ResourceOptions(providers=[provider], depends_on=[first]))
        namespace("second", second.inside)
        alone = Box("alone-box", pulumi.ResourceOptions(providers=[provider]))
        namespace("alone", alone.inside)

    return record(program, stack="green", answers=answers(), preview=preview)


def test_a_child_waits_for_what_its_component_waits_for():
    graph = graph_of(nested())
    first, second, alone = (named(graph, f"Namespace {name}").urn for name in ("first", "second", "alone"))

    assert first in graph.everything_before(second)
    assert second not in graph.everything_before(first)
    assert alone not in graph.everything_before(second)


def test_children_of_one_component_do_not_wait_for_each_other():
    box = registered("test:index:Box", "box", {}, component=True)
    inside = registered("kubernetes:core/v1:Namespace", "one", {}, parent=box.urn)
    beside = registered("kubernetes:core/v1:Namespace", "two", {}, parent=box.urn)
    graph = Graph((inside, beside, box))

    assert beside.urn not in graph.everything_before(inside.urn)


def test_who_needs_a_component_needs_everything_in_it():
    graph = sound()
    boxes = {one.name: one.urn for one in graph.resources if one.token == "lab:kubernetes:Namespaces"}
    late = registered("kubernetes:core/v1:ConfigMap", "late", {}, dependencies=frozenset(boxes.values()))

    before = with_resources(late)(graph).everything_before(late.urn)

    assert named(graph, "Namespace vault").urn in before


def test_producers_and_consumers_are_two_ends_of_one_thing():
    graph = sound()
    claim, deployment = (
        named(graph, name).urn for name in ("PersistentVolumeClaim vault/vault-file", "Vault vault/vault")
    )
    assert claim in graph.producers(deployment)
    assert deployment in graph.consumers(claim)
    assert graph.producers("urn:of:nobody") == frozenset()


def test_objects_are_found_by_kind_namespace_and_name():
    graph = sound()
    found = graph.find("green", "Secret", "csi-rbd-secret", "ceph")
    assert found is not None
    assert str(found) == "Secret ceph/csi-rbd-secret"
    assert graph.find("green", "Secret", "csi-rbd-secret", "vault") is None
    assert graph.find("blue", "Secret", "csi-rbd-secret", "ceph") is None


def test_a_secret_shows_its_keys_and_not_its_values():
    resource = named(sound(), "Secret ceph/csi-rbd-secret")
    assert set(fields(resource.properties, "stringData")) == {"userID", "userKey"}
    assert {"stringData.userID", "stringData.userKey"} <= resource.secrets
    assert "sentinel" not in repr(resource.properties["stringData"])


def options(**given: object) -> PolicyResourceOptions:
    settings: dict[str, object] = {
        "protect": False, "ignore_changes": [], "delete_before_replace": None, "aliases": [],
        "custom_timeouts": PolicyCustomTimeouts(0, 0, 0), "additional_secret_outputs": [], **given,
    }  # fmt: skip
    return PolicyResourceOptions(**settings)  # pyright: ignore[reportArgumentType]


def test_what_the_engine_tells_a_pack_is_read_without_its_guards():
    provider = PolicyProviderResource("pulumi:providers:kubernetes", {}, "urn:provider", "kubernetes")
    space = PolicyResource(
        "kubernetes:core/v1:Namespace", {"metadata": {"name": "argo"}}, "urn:pulumi:green::p::n::argo", "argo",
        options(protect=True), provider, None, [], {},
    )  # fmt: skip
    props = unknown_checking_proxy(
        {
            "metadata": {"name": UNKNOWN_STRING_VALUE, "namespace": "argo", "labels": {}},
            "data": {"key": "Y2xlYXI="},
            "spec": [1.0, UNKNOWN_STRING_VALUE],
        }
    )
    secret = PolicyResource(
        SECRET_TOKEN, props, "urn:pulumi:green::p::s::argo-keys", "argo-keys", options(), provider, space, [space],
        {"metadata": [space]},
    )  # fmt: skip

    graph = told_by_engine([space, secret])

    read = graph.by_urn[secret.urn]
    assert read.stack == "green"
    assert at(read.properties, "metadata", "name") is UNKNOWN
    assert at(read.properties, "data", "key") is SECRET
    assert at(read.properties, "spec", 0) == 1
    assert read.dependencies == read.property_dependencies["metadata"] == {space.urn}
    assert (read.parent, read.provider, read.retain_on_delete) == (space.urn, provider.urn, None)
    assert graph.by_urn[space.urn].protect


def test_an_exported_state_is_read_with_its_secrets_kept():
    document = {
        "deployment": {
            "resources": [
                {
                    "urn": f"urn:pulumi:green::p::{SECRET_TOKEN}::keys",
                    "type": SECRET_TOKEN,
                    "inputs": {
                        "metadata": {"name": "keys", "namespace": "argo"},
                        "stringData": {
                            "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
                            "ciphertext": "v1:abc",
                        },
                    },
                    "parent": "urn:pulumi:green::p::lab:kubernetes:Box::box",
                    "provider": "urn:pulumi:green::p::pulumi:providers:kubernetes::kubernetes::an-id",
                    "dependencies": ["urn:pulumi:green::p::a::b"],
                    "propertyDependencies": {"metadata": ["urn:pulumi:green::p::a::b"], "type": None},
                    "protect": True,
                },
                {"urn": f"urn:pulumi:green::p::{SECRET_TOKEN}::keys", "type": SECRET_TOKEN, "delete": True},
            ]
        }
    }

    (read,) = exported(document).resources

    assert at(read.properties, "stringData") is SECRET
    assert read.provider == "urn:pulumi:green::p::pulumi:providers:kubernetes::kubernetes"
    assert read.needs == {"urn:pulumi:green::p::a::b", read.provider}
    assert (read.protect, read.retain_on_delete) == (True, False)
    assert exported({}).resources == ()


def test_a_preview_that_knows_little_breaks_no_rule():
    assert check(graph_of(nested(preview=True)), lab()) == []
