"""Node Feature Discovery: labels of nodes by the rules, where its worker can run."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from twin.kubernetes.api import Object
from twin.operators.cluster import NODE, Kind, NotReadyError, Operator
from twin.operators.controller import Controller
from twin.operators.hardware import NodeDevices

NODE_FEATURES: Final = Operator("node-feature-discovery")

RULE: Final = Kind("nfd.k8s-sigs.io/v1alpha1", "NodeFeatureRule")
DAEMON_SET: Final = Kind("apps/v1", "DaemonSet")
WORKER_LABELS: Final[Mapping[str, str]] = {"app.kubernetes.io/name": "node-feature-discovery", "role": "worker"}
OWN_LABELS: Final = "nfd.node.kubernetes.io/feature-labels"
"""Annotation with the names of the labels that are the operator's, without the usual prefix."""
PREFIX: Final = "feature.node.kubernetes.io/"

FEATURES: Final = ("pci.device", "kernel.loadedmodule", "kernel.enabledmodule")
"""What the twin knows of a node; a rule with another feature holds nowhere."""


class NodeLabels(Controller):
    """Labels each node."""

    operator = NODE_FEATURES
    kind = NODE
    wakes_on = (RULE, DAEMON_SET)

    async def reconcile(self, found: Object) -> None:
        """The labels of the rules that hold; those that do not hold any more go."""
        rules = [rule for rule in await self.cluster.all(RULE) if "deletionTimestamp" not in rule["metadata"]]
        wanted: dict[str, str] = {}
        if await self._worker_runs(found):
            devices = self.cluster.around.devices(found)
            wanted = _builtin(devices) | labels_of(rules, devices)
        annotations: Mapping[str, str] = found["metadata"].get("annotations") or {}
        present: Mapping[str, str] = found["metadata"].get("labels") or {}
        own = [name for name in annotations.get(OWN_LABELS, "").split(",") if name]
        labels: dict[str, str | None] = {name: None for name in own if name in present and name not in wanted}
        note = ",".join(sorted(wanted)) or None
        if not own and note is None:
            return
        await self.cluster.merge(
            found, {"metadata": {"labels": {**labels, **wanted}, "annotations": {OWN_LABELS: note}}}
        )

    async def _worker_runs(self, node: Object) -> bool:
        for found in await self.cluster.all(DAEMON_SET):
            labels = found["spec"]["template"]["metadata"].get("labels") or {}
            if WORKER_LABELS.items() <= labels.items() and "deletionTimestamp" not in found["metadata"]:
                return tolerates(node, found["spec"]["template"]["spec"].get("tolerations") or ())
        return False


class Rules(Controller):
    """Says when a rule asks for what the twin does not know."""

    operator = NODE_FEATURES
    kind = RULE

    async def reconcile(self, found: Object) -> None:
        """An event for each unknown feature."""
        used = {term["feature"] for rule in found["spec"]["rules"] for terms in _alternatives(rule) for term in terms}
        unknown = sorted(used - set(FEATURES))
        if unknown:
            raise NotReadyError("UnknownFeature", f"the twin's nodes have no feature {', '.join(unknown)}")


def labels_of(rules: Iterable[Object], devices: NodeDevices) -> dict[str, str]:
    """Labels of all rules that hold on the devices."""
    labels: dict[str, str] = {}
    for item in rules:
        for rule in item["spec"]["rules"]:
            if any(all(_holds(term, devices) for term in terms) for terms in _alternatives(rule)):
                labels |= rule.get("labels") or {}
    return {name if "/" in name else f"{PREFIX}{name}": value for name, value in labels.items()}


def tolerates(node: Object, tolerations: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a DaemonSet's pod with the tolerations can be on the node."""
    return all(
        any(_tolerates(toleration, taint) for toleration in tolerations)
        for taint in (node.get("spec") or {}).get("taints") or ()
        if taint["effect"] in ("NoSchedule", "NoExecute") and not taint["key"].startswith("node.kubernetes.io/")
    )


def _tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint["key"])
    return toleration.get("key") == taint["key"] and toleration.get("value", "") == taint.get("value", "")


def _builtin(devices: NodeDevices) -> dict[str, str]:
    return {
        f"{PREFIX}pci-{function.pci_class}_{function.vendor}.present": "true"
        for function in devices.pci_functions
        if function.pci_class.startswith("03")
    }


def _alternatives(rule: Mapping[str, Any]) -> list[list[Mapping[str, Any]]]:
    common: list[Mapping[str, Any]] = list(rule.get("matchFeatures") or ())
    either: list[Mapping[str, Any]] = list(rule.get("matchAny") or ())
    return [[*common, *one["matchFeatures"]] for one in either] if either else [common]


def _holds(term: Mapping[str, Any], devices: NodeDevices) -> bool:
    expressions: Mapping[str, Mapping[str, Any]] = term.get("matchExpressions") or {}
    match term["feature"]:
        case "pci.device":
            return any(
                all(
                    _matches(expression, getattr(function, "pci_class" if key == "class" else key, None))
                    for key, expression in expressions.items()
                )
                for function in devices.pci_functions
            )
        case "kernel.loadedmodule" | "kernel.enabledmodule":
            return all(
                _matches(expression, "" if key in devices.modules else None) for key, expression in expressions.items()
            )
        case _:
            return False


def _matches(expression: Mapping[str, Any], value: str | None) -> bool:
    values = [str(one).lower() for one in expression.get("value") or ()]
    match expression["op"]:
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "In":
            return value is not None and value.lower() in values
        case "NotIn":
            return value is not None and value.lower() not in values
        case _:
            return False
