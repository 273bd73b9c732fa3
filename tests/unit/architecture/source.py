"""The project's Python files as syntax trees."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Import:
    """One imported module."""

    module: str
    """Dotted, absolute; of `from a import b` both `a` and `a.b`."""
    line: int


@dataclass(frozen=True)
class Module:
    """One file."""

    path: Path
    """Relative to the project."""
    text: str
    tree: ast.Module

    def imports(self) -> Iterator[Import]:
        """Every import, also those within functions."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (Import(alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                origin = self._origin(node)
                if origin:
                    yield Import(origin, node.lineno)
                yield from (Import(f"{origin}.{alias.name}".lstrip("."), node.lineno) for alias in node.names)

    def _origin(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        folders = self.path.parts[: -node.level]
        return ".".join((*folders, node.module) if node.module else folders)


def read(text: str, path: str) -> Module:
    """A module from its text."""
    return Module(path=Path(path), text=text, tree=ast.parse(text))


@cache
def modules(package: str) -> tuple[Module, ...]:
    """Every file of a top-level package."""
    found = sorted((PROJECT / package).rglob("*.py"))
    return tuple(read(path.read_text(), str(path.relative_to(PROJECT))) for path in found)
