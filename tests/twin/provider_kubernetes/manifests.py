"""Inputs of resources as a program gives them."""

from typing import Any

from twin.kubernetes.api import Object

CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
SECRET = "kubernetes:core/v1:Secret"
NAMESPACE = "kubernetes:core/v1:Namespace"
SERVICE = "kubernetes:core/v1:Service"
CLAIM = "kubernetes:core/v1:PersistentVolumeClaim"
POD = "kubernetes:core/v1:Pod"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
STATEFUL_SET = "kubernetes:apps/v1:StatefulSet"
DAEMON_SET = "kubernetes:apps/v1:DaemonSet"
JOB = "kubernetes:batch/v1:Job"
STORAGE_CLASS = "kubernetes:storage.k8s.io/v1:StorageClass"
WIDGET = "kubernetes:lab.test/v1:Widget"


def of(token: str, metadata: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """An object of the type, with the constants that the SDK sets."""
    _, api_version, kind = token.split(":")
    inputs = {"apiVersion": api_version.removeprefix("core/"), "kind": kind, **fields}
    return inputs if metadata is None else {**inputs, "metadata": metadata}


def pod_spec(**more: Any) -> dict[str, Any]:
    return {"containers": [{"name": "main", "image": "image", **more.pop("container", {})}], **more}


def workload(token: str, metadata: dict[str, Any], pod: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    labels = {"app": str(metadata.get("name", "web"))}
    template = {"metadata": {"labels": labels}, "spec": pod or pod_spec()}
    return of(token, metadata, spec={"selector": {"matchLabels": labels}, "template": template, **spec})


def definition(kind: str, *, scope: str = "Namespaced", group: str = "lab.test") -> Object:
    """A custom resource definition with one typed field and a status."""
    plural = f"{kind.lower()}s"
    schema: Object = {
        "type": "object",
        "properties": {
            "spec": {"type": "object", "properties": {"size": {"type": "integer"}, "colour": {"type": "string"}}},
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }
    version: Object = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [{**version, "subresources": {"status": {}}}],
        },
    }
