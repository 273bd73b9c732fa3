"""Argo Workflows: references are resolved as the controller does; no container runs."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from twin.kubernetes.api import Object
from twin.operators.cluster import (
    CONFIG_MAP,
    PERSISTENT_VOLUME_CLAIM,
    SECRET,
    SERVICE_ACCOUNT,
    Cluster,
    Kind,
    NotReadyError,
    Operator,
    now,
)
from twin.operators.controller import Controller
from twin.operators.schedules import refuse_schedule
from twin.operators.vault import VAULT, VaultContents, is_healthy, may, roles

ARGO_WORKFLOWS: Final = Operator("argo-workflows")

VERSION: Final = "argoproj.io/v1alpha1"
WORKFLOW: Final = Kind(VERSION, "Workflow")
WORKFLOW_TEMPLATE: Final = Kind(VERSION, "WorkflowTemplate")
CLUSTER_WORKFLOW_TEMPLATE: Final = Kind(VERSION, "ClusterWorkflowTemplate")
CRON_WORKFLOW: Final = Kind(VERSION, "CronWorkflow")
SYNC: Final = "sops-vault-sync"
"""Workflows, or templates they use, of this name write the lab's secrets into Vault."""

_PATH: Final = re.compile(r"[a-z0-9-]+/[a-z0-9-]+")

ENDED: Final = ("Succeeded", "Failed", "Error")


class Workflows(Controller):
    """Runs: Error when something does not resolve, waiting while something is missing, else Succeeded."""

    operator = ARGO_WORKFLOWS
    kind = WORKFLOW

    def __init__(self, cluster: Cluster, contents: VaultContents) -> None:
        super().__init__(cluster)
        self._contents = contents

    async def reconcile(self, found: Object) -> None:
        """Resolve, look for what the pods need, do what is known of the lab's own workflows, and end."""
        before = found.get("status") or {}
        if before.get("phase") in ENDED:
            return
        resolved = Resolved(self.cluster, found["metadata"]["namespace"])
        await resolved.add(found["spec"])
        if before.get("phase") != "Running":
            await self._set(found, "Running", {"startedAt": now(), "message": None})
        await resolved.require_parts()
        if resolved.runs(SYNC) or SYNC in found["metadata"]["name"]:
            await self._write_secrets(found, resolved)
        await self._set(found, "Succeeded", {"finishedAt": now(), "progress": "1/1", "message": None})

    async def refuse(self, found: Object, problem: NotReadyError) -> None:
        """Ended in error when it cannot run at all; pending while a pod of it could not start."""
        if isinstance(problem, UnresolvedError):
            await self._set(found, "Error", {"message": problem.message, "finishedAt": now()})
        elif problem.reason == "InjectedFault":
            await self._set(found, "Failed", {"message": problem.message, "finishedAt": now()})
        else:
            await self._set(found, "Running", {"message": problem.message})
        await self.tell(found, problem.reason, problem.message)

    async def _set(self, found: Object, phase: str, more: Object) -> None:
        before = found.get("status") or {}
        if before.get("phase") in ENDED:
            return
        status: Object = {"phase": phase, **more}
        if phase in ENDED:
            status["conditions"] = [{"type": "Completed", "status": "True"}]
            status.setdefault("startedAt", before.get("startedAt") or now())
            labels = {"workflows.argoproj.io/phase": phase, "workflows.argoproj.io/completed": "true"}
            await self.cluster.merge(found, {"metadata": {"labels": labels}})
        await self.cluster.set_status(found, status)
        found["status"] = {**before, **status}

    async def _write_secrets(self, found: Object, resolved: "Resolved") -> None:
        namespace = found["metadata"]["namespace"]
        account = resolved.account or "default"
        vaults = [vault for vault in await self.cluster.all(VAULT) if is_healthy(vault)]
        if not vaults:
            raise NotReadyError("StepFailed", "no Vault is ready to be written to")
        there = self.cluster.around.secrets()
        wanted = resolved.paths() or tuple(there)
        missing = [path for path in wanted if path not in there]
        if missing:
            raise NotReadyError("StepFailed", f"sops: the tree vault_secrets has no {', '.join(missing)}")
        problem = ""
        for vault in vaults:
            admitted = [role for role in roles(vault) if role.admits(namespace, account)]
            policies = [policy for role in admitted for policy in role.policies]
            denied = [path for path in wanted if not may(vault, policies, "create", f"secret/data/{path}")]
            if not denied:
                self._contents.fill(vault, wanted)
                return
            names = ", ".join(role.name for role in admitted) or "none"
            problem = (
                f"permission denied: no role of Vault that admits {namespace}/{account} ({names}) may create at "
                f"secret/data/{denied[0]}"
            )
        raise NotReadyError("StepFailed", problem)


