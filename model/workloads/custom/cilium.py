"""Cilium: addresses of load balancers, and the nodes that answer for them."""

from ipaddress import IPv4Address

from pydantic import Field

from model.workloads.camel_case import CamelCase
from model.workloads.custom.selectors import LabelSelector
from model.workloads.objects import CustomObject, Kind

GROUP = "cilium.io"


class AddressBlock(CamelCase):
    """Consecutive addresses, both ends included."""

    start: IPv4Address
    stop: IPv4Address


class LoadBalancerPoolSpec(CamelCase):
    """Spec of a CiliumLoadBalancerIPPool."""

    blocks: tuple[AddressBlock, ...] = Field(min_length=1)


class LoadBalancerPool(CustomObject):
    """Addresses that services of type LoadBalancer get."""

    OF = Kind(group=GROUP, version="v2", name="CiliumLoadBalancerIPPool")
    spec: LoadBalancerPoolSpec


class LayerTwoPolicySpec(CamelCase):
    """Spec of a CiliumL2AnnouncementPolicy."""

    node_selector: LabelSelector
    interfaces: tuple[str, ...]
    """Regular expressions of interface names."""
    load_balancer_ips: bool = Field(default=True, serialization_alias="loadBalancerIPs")
    external_ips: bool = Field(default=True, serialization_alias="externalIPs")


class LayerTwoPolicy(CustomObject):
    """Which nodes answer ARP for those addresses."""

    OF = Kind(group=GROUP, version="v2alpha1", name="CiliumL2AnnouncementPolicy")
    spec: LayerTwoPolicySpec
