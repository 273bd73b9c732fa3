"""The parts of a control-plane machine's configuration that make its Kubernetes what it is."""

import base64
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Any
from urllib.parse import urlsplit

import yaml

from model.base import Value

_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""A configuration takes 5 ms with the loader in C and 60 without."""


class KeyPair(Value):
    """A certificate authority, PEM."""

    certificate: bytes
    key: bytes


class Component(Value):
    """One program of the control plane, as configured."""

    image: str
    extra_arguments: Mapping[str, str]


class ClusterSettings(Value):
    """A cluster's control plane, as Talos would run it. Holds every key of the cluster."""

    name: str
    endpoint: str
    """URL of the Kubernetes API."""
    certificate_sans: tuple[str, ...]
    """Further names and addresses of the API server."""
    authority: KeyPair
    """Signs clients and servers of Kubernetes."""
    aggregator_authority: KeyPair
    """Signs the API server as a client of aggregated API servers."""
    service_account_key: bytes
    """PEM of the private key that signs service account tokens."""
    secretbox_secret: str
    """Key of the encryption at rest, base64 of 32 bytes; empty when there is none."""
    dns_domain: str
    pod_subnets: tuple[IPv4Network, ...]
    service_subnets: tuple[IPv4Network, ...]
    admission: tuple[Mapping[str, Any], ...]
    """Plugins with their configurations, as the API server's `AdmissionConfiguration` has them."""
    api_server: Component
    controller_manager: Component
    scheduler: Component
    manifests: tuple[dict[str, Any], ...]
    """Objects that Talos makes in the cluster, in order."""

    @property
    def endpoint_host(self) -> str:
        """Name or address in the endpoint."""
        return urlsplit(self.endpoint).hostname or ""

    @property
    def endpoint_port(self) -> int:
        """Port of the endpoint, and of the API server on each control-plane machine."""
        return urlsplit(self.endpoint).port or 443

    @property
    def service_address(self) -> IPv4Address:
        """Of the service `kubernetes`: the first of the services' subnet."""
        return self.service_subnets[0].network_address + 1


def read_settings(configuration: str) -> ClusterSettings:
    """From the configuration of a control-plane machine, which Talos' library found valid."""
    documents: Sequence[Mapping[str, Any]] = list(yaml.load_all(configuration, _Loader))
    cluster: Mapping[str, Any] = next(document for document in documents if "kind" not in document)["cluster"]
    network: Mapping[str, Any] = cluster.get("network") or {}
    api_server: Mapping[str, Any] = cluster.get("apiServer") or {}
    return ClusterSettings(
        name=cluster.get("clusterName") or "",
        endpoint=cluster["controlPlane"]["endpoint"],
        certificate_sans=tuple(api_server.get("certSANs") or ()),
        authority=_key_pair(cluster["ca"]),
        aggregator_authority=_key_pair(cluster["aggregatorCA"]),
        service_account_key=base64.b64decode(cluster["serviceAccount"]["key"]),
        secretbox_secret=cluster.get("secretboxEncryptionSecret") or "",
        dns_domain=network.get("dnsDomain") or "cluster.local",
        pod_subnets=_subnets(network.get("podSubnets") or ("10.244.0.0/16",)),
        service_subnets=_subnets(network.get("serviceSubnets") or ("10.96.0.0/12",)),
        admission=tuple(api_server.get("admissionControl") or ()),
        api_server=_component(api_server),
        controller_manager=_component(cluster.get("controllerManager") or {}),
        scheduler=_component(cluster.get("scheduler") or {}),
        manifests=tuple(_manifests(cluster.get("inlineManifests") or ())),
    )


def _key_pair(found: Mapping[str, str]) -> KeyPair:
    return KeyPair(certificate=base64.b64decode(found["crt"]), key=base64.b64decode(found["key"]))


def _component(found: Mapping[str, Any]) -> Component:
    return Component(image=found.get("image") or "", extra_arguments=found.get("extraArgs") or {})


def _subnets(found: Sequence[str]) -> tuple[IPv4Network, ...]:
    return tuple(IPv4Network(subnet) for subnet in found)


def _manifests(found: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    return [
        document
        for manifest in found
        for document in yaml.load_all(manifest["contents"], _Loader)
        if document
    ]
