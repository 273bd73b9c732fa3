"""A colour's stack: one whole cluster that can be thrown away and built again. Both colours run this same program."""

from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pulumi_proxmoxve as proxmox
import pulumiverse_talos as talos

from components.kubernetes.layers import ClusterGround, build_layers
from components.proxmox.images import TalosImages
from components.proxmox.machines import ClusterNode, GuestNetwork
from components.talos.cluster import TalosCluster
from components.talos.plan import ClusterPlan
from components.talos.schematics import Schematics, wanted_schematics
from model.cluster import NodePlan
from model.colour import plan_nodes
from model.configuration import Configuration
from model.exclusive import Colour
from model.hardware import MappingName
from model.lab import Lab
from model.lineage import Incarnation, Lineage
from model.workloads.platform import Workloads
from stacks.outputs import MAPPINGS, STORAGES, SharedOutputs, lease_guard
from stacks.secrets import Secrets


def build(lab: Lab, workloads: Workloads, configuration: Configuration, colour: Colour, secrets: Secrets) -> None:
    """Register every resource of the stack and its outputs."""
    settings = configuration.colours[colour]
    nodes = plan_nodes(lab, configuration, colour)
    machines_planned = tuple(node for node in nodes if node.vm_id is not None)
    on_proxmox = pulumi.ResourceOptions(providers=[proxmox.Provider("proxmox")])
    on_talos = pulumi.ResourceOptions(providers=[talos.Provider("talos")])

    shared = SharedOutputs()
    # Whatever the colour takes of `shared` comes through the guard, so nothing is made before the lease table allows.
    allowed = lease_guard(shared, colour, configuration.held_by(colour))
    storages = pulumi.Output.all(shared.get(STORAGES), allowed).apply(lambda both: both[0])
    mappings = pulumi.Output.all(shared.get(MAPPINGS), allowed).apply(lambda both: both[0])

    schematics = Schematics("schematics", schematics=wanted_schematics(nodes), opts=on_talos)
    images = TalosImages(
        "images",
        colour=colour,
        talos_version=settings.talos_version,
        schematic_ids={
            schematic.name: schematics.ids[schematic.name] for schematic in wanted_schematics(machines_planned)
        },
        host=lab.proxmox.image_host,
        storage=storages[lab.proxmox.image_storage],
        opts=on_proxmox,
    )
    attached = GuestNetwork(network=lab.network(lab.cluster.network), mtu=lab.mtu.of("vm"))
    machines = {
        node.logical_name: ClusterNode(
            node.logical_name,
            node=node,
            image=images.file_ids[node.schematic.name],
            cluster=lab.proxmox,
            disk_storage=storages[lab.proxmox.disk_storage],
            attached=attached,
            mappings=_mappings(node, mappings),
            protect=_is_irreplaceable(node, configuration),
            opts=on_proxmox,
        )
        for node in machines_planned
    }
    cluster = TalosCluster(
        "cluster",
        plan=ClusterPlan(
            name=str(colour),
            virtual_ip=settings.address_plan.virtual_ip,
            ingress=settings.address_plan.load_balancer_pool.first,
            release=lab.cluster.release(settings.talos_version),
            layout=lab.cluster,
            network=lab.network(lab.cluster.network),
            nodes=nodes,
        ),
        schematic_ids=schematics.ids,
        machines={name: node.machine for name, node in machines.items()},
        protect_secrets=configuration.shared.active_colour is colour,
        opts=on_talos,
    )

    on_kubernetes = pulumi.ResourceOptions(
        providers=[
            kubernetes.Provider(
                "kubernetes",
                kubeconfig=cluster.kubeconfig,
                context=cluster.context,
                # With it a certificate that was renewed is an update of the provider, and replaces nothing.
                cluster_identifier=str(colour),
                enable_server_side_apply=True,
            )
        ]
    )
    build_layers(
        ClusterGround(
            lab=lab,
            workloads=workloads,
            nodes=nodes,
            settings=settings,
            lineage=Lineage(
                own=Incarnation(colour=colour, number=settings.incarnation), source=settings.begins_with
            ),
            leases=configuration.held_by(colour),
            active=configuration.shared.active_colour is colour,
            entrances=sorted(one.address_plan.load_balancer_pool.first for one in configuration.colours.values()),
            secrets=secrets.init_secrets(),
            secret_value=secrets.value,
            secrets_file=secrets.encrypted(),
        ),
        opts=on_kubernetes,
    )

    pulumi.export("nodes", {node.name: str(node.address) for node in nodes})
    pulumi.export("endpoint", cluster.endpoint)
    pulumi.export("kubeconfig", cluster.kubeconfig)
    pulumi.export("talosconfig", cluster.talosconfig)


def _mappings(node: NodePlan, applied: pulumi.Output[Any]) -> dict[MappingName, pulumi.Output[str]]:
    return {mapping: applied[mapping] for mapping in node.mappings}


def _is_irreplaceable(node: NodePlan, configuration: Configuration) -> bool:
    """Whether the engine must refuse to delete or replace the VM.

    The control plane of the live colour: losing all of it at once is losing the cluster. One node at a time may be
    named `replaceable`.
    """
    live = configuration.shared.active_colour is node.colour
    return live and node.is_control_plane and node.logical_name not in configuration.colours[node.colour].replaceable
