"""Laboratories of the engine tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from model.configuration import Layer
from model.exclusive import Colour
from tests.engine.laboratory import Laboratory, make
from tools.build import Tool, ensure
from tools.recipe import CONTROL_PLANE, ENGINE, TWIN


@pytest.fixture(scope="session")
def tools() -> tuple[Tool, ...]:
    """Every tool of the engine and the twin; built when missing."""
    return ensure((*ENGINE, *TWIN, *CONTROL_PLANE), print)


@pytest.fixture
def laboratory(tmp_path: Path, tools: tuple[Tool, ...]) -> Iterator[Laboratory]:
    """A started twin with empty stacks, for one test; the colours have their lowest layer, which is up soonest."""
    made = make(tmp_path, tools)
    for colour in Colour:
        made.configure(colour, {"layers": [str(Layer.SUBSTRATE)]})
    made.start()
    yield made
    made.twin.stop()


@pytest.fixture
def whole(tmp_path: Path, tools: tuple[Tool, ...]) -> Iterator[Laboratory]:
    """A started twin with empty stacks, for one test; the colours are as this checkout has them."""
    made = make(tmp_path, tools)
    made.start()
    yield made
    made.twin.stop()


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory, tools: tuple[Tool, ...]) -> Iterator[Laboratory]:
    """A twin with `shared` applied, for the tests of one module."""
    from engine.operation import Operation

    made = make(tmp_path_factory.mktemp("applied"), tools)
    made.start()
    made.succeed(Operation.UP, "shared")
    yield made
    made.twin.stop()
