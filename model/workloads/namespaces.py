"""Namespaces and what their pods may do."""

from enum import StrEnum, unique

from pydantic import model_validator

from model.base import Value
from model.workloads.names import DnsLabel, NamespaceName

POD_SECURITY_LABEL = "pod-security.kubernetes.io/enforce"
POD_SECURITY_WARN_LABEL = "pod-security.kubernetes.io/warn"


@unique
class PodSecurity(StrEnum):
    """Pod Security Standard that the API server enforces in a namespace."""

    RESTRICTED = "restricted"
    """No root, no added capability; what an application of today should run under."""
    BASELINE = "baseline"
    """No host access. Talos' own default."""
    PRIVILEGED = "privileged"
    """Anything, also the host's files and devices; needs a reason."""


class Namespace(Value):
    """A namespace of the cluster."""

    name: DnsLabel
    pod_security: PodSecurity = PodSecurity.BASELINE
    reason: str = ""
    """Why its pods need the host, where they do."""

    @model_validator(mode="after")
    def _privilege_has_a_reason(self) -> "Namespace":
        privileged = self.pod_security is PodSecurity.PRIVILEGED
        if privileged and not self.reason:
            raise ValueError(f"namespace {self.name} is privileged without a reason; say what needs the host")
        if self.reason and not privileged:
            raise ValueError(f"namespace {self.name} gives a reason for a privilege that it does not have; remove it")
        return self

    @property
    def key(self) -> NamespaceName:
        """Its name as others refer to it."""
        return NamespaceName(self.name)

    @property
    def labels(self) -> dict[str, str]:
        """What the API server enforces, and what it warns of."""
        return {POD_SECURITY_LABEL: str(self.pod_security), POD_SECURITY_WARN_LABEL: str(self.pod_security)}
