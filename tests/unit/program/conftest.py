"""Recordings of the lab's stacks, made once for all tests."""

from collections.abc import Callable

import pytest

from model.configuration import Configuration
from model.exclusive import Colour
from stacks.program import SHARED
from tests.harness.lab_stacks import STACKS, ColourStack, read_configuration, record_stack
from tests.harness.recording import Recording

Recorded = Callable[[str, bool], Recording]
"""From a stack's name, and whether it was a preview."""


@pytest.fixture(scope="session")
def configuration() -> Configuration:
    return read_configuration()


@pytest.fixture(scope="session")
def recorded(configuration: Configuration) -> Recorded:
    made: dict[tuple[str, bool], Recording] = {}

    def get(stack: str, preview: bool) -> Recording:
        if (stack, preview) not in made:
            made[stack, preview] = record_stack(stack, configuration, preview=preview)
        return made[stack, preview]

    return get


@pytest.fixture(scope="session", params=STACKS)
def stack(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session", params=[False, True], ids=["up", "preview"])
def preview(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.fixture
def recording(recorded: Recorded, stack: str, preview: bool) -> Recording:
    """Every stack, as `up` and as `preview`."""
    return recorded(stack, preview)


@pytest.fixture
def shared(recorded: Recorded) -> Recording:
    return recorded(SHARED, False)


@pytest.fixture(scope="session", params=list(Colour))
def colour(request: pytest.FixtureRequest) -> Colour:
    return request.param


@pytest.fixture
def colour_stack(recorded: Recorded, configuration: Configuration, colour: Colour) -> ColourStack:
    """Each colour as `up`."""
    return ColourStack(colour, configuration, recorded(str(colour), False))
