"""What kwok is told to do for the kubelets of the machines that are up: nodes become ready, pods start, run and end."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

POWER_LABEL: Final = "twin.lab/power"
"""Of the nodes whose machines are up. A label, because kwok lets go of a node only when the API server says so."""
POWER_ON: Final = "on"
LEASE_SECONDS: Final = 8
"""A node's lease is renewed four times as often, so that a dead machine is noticed within ten seconds."""

MOUNTED: Final = "PodReadyToStartContainers"
"""Condition of a pod whose volumes, Secrets and ConfigMaps are there: what its containers wait for."""

_API = "kwok.x-k8s.io/v1alpha1"

Expression = Mapping[str, Any]

_ALIVE: Expression = {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"}

_NODE_CONDITIONS = (
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)

_POD_STARTED = """
{{ $now := Now }}
phase: Running
hostIP: {{ NodeIPWith .spec.nodeName | Quote }}
{{ $onHost := or .spec.hostNetwork false }}
podIP: {{ PodIPWith .spec.nodeName $onHost .metadata.uid .metadata.name .metadata.namespace | Quote }}
startTime: {{ $now | Quote }}
conditions:
{{ range $type := (list "Initialized" "ContainersReady" "Ready") }}
- {type: {{ $type }}, status: "True", lastTransitionTime: {{ $now | Quote }}}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: true
  started: true
  restartCount: 0
  state: {running: {startedAt: {{ $now | Quote }}}}
{{ end }}
initContainerStatuses:
{{ range .spec.initContainers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: true
  restartCount: 0
  {{ if eq .restartPolicy "Always" }}
  started: true
  state: {running: {startedAt: {{ $now | Quote }}}}
  {{ else }}
  started: false
  state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}}
  {{ end }}
{{ end }}
"""

_POD_COMPLETED = """
{{ $now := Now }}
phase: Succeeded
conditions:
{{ range $type := (list "ContainersReady" "Ready") }}
- {type: {{ $type }}, status: "False", reason: PodCompleted, lastTransitionTime: {{ $now | Quote }}}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: false
  started: false
  restartCount: 0
  state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}}
{{ end }}
"""


def kwok_configuration() -> str:
    """The stages, as the file that `kwok --config` reads: JSON documents, which are YAML."""
    return "\n---\n".join(json.dumps(stage, indent=1) for stage in _stages())


def _stages() -> Sequence[Mapping[str, Any]]:
    return (
        _stage("node-ready", "Node", (_condition("Ready", "NotIn"),), {"statusTemplate": _node_ready()}),
        _stage(
            "pod-started",
            "Pod",
            (_ALIVE, _condition(MOUNTED, "In"), {"key": ".status.podIP", "operator": "DoesNotExist"}),
            {"statusTemplate": _POD_STARTED},
        ),
        _stage(
            "pod-completed",
            "Pod",
            (
                _ALIVE,
                {"key": ".status.phase", "operator": "In", "values": ["Running"]},
                {"key": ".metadata.ownerReferences.[].kind", "operator": "In", "values": ["Job"]},
            ),
            {"statusTemplate": _POD_COMPLETED},
        ),
        _stage("pod-ended", "Pod", ({**_ALIVE, "operator": "Exists"},), {"delete": True}),
    )


def _stage(name: str, kind: str, when: Sequence[Expression], then: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "apiVersion": _API,
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": list(when)},
            "next": then,
        },
    }


def _condition(name: str, operator: str) -> Expression:
    key = f'.status.conditions.[] | select( .type == "{name}" ) | .status'
    return {"key": key, "operator": operator, "values": ["True"]}


def _node_ready() -> str:
    conditions = "\n".join(
        f'- {{type: {name}, status: "{status}", reason: {reason}, message: "{message}", '
        "lastHeartbeatTime: {{ $now | Quote }}, lastTransitionTime: {{ $now | Quote }}}"
        for name, status, reason, message in _NODE_CONDITIONS
    )
    return f"{{{{ $now := Now }}}}\nconditions:\n{conditions}\n"
