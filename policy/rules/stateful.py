"""I6: what outlives the clusters cannot be taken along."""

from collections.abc import Mapping

from model.violation import Rule, Violation
from policy.graph import Graph
from policy.surroundings import Surroundings
from policy.told import told

SHARED = "shared"
"""The stack of everything that outlives the clusters."""

STATEFUL: Mapping[str, str] = {
    "cloudflare:index/r2Bucket:R2Bucket": "the offsite copies",
    "gcp:kms/keyRing:KeyRing": "the key of the secrets file",
    "gcp:kms/cryptoKey:CryptoKey": "the key of the secrets file",
    "proxmoxve:ceph/pool:Pool": "the volumes of both colours",
}
"""Types that hold data in whatever stack they are, and what is lost with them."""

REPLACEABLE: Mapping[str, str] = {
    "proxmoxve:storage/pbs:Pbs": "a definition that is replaced for another password; the backups are on the server",
}
"""Types of the shared stack that need no protection and are not left behind, with the reason."""

ONLY_IN_STATE: Mapping[str, str] = {
    "random:index/randomPassword:RandomPassword": "exists in Pulumi's state alone: there is nothing to leave behind",
}
"""Types that are protected, but cannot be left behind."""


def stateful(graph: Graph, lab: Surroundings) -> list[Violation]:  # noqa: ARG001 (every rule is called alike)
    """What holds data or outlives a cluster is protected, and stays in the lab when it leaves the program."""
    found: list[Violation] = []
    for resource in graph.resources:
        in_shared = resource.stack == SHARED and resource.is_managed and resource.token not in REPLACEABLE
        if not in_shared and resource.token not in STATEFUL:
            continue
        holds = STATEFUL.get(resource.token, "what both clusters stand on")
        where = (resource.urn, ())
        if not resource.protect:
            found.append(
                told(
                    Rule.STATEFUL,
                    f"{resource} holds {holds}, but a `destroy` or a replacement would take it: it is not protected",
                    where,
                    "pass protect=True, or list its type with a reason in policy/rules/stateful.py",
                )
            )
        if resource.retain_on_delete is False and resource.token not in ONLY_IN_STATE:
            found.append(
                told(
                    Rule.STATEFUL,
                    f"{resource} holds {holds}, but removing it from the program would delete the real thing",
                    where,
                    "pass retain_on_delete=True, or list its type with a reason in policy/rules/stateful.py",
                )
            )
    return found
