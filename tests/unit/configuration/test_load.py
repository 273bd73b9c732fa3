"""Reading the stack files: what the engine gave instead of a file, what is told together, what never escapes."""

import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inventory import LAB
from model.configuration import PROJECT, stack_file
from model.exclusive import Colour
from model.violation import Rule
from stacks.configuration import ConfigurationError, load
from tests.unit.configuration.changed_copy import PROJECT_DIRECTORY, STACKS, write_stack_files


def own_content(stack: str) -> dict[str, object]:
    """What the engine hands to the program for a stack: the keys without namespace."""
    content = yaml.safe_load((PROJECT_DIRECTORY / stack_file(stack)).read_text(encoding="utf-8"))
    return {key.removeprefix(f"{PROJECT}:"): value for key, value in content["config"].items()}


def refused(directory: Path, **given_by_engine: object) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as raised:
        load(directory, **given_by_engine)  # pyright: ignore[reportArgumentType]
    return raised.value


def test_the_lab_of_this_checkout_is_sound():
    configuration = load(PROJECT_DIRECTORY)

    assert set(configuration.colours) == set(Colour)
    assert configuration.shared.active_colour is Colour.GREEN
    assert str(configuration.colours[Colour.BLUE].address_plan.virtual_ip) == "10.0.30.130"


@pytest.mark.parametrize("stack", STACKS)
def test_what_the_engine_gave_replaces_the_file(tmp_path: Path, stack: str):
    write_stack_files(tmp_path, ())
    (tmp_path / stack_file(stack)).unlink()

    assert load(tmp_path, own=own_content(stack), stack=stack) == load(PROJECT_DIRECTORY)


def test_numbers_and_truth_values_may_be_text_as_the_engine_writes_them(tmp_path: Path):
    write_stack_files(tmp_path, ({"file": "shared", "key": "adopt", "value": "true"},))
    content = own_content("blue")
    plan = {"worker_vm_id_start": "220"}
    content["address_plan"] = {**content["address_plan"], **plan}  # pyright: ignore[reportGeneralTypeIssues]

    configuration = load(tmp_path, own=content, stack="blue")

    assert configuration.shared.adopt is True
    assert configuration.colours[Colour.BLUE].address_plan.worker_vm_id_start == 220


def test_a_mistake_in_what_the_engine_gave_is_told_at_its_file(tmp_path: Path):
    write_stack_files(tmp_path, ())
    content = own_content("blue") | {"talos_versoin": "v1.11.3", "api_token": "4f0c8a9e"}

    error = refused(tmp_path, own=content, stack="blue")

    assert [str(violation.where) for violation in error.violations] == [
        "Pulumi.blue.yaml: bhamm-lab:api_token",
        "Pulumi.blue.yaml: bhamm-lab:talos_versoin",
    ]


def test_what_the_engine_gave_needs_the_name_of_its_stack(tmp_path: Path):
    with pytest.raises(ValueError, match="the name of its stack"):
        load(tmp_path, own={})


def test_an_empty_directory_is_three_missing_files_and_nothing_else(tmp_path: Path):
    error = refused(tmp_path)

    assert [violation.message for violation in error.violations] == [
        f"there is no file {stack_file(stack)}" for stack in STACKS
    ]


def test_a_missing_file_is_never_taken_for_another_stacks(tmp_path: Path):
    write_stack_files(tmp_path, ())
    (tmp_path / "Pulumi.blue.yaml").unlink()

    (violation,) = refused(tmp_path).violations

    assert violation.fix.startswith("bring it back")


def test_a_misnamed_file_is_recognised(tmp_path: Path):
    write_stack_files(tmp_path, ())
    (tmp_path / "Pulumi.blue.yaml").rename(tmp_path / "Pulumi.bleu.yaml")

    (violation,) = refused(tmp_path).violations

    assert violation.fix == "did you mean `Pulumi.bleu.yaml`? Rename it."


def test_rules_judge_what_can_be_read_while_one_file_cannot(tmp_path: Path):
    write_stack_files(
        tmp_path,
        (
            {"file": "blue", "find": "config:", "replace": "config: ["},
            {"file": "green", "key": "address_plan.virtual_ip", "value": "10.0.30.31"},
        ),
    )

    error = refused(tmp_path)

    assert [violation.rule for violation in error.violations] == [Rule.SCHEMA, Rule.ADDRESSES]


def test_rules_about_leases_wait_for_the_lease_table(tmp_path: Path):
    write_stack_files(
        tmp_path,
        (
            {"file": "shared", "key": "leases", "value": "green"},
            {"file": "blue", "key": "talos_version", "value": "v9.9.9"},
        ),
    )

    error = refused(tmp_path)

    assert [violation.rule for violation in error.violations] == [Rule.SCHEMA, Rule.VERSIONS]


