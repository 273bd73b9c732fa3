"""The rules over registered resources: each one pure function that returns every violation it finds.

They run on what tests record of a program, in the engine as a policy pack, and on an exported state; always the same
code. What is not known yet is never held against anybody.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from model.violation import Rule, Violation
from policy.graph import Graph
from policy.rules.backup_writers import backup_writers
from policy.rules.backups import backups
from policy.rules.ingress import ingress
from policy.rules.order import order
from policy.rules.scheduling import scheduling
from policy.rules.secret_references import secret_references
from policy.rules.stateful import stateful
from policy.rules.versions import versions
from policy.surroundings import Surroundings

RuleFunction = Callable[[Graph, Surroundings], list[Violation]]

RULES: Mapping[Rule, RuleFunction] = MappingProxyType(
    {
        Rule.BACKUP_WRITERS: backup_writers,
        Rule.STATEFUL: stateful,
        Rule.BACKUPS: backups,
        Rule.SECRET_REFERENCES: secret_references,
        Rule.ORDER: order,
        Rule.VERSIONS: versions,
        Rule.SCHEDULING: scheduling,
        Rule.INGRESS: ingress,
    }
)

__all__ = ["RULES", "RuleFunction", "check"]


def check(graph: Graph, lab: Surroundings) -> list[Violation]:
    """Every violation of every rule; empty when the graph is sound."""
    return [violation for rule in RULES.values() for violation in rule(graph, lab)]
