"""What is compared with what, and the targets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum, unique

from benchmarks import opentofu, programs, setup
from benchmarks.laboratory import Contender, Laboratory, Report
from benchmarks.measurement import Measurement, Unit, interleaved, ratio
from benchmarks.shape import Shape
from engine.operation import Operation
from engine.workspace import STACKS

SUBJECT = "green"
UNCHANGED = "--expect-no-changes"

PREVIEW_LIMIT = 1.3
"""A no-op preview to the floor's."""
COMMAND_SECONDS_LIMIT = 4.0
"""`./lab preview green`, not the first one, in all."""
OPENTOFU_LIMIT = 6.0
UP_SECONDS_LIMIT = 30.0
IMPORT_SECONDS_LIMIT = 1.0
MOCKS_SECONDS_LIMIT = 15.0

WHOLE_LAB = Shape(providers=6, components=54, custom=594)
"""About what a whole colour with everything in Kubernetes comes to: 654 resources."""


@unique
class Section(StrEnum):
    """Parts of the benchmark."""

    PREVIEW = "preview"
    """No-op previews: green, the floor, OpenTofu, `./lab preview green`."""
    UP = "up"
    """From nothing and no-op: green, the floor."""
    SCALE = "scale"
    """The floor and OpenTofu with as many resources as a whole lab."""
    IMPORTS = "imports"
    """Each stack's program in a fresh interpreter, and under mocks."""
    MOCKS = "mocks"
    """All tests under mocks."""
    SETUP = "setup"
    """First-run set-up; minutes, so only when asked for."""


ORDINARY: tuple[Section, ...] = tuple(section for section in Section if section is not Section.SETUP)


def compare_previews(laboratory: Laboratory, rounds: int, report: Report) -> list[Measurement]:
    """Previews that find nothing to do, of stacks that are up."""
    green, floor, shape = _subject_and_floor(laboratory, report)
    for contender in (green, floor):
        report(f"up of {contender.stack}")
        contender.seconds(Operation.UP)
    count = shape.components + shape.custom
    tofu = opentofu.applied(laboratory.directory / "opentofu", count, report)
    names = (
        f"no-op preview of {SUBJECT}: {shape}",
        "no-op preview of the floor: as many with nothing in them",
        "the floor started as `./lab` starts programs",
        f"no-op plan of OpenTofu: {count} resources",
        f"`./lab preview {SUBJECT}`, not the first",
    )
    floor_beside = replace(floor, beside=True)
    report(f"previews, {rounds} rounds")
    measured = interleaved(
        rounds,
        {
            names[0]: lambda: green.seconds(Operation.PREVIEW, UNCHANGED),
            names[1]: lambda: floor.seconds(Operation.PREVIEW, UNCHANGED),
            names[2]: lambda: floor_beside.seconds(Operation.PREVIEW, UNCHANGED),
            names[3]: tofu.plan_seconds,
            names[4]: lambda: laboratory.command("preview", SUBJECT),
        },
    )
    limits = {names[4]: COMMAND_SECONDS_LIMIT}
    ours, theirs, beside, planned, command = (
        Measurement(name, Unit.SECONDS, measured[name], limits.get(name)) for name in names
    )
    return [
        ours,
        theirs,
        ratio(f"{SUBJECT} to floor, no-op preview", ours, theirs, PREVIEW_LIMIT),
        beside,
        ratio(f"{SUBJECT} to the floor started alike", ours, beside),
        planned,
        ratio(f"{SUBJECT} to OpenTofu", ours, planned, OPENTOFU_LIMIT),
        ratio("floor to OpenTofu", theirs, planned),
        command,
    ]


def compare_ups(laboratory: Laboratory, rounds: int, report: Report) -> list[Measurement]:
    """From nothing, again with nothing to do, and destroyed: once a round."""
    green, floor, _ = _subject_and_floor(laboratory, report)
    times: dict[str, dict[str, list[float]]] = {
        contender.stack: {"create": [], "again": []} for contender in (green, floor)
    }

    def life(contender: Contender) -> float:
        created = contender.seconds(Operation.UP)
        again = contender.seconds(Operation.UP, UNCHANGED)
        laboratory.destroy(contender)
        times[contender.stack]["create"].append(created)
        times[contender.stack]["again"].append(again)
        return created

    for contender in (green, floor):
        laboratory.destroy(contender)
    report(f"up from nothing, up again, destroy: {rounds} rounds")
    interleaved(rounds, {SUBJECT: lambda: life(green), floor.stack: lambda: life(floor)})
    ours = _life(f"up of {SUBJECT} from nothing", times[SUBJECT]["create"], UP_SECONDS_LIMIT)
    theirs = _life("up of the floor from nothing", times[floor.stack]["create"])
    ours_again = _life(f"no-op up of {SUBJECT}", times[SUBJECT]["again"])
    theirs_again = _life("no-op up of the floor", times[floor.stack]["again"])
    return [
        ours,
        theirs,
        ratio(f"{SUBJECT} to floor, up from nothing", ours, theirs),
        ours_again,
        theirs_again,
        ratio(f"{SUBJECT} to floor, no-op up", ours_again, theirs_again),
    ]


