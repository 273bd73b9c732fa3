"""I5: one writer per backup."""

from collections.abc import Iterator

from model.configuration import BackupRole, stack_file
from model.violation import Rule, Violation
from policy.archives import ArchiveUse, Repository, clusters, recovered, repository, schedules, written
from policy.graph import Graph
from policy.objects import KubernetesObject
from policy.properties import Path, fields
from policy.surroundings import Surroundings
from policy.told import told


def backup_writers(graph: Graph, lab: Surroundings) -> list[Violation]:
    """One colour writes backups, and only one object each archive, each namespace of a repository, and its pruning."""
    return [
        *_archives(graph),
        *_recoveries(graph),
        *_repositories(graph, "backup"),
        *_repositories(graph, "prune"),
        *_roles(graph, lab),
    ]


def _archives(graph: Graph) -> Iterator[Violation]:
    first: dict[tuple[str, ...], ArchiveUse] = {}
    for cluster in clusters(graph):
        for use in written(graph, cluster):
            other = first.setdefault(use.key, use)
            if other is not use:
                yield told(
                    Rule.BACKUP_WRITERS,
                    f"{cluster} of {cluster.stack} and {other.cluster} of {other.cluster.stack} both write the archive "
                    f"{use.archive}: their histories would mix and neither could be restored",
                    (cluster.urn, (*use.path, "serverName")),
                    "give each cluster a `serverName` of its own, with its colour and incarnation in it",
                    (other.cluster.urn, other.path),
                )


def _recoveries(graph: Graph) -> Iterator[Violation]:
    for cluster in clusters(graph):
        read = {use.key: use for use in recovered(graph, cluster)}
        for use in written(graph, cluster):
            source = read.get(use.key)
            if source is not None:
                yield told(
                    Rule.BACKUP_WRITERS,
                    f"{cluster} is recovered from the archive {use.archive} and writes to it as well: the operator "
                    "expects an empty archive, and two histories would mix",
                    (cluster.urn, (*use.path, "serverName")),
                    "archive under another `serverName` than the one that is recovered from",
                    (cluster.urn, source.path),
                )


def _repositories(graph: Graph, job: str) -> Iterator[Violation]:
    """`backup`: restic tells the namespaces apart, so one each. `prune`: it locks out everybody, so one for all."""
    first: dict[tuple[str, ...], Repository] = {}
    for schedule in schedules(graph):
        found = repository(schedule)
        if found is None or schedule.place is None or not fields(schedule.content, "spec", job):
            continue
        other = first.setdefault((*found.key, schedule.place) if job == "backup" else found.key, found)
        if other is found:
            continue
        what = f"back up namespace {schedule.place} to" if job == "backup" else "prune"
        yield told(
            Rule.BACKUP_WRITERS,
            f"{schedule} of {schedule.stack} and {other.schedule} of {other.schedule.stack} both {what} the repository "
            f"{found.name}",
            (schedule.urn, ("spec", job)),
            "keep one of the two schedules" if job == "backup" else "prune once for everybody, where checks are made",
            (other.schedule.urn, ("spec", job)),
        )


def _roles(graph: Graph, lab: Surroundings) -> Iterator[Violation]:
    for one, path, what in _writing(graph):
        role = lab.role(one.stack)
        if role is not BackupRole.WRITER:
            yield told(
                Rule.BACKUP_WRITERS,
                f"{one} {what}, but {one.stack} is `{role}`: the one that writes backups is another",
                (one.urn, path),
                f"set `backup_role` to {BackupRole.WRITER} in {stack_file(one.stack)} when it holds the lease, "
                "or register no backups",
            )


def _writing(graph: Graph) -> Iterator[tuple[KubernetesObject, Path, str]]:
    for cluster in clusters(graph):
        for use in written(graph, cluster):
            yield cluster, use.path, f"archives to {use.archive}"
    for schedule in schedules(graph):
        for job in ("backup", "prune"):
            if fields(schedule.content, "spec", job):
                yield schedule, ("spec", job), "writes backups" if job == "backup" else "deletes old backups"
