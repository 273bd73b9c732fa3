"""Words that tell a boundary was crossed, and names that tell nothing."""

import re

import pytest

from tests.unit.architecture.source import PROJECT, modules

TWIN = re.compile(r"twin", re.IGNORECASE)
REAL_PROGRAM = ("model", "inventory", "components", "stacks", "policy")
EMPTY_NAMES = re.compile(r"(?:^|_)(?:utils?|helpers?|common|managers?|misc)(?:_|$)")
EMPTY_CLASS_NAMES = re.compile(r"(?:Utils?|Helpers?|Manager)$")
PACKAGES = (*REAL_PROGRAM, "recovery", "engine", "twin", "tools", "cli", "tests", "benchmarks")


@pytest.mark.parametrize("package", REAL_PROGRAM)
def test_the_program_cannot_tell_the_twin_from_real_hardware(package: str):
    found = [
        f"{module.path}:{number}: {line.strip()}"
        for module in modules(package)
        for number, line in enumerate(module.text.splitlines(), start=1)
        if TWIN.search(line)
    ]
    assert not found, "the program must not know the word:\n" + "\n".join(found)


def test_every_module_is_named_for_what_it_holds():
    found = [
        str(module.path)
        for package in PACKAGES
        for module in modules(package)
        if any(EMPTY_NAMES.search(part) for part in (*module.path.parts[:-1], module.path.stem))
    ]
    assert not found, "names that say nothing:\n" + "\n".join(found)


def test_every_class_is_named_for_what_it_is():
    import ast

    found = [
        f"{module.path}:{node.lineno} {node.name}"
        for package in PACKAGES
        for module in modules(package)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef) and EMPTY_CLASS_NAMES.search(node.name)
    ]
    assert not found, "names that say nothing:\n" + "\n".join(found)


@pytest.mark.parametrize("name", ["utils", "test_helpers", "common", "vm_manager", "helper_of_disks"])
def test_an_empty_name_is_recognised(name: str):
    assert EMPTY_NAMES.search(name)


@pytest.mark.parametrize("name", ["commons", "managed", "utilisation", "uncommon"])
def test_a_telling_name_is_not(name: str):
    assert not EMPTY_NAMES.search(name)


def test_the_program_starts_in_a_few_lines():
    lines = [line for line in (PROJECT / "__main__.py").read_text().splitlines() if line.strip()]
    assert len(lines) <= 10
