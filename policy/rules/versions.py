"""I11 over the graph: nothing moves by itself, and what belongs together is of one version."""

from collections.abc import Iterator, Mapping

from pydantic import TypeAdapter

from model.violation import Rule, Violation
from model.workloads.charts import ChartVersion, Revision
from model.workloads.images import Image
from policy.graph import Graph
from policy.installations import Installation
from policy.objects import KubernetesObject
from policy.properties import Path, Property, fits, is_withheld, text, walk
from policy.surroundings import Surroundings
from policy.told import told

IMAGE_FIELDS = frozenset({"image", "imageName"})
CEPH_FIELDS = frozenset({"clusterID", "clusterId"})
UNPINNED = "may be another image tomorrow"

_IMAGE, _REVISION, _VERSION = TypeAdapter(Image), TypeAdapter(Revision), TypeAdapter(ChartVersion)

TOGETHER: Mapping[str, str] = {"vault-operator": "https://github.com/bank-vaults/vault-operator"}
"""Charts of operators, and the repository that their permissions or definitions come from at the same version."""


def versions(graph: Graph, lab: Surroundings) -> list[Violation]:
    """Images, charts and revisions are pinned, an operator is as new as its permissions, and Ceph has one id."""
    return [*_images(graph), *_revisions(graph), *_together(graph), *_repositories(graph), *_ceph(graph, lab)]


def _images(graph: Graph) -> Iterator[Violation]:
    for one in graph.objects:
        if one.kind in ("CustomResourceDefinition", "Secret", "ConfigMap") or _is_installation(one):
            continue
        for path, value in walk(one.content):
            # Below `status` the cluster says what runs, in words of its own.
            if path and path[0] != "status" and path[-1] in IMAGE_FIELDS and isinstance(value, str):
                yield from _image(str(one), one.urn, path, value)
    for installed in graph.installations:
        yield from _values_images(installed)


def _is_installation(one: KubernetesObject) -> bool:
    return one.kind == "Application" and one.group == "argoproj.io"


def _values_images(installed: Installation) -> Iterator[Violation]:
    for path, value in walk(installed.values):
        if not path or path[-1] != "image":
            continue
        where = (*installed.values_path, *path)
        if isinstance(value, str):
            yield from _image(str(installed), installed.urn, where, value)
        else:
            # Charts write an image in parts; without a tag it is the chart's own, which is as pinned as the chart.
            name, tag = text(value, "repository") or "the chart's image", text(value, "tag")
            if tag and text(value, "digest") is None and fits(_IMAGE, f"docker.io/library/image:{tag}") is not None:
                yield _moving(str(installed), f"{name}:{tag}", (installed.urn, (*where, "tag")))


def _image(what: str, urn: str, path: Path, image: str) -> Iterator[Violation]:
    # A short name is a bad habit, but no moving one; Kubernetes completes it.
    host = image.split("/", maxsplit=1)[0]
    whole = image if "/" in image and "." in host else f"docker.io/{image if '/' in image else f'library/{image}'}"
    if image and UNPINNED in (fits(_IMAGE, whole) or ""):
        yield _moving(what, image, (urn, path))


def _moving(what: str, image: str, where: tuple[str, Path]) -> Violation:
    return told(
        Rule.VERSIONS, f"{what} runs the image `{image}`, which {UNPINNED}", where,
        "pin it by a version tag or a digest",
    )  # fmt: skip


def _revisions(graph: Graph) -> Iterator[Violation]:
    for installed in graph.installations:
        where = (installed.urn, installed.revision_path)
        revision = installed.revision
        if is_withheld(revision):
            continue
        problem = (
            "there is no version, so it is the newest of each day"
            if not isinstance(revision, str) or not revision
            else fits(_VERSION if installed.is_chart else _REVISION, revision)
        )
        if problem is not None:
            yield told(
                Rule.VERSIONS, f"{installed} is not pinned: {problem}", where,
                "name a released version, or a tag or commit that does not move",
            )  # fmt: skip


def _together(graph: Graph) -> Iterator[Violation]:
    for operator in graph.installations:
        repository = TOGETHER.get(operator.chart)
        if repository is None or not operator.is_chart:
            continue
        for part in graph.installations:
            if part.stack != operator.stack or _url(part.repository) != repository:
                continue
            own, other = _plain(operator.revision), _plain(part.revision)
            if own is not None and other is not None and own != other:
                yield told(
                    Rule.VERSIONS,
                    f"{operator} is of version {own}, but {part}, which belongs to it, of {other}",
                    (operator.urn, operator.revision_path),
                    "use one version for both",
                    (part.urn, part.revision_path),
                )


def _repositories(graph: Graph) -> Iterator[Violation]:
    first: dict[tuple[str, str], Installation] = {}
    for installed in graph.installations:
        if installed.is_chart or not installed.repository or not isinstance(installed.revision, str):
            continue
        other = first.setdefault((installed.stack, _url(installed.repository)), installed)
        if other.revision != installed.revision:
            yield told(
                Rule.VERSIONS,
                f"{installed} and {other} come from one repository ({_url(installed.repository)}) at two revisions: "
                f"{installed.revision} and {other.revision}",
                (installed.urn, installed.revision_path),
                "use one revision for both: what is defined and what uses it must fit",
                (other.urn, other.revision_path),
            )


def _plain(revision: Property) -> str | None:
    return revision.removeprefix("v") if isinstance(revision, str) else None


def _url(repository: str) -> str:
    return repository.rstrip("/").removesuffix(".git")


def _ceph(graph: Graph, lab: Surroundings) -> Iterator[Violation]:
    own = str(lab.ceph)
    for one in graph.objects:
        if one.kind not in ("StorageClass", "VolumeSnapshotClass"):
            continue
        driver = one.text("provisioner") or one.text("driver") or ""
        if driver.endswith(".csi.ceph.com"):
            yield from _ids(str(one), one.urn, one.content, (), own)
    for installed in graph.installations:
        if installed.chart.startswith("ceph-csi"):
            yield from _ids(str(installed), installed.urn, installed.values, installed.values_path, own)


def _ids(what: str, urn: str, value: Property, root: Path, own: str) -> Iterator[Violation]:
    for path, found in walk(value):
        if path and path[-1] in CEPH_FIELDS and isinstance(found, str) and found != own:
            yield told(
                Rule.VERSIONS,
                f"{what} names the Ceph cluster {found}; the lab's is {own}",
                (urn, (*root, *path)),
                "take the id of `inventory/storage.py: CEPH`, which is the only one",
            )
