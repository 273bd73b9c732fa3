"""A configuration belongs to the provider resource it came from, for every stand-in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from pulumi.runtime import proto

from inventory import LAB
from tests.twin.provider_kubernetes.control_plane import ControlPlane
from tests.twin.provider_kubernetes.engine import Engine
from tests.twin.provider_kubernetes.manifests import CONFIG_MAP, of
from twin.providers import wire
from twin.providers.engines import REMEMBERED, PerStack
from twin.providers.gcp import Gcp
from twin.providers.kinds import Surroundings
from twin.providers.operation import Operation
from twin.providers.servicer import serve

GREEN, BLUE = "urn:pulumi:green::lab", "urn:pulumi:blue::lab"


def in_namespace(cluster: ControlPlane, namespace: str) -> dict[str, wire.Value]:
    document = yaml.safe_load(cluster.kubeconfig)
    document["contexts"][0]["context"]["namespace"] = namespace
    return {"kubeconfig": wire.Secret(yaml.safe_dump(document))}


async def placed(engine: Engine) -> Any:
    metadata = (await engine.check(CONFIG_MAP, "c", of(CONFIG_MAP, {"name": "c"})))["metadata"]
    assert isinstance(metadata, dict)
    return metadata["namespace"]


async def test_stacks_do_not_see_each_other_s(more_engines: Callable[[], Engine], cluster: ControlPlane) -> None:
    green, blue = more_engines(), more_engines()
    green.stack, blue.stack = GREEN, BLUE
    await green.configure(in_namespace(cluster, "of-green"))
    await blue.configure(in_namespace(cluster, "of-blue"))
    assert (await placed(green), await placed(blue)) == ("of-green", "of-blue")
    # An engine that had to connect anew is known by its stack.
    green_again = more_engines()
    green_again.stack = GREEN
    assert await placed(green_again) == "of-green"


async def test_two_provider_resources_of_one_stack(more_engines: Callable[[], Engine], cluster: ControlPlane) -> None:
    first, second = more_engines(), more_engines()
    await first.configure(in_namespace(cluster, "first"))
    await second.configure(in_namespace(cluster, "second"))
    assert (await placed(first), await placed(second)) == ("first", "second")


async def test_other_stand_ins(surroundings: Surroundings, types_cache: Path) -> None:
    stand_in = Gcp(surroundings, types_cache)
    server, port = await serve(stand_in, 0)
    green, blue = Engine(port, GREEN), Engine(port, BLUE)
    project = LAB.cloud.google.project
    for engine, configured in ((green, {"project": project}), (blue, {"project": "somebody-else"})):
        urn = engine.urn("pulumi:providers:gcp", "google")
        await engine.stub.Configure(proto.ConfigureRequest(urn=urn, args=wire.encode(configured)))
    token = "gcp:projects/service:Service"
    inputs: wire.Properties = {"service": "iam.googleapis.com"}
    assert (await green.create(token, "iam", inputs)).properties["project"] == project
    request = proto.CreateRequest(urn=blue.urn(token, "iam"), properties=wire.encode(inputs), preview=True)
    assert wire.decode((await blue.stub.Create(request)).properties)["project"] == "somebody-else"
    await green.close()
    await blue.close()
    await server.stop(None)
    await stand_in.close()


def test_old_connections_are_forgotten() -> None:
    kept: PerStack[int] = PerStack()
    for number in range(REMEMBERED + 1):
        kept.set(Operation(f"{GREEN}::t::n", f"ipv4:127.0.0.1:{number}"), number)
    # The first is known by its stack alone, which has the last.
    assert kept.get(Operation(f"{GREEN}::t::n", "ipv4:127.0.0.1:0")) == REMEMBERED
    assert kept.get(Operation(f"{GREEN}::t::n", "ipv4:127.0.0.1:1")) == 1
    assert kept.get(Operation("", "ipv4:127.0.0.1:1")) == 1
    assert kept.get(Operation(f"{BLUE}::t::n", "ipv4:127.0.0.1:0")) is None
