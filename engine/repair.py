"""Puts a state in order that a killed engine left behind, so that the next operation simply goes on.

A creation that had begun may or may not have reached the provider. Where the id that it would have is known, it is put
into the state under that id, and the refresh that follows keeps it when it exists and drops it when it does not. What
has no known id is forgotten, to be created anew.
"""

from collections.abc import Callable, Mapping
from typing import Any

from engine.state import PendingOperation, State

Report = Callable[[str], None]

Lookup = Callable[[list[PendingOperation]], Mapping[str, str]]
"""From creations that were cut off to the ids that the service gave those that exist, by URN."""

CREATING = "creating"

DERIVED_IDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "proxmoxve:index/vmLegacy:VmLegacy": lambda given: str(int(given["vmId"])),
    "proxmoxve:hardware/mapping/pci:Pci": lambda given: str(given["name"]),
    "proxmoxve:ceph/pool:Pool": lambda given: f"{given['nodeName']}/{given['name']}",
    "proxmoxve:download/file:File": lambda given: f"{given['datastoreId']}:{given['contentType']}/{given['fileName']}",
    "proxmoxve:storage/lvm:Lvm": lambda given: str(given["resourceId"]),
    "proxmoxve:storage/pbs:Pbs": lambda given: str(given["resourceId"]),
    "proxmoxve:backup/job:Job": lambda given: str(given["resourceId"]),
    "cloudflare:index/r2Bucket:R2Bucket": lambda given: str(given["name"]),
    "gcp:kms/keyRing:KeyRing": lambda given: f"projects/{given['project']}/locations/{given['location']}"
    f"/keyRings/{given['name']}",
    "gcp:kms/cryptoKey:CryptoKey": lambda given: f"{given['keyRing']}/cryptoKeys/{given['name']}",
    "gcp:serviceaccount/account:Account": lambda given: f"projects/{given['project']}/serviceAccounts/"
    f"{given['accountId']}@{given['project']}.iam.gserviceaccount.com",
}
"""Ids that follow from the inputs alone, in the form that the provider gives its resources."""


KUBERNETES = "kubernetes:"
"""Begins the type of every object on a cluster."""


def derived_id(entry: PendingOperation) -> str | None:
    """The id that a creation has if it arrived; None when the service assigns it."""
    if entry.type.startswith(KUBERNETES):
        return _object_id(entry.inputs)
    derive = DERIVED_IDS.get(entry.type)
    return None if derive is None else derive(entry.inputs)


def _object_id(given: Mapping[str, Any]) -> str | None:
    """`NAMESPACE/NAME`, or the name alone where the kind belongs to the whole cluster."""
    # A Helm release has them at the top, every other object in its metadata.
    place = given.get("metadata", given)
    if not isinstance(place, Mapping) or not isinstance(place.get("name"), str):
        return None
    return "/".join(part for part in (place.get("namespace"), place["name"]) if part)


def repair(state: State, stack: str, lookup: Lookup, report: Report) -> list[PendingOperation]:
    """Resolve every unfinished step of the stack; returns them. EngineError when the engine refuses.

    `lookup` answers for creations whose id the service assigned, and is believed before what can be derived.
    """
    pending = state.pending(stack)
    if not pending:
        return []
    names = ", ".join(f"{entry.kind} {entry.urn.rsplit('::', 1)[-1]}" for entry in pending)
    report(f"The last run on {stack} was cut off in: {names}. Finding out what was done.")
    created = [entry for entry in pending if entry.kind == CREATING]
    found = {entry.urn: identity for entry in created if (identity := derived_id(entry)) is not None}
    found.update(lookup(created))
    state.settle(stack, found)
    state.refresh(stack)
    return pending
