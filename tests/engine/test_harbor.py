"""What is set in Harbor, by the real engine: while Harbor answers, while it does not, and to its end."""

from engine.operation import Operation
from model.configuration import Layer
from model.exclusive import Colour
from tests.engine.laboratory import Laboratory
from twin.faults import Fault, FaultKind
from twin.providers.harbor import DATABASES, PROJECT, REGISTRY
from twin.providers.kinds import collection_of

PROJECTS = f"{collection_of(PROJECT)}/{Colour.GREEN}"
REGISTRIES = f"{collection_of(REGISTRY)}/{Colour.GREEN}"


def test_the_life_of_what_is_set_in_harbor(whole: Laboratory) -> None:
    # Nobody is live, so that the colour may be taken down at the end.
    whole.configure("shared", {"leases": {}, "active_colour": None})
    layers = [str(layer) for layer in (Layer.SUBSTRATE, Layer.BASE, Layer.CORE)]
    whole.configure(Colour.GREEN, {"layers": layers, "leases_wanted": [], "backup_role": "idle"})
    whole.succeed(Operation.UP, "shared")
    whole.succeed(Operation.UP, "green")
    projects = whole.twin.documents(PROJECTS)
    names = {body["inputs"]["name"]: path for path, body in projects.items()}
    assert set(names) == {"dockerhub", "ghcr", "gcr", "k8s", "quay"}
    assert len(whole.twin.documents(REGISTRIES)) == 5
    whole.succeed(Operation.PREVIEW, "green", "--expect-no-changes")

    # Somebody removes a project in Harbor's own pages.
    whole.twin.remove(PROJECTS, names["quay"])
    whole.succeed(Operation.REFRESH, "green")
    assert len([one for one in whole.state.resources("green") if one["type"] == PROJECT]) == 4
    whole.succeed(Operation.UP, "green")
    assert len(whole.twin.documents(PROJECTS)) == 5

    # Harbor is ill: nothing can be set in it, and it says why; but the colour can be taken down.
    whole.twin.inject(Fault(kind=FaultKind.OPERATOR_FAILS, target="argo-cd", operation="argocd/harbor"))
    whole.twin.remove(PROJECTS, names["ghcr"])
    failed = whole.do(Operation.REFRESH, "green")
    assert not failed.succeeded
    said = "\n".join([*failed.errors, failed.output])
    assert "https://harbor-green.bhamm-lab.com does not answer: Harbor of green is Degraded" in said
    whole.twin.clear()
    whole.twin.inject(Fault(kind=FaultKind.API_ERROR, target="harbor"))
    whole.succeed(Operation.DESTROY, "green")
    assert whole.state.resources("green") == []
    whole.twin.clear()

    # The next build has a database of its own, so its Harbor begins empty.
    before = whole.twin.documents(DATABASES)
    whole.succeed(Operation.UP, "green")
    assert whole.twin.documents(DATABASES) != before
    assert set(whole.twin.documents(PROJECTS)) == {f"/projects/{number}" for number in range(2, 7)}
