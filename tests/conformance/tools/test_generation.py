"""Files that a recipe's own program writes, with a compiler that takes no time."""

import os
from dataclasses import replace
from pathlib import Path
from stat import S_IRWXU

import pytest

from tools import build, recipe
from tools.build import ToolError, cache_directory, ensure, installed
from tools.recipe import Binary, Generation, Recipe

COMPILER = """#!/bin/sh
case "$1" in
env) echo go1.99.0 ;;
build)
    while [ "$1" != -o ]; do shift; done
    printf '%s\\n' '#!/bin/sh' 'echo "$(basename "$PWD") $* $(command -v go)" > written.txt' 'echo complaint >&2' > "$2"
    chmod +x "$2"
    echo run >> "$(dirname "$0")/runs"
    ;;
esac
"""


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `go` whose programs write `written.txt`: the folder, their arguments, and which `go` they find."""
    executable = tmp_path / "bin" / "go"
    executable.parent.mkdir()
    executable.write_text(COMPILER)
    executable.chmod(S_IRWXU)
    monkeypatch.setenv("PATH", os.pathsep.join((str(executable.parent), "/usr/bin", "/bin")))
    return executable


@pytest.fixture
def example(tmp_path: Path, compiler: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """A recipe whose program is run in a module folder and in an empty one."""
    for folder in ("example", "example/inner"):
        (tmp_path / "tools" / folder).mkdir(parents=True)
        (tmp_path / "tools" / folder / "go.mod").write_text(f"module {folder}\n")
    monkeypatch.setattr(recipe, "DIRECTORY", tmp_path / "tools")
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    return Recipe(
        name="example",
        purpose="shows how files are generated",
        binaries=(Binary("example", "."),),
        generate=(Generation(keep=("written.txt",), arguments=("Kind", "Other"), module="inner"),),
    )


def left_in_cache() -> list[str]:
    return sorted(path.name for path in (cache_directory() / "tools").iterdir() if not path.name.endswith(".lock"))


def test_the_program_runs_in_the_module_with_go_on_path(example: Recipe, compiler: Path):
    said: list[str] = []
    (tool,) = ensure((example,), said.append)
    assert (tool.directory / "written.txt").read_text() == f"inner Kind Other {compiler}\n"
    assert any("written.txt" in line for line in said)
    assert not (example.directory / "inner" / "written.txt").exists()


def test_without_a_module_the_folder_is_empty(example: Recipe):
    alone = replace(example, generate=(Generation(keep=("written.txt",)),))
    (tool,) = ensure((alone,), print)
    folder = (tool.directory / "written.txt").read_text().split()[0]
    assert folder not in {"inner", "source", "result"}
    assert sorted(path.name for path in tool.directory.iterdir()) == ["example", "written.txt"]


def test_it_is_built_once(example: Recipe, compiler: Path):
    assert ensure((example,), print) == ensure((example,), print)
    assert (compiler.parent / "runs").read_text() == "run\n"


def test_a_file_that_was_not_written_is_named_and_nothing_is_kept(example: Recipe):
    wrong = replace(example, generate=(*example.generate, Generation(keep=("other.txt",), module="inner")))
    with pytest.raises(ToolError, match=r"example did not write other\.txt; it said:\ncomplaint"):
        ensure((wrong,), print)
    assert installed(wrong, cache_directory()) is None
    assert left_in_cache() == []


def test_what_an_interrupted_build_left_is_swept(example: Recipe):
    left = cache_directory() / "tools" / ".building-example-left"
    left.mkdir(parents=True)
    ensure((example,), print)
    assert left_in_cache() == [f"example-{example.key}"]


@pytest.mark.parametrize("change", ["module", "arguments", "keep"])
def test_the_key_changes_with_what_the_files_depend_on(example: Recipe, change: str):
    before = example.key
    (generation,) = example.generate
    changed = example
    if change == "module":
        (example.directory / "inner" / "go.mod").write_text("module other\n")
    elif change == "arguments":
        changed = replace(example, generate=(replace(generation, arguments=("Kind",)),))
    else:
        changed = replace(example, generate=(replace(generation, keep=("other.txt",)),))
    assert changed.key != before


def test_every_bundle_has_its_module():
    for generation in recipe.CUSTOM_RESOURCES.generate:
        folder = recipe.CUSTOM_RESOURCES.directory / generation.module
        assert {path.name for path in folder.iterdir()} == {"go.mod", "go.sum", "tools.go"}
        assert generation.arguments, f"{generation.module} asks for no kind"
    folders = {path.name for path in recipe.CUSTOM_RESOURCES.directory.iterdir() if path.is_dir()}
    assert folders == {generation.module for generation in recipe.CUSTOM_RESOURCES.generate}


def test_go_is_new_enough_for_every_module():
    for path in recipe.DIRECTORY.rglob("go.mod"):
        needed = next(line.split()[1] for line in path.read_text().splitlines() if line.startswith("go "))
        assert tuple(int(part) for part in needed.split(".")) <= build.GO_MINIMUM, path
