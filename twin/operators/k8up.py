"""K8up: backup, check, prune and restore jobs of volumes. No byte is read or written; what exists is remembered."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from twin.kubernetes.api import Object
from twin.operators.archives import Repositories, Repository, Snapshot
from twin.operators.cluster import (
    PERSISTENT_VOLUME_CLAIM,
    Kind,
    NotReadyError,
    Operator,
    is_true,
    now,
    with_condition,
)
from twin.operators.controller import Controller
from twin.operators.schedules import refuse_schedule

K8UP: Final = Operator("k8up")

GROUP: Final = "k8up.io/v1"
BACKUP_NOTE: Final = "k8up.io/backup"
JOBS: Final = ("backup", "check", "prune", "restore", "archive")


class Schedules(Controller):
    """Plans of jobs: looked at, not run."""

    operator = K8UP
    kind = Kind(GROUP, "Schedule")

    async def reconcile(self, found: Object) -> None:
        """Ready when the schedules can be understood and the backend's keys are there."""
        spec = found["spec"]
        for job in JOBS:
            schedule = (spec.get(job) or {}).get("schedule")
            if schedule is not None:
                refuse_schedule(schedule, where=f"spec.{job}.schedule", fields=5)
        await self._backend(found)
        conditions = with_condition(found, "Ready", true=True, reason="Ready", message="resource is ready")
        await self.cluster.set_status(found, {"conditions": conditions})

    async def refuse(self, found: Object, problem: NotReadyError) -> None:
        """Not ready, and why."""
        conditions = with_condition(found, "Ready", true=False, reason="CreationFailed", message=problem.message)
        await self.cluster.set_status(found, {"conditions": conditions})
        await self.tell(found, "CreationFailed", problem.message)

    async def _backend(self, found: Object) -> tuple[str, str]:
        """Key of the repository, and its password as the Secret has it."""
        backend: Mapping[str, Any] | None = found["spec"].get("backend")
        if not backend or "s3" not in backend:
            raise NotReadyError("CreationFailed", "spec.backend.s3 is missing: the twin has repositories in S3 only")
        namespace, s3 = found["metadata"]["namespace"], backend["s3"]
        for reference in (s3.get("accessKeyIDSecretRef"), s3.get("secretAccessKeySecretRef")):
            if reference is None:
                raise NotReadyError("CreationFailed", "spec.backend.s3 names no keys")
            await self.cluster.secret_value(namespace, reference["name"], reference["key"])
        reference = backend.get("repoPasswordSecretRef")
        if reference is None:
            raise NotReadyError("CreationFailed", "spec.backend.repoPasswordSecretRef is missing")
        password = await self.cluster.secret_value(namespace, reference["name"], reference["key"])
        return f"{s3.get('endpoint', '').rstrip('/')}/{s3.get('bucket', '')}", password


class _Jobs(Schedules):
    """A job that runs once, to its end."""

    creates_repository = False

    async def reconcile(self, found: Object) -> None:
        """Run it; a job that ended is left alone."""
        if is_true(found, "Completed"):
            return
        key, password = await self._backend(found)
        repositories = Repositories(self.cluster.around.store)
        reason, message = "Succeeded", "the job succeeded"
        try:
            repository = repositories.open(key, password, create=self.creates_repository)
            message = await self.run(found, key, repository, repositories)
        except NotReadyError as problem:
            if problem.reason != "Failed":
                raise
            reason, message = "Failed", problem.message
            await self.tell(found, reason, message)
        started = {**found, "status": {"conditions": with_condition(
            found, "Ready", true=True, reason="Ready", message="resource is ready"
        )}}  # fmt: skip
        conditions = with_condition(started, "Completed", true=True, reason=reason, message=message)
        await self.cluster.set_status(found, {"started": True, "finished": True, "conditions": conditions})

    async def run(self, found: Object, key: str, repository: Repository, repositories: Repositories) -> str:
        """Do it and tell what was done; NotReadyError with reason `Failed` when the job itself fails."""
        raise NotImplementedError


class Backups(_Jobs):
    """Backups of every claim of a namespace that is annotated: the lab's k8up skips the others."""

    kind = Kind(GROUP, "Backup")
    creates_repository = True

    async def run(self, found: Object, key: str, repository: Repository, repositories: Repositories) -> str:
        """A snapshot for each claim."""
        del repository
        namespace = found["metadata"]["namespace"]
        claims = [
            claim["metadata"]["name"]
            for claim in await self.cluster.all(PERSISTENT_VOLUME_CLAIM, namespace)
            if (claim.get("status") or {}).get("phase") == "Bound"
            and (claim["metadata"].get("annotations") or {}).get(BACKUP_NOTE) == "true"
        ]
        moment = now()
        made = [
            Snapshot(id=secrets.token_hex(32), host=namespace, paths=(f"/data/{name}",), at=moment) for name in claims
        ]
        repositories.add(key, made)
        return f"backed up {', '.join(claims) or 'nothing: the no claim is annotated'}"


class Restores(_Jobs):
    """Restores of one snapshot into one claim."""

    kind = Kind(GROUP, "Restore")

    async def run(self, found: Object, key: str, repository: Repository, repositories: Repositories) -> str:
        """The snapshot and the claim must be there."""
        del repositories
        spec, namespace = found["spec"], found["metadata"]["namespace"]
        folder = (spec.get("restoreMethod") or {}).get("folder")
        if folder is None:
            raise NotReadyError("CreationFailed", "spec.restoreMethod.folder is missing: the twin restores into claims")
        if await self.cluster.find(PERSISTENT_VOLUME_CLAIM, namespace, folder["claimName"]) is None:
            raise NotReadyError("CreationFailed", f'persistentvolumeclaim "{folder["claimName"]}" not found')
        wanted = spec.get("snapshot") or ""
        snapshot = _newest(repository.snapshots, wanted, namespace)
        if snapshot is None:
            raise NotReadyError("Failed", f"no snapshot {wanted or 'of host ' + namespace} found in {key}")
        return f"restored snapshot {snapshot.id[:8]} of {snapshot.at} into {folder['claimName']}"


class Checks(_Jobs):
    """Checks of a repository."""

    kind = Kind(GROUP, "Check")

    async def run(self, found: Object, key: str, repository: Repository, repositories: Repositories) -> str:
        """The repository opens."""
        del found, repositories
        return f"checked {key}: {len(repository.snapshots)} snapshots"


class Prunes(_Jobs):
    """Prunes of a repository."""

    kind = Kind(GROUP, "Prune")

    async def run(self, found: Object, key: str, repository: Repository, repositories: Repositories) -> str:
        """The repository opens; no snapshot is forgotten."""
        del found, repositories
        return f"pruned {key}: {len(repository.snapshots)} snapshots are kept"


def _newest(snapshots: Sequence[Snapshot], wanted: str, host: str) -> Snapshot | None:
    if wanted and wanted != "latest":
        return next((one for one in snapshots if one.id.startswith(wanted)), None)
    own = [one for one in snapshots if one.host == host]
    return max(own, key=lambda one: one.at, default=None)
