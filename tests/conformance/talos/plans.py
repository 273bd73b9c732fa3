"""Cluster plans of the lab, each colour with everything that can be leased."""

from pathlib import Path

import yaml

from components.talos.plan import ClusterPlan
from inventory import LAB
from model.colour import plan_nodes
from model.configuration import PROJECT, ColourConfiguration, Configuration, SharedConfiguration, stack_file
from model.exclusive import Colour

ROOT = Path(__file__).parents[3]

SCHEMATIC_ID = "0" * 64
"""Any id has this form."""


def colour_configuration(colour: Colour) -> ColourConfiguration:
    """As the stack file has it, with every lease wanted."""
    document = yaml.safe_load((ROOT / stack_file(colour)).read_text())
    keys = {key.removeprefix(f"{PROJECT}:"): value for key, value in document["config"].items()}
    return ColourConfiguration.model_validate({**keys, "leases_wanted": LAB.lease_names})


def configuration(colour: Colour) -> Configuration:
    """Both colours, and every lease with `colour`."""
    return Configuration(
        shared=SharedConfiguration(active_colour=colour, leases=dict.fromkeys(LAB.lease_names, colour)),
        colours={each: colour_configuration(each) for each in Colour},
    )


def cluster_plan(colour: Colour) -> ClusterPlan:
    """The colour's cluster with nodes of every role."""
    chosen = configuration(colour)
    settings = chosen.colours[colour]
    return ClusterPlan(
        name=str(colour),
        virtual_ip=settings.address_plan.virtual_ip,
        ingress=settings.address_plan.load_balancer_pool.first,
        release=LAB.cluster.release(settings.talos_version),
        layout=LAB.cluster,
        network=LAB.network(LAB.cluster.network),
        nodes=plan_nodes(LAB, chosen, colour),
    )