@pytest.mark.parametrize("text", ["", "null\n", "[]\n", "config: 5\n", "config:\n", "word\n", "a: b\n"])
def test_a_file_of_another_shape_is_told(tmp_path: Path, text: str):
    write_stack_files(tmp_path, ())
    (tmp_path / "Pulumi.blue.yaml").write_text(text, encoding="utf-8")

    error = refused(tmp_path)

    assert error.violations
    assert {violation.where.file for violation in error.violations} == {"Pulumi.blue.yaml"}
    assert {violation.rule for violation in error.violations} == {Rule.SCHEMA}


def test_bytes_that_are_no_text_are_told(tmp_path: Path):
    write_stack_files(tmp_path, ())
    (tmp_path / "Pulumi.blue.yaml").write_bytes(b"config: \xff\xfe\n")

    (violation,) = refused(tmp_path).violations

    assert "not UTF-8" in violation.message


def test_a_directory_in_place_of_a_file_is_told(tmp_path: Path):
    write_stack_files(tmp_path, ())
    (tmp_path / "Pulumi.blue.yaml").unlink()
    (tmp_path / "Pulumi.blue.yaml").mkdir()

    (violation,) = refused(tmp_path).violations

    assert "cannot be read" in violation.message


def test_a_list_that_contains_itself_is_told(tmp_path: Path):
    write_stack_files(tmp_path, ())
    (tmp_path / "Pulumi.blue.yaml").write_text("config:\n  bhamm-lab:layers: &all [*all]\n", encoding="utf-8")

    (violation,) = refused(tmp_path).violations

    assert "alias" in violation.message


def test_the_text_of_the_error_has_one_block_a_violation(tmp_path: Path):
    error = refused(tmp_path)

    blocks = str(error).split("\n\n")

    assert len(blocks) == len(error.violations) == 3
    assert all(re.search(r"^S1 .*\n    at:   Pulumi\.\w+\.yaml: .*\n    fix:  ", block) for block in blocks)


# The files that the examples write are the same in every example, so one directory does for all of them.
_EXAMPLES = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12)
_DOCUMENTS = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=12) | st.sampled_from(sorted(own_content("blue"))), inner, max_size=4),
    max_leaves=12,
)


@_EXAMPLES
@given(content=st.dictionaries(st.sampled_from(sorted(own_content("blue"))) | st.text(max_size=8), _DOCUMENTS))
def test_whatever_a_colour_is_configured_as_only_violations_come_back(tmp_path: Path, content: dict[str, object]):
    write_stack_files(tmp_path, ())

    error = refused(tmp_path, own=content, stack="blue")

    assert any(violation.where.file == "Pulumi.blue.yaml" for violation in error.violations)


@_EXAMPLES
@given(text=st.text(alphabet="ab:-[]{}&*!|>'\"#%@`,? \n\t\0é10.", max_size=40))
def test_whatever_a_file_holds_only_violations_come_back(tmp_path: Path, text: str):
    write_stack_files(tmp_path, ())
    (tmp_path / "Pulumi.shared.yaml").write_text(text, encoding="utf-8")

    error = refused(tmp_path)

    assert any(violation.where.file == "Pulumi.shared.yaml" for violation in error.violations)


@pytest.mark.parametrize(
    ("old", "new", "place", "piece"),
    [
        ('IPv4Address("10.0.20.199")', 'IPv4Address("10.0.20.299")', "inventory/guests.py: line", "10.0.20.299"),
        ("virtual_cpus=4", "virtual_cpus=0", "inventory/guests.py: line", "virtual_cpus: 0 does not fit"),
        ("host=METHOD", "host=METHD", "inventory/guests.py: line", "METHD"),
        ("GUESTS = (", "GUESTS = ((", "inventory/guests.py: line", "never closed"),
    ],
)
def test_a_mistake_in_the_inventory_names_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, place: str, piece: str
):
    shutil.copytree(PROJECT_DIRECTORY / "inventory", tmp_path / "inventory")
    write_stack_files(tmp_path, ())
    path = tmp_path / "inventory" / "guests.py"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    for name in [name for name in sys.modules if name == "inventory" or name.startswith("inventory.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))

    try:
        (violation,) = refused(tmp_path).violations
    finally:
        # What was imported from the copy must not stay for the tests that follow.
        for name in [name for name in sys.modules if name == "inventory" or name.startswith("inventory.")]:
            del sys.modules[name]

    assert str(violation.where).startswith(place)
    assert piece in violation.message


def test_the_lab_is_still_the_lab():
    assert load(PROJECT_DIRECTORY) == load(PROJECT_DIRECTORY, lab=LAB)
