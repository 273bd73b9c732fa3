"""A build that begins with the data of an older one, over the death of the cluster that wrote it."""

import json
import time
from typing import Any

from engine.operation import Operation
from model.configuration import Layer
from tests.engine.laboratory import Laboratory
from tests.engine.test_life_of_a_stack import assert_nothing_to_do, kubectl

COLOUR = "green"
DATABASE = "test-postgresql"
PATIENCE_SECONDS = 60.0
LAYERS = [str(Layer.SUBSTRATE), str(Layer.BASE)]


def of_canary(laboratory: Laboratory, kind: str) -> list[dict[str, Any]]:
    answer = kubectl(laboratory, COLOUR, "get", kind, "--namespace", "test", "--output", "json")
    return json.loads(answer)["items"]


def wait_for_a_base_backup(laboratory: Laboratory) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    phases: list[Any] = []
    while "completed" not in phases:
        assert time.monotonic() < until, phases
        time.sleep(0.5)
        phases = [one.get("status", {}).get("phase") for one in of_canary(laboratory, "backups.postgresql.cnpg.io")]


def archive(plugin: dict[str, Any]) -> str:
    return plugin["parameters"]["serverName"]


def test_a_build_begins_with_the_data_of_one_that_is_gone(whole: Laboratory) -> None:
    whole.configure(COLOUR, {"layers": LAYERS})
    whole.succeed(Operation.UP, "shared")
    whole.succeed(Operation.UP, COLOUR)
    (first,) = of_canary(whole, "clusters.postgresql.cnpg.io")
    assert "recovery" not in first["spec"]["bootstrap"]
    assert [archive(plugin) for plugin in first["spec"]["plugins"]] == [f"{DATABASE}-green-1"]
    wait_for_a_base_backup(whole)
    whole.state.unprotect(COLOUR)
    whole.succeed(Operation.DESTROY, COLOUR)

    whole.configure(COLOUR, {"incarnation": 3, "begins_with": {"colour": COLOUR, "number": 1}})
    whole.succeed(Operation.UP, COLOUR)

    (again,) = of_canary(whole, "clusters.postgresql.cnpg.io")
    source = again["spec"]["bootstrap"]["recovery"]["source"]
    sources = {one["name"]: archive(one["plugin"]) for one in again["spec"]["externalClusters"]}
    assert sources[source] == f"{DATABASE}-green-1"
    assert [archive(plugin) for plugin in again["spec"]["plugins"]] == [f"{DATABASE}-green-3"]
    assert again["status"]["readyInstances"] == again["spec"]["instances"]
    restored = [job for job in of_canary(whole, "jobs") if "green-1" in json.dumps(job["spec"]["template"])]
    assert [job["status"].get("succeeded") for job in restored] == [1]
    assert_nothing_to_do(whole, COLOUR)
