"""I2: what exists once belongs to one colour, and who uses it is who holds it."""

from collections import Counter
from collections.abc import Iterator

from model.configuration import BackupRole, ColourConfiguration, Configuration, source
from model.exclusive import Colour, ExclusiveRole, LeaseName
from model.lab import Lab
from model.rules.near_miss import near_miss
from model.rules.places import Part, place
from model.violation import Rule, Source, Violation

_SHARED = "shared"
_OF_THE_ACTIVE_COLOUR = (ExclusiveRole.PUBLIC_DNS, ExclusiveRole.TUNNEL_CONNECTOR)


def leases(lab: Lab, configuration: Configuration) -> list[Violation]:
    """The lease table and what the colours want agree, and with the active colour and the backup roles.

    A colour that holds what it does not want is no violation: nothing uses it.
    """
    duties = [*_active(configuration), *_backup_roles(configuration)]
    # A duty in the wrong hands is told once, not again as a wanted lease that is not held.
    told = [where for violation in duties for where in (violation.where, *violation.also)]
    return [
        *_names(lab, configuration),
        *duties,
        *_wanted(lab, configuration, told),
        *_layout(lab),
    ]


def _names(lab: Lab, configuration: Configuration) -> Iterator[Violation]:
    known = lab.lease_names
    for lease in configuration.shared.leases:
        if lease not in known:
            yield _violation(
                f"nothing in the lab can be leased as `{lease}`", _held(lease), near_miss(lease, known)
            )
    for colour, settings in configuration.colours.items():
        for lease, times in Counter(settings.leases_wanted).items():
            if lease not in known:
                yield _violation(
                    f"{colour} wants `{lease}`, and nothing in the lab can be leased by that name",
                    _want(colour, lease),
                    near_miss(lease, known),
                )
            if times > 1:
                yield _violation(f"{colour} wants `{lease}` {times} times", _want(colour, lease), "name it once")


def _wanted(lab: Lab, configuration: Configuration, told: list[Source]) -> Iterator[Violation]:
    known = set(lab.lease_names)
    wanted_by: dict[LeaseName, list[Colour]] = {}
    for colour, settings in configuration.colours.items():
        for lease in dict.fromkeys(settings.leases_wanted):
            if lease in known:
                wanted_by.setdefault(lease, []).append(colour)
    for lease, colours in wanted_by.items():
        holder = configuration.holder(lease)
        if len(colours) > 1:
            # The holder keeps it: the other one is who must let go.
            first, *others = sorted(colours, key=lambda colour: (colour is not holder, colour))
            yield _violation(
                f"`{lease}` exists once, but {' and '.join((first, *others))} both want it",
                _want(others[0], lease),
                f"remove it from `leases_wanted` of {others[0]}, or of {first}",
                _want(first, lease),
                _held(lease),
            )
        elif holder is not colours[0] and _want(colours[0], lease) not in told:
            yield _violation(
                f"{colours[0]} wants `{lease}`, which {_who(holder)} holds",
                _want(colours[0], lease),
                f"give it to {colours[0]} in the lease table, or remove it from `leases_wanted`",
                _held(lease),
            )


def _active(configuration: Configuration) -> Iterator[Violation]:
    active = configuration.shared.active_colour
    where = source(_SHARED, "active_colour")
    for role in _OF_THE_ACTIVE_COLOUR:
        lease = LeaseName(role)
        holder = configuration.holder(lease)
        if active is None:
            if holder is not None:
                yield _violation(
                    f"no colour is active, but {holder} holds `{lease}`",
                    where,
                    f"remove `{lease}` from the lease table, or set `active_colour: {holder}`",
                    _held(lease),
                )
            continue
        if holder is not active:
            yield _violation(
                f"{active} is the active colour, but {_who(holder)} holds `{lease}`",
                where,
                f"give `{lease}` to {active}" + ("" if holder is None else f", or set `active_colour: {holder}`"),
                _held(lease),
                _want(active, lease),
            )
        elif _lacks(configuration, active, lease):
            yield _violation(
                f"{active} is the active colour and holds `{lease}`, but does not want it, so nobody serves it",
                source(active, "leases_wanted"),
                f"add `{lease}` to `leases_wanted` of {active}",
                where,
            )


def _backup_roles(configuration: Configuration) -> Iterator[Violation]:
    lease = LeaseName(ExclusiveRole.BACKUP_WRITER)
    holder = configuration.holder(lease)
    for colour, settings in configuration.colours.items():
        where = source(colour, "backup_role")
        writes = settings.backup_role is BackupRole.WRITER
        if writes and holder is not colour:
            yield _violation(
                f"{colour} is to write backups, but {_who(holder)} holds `{lease}`",
                where,
                f"set `backup_role` of {colour} to {BackupRole.RESTORER} or {BackupRole.IDLE}, or give it the lease",
                _held(lease),
                _want(colour, lease),
            )
        elif writes and lease not in settings.leases_wanted:
            yield _violation(
                f"{colour} is to write backups and holds `{lease}`, but does not want it",
                source(colour, "leases_wanted"),
                f"add `{lease}` to `leases_wanted` of {colour}",
                where,
            )
        elif not writes and _uses(settings, lease) and holder is colour:
            yield _violation(
                f"{colour} holds and wants `{lease}`, but its backup role is {settings.backup_role}: nobody writes",
                where,
                f"set `backup_role: {BackupRole.WRITER}`, or remove the lease from `leases_wanted`",
                _want(colour, lease),
            )


def _layout(lab: Lab) -> Iterator[Violation]:
    metal: dict[str, str] = {}
    for node in lab.cluster.placements:
        where = place(Part.CLUSTER, f"placements[{node.suffix}]")
        if node.lease is None and (node.accelerator is not None or node.role.is_metal):
            thing = node.accelerator or node.host
            yield _violation(
                f"node {node.suffix} uses {thing}, which exists once, without a lease: both colours would take it",
                where,
                f'give the placement `lease=LeaseName("{thing}")`',
            )
        if node.lease is not None and node.lease in tuple(ExclusiveRole):
            yield _violation(
                f"node {node.suffix} is leased as `{node.lease}`, which is the name of a duty",
                where,
                f"name the lease after what it is: `{node.accelerator or node.host}`",
            )
        if node.role.is_metal:
            if node.host in metal:
                yield _violation(
                    f"the machine {node.host} is the node {metal[node.host]} and the node {node.suffix}",
                    where,
                    "a bare machine is one node: remove one of the placements",
                    place(Part.CLUSTER, f"placements[{metal[node.host]}]"),
                )
            metal.setdefault(node.host, node.suffix)


def _uses(settings: ColourConfiguration, lease: LeaseName) -> bool:
    return lease in settings.leases_wanted


def _lacks(configuration: Configuration, colour: Colour, lease: LeaseName) -> bool:
    settings = configuration.colours.get(colour)
    return settings is not None and not _uses(settings, lease)


def _who(holder: Colour | None) -> str:
    return "nobody" if holder is None else str(holder)


def _held(lease: LeaseName) -> Source:
    return source(_SHARED, "leases", lease)


def _want(colour: Colour, lease: LeaseName) -> Source:
    return source(colour, f"leases_wanted[{lease}]")


def _violation(message: str, where: Source, fix: str, *also: Source) -> Violation:
    return Violation(rule=Rule.LEASES, message=message, where=where, also=also, fix=fix)
