"""Which changes make the published provider replace an object instead of changing it in place.

Its table is its own, not the API server's: what is immutable there and missing here is refused at preview.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from twin.providers.differences import ChangeKind
from twin.providers.kubernetes import objects
from twin.providers.kubernetes.comparison import Differing
from twin.providers.kubernetes.paths import ELEMENTS, Path, covers

IDENTITY: Final[tuple[Path, ...]] = (("metadata", "name"), ("metadata", "namespace"))


def _spec(*names: str) -> tuple[Path, ...]:
    return tuple(("spec", *name.split(".")) for name in names)


def _containers(*names: str) -> tuple[Path, ...]:
    lists = ("containers", "initContainers")
    return tuple(("spec", containers, ELEMENTS, name) for containers in lists for name in names)


SELECTOR: Final = _spec("selector")

FIELDS: Final[Mapping[tuple[str, str], tuple[Path, ...]]] = {
    ("apps", "DaemonSet"): SELECTOR,
    ("apps", "Deployment"): SELECTOR,
    ("apps", "StatefulSet"): (
        *SELECTOR,
        *_spec("podManagementPolicy", "revisionHistoryLimit", "serviceName", "volumeClaimTemplates"),
    ),
    ("batch", "Job"): (*SELECTOR, *_spec("completions", "parallelism", "template")),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): (("roleRef",),),
    ("rbac.authorization.k8s.io", "RoleBinding"): (("roleRef",),),
    ("storage.k8s.io", "StorageClass"): (("parameters",), ("provisioner",)),
    ("", "PersistentVolume"): _spec(
        "awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "csi", "fc", "flexVolume", "flocker",
        "gcePersistentDisk", "glusterfs", "hostPath", "iscsi", "local", "nfs", "photonPersistentDisk",
        "portworxVolume", "quobyte", "rbd", "scaleIO", "storageos", "vsphereVolume",
    ),
    ("", "PersistentVolumeClaim"): _spec("accessModes", "selector", "storageClassName", "volumeName"),
    ("", "Pod"): (
        *_spec(
            "affinity", "automountServiceAccountToken", "dnsConfig", "dnsPolicy", "enableServiceLinks", "hostAliases",
            "hostIPC", "hostNetwork", "hostPID", "hostname", "imagePullSecrets", "nodeName", "nodeSelector",
            "overhead", "preemptionPolicy", "priority", "priorityClassName", "readinessGates", "restartPolicy",
            "runtimeClassName", "schedulerName", "securityContext", "serviceAccount", "serviceAccountName",
            "shareProcessNamespace", "subdomain", "terminationGracePeriodSeconds", "volumes",
        ),
        *_containers(
            "args", "command", "env", "image", "imagePullPolicy", "lifecycle", "livenessProbe", "ports",
            "readinessProbe", "resources", "securityContext", "stdin", "stdinOnce", "terminationMessagePath",
            "terminationMessagePolicy", "tty", "volumeDevices", "volumeMounts", "workingDir",
        ),
    ),
    ("", "ResourceQuota"): _spec("scopes"),
    ("", "Service"): _spec("clusterIP"),
}  # fmt: skip
"""By group and kind."""

SECRET_TYPE: Final[tuple[Path, ...]] = (("type",),)
SECRET_VALUES: Final[tuple[Path, ...]] = (("data",), ("stringData",))
CONFIG_MAP_VALUES: Final[tuple[Path, ...]] = (("binaryData",), ("data",))


def replacing(
    found: Iterable[Differing], body: Mapping[str, Any], *, mutable_secrets: bool, mutable_config_maps: bool
) -> tuple[Differing, ...]:
    """Those of the differences that replace the object; `body` is what it shall be, in clear."""
    fields = _fields(body, mutable_secrets, mutable_config_maps)
    return tuple(one for one in found if any(_touches(pattern, one) for pattern in fields))


def _fields(body: Mapping[str, Any], mutable_secrets: bool, mutable_config_maps: bool) -> tuple[Path, ...]:
    group, version = objects.split_api_version(str(body.get("apiVersion", "")))
    kind = str(body.get("kind", ""))
    fixed = body.get("immutable") is True
    if (group, version, kind) == ("", "v1", "Secret"):
        return (*IDENTITY, *SECRET_TYPE, *(() if mutable_secrets and not fixed else SECRET_VALUES))
    if (group, version, kind) == ("", "v1", "ConfigMap"):
        return (*IDENTITY, *(() if mutable_config_maps and not fixed else CONFIG_MAP_VALUES))
    return (*IDENTITY, *FIELDS.get((group, kind), ()))


def _touches(pattern: Path, one: Differing) -> bool:
    """Whether the difference is in the field, or brings it as a part of something that was not there."""
    if covers(pattern, one.path):
        return True
    above = covers(pattern[: len(one.path)], one.path)
    return above and one.kind is not ChangeKind.DELETE and _has(one.value, pattern[len(one.path) :])


def _has(value: Any, rest: Path) -> bool:
    if not rest:
        return True
    if rest[0] == ELEMENTS:
        return isinstance(value, list) and any(_has(item, rest[1:]) for item in value)
    return isinstance(value, dict) and rest[0] in value and _has(value[rest[0]], rest[1:])
