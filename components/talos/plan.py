"""What a cluster's machine configurations are made from."""

from enum import StrEnum, unique
from ipaddress import IPv4Address, IPv4Interface

from pydantic import Field

from model.base import Value
from model.cluster import ClusterLayout, NodePlan, TalosRelease
from model.network import Network


@unique
class ConfigurationType(StrEnum):
    """What Talos makes of a machine (`machine.type`)."""

    CONTROL_PLANE = "controlplane"
    WORKER = "worker"


def configuration_type(node: NodePlan) -> ConfigurationType:
    """What Talos makes of the node."""
    return ConfigurationType.CONTROL_PLANE if node.is_control_plane else ConfigurationType.WORKER


class ClusterPlan(Value):
    """One colour's cluster, completely planned."""

    name: str = Field(min_length=1)
    """Physical name: of the cluster, and of its context in kubeconfig and talosconfig."""
    virtual_ip: IPv4Address
    """Shared by the control-plane nodes; the address of the Kubernetes API."""
    ingress: IPv4Address
    """Where the cluster's own ingress answers."""
    release: TalosRelease
    layout: ClusterLayout
    network: Network
    """The network of the nodes."""
    nodes: tuple[NodePlan, ...]

    @property
    def control_planes(self) -> tuple[NodePlan, ...]:
        """The nodes with etcd and the API server, in placement order."""
        return tuple(node for node in self.nodes if node.is_control_plane)

    @property
    def workers(self) -> tuple[NodePlan, ...]:
        """Every other node, in placement order."""
        return tuple(node for node in self.nodes if not node.is_control_plane)

    @property
    def endpoint(self) -> str:
        """URL of the Kubernetes API. The virtual IP, never one node's address: it outlives every single node."""
        return f"https://{self.virtual_ip}:{self.layout.api_port}"

    @property
    def gateway(self) -> IPv4Address:
        """The nodes' way out of their subnet."""
        return self.network.switch_gateway or self.network.firewall

    @property
    def nameserver(self) -> IPv4Address:
        """Who resolves names for the nodes."""
        return self.network.dns or self.network.firewall

    def interface_address(self, node: NodePlan) -> IPv4Interface:
        """The node's address with the subnet's prefix length."""
        return IPv4Interface((node.address, self.network.subnet.prefixlen))
