"""A copy of the real configuration and inventory with a few values changed, as a fixture in `broken/` describes it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from inventory import LAB
from model.configuration import PROJECT, stack_file
from model.lab import Lab

PROJECT_DIRECTORY = Path(__file__).resolve().parents[3]
BROKEN = Path(__file__).resolve().parent / "broken"
STACKS = ("shared", "blue", "green")

_STEP = re.compile(r"\[([^\]]+)\]|([^.\[\]]+)")


@dataclass(frozen=True)
class Expected:
    """A violation that a fixture must give."""

    rule: str
    at: str
    """The violation's `where` as text."""
    says: tuple[str, ...]
    """Pieces of its message."""
    fix: str
    """A piece of its fix."""
    also: tuple[str, ...]
    """Other owners that it must name."""


@dataclass(frozen=True)
class Fixture:
    """One broken copy and everything that is wrong with it."""

    name: str
    changes: tuple[Mapping[str, Any], ...]
    expected: tuple[Expected, ...]
    schema_refuses: bool | None
    """Whether the JSON Schema for editors sees it, too; None where it cannot be asked."""


def fixtures() -> Iterator[Fixture]:
    """Every fixture of `broken/`."""
    for path in sorted(BROKEN.glob("*.yaml")):
        content: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))
        for name, case in content.items():
            yield Fixture(
                name=f"{path.stem}/{name}",
                changes=tuple(case["change"]),
                expected=tuple(_expected(entry) for entry in case["expect"]),
                schema_refuses=case.get("schema_refuses"),
            )


def _expected(entry: Mapping[str, Any]) -> Expected:
    return Expected(
        rule=entry["rule"],
        at=entry["at"],
        says=tuple(str(piece) for piece in entry["says"]),
        fix=str(entry["fix"]),
        also=tuple(entry.get("also", ())),
    )


def changed_lab(changes: tuple[Mapping[str, Any], ...]) -> Lab:
    """The inventory with the changes that name a place in it."""
    data: Any = LAB.model_dump()
    for change in changes:
        if "lab" in change:
            _change(data, change["lab"], change)
    return Lab.model_validate(data)


def write_stack_files(directory: Path, changes: tuple[Mapping[str, Any], ...]) -> None:
    """The stack files with the changes that name one, in the directory."""
    for stack in STACKS:
        text = (PROJECT_DIRECTORY / stack_file(stack)).read_text(encoding="utf-8")
        own = [change for change in changes if change.get("file") == stack]
        structured = [change for change in own if "key" in change or "config" in change or "top" in change]
        if structured:
            content: Any = yaml.safe_load(text)
            for change in structured:
                _change_file(content, change)
            text = yaml.safe_dump(content, sort_keys=False)
        name = stack_file(stack)
        for change in own:
            if "find" in change:
                assert change["find"] in text, f"{change['find']!r} is not in {name}"
                text = text.replace(change["find"], change["replace"])
            if "rename" in change:
                name = change["rename"]
        (directory / name).write_text(text, encoding="utf-8")


def _change_file(content: Any, change: Mapping[str, Any]) -> None:
    if "top" in change:
        _change(content, change["top"], change)
    elif "config" in change:
        content["config"][change["config"]] = change["value"]
    else:
        first, dot, rest = change["key"].partition(".")
        name, bracket, index = first.partition("[")
        _change(content["config"], f"[{PROJECT}:{name}]{bracket}{index}{dot}{rest}", change)


def _change(data: Any, path: str, change: Mapping[str, Any]) -> None:
    *above, last = [match[1] or match[2] for match in _STEP.finditer(path)]
    for step in above:
        data = data[_selected(data, step)]
    key = _selected(data, last)
    if change.get("remove"):
        if isinstance(data, tuple):
            raise TypeError(f"cannot remove from the tuple at {path}")
        del data[key]
    elif "append" in change:
        data[key] = [*data[key], change["append"]]
    elif "without" in change:
        kept = [item for item in data[key] if not _is_called(item, change["without"])]
        assert len(kept) == len(data[key]) - 1, f"{change['without']} is not in {path}"
        data[key] = kept
    else:
        data[key] = change["value"]


def _selected(data: Any, step: str) -> Any:
    if isinstance(data, dict):
        return step
    if step.isdecimal():
        return int(step)
    found = [index for index, item in enumerate(data) if _is_called(item, step)]
    assert len(found) == 1, f"{step} selects {len(found)} elements"
    return found[0]


def _is_called(item: Any, selector: str) -> bool:
    if not isinstance(item, dict):
        return str(item) == selector
    if "=" in selector:
        wanted = dict(pair.split("=") for pair in selector.split(","))
        return all(str(item.get(field)) == value for field, value in wanted.items())
    identities = ("name", "suffix", "mapping", "talos", "label", "registry")
    return any(str(item[field]) == selector for field in identities if field in item) or (
        "suffix" not in item and str(item.get("role")) == selector
    )
