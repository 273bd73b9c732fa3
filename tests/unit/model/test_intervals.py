"""Claims on numbers against the same question asked number by number."""

from hypothesis import given
from hypothesis import strategies as st

from model.rules.intervals import Interval, clashes, first_free
from model.violation import Source
from tests.unit.model.lab_copies import EXAMPLES

_TOP = 40


@st.composite
def claims(draw: st.DrawFn) -> list[Interval]:
    found: list[Interval] = []
    for _ in range(draw(st.integers(0, 8))):
        first = draw(st.integers(0, _TOP))
        owner = draw(st.sampled_from("abcde"))
        found.append(Interval(first, draw(st.integers(first, _TOP)), owner, Source(file="f", key=owner)))
    return found


@EXAMPLES
@given(claims())
def test_every_number_claimed_by_two_owners_is_told_and_no_other(given_claims: list[Interval]):
    owners: dict[int, set[str]] = {}
    for claim in given_claims:
        for number in range(claim.first, claim.last + 1):
            owners.setdefault(number, set()).add(claim.owner)
    contested = {
        (number, frozenset((one, other)))
        for number, both in owners.items()
        for one in both
        for other in both
        if one < other
    }

    told = {
        (number, frozenset((clash.standing.owner, clash.newcomer.owner)))
        for clash in clashes(given_claims)
        for first, last in clash.shared
        for number in range(first, last + 1)
    }

    assert told == contested


@EXAMPLES
@given(claims(), st.integers(1, 10))
def test_the_first_free_run_is_free_and_the_first(given_claims: list[Interval], length: int):
    taken = {number for claim in given_claims for number in range(claim.first, claim.last + 1)}
    free = [
        start
        for start in range(_TOP + 2 - length)
        if not taken & set(range(start, start + length))
    ]

    assert first_free(length, 0, _TOP, given_claims) == (free[0] if free else None)


def test_a_reservation_yields_to_a_device_but_not_to_a_guest():
    reserved = Interval(5, 5, "reserved", Source(file="f", key="r"), yields=True)
    device = Interval(5, 5, "switch", Source(file="f", key="s"), is_device=True)
    guest = Interval(5, 5, "guest", Source(file="f", key="g"))

    assert clashes([reserved, device]) == []
    assert [clash.newcomer for clash in clashes([reserved, guest])] == [guest]
