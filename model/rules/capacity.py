"""I4: what runs on a host fits into it."""

from collections.abc import Iterable, Iterator

from model.capacity import Claim, HostLoad, guest_claims, host_loads, node_claims
from model.configuration import Configuration, source
from model.exclusive import Colour
from model.lab import Lab
from model.rules.places import Part, place
from model.rules.planning import plannable_nodes
from model.violation import Rule, Source, Violation

_SHARED = "shared"


def capacity(lab: Lab, configuration: Configuration) -> list[Violation]:
    """Each colour alone fits beside the infrastructure guests: memory with the host's reserve, virtual CPUs, disk.

    That both colours fit together is not demanded; `coexistence` answers it.
    """
    guests = guest_claims(lab)
    found = _overloads(lab, guests)
    # What the guests alone overload is told once, not again for each colour.
    told = [violation.where for violation in found]
    for colour in configuration.colours:
        claims = (*node_claims(plannable_nodes(lab, configuration, colour)), *guests)
        found += [violation for violation in _overloads(lab, claims) if violation.where not in told]
    return [*found, *_single_guests(lab, configuration)]


def coexistence(lab: Lab, configuration: Configuration, colours: Iterable[Colour]) -> list[Violation]:
    """What does not fit when all of `colours` and the infrastructure guests run at once; empty when it fits."""
    nodes = [node for colour in colours for node in plannable_nodes(lab, configuration, colour)]
    return _overloads(lab, (*node_claims(nodes), *guest_claims(lab)))


def _overloads(lab: Lab, claims: Iterable[Claim]) -> list[Violation]:
    return [violation for load in host_loads(lab, claims) for violation in _overload(lab, load)]


def _overload(lab: Lab, load: HostLoad) -> Iterator[Violation]:
    if load.memory_short > 0:
        yield _violation(
            load,
            f"host {load.host} lacks {load.memory_short} MiB of memory for {_groups(load)}: it has {load.memory} MiB "
            f"and keeps {load.reserved} MiB for itself; {_holders(load, 'memory', 'MiB') or 'nobody holds any'}",
            place(Part.HOSTS, "memory", item=load.host),
            _memory_fix(lab, load),
        )
    threads_short = load.virtual_cpus_claimed - load.virtual_cpu_limit
    if threads_short > 0:
        unit = "virtual CPU" if threads_short == 1 else "virtual CPUs"
        yield _violation(
            load,
            f"host {load.host} lacks {threads_short} {unit} for {_groups(load)}: its limit is "
            f"{load.virtual_cpu_limit}, {lab.proxmox.virtual_cpus_per_thread} a thread; "
            f"{_holders(load, 'virtual_cpus', 'vCPU')}",
            place(Part.HOSTS, "processor", item=load.host),
            f"give the shapes fewer `virtual_cpus` or move a node or guest to another host than {load.host}",
        )
    disk_short = load.disk_claimed - load.disk
    if disk_short > 0:
        yield _violation(
            load,
            f"host {load.host} lacks {disk_short} GiB of disk for {_groups(load)}: its volume group has {load.disk} "
            f"GiB; {_holders(load, 'disk', 'GiB')}",
            place(Part.HOSTS, "disks", item=load.host),
            f"give the shapes smaller disks or move a node or guest to another host than {load.host}",
        )


def _single_guests(lab: Lab, configuration: Configuration) -> Iterator[Violation]:
    """Guests with more virtual CPUs than their host has threads: Proxmox VE does not start them."""
    threads = {host.name: host.processor.threads for host in lab.hypervisors}
    claims = [*guest_claims(lab)]
    for colour in configuration.colours:
        claims += node_claims(plannable_nodes(lab, configuration, colour))
    for claim in claims:
        if claim.host in threads and claim.virtual_cpus > threads[claim.host]:
            yield Violation(
                rule=Rule.CAPACITY,
                message=f"{claim.holder} has {claim.virtual_cpus} virtual CPUs, more than the {threads[claim.host]} "
                f"threads of host {claim.host}: it would not start",
                where=_source(claim),
                also=(place(Part.HOSTS, "processor", item=claim.host),),
                fix=f"give it {threads[claim.host]} or fewer",
            )


def _groups(load: HostLoad) -> str:
    *others, last = dict.fromkeys(claim.group for claim in load.claims) or ("no guest at all",)
    return f"{', '.join(others)} and {last}" if others else last


def _holders(load: HostLoad, field: str, unit: str) -> str:
    """Who holds how much, by group and guest, the largest first."""
    parts: list[str] = []
    for group in dict.fromkeys(claim.group for claim in load.claims):
        held = sorted(
            ((int(getattr(claim, field)), claim.holder) for claim in load.claims if claim.group == group), reverse=True
        )
        guests = ", ".join(f"{holder} {amount}" for amount, holder in held)
        parts.append(f"{group} holds {sum(amount for amount, _ in held)} {unit} ({guests})")
    return "; ".join(parts)


def _memory_fix(lab: Lab, load: HostLoad) -> str:
    leased = {node.suffix: node.lease for node in lab.cluster.placements if node.lease is not None}
    gains: dict[str, Claim] = {}
    for claim in load.claims:
        lease = next((lease for suffix, lease in leased.items() if claim.holder.endswith(f"-{suffix}")), None)
        if lease is not None:
            gains[lease] = claim
    single = [
        f"`{lease}` frees {claim.memory} MiB ({claim.holder})"
        for lease, claim in gains.items()
        if claim.memory >= load.memory_short
    ]
    together = sum(claim.memory for claim in gains.values())
    give_up = ""
    if single:
        give_up = f"give up a lease: {' or '.join(single)}; or "
    elif gains and together >= load.memory_short:
        give_up = f"give up the leases {' and '.join(f'`{lease}`' for lease in gains)}: they free {together} MiB; or "
    return (
        f"{give_up}move a node or guest off {load.host}, or lower `memory_factor` of {load.host} or the memory of "
        "the shapes"
    )


def _source(claim: Claim) -> Source:
    if claim.group == _SHARED:
        return place(Part.GUESTS, item=claim.holder)
    return place(Part.CLUSTER, "shapes")


def _violation(load: HostLoad, message: str, where: Source, fix: str) -> Violation:
    groups = dict.fromkeys(claim.group for claim in load.claims)
    also = [
        source(group, "leases_wanted") if group != _SHARED else place(Part.GUESTS)
        for group in groups
    ]
    return Violation(rule=Rule.CAPACITY, message=message, where=where, also=tuple(also), fix=fix)