def compare_at_scale(laboratory: Laboratory, rounds: int, report: Report) -> list[Measurement]:
    """What Pulumi's Python itself costs beside OpenTofu, at the size of a whole lab."""
    floor = laboratory.floor(WHOLE_LAB, "scale")
    report(f"up of {WHOLE_LAB.total} empty resources")
    floor.seconds(Operation.UP)
    count = WHOLE_LAB.components + WHOLE_LAB.custom
    tofu = opentofu.applied(laboratory.directory / "opentofu-scale", count, report)
    names = (f"no-op preview of the floor: {WHOLE_LAB}", f"no-op plan of OpenTofu: {count} resources, scaled")
    report(f"previews at scale, {rounds} rounds")
    measured = interleaved(
        rounds, {names[0]: lambda: floor.seconds(Operation.PREVIEW, UNCHANGED), names[1]: tofu.plan_seconds}
    )
    ours, theirs = (Measurement(name, Unit.SECONDS, measured[name]) for name in names)
    return [ours, theirs, ratio("floor to OpenTofu, scaled", ours, theirs, OPENTOFU_LIMIT)]


def probe_programs(rounds: int, report: Report) -> list[Measurement]:
    """Imports of each stack's program, and how fast it builds under mocks."""
    report(f"programs in fresh interpreters, {rounds} rounds")
    probes = {stack: programs.Probe(stack) for stack in STACKS}
    measured = interleaved(rounds, probes)
    found: list[Measurement] = []
    for stack, one in probes.items():
        exclusive = ", ".join(sorted(one.answers[-1].imported))
        found += [
            Measurement(f"import of {stack} ({exclusive})", Unit.SECONDS, measured[stack], IMPORT_SECONDS_LIMIT),
            Measurement(
                f"first build of {stack} under mocks", Unit.SECONDS, one.each(lambda a: a.first_build_seconds)
            ),
            Measurement(
                f"builds of {stack} under mocks: {one.answers[-1].resources} resources",
                Unit.RESOURCES_PER_SECOND,
                one.each(lambda a: a.resources_per_second),
            ),
        ]
    return found


def time_mock_tests(rounds: int, report: Report) -> list[Measurement]:
    """All of them, as `./lab test` runs them; once, however many the rounds."""
    del rounds
    report(f"all tests in {programs.MOCK_TESTS}")
    seconds = programs.mock_tests_seconds()
    return [Measurement("all tests of all stacks under mocks", Unit.SECONDS, (seconds,), MOCKS_SECONDS_LIMIT)]


def set_up(rounds: int, report: Report) -> list[Measurement]:
    """From nothing to where the first preview can begin; once, however many the rounds."""
    del rounds
    return setup.measure(report)


def _subject_and_floor(laboratory: Laboratory, report: Report) -> tuple[Contender, Contender, Shape]:
    green = laboratory.stack(SUBJECT)
    if not laboratory.is_up(SUBJECT):
        for stack in ("shared", SUBJECT):
            report(f"up of {stack}")
            laboratory.stack(stack).seconds(Operation.UP)
    shape = laboratory.shape(SUBJECT)
    return green, laboratory.floor(shape, "floor"), shape


def _life(name: str, rounds: Sequence[float], limit: float | None = None) -> Measurement:
    return Measurement(name, Unit.SECONDS, tuple(rounds), limit)


ON_THE_TWIN: Mapping[Section, Callable[[Laboratory, int, Report], list[Measurement]]] = {
    Section.PREVIEW: compare_previews,
    Section.UP: compare_ups,
    Section.SCALE: compare_at_scale,
}
"""Sections that share a laboratory."""
ALONE: Mapping[Section, Callable[[int, Report], list[Measurement]]] = {
    Section.IMPORTS: probe_programs,
    Section.MOCKS: time_mock_tests,
    Section.SETUP: set_up,
}
"""Sections without an engine."""
