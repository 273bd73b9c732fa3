"""Between the inputs and outputs of a resource and the object of the API server."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from twin.kubernetes.api import Object
from twin.providers import wire
from twin.providers.kubernetes import annotations

FIELD_MANAGER: Final = "__fieldManager"
INITIAL_API_VERSION: Final = "__initialApiVersion"

READ_ONLY: Final = (
    "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "managedFields",
    "resourceVersion", "uid",
)  # fmt: skip
"""Of `metadata`: what only the API server writes."""
OTHERS_ANNOTATIONS: Final = ("deployment.kubernetes.io/revision", "kubectl.kubernetes.io/last-applied-configuration")
LAST_APPLIED: Final = OTHERS_ANNOTATIONS[1]

DASHED: Final = {
    f"x_kubernetes_{name}": f"x-kubernetes-{name.replace('_', '-')}"
    for name in (
        "embedded_resource", "int_or_string", "list_map_keys", "list_type", "map_type", "preserve_unknown_fields",
        "validations",
    )
}  # fmt: skip
"""Fields of a CustomResourceDefinition's schema, whose names no SDK can spell."""
UNDERSCORED: Final = {dashed: name for name, dashed in DASHED.items()}

CLUSTER_SCOPED: Final = frozenset(
    {
        ("", "ComponentStatus"), ("", "Namespace"), ("", "Node"), ("", "PersistentVolume"),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"), ("apiregistration.k8s.io", "APIService"),
        ("certificates.k8s.io", "CertificateSigningRequest"), ("certificates.k8s.io", "ClusterTrustBundle"),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
        ("internal.apiserver.k8s.io", "StorageVersion"), ("networking.k8s.io", "IPAddress"),
        ("networking.k8s.io", "IngressClass"), ("networking.k8s.io", "ServiceCIDR"), ("node.k8s.io", "RuntimeClass"),
        ("rbac.authorization.k8s.io", "ClusterRole"), ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("resource.k8s.io", "DeviceClass"), ("resource.k8s.io", "DeviceTaintRule"),
        ("resource.k8s.io", "ResourceSlice"), ("scheduling.k8s.io", "PriorityClass"), ("storage.k8s.io", "CSIDriver"),
        ("storage.k8s.io", "CSINode"), ("storage.k8s.io", "StorageClass"), ("storage.k8s.io", "VolumeAttachment"),
        ("storage.k8s.io", "VolumeAttributesClass"), ("storagemigration.k8s.io", "StorageVersionMigration"),
    }
)  # fmt: skip
"""Group and kind of what belongs to no namespace, of the kinds that every API server has."""


@dataclass(frozen=True)
class Identity:
    """Which object a resource is."""

    namespace: str | None
    """None for what belongs to no namespace."""
    name: str

    @property
    def resource_id(self) -> str:
        """The resource's id, as published: `NAMESPACE/NAME`, or `NAME`."""
        return self.name if self.namespace is None else f"{self.namespace}/{self.name}"


def read_id(resource_id: str) -> Identity:
    """The object that a resource id, or an import id, names."""
    namespace, slash, name = resource_id.partition("/")
    return Identity(namespace, name) if slash else Identity(None, resource_id)


def identity_of(body: Object) -> Identity:
    """Which object this is."""
    return Identity(body["metadata"].get("namespace"), body["metadata"]["name"])


def split_api_version(api_version: str) -> tuple[str, str]:
    """Group (empty for the core API) and version."""
    group, _, version = api_version.rpartition("/")
    return ("" if group == "core" else group), version


def sent(inputs: wire.Properties) -> Object:
    """The inputs as the API server takes them, in clear; without unknown values."""
    body: Object = {name: _renamed(value, DASHED) for name, value in wire.reveal_all(inputs).items()}
    metadata = body.get("metadata")
    if isinstance(metadata, dict):
        body["metadata"] = {name: value for name, value in metadata.items() if name not in READ_ONLY}
    return body


def told(live: Object) -> wire.Properties:
    """The object as the provider's outputs are spelt. What says who wrote which field is left out: it is not asked."""
    properties: wire.Properties = dict(live)
    metadata = {name: value for name, value in live["metadata"].items() if name != "managedFields"}
    if is_secret(live):
        # `kubectl apply` writes the whole object there, values and all.
        metadata["annotations"] = {n: v for n, v in metadata.get("annotations", {}).items() if n != LAST_APPLIED}
    properties["metadata"] = metadata
    return properties


def outputs(live: Object, inputs: wire.Properties, field_manager: str) -> wire.Properties:
    """The outputs of a resource: the object, secret where the inputs are, and what the provider remembers."""
    found = told(live)
    concealed: wire.Properties = {name: conceal(value, inputs.get(name)) for name, value in found.items()}
    sealed = sealed_secret(concealed, is_secret(live))
    return {**sealed, INITIAL_API_VERSION: live["apiVersion"], FIELD_MANAGER: field_manager}


