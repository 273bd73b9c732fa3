"""The cluster's network as far as it is made after the cluster: addresses of load balancers."""

from collections.abc import Sequence

import pulumi
from pulumi_kubernetes import batch, core, meta

from components.kubernetes.objects import CustomResource, Metadata
from components.kubernetes.provided import Definitions, Provided
from components.options import child_options
from model.cluster import MachineTier, MachineType
from model.configuration import AddressRange
from model.workloads.custom.cilium import (
    AddressBlock,
    LayerTwoPolicy,
    LayerTwoPolicySpec,
    LoadBalancerPool,
    LoadBalancerPoolSpec,
)
from model.workloads.custom.selectors import LabelRequirement, LabelSelector
from model.workloads.images import Image
from model.workloads.objects import kinds

SHARING_ANNOTATION = "lbipam.cilium.io/sharing-key"
SHARING_NAMESPACES_ANNOTATION = "lbipam.cilium.io/sharing-cross-namespace"
ADDRESSES_ANNOTATION = "lbipam.cilium.io/ips"
CONTROL_PLANE_LABEL = "node-role.kubernetes.io/control-plane"
PROBE_NAMESPACE = "default"
PROBE_SECONDS = 600


class ClusterNetwork(pulumi.ComponentResource):
    """Proof that pods have a network, the colour's pool of addresses, and the nodes that answer for them."""

    ready: pulumi.Resource
    """Pods run once it is there."""
    pool: Provided[AddressRange]

    def __init__(
        self,
        name: str,
        *,
        pool: AddressRange,
        interfaces: Sequence[str],
        probe: Image,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`interfaces` are the nodes' interfaces in the network of the pool, as regular expressions."""
        super().__init__("lab:kubernetes:ClusterNetwork", name, None, opts)
        # Cilium is installed by the cluster itself after its bootstrap. Its agents take no pod before their own kinds
        # are defined, so a pod that ran proves the network and the kinds.
        self.ready = batch.v1.Job(
            "network-probe",
            metadata=meta.v1.ObjectMetaArgs(name="network-probe", namespace=PROBE_NAMESPACE),
            spec=batch.v1.JobSpecArgs(
                backoff_limit=6,
                active_deadline_seconds=PROBE_SECONDS,
                template=core.v1.PodTemplateSpecArgs(
                    spec=core.v1.PodSpecArgs(
                        restart_policy="Never",
                        automount_service_account_token=False,
                        containers=[core.v1.ContainerArgs(name="probe", image=probe, command=["true"])],
                    )
                ),
            ),
            opts=child_options(self, opts),
        )
        definitions = Definitions(kinds=kinds(LoadBalancerPool, LayerTwoPolicy), origin="Cilium", by=self.ready)
        addresses = CustomResource(
            "load-balancer-pool",
            metadata=Metadata(name="external"),
            content=LoadBalancerPool(
                spec=LoadBalancerPoolSpec(blocks=(AddressBlock(start=pool.first, stop=pool.last),))
            ),
            definitions=definitions,
            opts=child_options(self, opts),
        )
        policy = CustomResource(
            "announcements",
            metadata=Metadata(name="external"),
            content=LayerTwoPolicy(
                spec=LayerTwoPolicySpec(node_selector=_announcing_nodes(), interfaces=tuple(interfaces))
            ),
            definitions=definitions,
            opts=child_options(self, opts, pulumi.ResourceOptions(depends_on=[addresses])),
        )
        self.pool = Provided(pool, by=policy)
        self.register_outputs({"pool": str(pool)})


def _announcing_nodes() -> LabelSelector:
    """The plain workers: GPU nodes are leased away, and the control plane has other things to do."""
    return LabelSelector(
        match_labels={"machine_tier": str(MachineTier.STANDARD), "machine_type": str(MachineType.VM)},
        match_expressions=(LabelRequirement(key=CONTROL_PLANE_LABEL, operator="DoesNotExist"),),
    )