class Templates(Controller):
    """Templates that refer to others: an event when one is missing."""

    operator = ARGO_WORKFLOWS
    kind = WORKFLOW_TEMPLATE

    async def reconcile(self, found: Object) -> None:
        """Every reference resolves."""
        await Resolved(self.cluster, found["metadata"].get("namespace", "")).add(found["spec"], start=False)


class ClusterTemplates(Templates):
    """The same for the whole cluster."""

    kind = CLUSTER_WORKFLOW_TEMPLATE


class CronWorkflows(Controller):
    """Runs at fixed times: looked at, not run."""

    operator = ARGO_WORKFLOWS
    kind = CRON_WORKFLOW

    async def reconcile(self, found: Object) -> None:
        """Schedules are understood and every reference resolves."""
        spec = found["spec"]
        schedules = spec.get("schedules") or [spec.get("schedule", "")]
        for index, schedule in enumerate(schedules):
            refuse_schedule(schedule, where=f"spec.schedules[{index}]", fields=5)
        await Resolved(self.cluster, found["metadata"]["namespace"]).add(spec["workflowSpec"])
        conditions = [one for one in (found.get("status") or {}).get("conditions") or [] if one["type"] not in ERRORS]
        await self.cluster.set_status(found, {"conditions": conditions or None})

    async def refuse(self, found: Object, problem: NotReadyError) -> None:
        """The condition that the controller sets."""
        kind = "SubmissionError" if isinstance(problem, UnresolvedError) else "SpecError"
        condition = {"type": kind, "status": "True", "message": problem.message}
        await self.cluster.set_status(found, {"conditions": [condition]})
        await self.tell(found, kind, problem.message)


ERRORS: Final = ("SubmissionError", "SpecError")


class UnresolvedError(NotReadyError):
    """A reference leads nowhere: the run ends in error."""

    def __init__(self, message: str) -> None:
        super().__init__("WorkflowFailed", message)


