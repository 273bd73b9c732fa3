"""The lease rule against a plain reading of what it demands."""

from hypothesis import event, given
from hypothesis import strategies as st

from inventory import LAB
from model.configuration import BackupRole, Configuration, SharedConfiguration
from model.exclusive import Colour, ExclusiveRole, LeaseName
from model.rules.leases import leases
from model.violation import Rule
from tests.unit.model.lab_copies import DUTIES, EXAMPLES, SOUND_PLANS, colour, configuration

_NAMES = st.sampled_from((*LAB.lease_names, LeaseName("unknown-thing")))
_PUBLIC = (LeaseName(ExclusiveRole.PUBLIC_DNS), LeaseName(ExclusiveRole.TUNNEL_CONNECTOR))
_WRITER = LeaseName(ExclusiveRole.BACKUP_WRITER)


@st.composite
def tables(draw: st.DrawFn) -> Configuration:
    """Any lease table, any wishes: mostly contradictory."""
    return Configuration(
        shared=SharedConfiguration(
            active_colour=draw(st.none() | st.sampled_from(list(Colour))),
            leases=draw(st.dictionaries(_NAMES, st.sampled_from(list(Colour)), max_size=8)),
        ),
        colours={
            one: colour(
                SOUND_PLANS[one],
                leases_wanted=tuple(draw(st.lists(_NAMES, max_size=6))),
                backup_role=draw(st.sampled_from(list(BackupRole))),
            )
            for one in Colour
        },
    )


@st.composite
def sound_tables(draw: st.DrawFn) -> Configuration:
    """Every lease with one holder or none, wanted by who holds it, and the duties of the active colour with it."""
    held = {
        lease: one
        for lease in LAB.lease_names
        if lease not in _PUBLIC
        for one in [draw(st.none() | st.sampled_from(list(Colour)))]
        if one is not None
    }
    active = draw(st.none() | st.sampled_from(list(Colour)))
    if active is not None:
        held |= dict.fromkeys(_PUBLIC, active)
    return configuration(leases=held, active=active)


def is_sound(configured: Configuration) -> bool:
    table, active = configured.shared.leases, configured.shared.active_colour
    wants = {one: settings.leases_wanted for one, settings in configured.colours.items()}
    known = set(LAB.lease_names)
    names = set(table) | {lease for wanted in wants.values() for lease in wanted}
    each_once = all(len(set(wanted)) == len(wanted) for wanted in wants.values())
    all_held = all(table.get(lease) is one for one, wanted in wants.items() for lease in wanted)
    public = all(table.get(lease) is active for lease in _PUBLIC)
    served = active is None or set(_PUBLIC) <= set(wants[active])
    writers = {one for one, settings in configured.colours.items() if settings.backup_role is BackupRole.WRITER}
    may_write = {one for one in Colour if table.get(_WRITER) is one and _WRITER in wants[one]}
    return names <= known and each_once and all_held and public and served and writers == may_write


@EXAMPLES
@given(tables())
def test_a_violation_is_told_exactly_when_the_table_is_not_sound(configured: Configuration):
    sound = is_sound(configured)
    event(f"sound {sound}")

    violations = leases(LAB, configured)

    assert (violations == []) is sound, [str(violation) for violation in violations]
    assert {violation.rule for violation in violations} <= {Rule.LEASES}


@EXAMPLES
@given(sound_tables())
def test_a_sound_table_has_no_violation(configured: Configuration):
    assert leases(LAB, configured) == []


@EXAMPLES
@given(sound_tables(), st.sampled_from(LAB.lease_names))
def test_what_both_colours_use_is_told_with_both_names(configured: Configuration, lease: LeaseName):
    holder = configured.holder(lease)
    if holder is None or lease in DUTIES:
        return
    other = configured.colours[holder.other]
    greedy = other.model_copy(update={"leases_wanted": (*other.leases_wanted, lease)})

    (violation,) = leases(
        LAB, configured.model_copy(update={"colours": {**configured.colours, holder.other: greedy}})
    )

    assert f"`{lease}` exists once" in violation.message
    assert str(holder.other) in violation.where.file
    assert any(str(holder) in place.file for place in violation.also)


@EXAMPLES
@given(tables())
def test_no_thing_is_ever_used_by_both_colours(configured: Configuration):
    blue, green = (set(configured.held_by(one)) for one in Colour)

    assert not blue & green
