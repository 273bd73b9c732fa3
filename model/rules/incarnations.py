"""S4: every build of a cluster is told apart from every other."""

from collections.abc import Iterator

from model.configuration import Configuration, source
from model.lab import Lab
from model.violation import Rule, Violation


def incarnations(lab: Lab, configuration: Configuration) -> list[Violation]:  # noqa: ARG001 (every rule is called alike)
    """No two builds have one number, and a build begins with the data of an older one: archives carry the number."""
    return [*_twice(configuration), *_sources(configuration)]


def _twice(configuration: Configuration) -> Iterator[Violation]:
    seen: dict[int, str] = {}
    for colour, settings in configuration.colours.items():
        other = seen.setdefault(settings.incarnation, colour)
        if other != colour:
            highest = max(each.incarnation for each in configuration.colours.values())
            yield Violation(
                rule=Rule.INCARNATIONS,
                message=f"{colour} and {other} are both build {settings.incarnation}: nobody could tell whose data is "
                "newer",
                where=source(colour, "incarnation"),
                also=(source(other, "incarnation"),),
                fix=f"give the one that is built next the number {highest + 1}",
            )


def _sources(configuration: Configuration) -> Iterator[Violation]:
    for colour, settings in configuration.colours.items():
        begins_with = settings.begins_with
        if begins_with is None:
            continue
        if begins_with.number >= settings.incarnation:
            yield Violation(
                rule=Rule.INCARNATIONS,
                message=f"{colour} is build {settings.incarnation} and is to begin with the data of {begins_with}, "
                "which is not older",
                where=source(colour, "begins_with.number"),
                also=(source(colour, "incarnation"),),
                fix=f"name an older build, or give this one the number {begins_with.number + 1}",
            )
        owner = next((c for c, each in configuration.colours.items() if each.incarnation == begins_with.number), None)
        if owner is not None and owner is not colour and owner is not begins_with.colour:
            yield Violation(
                rule=Rule.INCARNATIONS,
                message=f"{colour} is to begin with the data of {begins_with}, but build {begins_with.number} is "
                f"{owner}",
                where=source(colour, "begins_with.colour"),
                also=(source(owner, "incarnation"),),
                fix=f"write {owner}, or the number of the build that is meant",
            )