def imported(live: Object, names: frozenset[str] | None) -> wire.Properties:
    """The inputs that an object could have been made from; `names` are those that the SDK has, None for any."""
    body: wire.Properties = {
        name: value for name, value in told(live).items() if (name in names if names is not None else name != "status")
    }
    metadata = {name: value for name, value in live["metadata"].items() if name not in READ_ONLY}
    kept = {name: value for name, value in metadata.get("annotations", {}).items() if name not in OTHERS_ANNOTATIONS}
    if "annotations" in metadata:
        metadata["annotations"] = kept
    body["metadata"] = metadata
    renamed: wire.Properties = {name: _renamed(value, UNDERSCORED) for name, value in body.items()}
    return sealed_secret(renamed, is_secret(live))


def underscored(live: Object) -> Object:
    """The object with the names that an SDK can spell, to be compared with inputs."""
    return {name: _renamed(value, UNDERSCORED) for name, value in live.items()}


def is_secret(body: Mapping[str, Any]) -> bool:
    """Whether it is a Secret of the core API."""
    return body.get("apiVersion") == "v1" and body.get("kind") == "Secret"


def sealed_secret(properties: wire.Properties, secret: bool) -> wire.Properties:
    """The properties of a Secret with its values secret."""
    if not secret:
        return properties
    sealed = dict(properties)
    for name in ("data", "stringData"):
        value = properties.get(name)
        if value is not None and not isinstance(value, wire.Secret):
            sealed[name] = wire.Secret(wire.reveal(value))
    return sealed


def encoded(text: str) -> str:
    """As the values of a Secret are kept."""
    return base64.b64encode(text.encode()).decode()


def decoded(text: str) -> str | None:
    """The text of a Secret's value, None when it is none."""
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def conceal(value: wire.Value, example: wire.Value) -> wire.Value:
    """`value`, secret wherever `example` is: a list of which any part is secret becomes secret as a whole."""
    if isinstance(value, dict) and isinstance(example, dict):
        return {name: conceal(item, example.get(name)) for name, item in value.items()}
    return wire.Secret(wire.reveal(value)) if value is not None and has_secret(example) else value


def has_secret(value: wire.Value) -> bool:
    """Whether any part of it is secret."""
    if isinstance(value, wire.Secret):
        return True
    if isinstance(value, list):
        return any(has_secret(item) for item in value)
    if isinstance(value, dict):
        return any(has_secret(item) for item in value.values())
    return False


def secret_texts(value: wire.Value) -> frozenset[str]:
    """Every text of the value that is secret, also as a Secret keeps it."""
    if isinstance(value, wire.Secret):
        texts = _texts(wire.reveal(value.value))
        return texts | {encoded(text) for text in texts}
    items = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    return frozenset(text for item in items for text in secret_texts(item))


def has_asset(value: wire.Value) -> bool:
    """Whether any part of it is a file or an archive."""
    if isinstance(value, wire.Secret):
        return has_asset(value.value)
    if isinstance(value, list):
        return any(has_asset(item) for item in value)
    if isinstance(value, dict):
        return any(has_asset(item) for item in value.values())
    return isinstance(value, wire.Asset)


def without_nulls(value: wire.Value) -> wire.Value:
    """The value without properties that are null, which are the same as absent."""
    if isinstance(value, wire.Secret):
        return wire.Secret(without_nulls(value.value))
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    return value


def named(inputs: wire.Properties, old: wire.Properties, logical_name: str, seed: bytes) -> wire.Properties:
    """The inputs with a name: the given one, else the generated one they had, else a new one that is kept from then.

    A name that is not known yet, or is left to the API server (`generateName`), is not touched.
    """
    metadata = inputs.get("metadata", {})
    if not isinstance(metadata, dict) or metadata.get("name") or metadata.get("generateName"):
        return inputs
    before = wire.reveal_all(old)
    kept = before.get("metadata") if annotations.is_true(before, annotations.AUTONAMED) else None
    name = kept.get("name") if isinstance(kept, dict) else None
    marked = metadata.get("annotations", {})
    with_mark: wire.Properties = {"name": name or f"{logical_name}-{seed.hex()[:8]}"}
    if isinstance(marked, dict):
        with_mark["annotations"] = {**marked, annotations.AUTONAMED: annotations.TRUE}
    return {**inputs, "metadata": {**metadata, **with_mark}}


def _texts(value: wire.Value) -> frozenset[str]:
    if isinstance(value, str):
        return frozenset({value}) if value else frozenset()
    items = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    return frozenset(text for item in items for text in _texts(item))


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    if isinstance(value, dict):
        return {names.get(name, name): _renamed(item, names) for name, item in value.items()}
    return value
