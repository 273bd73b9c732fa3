"""No address is made by formatting text: an octet that overflows would become another address, or none."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.configuration.changed_copy import PROJECT_DIRECTORY

_PACKAGES = ("model", "inventory", "components", "stacks", "policy", "recovery")
_HOLE = "\0"
_PART = rf"[\d{_HOLE}]+"
_DOTTED_PART = re.compile(
    rf"(?<![\w.-])(?=[\d.]*{_HOLE})(?:{_PART}\.){{3}}{_PART}(?![\w-])|{_HOLE}\.\d{{1,3}}(?![\w.-])"
)
"""Four parts of digits and values with dots between, or a value and a last octet; two values may be a name."""
_PERCENT = re.compile(r"%[-0-9]*[dsi]")
_BRACES = re.compile(r"\{[^{}]*\}")


def formatted_addresses(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and shape of every text that puts a value into a dotted number."""
    for node in ast.walk(tree):
        shape = _shape(node)
        if shape is not None and _DOTTED_PART.search(shape):
            yield getattr(node, "lineno", 0), shape.replace(_HOLE, "{}")


def _shape(node: ast.AST) -> str | None:
    """The text that a node builds, with a hole for every value put into it; None when it builds none."""
    if isinstance(node, ast.JoinedStr):
        return "".join(
            part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else _HOLE
            for part in node.values
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        text = _text(node.left)
        return None if text is None else _PERCENT.sub(_HOLE, text)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _text(node.left), _text(node.right)
        if left is None and right is None:
            return None
        return (_HOLE if left is None else left) + (_HOLE if right is None else right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        text = _text(node.func.value)
        return None if text is None else _BRACES.sub(_HOLE, text)
    return None


def _text(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


@pytest.mark.parametrize("package", _PACKAGES)
def test_no_address_is_made_by_formatting(package: str):
    found = [
        f"{path.relative_to(PROJECT_DIRECTORY)}:{line}: {shape}"
        for path in sorted((PROJECT_DIRECTORY / package).rglob("*.py"))
        for line, shape in formatted_addresses(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not found, "count with ipaddress instead:\n" + "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        'f"10.0.30.6{slot}"',
        'f"10.0.{vlan}.{slot}"',
        'f"{prefix}.60"',
        '"10.0.30.6%d" % slot',
        '"10.0.30.{}".format(slot)',
        '"10.0.30." + str(slot)',
        'prefix + ".60"',
        "f'{a}.{b}.{c}.{d}'",
    ],
)
def test_a_formatted_address_is_found(source: str):
    assert list(formatted_addresses(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        'f"{address}/{prefix}"',
        'f"https://{host}:{port}"',
        'f"{name}.{domain}"',
        'f"{name}.{namespace}.svc"',
        'f"{name}.yaml"',
        'f"v{major}.yaml"',
        "start + slot",
        '"10.0.30.60"',
        'f"at 10.0.30.60: {name}"',
    ],
)
def test_other_text_is_not(source: str):
    assert not list(formatted_addresses(ast.parse(source)))


def test_the_sources_are_there():
    assert all(list(Path(PROJECT_DIRECTORY / package).glob("*.py")) for package in _PACKAGES[:4])
