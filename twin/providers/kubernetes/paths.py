"""Property paths, such as `metadata.annotations["pulumi.com/skipAwait"]` and `spec.ports[0].port`."""

import re
from collections.abc import Iterable
from typing import Final

Path = tuple[str | int, ...]
"""Names of properties and indices of lists, from the top."""

ELEMENTS: Final = "*"
"""Stands for every index in a pattern."""

PART: Final = re.compile(r"""\["((?:[^"\\]|\\.)*)"\]|\['([^']*)'\]|\[(\d+|\*)\]|\.?([^.\[\]"']+)""")
PLAIN: Final = re.compile(r"""^[^."'\[\]]+$""")


def written(path: Path) -> str:
    """The path as Pulumi writes it."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif PLAIN.match(part):
            text += f".{part}" if text else part
        else:
            escaped = part.replace("\\", "\\\\").replace('"', '\\"')
            text += f'["{escaped}"]'
    return text


def read(text: str) -> Path:
    """The path that is written; what is no part of one is left out."""
    parts: list[str | int] = []
    for quoted, single, index, name in PART.findall(text.removeprefix(".")):
        if index:
            parts.append(ELEMENTS if index == ELEMENTS else int(index))
        elif quoted:
            parts.append(re.sub(r"\\(.)", r"\1", quoted))
        else:
            parts.append(single or name)
    return tuple(parts)


def covers(pattern: Path, path: Path) -> bool:
    """Whether the pattern is the path or a parent of it."""
    return len(pattern) <= len(path) and all(map(_fits, pattern, path))


def any_covers(patterns: Iterable[Path], path: Path) -> bool:
    """Whether one of the patterns does."""
    return any(covers(pattern, path) for pattern in patterns)


def _fits(pattern: str | int, part: str | int) -> bool:
    return pattern == part or (pattern == ELEMENTS and isinstance(part, int))
