"""The rules a lab and its configuration must keep: each one pure function that returns every violation it finds.

They run when the configuration is read, over intermediate states of a plan, and as policy; always the same code.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from model.configuration import Configuration
from model.lab import Lab
from model.rules.addresses import addresses
from model.rules.cables import cables
from model.rules.capacity import capacity, coexistence
from model.rules.incarnations import incarnations
from model.rules.layers import layers
from model.rules.leases import leases
from model.rules.mtu import mtu
from model.rules.names import names
from model.rules.passthrough import passthrough
from model.rules.recovery_points import recovery_points
from model.rules.restore_closure import restore_closure
from model.rules.scheduling import scheduling
from model.rules.stateful import stateful
from model.rules.versions import versions
from model.violation import Rule, Violation

RuleFunction = Callable[[Lab, Configuration], list[Violation]]

RULES: Mapping[Rule, RuleFunction] = MappingProxyType(
    {
        Rule.NAMES: names,
        Rule.LAYERS: layers,
        Rule.INCARNATIONS: incarnations,
        Rule.PASSTHROUGH: passthrough,
        Rule.LEASES: leases,
        Rule.ADDRESSES: addresses,
        Rule.CAPACITY: capacity,
        Rule.STATEFUL: stateful,
        Rule.RESTORE_CLOSURE: restore_closure,
        Rule.VERSIONS: versions,
        Rule.SCHEDULING: scheduling,
        Rule.RECOVERY_POINTS: recovery_points,
        Rule.MTU: mtu,
        Rule.CABLES: cables,
    }
)
"""Every rule but `S1`, which is about text that is not yet a configuration."""

__all__ = ["RULES", "RuleFunction", "check", "coexistence"]


def check(lab: Lab, configuration: Configuration) -> list[Violation]:
    """Every violation of every rule; empty when the lab can work."""
    return [violation for rule in RULES.values() for violation in rule(lab, configuration)]
