"""Who claims which consecutive numbers: addresses and VM ids alike."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from model.violation import Source


@dataclass(frozen=True)
class Interval:
    """A claim on the numbers from `first` to `last`, both included."""

    first: int
    last: int
    owner: str
    """For people: `host nose`, `the worker nodes of green`."""
    where: Source
    """Claims of one owner at one place are one owner's: they never clash with each other."""
    yields: bool = False
    """A reservation for devices, which a device may take."""
    is_device: bool = False

    def overlap(self, other: "Interval") -> tuple[int, int] | None:
        """The numbers that both claim; None when there are none."""
        first, last = max(self.first, other.first), min(self.last, other.last)
        return (first, last) if first <= last else None


@dataclass(frozen=True)
class Clash:
    """Two owners and the numbers that both claim."""

    standing: Interval
    newcomer: Interval
    """The claim that was made later; it is the one to move."""
    shared: tuple[tuple[int, int], ...]

    def describe(self, render: Callable[[int], str]) -> str:
        """The shared numbers for people, e.g. `10.0.30.78–10.0.30.79`."""
        return ", ".join(
            render(first) if first == last else f"{render(first)}–{render(last)}" for first, last in self.shared
        )


def clashes(claims: Sequence[Interval]) -> list[Clash]:
    """Every pair of owners that claim a number twice, once per pair, in the order of the claims."""
    found: dict[tuple[Source, Source], tuple[Interval, Interval, list[tuple[int, int]]]] = {}
    for standing, newcomer in combinations(claims, 2):
        both = standing.overlap(newcomer)
        if both is None or standing.where == newcomer.where:
            continue
        if (standing.yields and newcomer.is_device) or (newcomer.yields and standing.is_device):
            continue
        found.setdefault((standing.where, newcomer.where), (standing, newcomer, []))[2].append(both)
    return [Clash(first, second, _joined(shared)) for first, second, shared in found.values()]


def first_free(length: int, first: int, last: int, claims: Iterable[Interval]) -> int | None:
    """Where `length` unclaimed numbers in a row begin between `first` and `last`; None when there is no such place."""
    start = first
    for claim in sorted(claims, key=lambda claim: claim.first):
        if claim.last < start:
            continue
        if claim.first - start >= length:
            break
        start = claim.last + 1
    return start if start + length - 1 <= last else None


def _joined(pieces: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    joined: list[tuple[int, int]] = []
    for first, last in sorted(pieces):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return tuple(joined)
