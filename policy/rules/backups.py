"""I7: all data is backed up, or somebody said why not."""

from collections.abc import Iterator

from model.configuration import BackupRole
from model.violation import Rule, Violation
from model.workloads.annotations import DISPOSABLE
from model.workloads.custom.k8up import BACKUP_ANNOTATION
from policy.archives import clusters, may_write, repository, schedules, written
from policy.claims import Claim, claims, is_local
from policy.graph import Graph
from policy.objects import KubernetesObject
from policy.properties import at, is_withheld
from policy.surroundings import Surroundings
from policy.told import told

LEAST_REASON = 10
"""Characters; less is no reason."""


def backups(graph: Graph, lab: Surroundings) -> list[Violation]:
    """Each volume claim but those on a node's own disk, and each database, is backed up, or disposable for a reason."""
    writers = {stack for stack, role in lab.backup_roles.items() if role is BackupRole.WRITER}
    return [
        *(
            violation
            for claim in claims(graph)
            if not is_withheld(claim.storage_class) and not is_local(graph, claim.owner.stack, claim.storage_class)
            for violation in _claim(graph, claim, writes=claim.owner.stack in writers)
        ),
        *(
            violation
            for cluster in clusters(graph)
            for violation in _cluster(graph, cluster, writes=cluster.stack in writers)
        ),
    ]


def _claim(graph: Graph, claim: Claim, *, writes: bool) -> Iterator[Violation]:
    urn, path = claim.where
    where = (urn, (*path, "metadata", "annotations", BACKUP_ANNOTATION))
    backed_up, reason = at(claim.annotations, BACKUP_ANNOTATION), at(claim.annotations, DISPOSABLE)
    if is_withheld(backed_up) or is_withheld(reason):
        return
    if reason is not None:
        yield from _reason(str(claim), str(reason), (urn, (*path, "metadata", "annotations", DISPOSABLE)))
        if backed_up == "true":
            yield told(
                Rule.BACKUPS, f"{claim} is called disposable, but is backed up", where,
                f'set {BACKUP_ANNOTATION} to "false", or remove {DISPOSABLE}',
            )  # fmt: skip
    elif backed_up != "true":
        yield told(
            Rule.BACKUPS,
            f"{claim} is not backed up, and nobody said why: with its cluster its content is lost",
            where,
            f'keep it ({BACKUP_ANNOTATION}: "true"), or give the reason in the annotation {DISPOSABLE}',
        )
    elif writes:
        yield from _schedule(graph, claim)


def _schedule(graph: Graph, claim: Claim) -> Iterator[Violation]:
    own = [one for one in schedules(graph) if one.stack == claim.owner.stack]
    place = claim.owner.place
    writing = [one for one in own if one.place == place and one.at("spec", "backup", "schedule") is not None]
    if place is None:
        return
    if not writing:
        if not graph.may_hide(claim.owner.stack, "Schedule"):
            yield told(
                Rule.BACKUPS,
                f"{claim} is to be backed up, but namespace {place} has no schedule of backups",
                claim.where,
                f"register a k8up Schedule with `backup.schedule` in {place}",
            )
        return
    pruning = [repository(one) for one in own if one.at("spec", "prune", "retention") is not None]
    if None in pruning:
        return
    pruned = {found.key for found in pruning if found is not None}
    for one in writing:
        found = repository(one)
        if found is not None and found.key not in pruned:
            yield told(
                Rule.BACKUPS,
                f"{claim} is backed up to the repository {found.name}, which nobody prunes: it has no retention",
                (one.urn, ("spec", "backend")),
                "register a k8up Schedule with `prune.retention` for the repository",
                claim.where,
            )


def _cluster(graph: Graph, cluster: KubernetesObject, *, writes: bool) -> Iterator[Violation]:
    reason = at(cluster.annotations, DISPOSABLE)
    if is_withheld(reason) or is_withheld(cluster.at("spec", "plugins")):
        return
    if reason is not None:
        yield from _reason(str(cluster), str(reason), (cluster.urn, ("metadata", "annotations", DISPOSABLE)))
        return
    if not writes:
        return
    if not may_write(cluster):
        yield told(
            Rule.BACKUPS,
            f"database {cluster} is not archived, and nobody said why: with its cluster its content is lost",
            (cluster.urn, ("spec", "plugins")),
            f"give it an archive, or the reason in the annotation {DISPOSABLE}",
        )
        return
    if not _base_backups(graph, cluster):
        yield told(
            Rule.BACKUPS,
            f"database {cluster} archives its log, but has no base backups on a schedule: a log alone restores nothing",
            (cluster.urn, ("spec", "plugins")),
            f"register a ScheduledBackup of {cluster.name} in {cluster.place}",
        )
    for use in written(graph, cluster):
        if use.store is not None and use.store.at("spec", "retentionPolicy") is None:
            yield told(
                Rule.BACKUPS,
                f"{use.store} keeps the archive of {cluster} for ever: it has no retention",
                (use.store.urn, ("spec", "retentionPolicy")),
                "say how long backups stay restorable, e.g. 30d",
                (cluster.urn, use.path),
            )


def _base_backups(graph: Graph, cluster: KubernetesObject) -> bool:
    if cluster.is_hidden:
        return True
    for one in graph.of_kind("ScheduledBackup"):
        if one.stack != cluster.stack or one.place != cluster.place:
            continue
        named = one.at("spec", "cluster", "name")
        if is_withheld(named) or (named == cluster.name and one.at("spec", "suspend") is not True):
            return True
    return graph.may_hide(cluster.stack, "ScheduledBackup")


def _reason(what: str, reason: str, where: "tuple[str, tuple[str | int, ...]]") -> Iterator[Violation]:
    if len(reason.strip()) < LEAST_REASON:
        yield told(
            Rule.BACKUPS, f"{what} is called disposable without a reason that tells anything", where,
            "say where the content comes from again, or why it is worth nothing",
        )  # fmt: skip
