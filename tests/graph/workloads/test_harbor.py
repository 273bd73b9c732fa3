"""Harbor: what is set in it, after what, and who may have its images."""

import json
import subprocess
import sys
from typing import Any

import pulumi
import pytest
from pydantic import ValidationError

from inventory import LAB
from inventory.workloads import WORKLOADS
from model.configuration import Layer
from model.registries import ROBOT_PREFIX, RegistryKind
from model.secrets import Plain
from model.workloads.applications import Application
from model.workloads.harbor import ImageRight, Robot
from model.workloads.images import BuiltImage
from model.workloads.keeping import Disposable
from tests.graph.workloads import layers
from tests.graph.workloads.layers import before, build, changed, everything, spec, with_application
from tests.harness.answers import sentinel
from tests.harness.recording import PROVIDER_PREFIX, Recording, Registration
from tests.unit.architecture.source import PROJECT
from twin.providers import wire

HARBOR = "harbor:index/"
REGISTRY = f"{HARBOR}registry:Registry"
CACHE = f"{HARBOR}project:Project"
RETENTION = f"{HARBOR}retentionPolicy:RetentionPolicy"
ROBOT = f"{HARBOR}robotAccount:RobotAccount"
LOGIN = f"{HARBOR}configAuth:ConfigAuth"
PROVIDER = f"{PROVIDER_PREFIX}harbor"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
BELOW_CORE = (Layer.SUBSTRATE, Layer.BASE)


def set_in_harbor(recording: Recording) -> list[Registration]:
    return [one for one in recording.managed if one.type.startswith(HARBOR)]


def own(layer: Layer, **image: Any) -> Application:
    """An application with an image that the lab builds itself."""
    return Application.model_validate(
        {
            "name": "docs",
            "namespace": {"name": "docs"},
            "layer": layer,
            "workloads": [
                {
                    "name": "docs", "image": {"kind": "built", "folder": "docs-site", **image}, "ports": [80],
                    "resources": {"requests": {"cpu": 10, "memory": 32}},
                }
            ],
        }
    )  # fmt: skip


def test_every_mirror_of_the_nodes_has_its_cache():
    """One list makes both: what nodes ask Harbor for is there."""
    projects = {one.clear_inputs["name"]: one for one in everything().of_type(CACHE)}
    assert set(projects) == {"dockerhub", "ghcr", "gcr", "k8s", "quay"}
    assert set(projects) == {mirror.project for mirror in LAB.cluster.mirrors}
    for mirror in LAB.cluster.mirrors:
        registry = everything().one(REGISTRY, f"registry-{mirror.project}")
        project = projects[mirror.project].clear_inputs
        assert project["registryId"] == registry.state["registryId"]
        assert project["public"], "nodes have no login"
        assert registry.clear_inputs["endpointUrl"] == mirror.endpoint
        assert registry.clear_inputs["providerName"] == mirror.kind
    hub = everything().one(REGISTRY, "registry-dockerhub").clear_inputs
    assert (hub["providerName"], hub["endpointUrl"]) == (RegistryKind.DOCKER_HUB, "https://hub.docker.com")


def test_what_a_cache_keeps_is_written_down():
    for mirror in LAB.cluster.mirrors:
        policy = everything().one(RETENTION, f"retention-{mirror.project}")
        (rule,) = policy.clear_inputs["rules"]
        assert rule["nDaysSinceLastPull"] == 30
        assert (CACHE, f"project-{mirror.project}") in before(everything(), policy)
        assert len(policy.clear_inputs["schedule"].split()) == 6, "Harbor wants seconds first"


def test_nothing_is_set_before_harbor_answers_at_its_own_name():
    found = set_in_harbor(everything())
    assert len(found) == 21
    for one in found:
        earlier = before(everything(), one)
        assert (layers.APPLICATION, "harbor") in earlier, one
        assert (layers.ROUTE, "harbor-harbor") in earlier, one
        assert (layers.CLUSTER, "harbor-postgresql") in earlier, one
    provider = everything().one(PROVIDER, "harbor")
    assert provider.clear_inputs["url"] == "https://harbor-green.bhamm-lab.com"
    (rule,) = spec(everything().one(layers.ROUTE, "harbor-harbor"))["routes"]
    assert rule["match"] == "(Host(`harbor.bhamm-lab.com`) || Host(`harbor-green.bhamm-lab.com`))"


