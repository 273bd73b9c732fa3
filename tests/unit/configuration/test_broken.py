"""Every broken copy of the real configuration is refused for exactly what is wrong with it."""

from pathlib import Path

import pytest

from model.violation import Violation
from stacks.configuration import ConfigurationError, load
from tests.unit.configuration.changed_copy import Expected, Fixture, changed_lab, fixtures, write_stack_files

FIXTURES = tuple(fixtures())


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.name)
def test_a_broken_copy_is_refused_for_what_is_wrong_and_nothing_else(fixture: Fixture, tmp_path: Path):
    write_stack_files(tmp_path, fixture.changes)

    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path, lab=changed_lab(fixture.changes))

    violations = raised.value.violations
    told = "\n\n".join(str(violation) for violation in violations)
    assert [v.rule for v in violations] == [expected.rule for expected in fixture.expected], told
    for violation, expected in zip(violations, fixture.expected, strict=True):
        assert_is(violation, expected)
    assert str(raised.value) == told


def assert_is(violation: Violation, expected: Expected) -> None:
    assert str(violation.where) == expected.at, str(violation)
    for piece in expected.says:
        assert piece in violation.message, str(violation)
    assert expected.fix in violation.fix, str(violation)
    for place in expected.also:
        assert place in [str(other) for other in violation.also], str(violation)


def test_no_two_fixtures_have_one_name():
    names = [fixture.name for fixture in FIXTURES]
    assert len(set(names)) == len(names)
