"""What the engine reports while it works, typed as far as it is used."""

import json
from enum import StrEnum, unique
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


@unique
class Step(StrEnum):
    """What the engine does with a resource."""

    SAME = "same"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    REPLACE = "replace"
    CREATE_REPLACEMENT = "create-replacement"
    DELETE_REPLACED = "delete-replaced"
    READ = "read"
    READ_REPLACEMENT = "read-replacement"
    REFRESH = "refresh"
    DISCARD = "discard"
    DISCARD_REPLACED = "discard-replaced"
    REMOVE_PENDING_REPLACE = "remove-pending-replace"
    IMPORT = "import"
    IMPORT_REPLACEMENT = "import-replacement"


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class ResourceStep(_Event):
    """A resource before or after its step."""

    op: Step
    urn: str
    type: str
    detailed_diff: dict[str, Any] | None = Field(default=None, alias="detailedDiff")
    diffs: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """Logical name of the resource."""
        return self.urn.rsplit("::", 1)[-1]

    @property
    def changed(self) -> tuple[str, ...]:
        """Property paths that differ, without their values."""
        return tuple(sorted(self.detailed_diff or self.diffs or ()))


class Diagnostic(_Event):
    """A message of the program, a provider or the engine."""

    message: str
    severity: str
    urn: str = ""
    ephemeral: bool = False


@unique
class Enforcement(StrEnum):
    """What a rule's violation means for the operation."""

    WARNING = "warning"
    MANDATORY = "mandatory"
    REMEDIATE = "remediate"
    NONE = "none"


class PolicyViolation(_Event):
    """A rule of an attached policy pack is broken."""

    message: str
    enforcement: Enforcement = Field(alias="enforcementLevel")
    policy: str = Field(default="", alias="policyName")
    urn: str = Field(default="", alias="resourceUrn")

    @property
    def is_refusal(self) -> bool:
        """Whether the operation fails for it."""
        return self.enforcement is Enforcement.MANDATORY


class Summary(_Event):
    """The last word of an operation."""

    changes: dict[str, int] = Field(default_factory=dict, alias="resourceChanges")
    seconds: float = Field(default=0.0, alias="durationSeconds")


class Started(_Event):
    """A step has begun."""

    metadata: ResourceStep
    planning: bool = False
    """Whether it is only the preview's."""


class Finished(_Event):
    """A step has ended well."""

    metadata: ResourceStep
    planning: bool = False
    """Whether it is only the preview's."""


class Failed(_Event):
    """A step has failed; the reason comes as a diagnostic."""

    metadata: ResourceStep


Event = Started | Finished | Failed | Diagnostic | PolicyViolation | Summary

_Kind = (
    type[Started] | type[Finished] | type[Failed] | type[Diagnostic] | type[PolicyViolation] | type[Summary]
)
_KINDS: tuple[tuple[str, _Kind], ...] = (
    ("resourcePreEvent", Started),
    ("resOutputsEvent", Finished),
    ("resOpFailedEvent", Failed),
    ("diagnosticEvent", Diagnostic),
    ("policyEvent", PolicyViolation),
    ("summaryEvent", Summary),
)


def parse(line: str) -> Event | None:
    """The event of one line of the engine's event log; None for kinds that nobody asks for."""
    document = json.loads(line)
    for key, kind in _KINDS:
        if key in document:
            return kind.model_validate(document[key])
    return None
