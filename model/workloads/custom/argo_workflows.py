"""Argo Workflows: a run of containers to its end."""

from typing import Any

from pydantic import Field

from model.workloads.camel_case import CamelCase
from model.workloads.objects import CustomObject, Kind

GROUP, VERSION = "argoproj.io", "v1alpha1"


class Container(CamelCase):
    """One container of a step."""

    name: str | None = None
    image: str
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    env: tuple[dict[str, Any], ...] | None = None
    volume_mounts: tuple[dict[str, Any], ...] | None = None
    security_context: dict[str, Any] | None = None
    resources: dict[str, Any] | None = None


class Template(CamelCase):
    """One step."""

    name: str
    init_containers: tuple[Container, ...] | None = None
    container: Container


class RetryStrategy(CamelCase):
    """How often a step that fails is tried again."""

    limit: str
    retry_policy: str = "Always"


class WorkflowSpec(CamelCase):
    """Spec of a Workflow."""

    entrypoint: str
    service_account_name: str
    templates: tuple[Template, ...] = Field(min_length=1)
    retry_strategy: RetryStrategy | None = None
    volumes: tuple[dict[str, Any], ...] | None = None
    active_deadline_seconds: int
    """A run that hangs must end, or whoever waits for it waits for ever."""


class Workflow(CustomObject):
    """One run; a changed spec is another run."""

    OF = Kind(group=GROUP, version=VERSION, name="Workflow")
    READY = "jsonpath={.status.phase}=Succeeded"
    spec: WorkflowSpec


class WorkflowTemplate(CustomObject):
    """A run that can be started by name."""

    OF = Kind(group=GROUP, version=VERSION, name="WorkflowTemplate")
    spec: WorkflowSpec


class CronWorkflowSpec(CamelCase):
    """Spec of a CronWorkflow."""

    schedules: tuple[str, ...] = Field(min_length=1)
    timezone: str
    concurrency_policy: str = "Forbid"
    workflow_spec: WorkflowSpec


class CronWorkflow(CustomObject):
    """A run at fixed times."""

    OF = Kind(group=GROUP, version=VERSION, name="CronWorkflow")
    spec: CronWorkflowSpec
