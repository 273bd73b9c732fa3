"""Durations and rates, round by round, and what they are held to."""

import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique


@unique
class Unit(StrEnum):
    """What a number counts."""

    SECONDS = "s"
    RATIO = "×"
    RESOURCES_PER_SECOND = "resources/s"


@unique
class Verdict(StrEnum):
    """A measurement against its target."""

    MET = "met"
    MISSED = "missed"
    NONE = ""
    """There is no target."""


@dataclass(frozen=True)
class Measurement:
    """One thing that was measured once a round."""

    name: str
    unit: Unit
    rounds: tuple[float, ...]
    """In the order in which they were measured; at least one."""
    limit: float | None = None
    """The median is not to be above it, in the unit; None without a target."""

    def __post_init__(self) -> None:
        if not self.rounds:
            raise ValueError(f"{self.name} was not measured: at least one round is needed")

    @property
    def minimum(self) -> float:
        """The round that was disturbed least."""
        return min(self.rounds)

    @property
    def median(self) -> float:
        """What is held to the target."""
        return statistics.median(self.rounds)

    @property
    def maximum(self) -> float:
        """The round that was disturbed most."""
        return max(self.rounds)

    @property
    def verdict(self) -> Verdict:
        """Whether the median keeps the limit."""
        if self.limit is None:
            return Verdict.NONE
        return Verdict.MET if self.median <= self.limit else Verdict.MISSED


def ratio(name: str, subject: Measurement, floor: Measurement, limit: float | None = None) -> Measurement:
    """How many times as long the subject took as the floor, round by round.

    Rounds are compared with themselves, so whatever else the machine did in a round slowed both sides of it.
    """
    paired = tuple(one / other for one, other in zip(subject.rounds, floor.rounds, strict=True))
    return Measurement(name, Unit.RATIO, paired, limit)


def interleaved(count: int, contenders: Mapping[str, Callable[[], float]]) -> dict[str, tuple[float, ...]]:
    """Let every contender measure itself once a round: A B C, C B A, A B C, …

    Every other round is reversed, so that nobody always comes after the same one.
    """
    measured: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(count):
        for name in in_turn(number, contenders):
            measured[name].append(contenders[name]())
    return {name: tuple(values) for name, values in measured.items()}


def in_turn(number: int, names: Iterable[str]) -> tuple[str, ...]:
    """The order of one round, counted from 0."""
    forward = tuple(names)
    return forward if number % 2 == 0 else forward[::-1]