def test_passwords_are_secret_and_come_from_the_file():
    provider, robot = everything().one(PROVIDER, "harbor"), everything().one(ROBOT, "robot-library")
    login = everything().one(LOGIN, "harbor-login")
    for one, name, place in (
        (provider, "password", "HARBOR_ADMIN_PASSWORD"), (robot, "secret", "robot-token"),
        (login, "oidcClientSecret", "oidc"),
    ):  # fmt: skip
        assert one.inputs[name] == wire.Secret(sentinel(f"vault_secrets.core.harbor.{place}")), one
    values = json.dumps(spec(everything().one(layers.APPLICATION, "harbor")))
    assert sentinel("")[:-2] not in values


def test_login_is_at_authelia_and_not_only_there():
    login = everything().one(LOGIN, "harbor-login").clear_inputs
    assert (login["authMode"], login["oidcEndpoint"]) == ("oidc_auth", "https://auth.bhamm-lab.com")
    assert login["oidcClientId"] == "harbor"
    (client,) = (one for one in WORKLOADS.oidc_clients(LAB.domain) if one.client == "harbor")
    assert client.redirect == "https://harbor.bhamm-lab.com/c/oidc/callback"
    assert login["oidcScope"].split(",") == list(client.scopes)
    # The administrator of Harbor itself is the one that the program logs in as.
    assert everything().one(PROVIDER, "harbor").clear_inputs["username"] == "admin"


def test_the_robot_is_called_what_the_builds_are_told():
    assert WORKLOADS.harbor is not None
    (robot,) = WORKLOADS.harbor.robots
    key = WORKLOADS.secrets.at(WORKLOADS.secrets.reference("core/harbor", "robot-username").place())
    assert key is not None
    assert key.shape == Plain(text=f"{ROBOT_PREFIX}{robot.name}")
    (permission,) = everything().one(ROBOT, "robot-library").clear_inputs["permissions"]
    assert permission["namespace"] == "library"
    assert {access["action"] for access in permission["accesses"]} == {"pull", "push"}


def test_tags_of_the_lab_s_own_images_never_move():
    rule = everything().one(f"{HARBOR}immutableTagRule:ImmutableTagRule", "harbor-library-tags").clear_inputs
    assert rule == {"projectId": "/projects/1", "repoMatching": "**", "tagMatching": "**"}


def test_harbor_s_volumes_have_their_sizes_and_say_that_they_may_be_lost():
    found = {
        one.clear_inputs["metadata"]["name"]: one.clear_inputs
        for one in everything().of_type(layers.CLAIM)
        if one.clear_inputs["metadata"]["namespace"] == "harbor"
    }
    sizes = {name: claim["spec"]["resources"]["requests"]["storage"] for name, claim in found.items()}
    assert sizes == {"harbor-registry": "150Gi", "data-harbor-trivy-0": "5Gi", "data-harbor-redis-0": "1Gi"}
    assert all(claim["metadata"]["annotations"]["lab/disposable"] for claim in found.values())
    harbor = WORKLOADS.application("harbor")
    assert harbor.database is not None
    assert isinstance(harbor.database.keeping, Disposable)
    values = spec(everything().one(layers.APPLICATION, "harbor"))["source"]["helm"]["valuesObject"]
    claims = values["persistence"]["persistentVolumeClaim"]
    assert claims["registry"]["existingClaim"] in sizes
    assert {claims[part]["size"] for part in ("redis", "trivy")} == {"1Gi", "5Gi"}


def test_what_is_set_goes_with_harbor_and_is_not_taken_apart():
    """Asked to remove each project, a Harbor that is ill would keep the whole colour from being destroyed."""
    deleted_with: list[str] = []

    def noted(asked: pulumi.ResourceTransformationArgs) -> None:
        if asked.type_.startswith(HARBOR):
            deleted_with.append(type(asked.opts.deleted_with).__name__)

    def program() -> None:
        pulumi.runtime.register_stack_transformation(noted)
        layers.build_layers(layers.ground(), opts=layers.on_kubernetes())

    layers.run(program)
    assert deleted_with == ["ChartApplication"] * 21


def test_below_core_there_is_no_harbor_and_its_sdk_is_not_loaded():
    assert not [one for one in build(layers=BELOW_CORE).registrations if "harbor" in one.urn.lower()]
    program = (
        "import sys; from tests.graph.workloads.layers import build; from model.configuration import Layer; "
        "build(layers=(Layer.SUBSTRATE, Layer.BASE)); print('pulumiverse_harbor' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=False, timeout=120
    )
    assert answer.stdout.strip() == "False", answer.stderr


