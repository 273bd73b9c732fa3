"""Property values on the wire, and what changed between two sets of them."""

from hypothesis import given
from hypothesis import strategies as st

from twin.providers import wire
from twin.providers.differences import ChangeKind, changes

SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.just(wire.UNKNOWN)
NAMES = st.text(min_size=1).filter(lambda name: name != wire.SIGNATURE)
VALUES: st.SearchStrategy[wire.Value] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner) | st.builds(wire.Secret, inner),
    max_leaves=12,
)
PROPERTIES = st.dictionaries(NAMES, VALUES)


@given(PROPERTIES)
def test_values_survive_the_wire(properties: wire.Properties) -> None:
    assert wire.decode(wire.encode(properties)) == properties


@given(PROPERTIES)
def test_nothing_changed_against_itself(properties: wire.Properties) -> None:
    assert changes(properties, properties) == []


@given(PROPERTIES, PROPERTIES)
def test_no_changes_means_equal(old: wire.Properties, new: wire.Properties) -> None:
    if not changes(old, new):
        assert _without_nulls(wire.reveal_all(old)) == _without_nulls(wire.reveal_all(new))


def _without_nulls(value: wire.Value) -> wire.Value:
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        items = [_without_nulls(item) for item in value]
        while items and items[-1] is None:
            items.pop()
        return list(items)
    return value


def test_paths_and_kinds_of_changes() -> None:
    old: wire.Properties = {"rules": [{"a": 1, "b": 2}, "gone"], "same": wire.Secret("x"), "removed": True}
    new: wire.Properties = {"rules": [{"a": 1, "b": wire.UNKNOWN}], "same": "x", "added": {"deep": 1}}
    assert {(change.path, change.kind) for change in changes(old, new)} == {
        ("rules[0].b", ChangeKind.UPDATE),
        ("rules[1]", ChangeKind.DELETE),
        ("removed", ChangeKind.DELETE),
        ("added", ChangeKind.ADD),
    }
    assert {change.property_name for change in changes(old, new)} == {"rules", "removed", "added"}


def test_ignored_properties_and_paths() -> None:
    old: wire.Properties = {"a": 1, "b": {"c": 1, "d": 1}}
    new: wire.Properties = {"a": 2, "b": {"c": 2, "d": 2}}
    assert [change.path for change in changes(old, new, ["a", "b.c"])] == ["b.d"]


def test_secrets_are_concealed_where_the_example_is() -> None:
    example: wire.Value = {"a": wire.Secret("old"), "b": ["x", wire.Secret("y")]}
    concealed = wire.conceal_like({"a": "new", "b": ["x", "z"], "c": 1}, example)
    assert concealed == {"a": wire.Secret("new"), "b": ["x", wire.Secret("z")], "c": 1}
