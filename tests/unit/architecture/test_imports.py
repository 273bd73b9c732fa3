"""Who may know whom: the arrows between the packages go one way."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from tests.unit.architecture.source import PROJECT, Module, modules, read

STANDARD = frozenset(sys.stdlib_module_names)
PACKAGES = frozenset(
    {"model", "inventory", "components", "stacks", "policy", "recovery", "engine", "twin", "tools", "cli", "tests"}
)
"""Top-level packages of the project."""

PURE = frozenset(
    {
        "__future__", "abc", "bisect", "collections", "contextlib", "copy", "dataclasses", "datetime", "decimal",
        "difflib", "enum", "fractions", "functools", "graphlib", "hashlib", "heapq", "ipaddress", "itertools", "json",
        "math", "operator", "re", "string", "textwrap", "types", "typing", "uuid", "zoneinfo",
    }
)  # fmt: skip
"""Modules of the standard library that do no I/O."""


@dataclass(frozen=True)
class Boundary:
    """What a package may import."""

    own: frozenset[str]
    """Packages of the project."""
    others: frozenset[str] | None = None
    """Top-level packages of others, by prefix; None for any."""
    standard: frozenset[str] | None = None
    """Modules of the standard library; None for any."""


def only(*names: str) -> frozenset[str]:
    return frozenset(names)


BOUNDARIES: Mapping[str, Boundary] = {
    "model": Boundary(own=only("model"), others=only("pydantic", "annotated_types"), standard=PURE),
    "inventory": Boundary(own=only("inventory", "model"), others=only("pydantic"), standard=PURE),
    "components": Boundary(own=only("components", "model"), others=only("pulumi", "pydantic"), standard=PURE),
    "stacks": Boundary(
        own=only("stacks", "components", "inventory", "model", "policy"), others=only("pulumi", "pydantic", "yaml")
    ),
    "policy": Boundary(own=only("policy", "model"), others=only("pulumi", "pydantic")),
    "tools": Boundary(own=only("tools"), others=only()),
    "twin": Boundary(own=only("twin", "model", "inventory", "tools")),
    "engine": Boundary(own=only("engine", "model", "inventory", "tools", "stacks", "twin")),
    "recovery": Boundary(own=only("recovery", "engine", "model", "inventory", "stacks", "twin", "tools")),
    "cli": Boundary(own=PACKAGES - {"tests"}),
}
"""The table of the house. A package that is not in it may not exist."""


def offences(module: Module, boundary: Boundary) -> list[str]:
    """Imports of the module that its package may not have."""
    found: list[str] = []
    for one in module.imports():
        top = one.module.split(".")[0]
        if top in PACKAGES:
            allowed = top in boundary.own
        elif top in STANDARD:
            allowed = boundary.standard is None or top in boundary.standard
        else:
            allowed = boundary.others is None or any(top.startswith(prefix) for prefix in boundary.others)
        if not allowed:
            found.append(f"{module.path}:{one.line} imports {one.module}")
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("package", sorted(BOUNDARIES))
def test_a_package_imports_only_what_it_may_know(package: str):
    found = [offence for module in modules(package) for offence in offences(module, BOUNDARIES[package])]
    assert not found, "\n".join(found)


def test_every_package_has_its_boundary():
    there = {path.parent.name for path in PROJECT.glob("*/__init__.py")}
    assert there - {"tests", "benchmarks"} <= set(BOUNDARIES)


@pytest.mark.parametrize(
    ("package", "text"),
    [
        ("model", "import pulumi"),
        ("model", "import os"),
        ("model", "from pathlib import Path"),
        ("model", "def late():\n    import socket"),
        ("model", "from inventory import LAB"),
        ("inventory", "from stacks import colour"),
        ("components", "from inventory.hosts import HOSTS"),
        ("components", "import subprocess"),
        ("components", "import httpx"),
        ("stacks", "from twin.client import Twin"),
        ("stacks", "import cli"),
        ("twin", "from components.options import child_options"),
        ("twin", "from ... import engine"),
        ("engine", "from cli.console import Console"),
    ],
)
def test_a_forbidden_import_is_caught(package: str, text: str):
    assert offences(read(text, f"{package}/folder/some.py"), BOUNDARIES[package])
