"""However the leases are dealt, the colours never take the same thing, and each program stays sound."""

from collections.abc import Mapping

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inventory import LAB
from model.configuration import Configuration
from model.exclusive import Colour, LeaseName
from tests.harness.conformance import EVERY_CHECK
from tests.harness.lab_stacks import CONFIGURATION, IMAGE, VM, lowest_layer, read_configuration, record_stack
from tests.harness.recording import Recording

HOLDERS = st.fixed_dictionaries({lease: st.sampled_from([None, *Colour]) for lease in LAB.lease_names})
WISHES = st.fixed_dictionaries({colour: st.sets(st.sampled_from(LAB.lease_names)) for colour in Colour})
LIVE = st.sampled_from([None, *Colour])


def dealt(
    holders: Mapping[LeaseName, Colour | None], wishes: Mapping[Colour, set[LeaseName]], live: Colour | None
) -> Configuration:
    """This checkout's configuration with other leases."""
    configuration = read_configuration()
    held = {lease: colour for lease, colour in holders.items() if colour is not None}
    changed = configuration.model_copy(
        update={
            "shared": configuration.shared.model_copy(update={"leases": held, "active_colour": live}),
            "colours": {
                colour: known.model_copy(update={"leases_wanted": tuple(sorted(wishes[colour]))})
                for colour, known in configuration.colours.items()
            },
        }
    )
    # Every lease that matters here is one of a machine.
    return lowest_layer(changed)


def taken(recording: Recording) -> set[str]:
    """Everything exclusive that a stack takes."""
    machines = [one.clear_inputs for one in recording.of_type(VM)]
    return {
        *(f"VM {machine['vmId']}" for machine in machines),
        *(f"name {machine['name']}" for machine in machines),
        *(f"mapping {device['mapping']}" for machine in machines for device in machine.get("hostpcis", [])),
        *(f"address {one.inputs['node']}" for one in recording.of_type(CONFIGURATION)),
        *(f"file {one.inputs['fileName']}" for one in recording.of_type(IMAGE)),
        f"endpoint {recording.outputs['endpoint']}",
    }


def leased_nodes(
    holders: Mapping[LeaseName, Colour | None], wishes: Mapping[Colour, set[LeaseName]], colour: Colour
) -> set[str]:
    """The nodes a colour must have: those that need no lease, and those whose lease it holds and wants."""
    return {
        placement.suffix
        for placement in LAB.cluster.placements
        if placement.lease is None or (holders[placement.lease] is colour and placement.lease in wishes[colour])
    }


@settings(max_examples=8, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(holders=HOLDERS, wishes=WISHES, live=LIVE)
def test_however_leases_are_dealt_the_colours_keep_apart(
    holders: Mapping[LeaseName, Colour | None], wishes: Mapping[Colour, set[LeaseName]], live: Colour | None
):
    configuration = dealt(holders, wishes, live)
    recordings = {colour: record_stack(str(colour), configuration) for colour in Colour}
    assert taken(recordings[Colour.GREEN]) & taken(recordings[Colour.BLUE]) == set()
    for colour, recording in recordings.items():
        configured = {one.name.removeprefix("configuration-") for one in recording.of_type(CONFIGURATION)}
        assert configured == leased_nodes(holders, wishes, colour)
        offenders = [f"{check.__name__}: {one}" for check in EVERY_CHECK for one in check(recording)]
        assert not offenders, "\n".join(offenders)