def test_a_colour_boots_without_harbor():
    """Nothing of substrate and base waits for Harbor, or has an image of it: it could not come up the first time."""
    recording = everything()
    below = {one.key for one in build(layers=BELOW_CORE).managed}
    ours = [one for one in recording.managed if one.key in below and one.name != "project-core"]
    assert len(ours) > 80
    for one in ours:
        assert not [key for key in before(recording, one) if "harbor" in key[1]], one
        assert LAB.cluster.harbor_host not in json.dumps(wire.reveal_all(one.inputs), default=str), one


# Images of the lab's own.


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ({"tag": "1.4.0"}, "harbor.bhamm-lab.com/library/docs-site:1.4.0"),
        ({"digest": "sha256:" + "a" * 64}, "harbor.bhamm-lab.com/library/docs-site@sha256:" + "a" * 64),
        (
            {"tag": "1.4.0", "digest": "sha256:" + "a" * 64},
            "harbor.bhamm-lab.com/library/docs-site:1.4.0@sha256:" + "a" * 64,
        ),
    ],
)
def test_the_lab_s_own_image_is_pulled_once_harbor_is_set_up(image: dict[str, str], reference: str):
    recording = build(workloads=with_application(own(Layer.CORE, **image)))
    deployment = recording.one(DEPLOYMENT, "docs-docs")
    (container,) = spec(deployment)["template"]["spec"]["containers"]
    assert container["image"] == reference
    earlier = before(recording, deployment)
    assert (ROBOT, "robot-library") in earlier, "nobody can have pushed it"
    assert (layers.APPLICATION, "harbor") in earlier


def test_below_core_the_lab_s_own_image_is_refused():
    with pytest.raises(pulumi.RunError, match="docs of docs runs the lab's own image docs-site, but the colour has no"):
        build(workloads=with_application(own(Layer.BASE, tag="1.4.0")), layers=BELOW_CORE)


@pytest.mark.parametrize(
    ("image", "says"),
    [
        ({"tag": "latest"}, "the tag `latest` may be another image tomorrow"),
        ({"tag": "main"}, "the tag `main` may be another image tomorrow"),
        ({"tag": "stable-2"}, None),
        ({}, "the image docs-site may be another one tomorrow; pin it by a tag or a digest"),
        ({"digest": "sha256:abc"}, "digest"),
    ],
)
def test_the_lab_s_own_image_is_pinned(image: dict[str, str], says: str | None):
    if says is None:
        assert BuiltImage.model_validate({"folder": "docs-site", **image}).tag == image["tag"]
        return
    with pytest.raises(ValidationError, match=says):
        BuiltImage.model_validate({"folder": "docs-site", **image})


# What cannot be set up.


def test_who_pushes_may_pull():
    assert WORKLOADS.harbor is not None
    robot = WORKLOADS.harbor.robots[0].model_dump()
    with pytest.raises(ValidationError, match="Harbor lets nobody push who may not pull"):
        Robot.model_validate({**robot, "rights": (ImageRight.PUSH,)})


def test_harbor_s_secrets_are_the_program_s_to_read():
    assert WORKLOADS.harbor is not None
    other = WORKLOADS.secrets.reference("core/k8up", "repo-password")
    with pytest.raises(ValidationError, match=r"core/k8up: repo-password, which the program may not read for harbor"):
        changed(harbor=WORKLOADS.harbor.model_copy(update={"administrator": other}))


def test_harbor_needs_a_name_of_its_own():
    harbor = WORKLOADS.application("harbor")
    shared = harbor.model_copy(
        update={"routes": tuple(route.model_copy(update={"with_own_name": False}) for route in harbor.routes)}
    )
    others = tuple(one for one in WORKLOADS.applications if one is not harbor)
    with pytest.raises(ValidationError, match="no route with a name of the colour's own"):
        changed(applications=(*others, shared))


def test_nodes_and_routes_agree_on_harbor_s_name():
    harbor = WORKLOADS.application("harbor")
    renamed = harbor.model_copy(
        update={"routes": tuple(route.model_copy(update={"host": "registry"}) for route in harbor.routes)}
    )
    others = tuple(one for one in WORKLOADS.applications if one is not harbor)
    with pytest.raises(
        pulumi.RunError, match=r"nodes pull through harbor\.bhamm-lab\.com, but Harbor answers at registry\.bhamm"
    ):
        build(workloads=changed(applications=(*others, renamed)))