class Resolved:
    """A run with all that it refers to."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._seen: set[tuple[Kind, str]] = set()
        self._specs: list[Mapping[str, Any]] = []
        self.account: str | None = None

    async def add(self, spec: Mapping[str, Any], *, start: bool = True) -> None:
        """Resolve the spec of a run or of a template; UnresolvedError when a reference leads nowhere."""
        self.account = self.account or spec.get("serviceAccountName")
        self._specs.append(spec)
        reference = spec.get("workflowTemplateRef")
        names = {template["name"] for template in spec.get("templates") or ()}
        if reference is not None:
            template = await self._template(reference)
            names |= {one["name"] for one in template["spec"].get("templates") or ()}
            await self._once(reference, template)
            entrypoint = spec.get("entrypoint") or template["spec"].get("entrypoint")
        else:
            entrypoint = spec.get("entrypoint")
        if start and entrypoint not in names:
            raise UnresolvedError(
                f"invalid spec: template name '{entrypoint}' undefined; there are {', '.join(sorted(names)) or 'none'}"
            )
        for template in spec.get("templates") or ():
            for step in _steps(template):
                await self._step(step, names, template["name"])

    def runs(self, name: str) -> bool:
        """Whether a template of that name is used."""
        return any(found == name for _, found in self._seen)

    def paths(self) -> tuple[str, ...]:
        """Arguments of its containers that look like paths in Vault."""
        arguments = (
            argument
            for spec in self._specs
            for template in spec.get("templates") or ()
            for container in _containers(template)
            for argument in container.get("args") or ()
        )
        return tuple(dict.fromkeys(argument for argument in arguments if _PATH.fullmatch(argument)))

    async def require_parts(self) -> None:
        """NotReadyError when the pods could not start: account, Secret, ConfigMap or claim missing."""
        account = self.account or "default"
        if await self._cluster.find(SERVICE_ACCOUNT, self._namespace, account) is None:
            raise NotReadyError("WorkflowPending", f'pods are forbidden: serviceaccount "{account}" not found')
        for found in self._specs:
            for volume in found.get("volumes") or ():
                await self._volume(volume)
            for template in found.get("templates") or ():
                for container in _containers(template):
                    await self._environment(container)

    async def _step(self, step: Mapping[str, Any], names: set[str], where: str) -> None:
        if "templateRef" in step:
            reference = step["templateRef"]
            template = await self._template(reference)
            inside = {one["name"] for one in template["spec"].get("templates") or ()}
            if reference["template"] not in inside:
                raise UnresolvedError(
                    f"templates.{where}: template {reference['template']} not found in workflow template "
                    f"{reference['name']}; there are {', '.join(sorted(inside)) or 'none'}"
                )
            await self._once(reference, template)
        elif "template" in step and step["template"] not in names:
            raise UnresolvedError(f"templates.{where}: template name '{step['template']}' undefined")

    async def _template(self, reference: Mapping[str, Any]) -> Object:
        kind = CLUSTER_WORKFLOW_TEMPLATE if reference.get("clusterScope") else WORKFLOW_TEMPLATE
        namespace = None if reference.get("clusterScope") else self._namespace
        found = await self._cluster.find(kind, namespace, reference["name"])
        if found is None:
            plural = f"{kind.kind.lower()}s.argoproj.io"
            raise UnresolvedError(f'{plural} "{reference["name"]}" not found')
        return found

    async def _once(self, reference: Mapping[str, Any], template: Object) -> None:
        key = (Kind(template["apiVersion"], template["kind"]), reference["name"])
        if key not in self._seen:
            self._seen.add(key)
            await self.add(template["spec"], start=False)

    async def _volume(self, volume: Mapping[str, Any]) -> None:
        kinds = {
            "secret": (SECRET, "secretName"),
            "configMap": (CONFIG_MAP, "name"),
            "persistentVolumeClaim": (PERSISTENT_VOLUME_CLAIM, "claimName"),
        }
        for key, (kind, field) in kinds.items():
            source = volume.get(key)
            if source is not None and not source.get("optional"):
                await self._require(kind, source[field])

    async def _environment(self, container: Mapping[str, Any]) -> None:
        for variable in container.get("env") or ():
            reference = (variable.get("valueFrom") or {}).get("secretKeyRef")
            if reference is not None and not reference.get("optional"):
                await self._cluster.secret_value(self._namespace, reference["name"], reference["key"])
        for source in container.get("envFrom") or ():
            for key, kind in (("secretRef", SECRET), ("configMapRef", CONFIG_MAP)):
                if key in source and not source[key].get("optional"):
                    await self._require(kind, source[key]["name"])

    async def _require(self, kind: Kind, name: str) -> None:
        if await self._cluster.find(kind, self._namespace, name) is None:
            raise NotReadyError("WorkflowPending", f'{kind.kind.lower()} "{name}" not found in {self._namespace}')


def _steps(template: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for group in template.get("steps") or ():
        yield from group
    yield from (template.get("dag") or {}).get("tasks") or ()


def _containers(template: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from (template[key] for key in ("container", "script") if template.get(key))
    yield from template.get("initContainers") or ()
    yield from template.get("sidecars") or ()
    yield from (template.get("containerSet") or {}).get("containers") or ()
