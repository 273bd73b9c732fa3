"""The stack files as text: YAML whose keys stand once, in known namespaces, with no secret in clear."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from model.configuration import PROJECT, stack_file
from model.exclusive import Colour
from model.rules.near_miss import near_miss
from model.violation import Rule, Source, Violation

PROVIDERS = ("proxmoxve", "talos", "cloudflare", "gcp", "kubernetes", "command", "random", "harbor")
"""Namespaces of the providers whose settings may stand in a stack file."""

NAMESPACES = (PROJECT, "pulumi", *PROVIDERS)

TOP_LEVEL = ("config", "secretsprovider", "encryptedkey", "encryptionsalt", "environment")
"""What the Pulumi engine knows in a stack file."""

_SECRET_NAME = re.compile(
    r"passw(?:or)?d|passphrase|secret|token|credentials|(?:api|private|access|account)[_-]?key$", re.IGNORECASE
)
_SECRET_VALUES = tuple(
    re.compile(pattern)
    for pattern in (
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
        r"^[\w.-]+@[\w-]+![\w.-]+=[0-9a-f]{8}-[0-9a-f-]{27}$",  # Proxmox VE API token
        r"^gh[pousr]_[A-Za-z0-9]{20,}|^github_pat_[A-Za-z0-9_]{20,}",
        r"^glpat-[\w-]{20,}",
        r"^AKIA[0-9A-Z]{16}$",
        r"^AIza[\w-]{35}$",
        r"^AGE-SECRET-KEY-1",
        r"^xox[abpr]-[\w-]{10,}",
        r"^[a-z][a-z0-9+.-]*://[^/\s:@]+:[^/\s@]+@",
    )
)


@dataclass(frozen=True)
class StackFile:
    """The content of one stack file under the project's namespace, and what is wrong with the file as such."""

    content: Mapping[str, object] | None
    """Keys without namespace; None where the file could not be read."""
    violations: tuple[Violation, ...] = ()
    spoilt: frozenset[str] = field(default=frozenset())
    """Keys of the content that a violation is already about."""


def read_stack_file(directory: Path, stack: str) -> StackFile:
    """Read and check `Pulumi.STACK.yaml` of the directory; never raises for what a person may have written."""
    name = stack_file(stack)
    try:
        text = (directory / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        return StackFile(None, (_missing(directory, name),))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        return StackFile(None, (_violation(f"{name} cannot be read: {reason}", name, "the whole file", "repair it"),))
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content: object = None if root is None else yaml.safe_load(text)
    except yaml.YAMLError as error:
        return StackFile(None, (_syntax(error, name),))
    if root is not None and _has_alias(root):
        message = f"{name} repeats a part by a YAML alias (`*name`)"
        return StackFile(None, (_violation(message, name, "the whole file", "write the part out"),))
    duplicates = tuple(_duplicates(root, name))
    sections, problems = _sections(content, name)
    if sections is None:
        return StackFile(None, (*duplicates, *problems))
    keys, more, spoilt = _keys(sections, name)
    return StackFile(keys, (*duplicates, *problems, *more), spoilt)


def check_values(values: Mapping[str, object], file: str) -> tuple[tuple[Violation, ...], frozenset[str]]:
    """Secrets under the project's keys, in clear or encrypted, and the keys that have them. Nothing there is one."""
    found: list[Violation] = []
    spoilt: set[str] = set()
    for key, value in values.items():
        problems = list(_project_secrets(key, value, file))
        if problems:
            spoilt.add(key)
            found += problems
    return tuple(found), frozenset(spoilt)


def _missing(directory: Path, name: str) -> Violation:
    # A file that another stack needs is not this one under a wrong name.
    needed = {"Pulumi.yaml", *(stack_file(stack) for stack in ("shared", *Colour))}
    others = {path.name for path in directory.glob("Pulumi.*")} if directory.is_dir() else set[str]()
    hint = near_miss(name, sorted(others - needed))
    meant = hint.startswith("did you mean")
    fix = f"{hint} Rename it." if meant else "bring it back, or copy another stack's and edit it"
    return _violation(f"there is no file {name}", name, "the whole file", fix)


def _syntax(error: yaml.YAMLError, name: str) -> Violation:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        position = "the whole file" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}"
        problem = " ".join(part for part in (error.context, error.problem) if part)
    else:
        position, problem = "the whole file", str(error).splitlines()[0]
    return _violation(f"{name} is no YAML: {problem}", name, position, "check indentation, quotes and colons there")


def _duplicates(root: yaml.Node | None, name: str) -> Iterator[Violation]:
    """Keys that stand twice in one mapping: YAML readers keep one of them silently."""
    waiting: list[tuple[str, yaml.Node]] = [] if root is None else [("", root)]
    while waiting:
        path, node = waiting.pop()
        if isinstance(node, yaml.SequenceNode):
            waiting += [(f"{path}[{index}]", child) for index, child in enumerate(_children(node))]
        elif isinstance(node, yaml.MappingNode):
            lines: dict[str, int] = {}
            for key_node, child in cast("list[tuple[yaml.Node, yaml.Node]]", node.value):
                key = str(key_node.value)
                line = key_node.start_mark.line + 1
                inner = f"{path}.{key}" if path else key
                if key in lines:
                    place = inner.removeprefix("config.")
                    yield _violation(
                        f"`{key}` stands twice, in lines {lines[key]} and {line}; only one of them would count",
                        name,
                        place,
                        "remove one of the two lines",
                    )
                lines.setdefault(key, line)
                waiting.append((inner, child))


def _has_alias(root: yaml.Node) -> bool:
    """Whether a list or mapping is used twice; one that contains itself would have no end."""
    waiting, seen = [root], set[int]()
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.ScalarNode):
            continue
        if id(node) in seen:
            return True
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += _children(node)
        elif isinstance(node, yaml.MappingNode):
            waiting += [child for _, child in cast("list[tuple[yaml.Node, yaml.Node]]", node.value)]
    return False


def _children(node: yaml.SequenceNode) -> list[yaml.Node]:
    return cast("list[yaml.Node]", node.value)


def _sections(content: object, name: str) -> tuple[Mapping[object, object] | None, list[Violation]]:
    """The `config` section and what is wrong around it."""
    if not isinstance(content, dict):
        what = "is empty" if content is None else f"is {_kind(content)}, not a mapping"
        return None, [_violation(f"{name} {what}", name, "the whole file", "begin with the line `config:`")]
    top = cast("dict[object, object]", content)
    found = [
        _violation(f"a stack file has no key `{key}`", name, str(key), near_miss(str(key), TOP_LEVEL))
        for key in top
        if key not in TOP_LEVEL
    ]
    section = top.get("config")
    if isinstance(section, dict):
        return cast("dict[object, object]", section), found
    if not any(near_miss(str(key), ("config",)).startswith("did you mean") for key in top if key != "config"):
        what = "missing" if section is None else f"{_kind(section)}, not a mapping"
        found.append(
            _violation(f"`config` of {name} is {what}", name, "config", f"write the keys of {PROJECT} below it")
        )
    return None, found


def _keys(section: Mapping[object, object], name: str) -> tuple[dict[str, object], list[Violation], frozenset[str]]:
    own: dict[str, object] = {}
    found: list[Violation] = []
    for key, value in section.items():
        namespace, colon, rest = str(key).partition(":")
        if not isinstance(key, str) or not colon or not rest or ":" in rest:
            found.append(
                _violation(
                    f"`{key}` is no configuration key: those are `namespace:name`",
                    name,
                    str(key),
                    f"write `{PROJECT}:{(rest or namespace).rsplit(':', 1)[-1]}`",
                )
            )
        elif namespace == PROJECT:
            own[rest] = value
        elif namespace not in NAMESPACES:
            found.append(
                _violation(
                    f"`{key}` is in namespace `{namespace}`, which neither the project nor a provider of it has",
                    name,
                    key,
                    near_miss(namespace, NAMESPACES),
                )
            )
        else:
            found += _provider_secrets(key, value, name)
    problems, spoilt = check_values(own, name)
    return own, [*found, *problems], spoilt


def _provider_secrets(key: str, value: object, name: str) -> Iterator[Violation]:
    for path, text in _texts(key, value):
        if text and (_SECRET_NAME.search(path.rsplit(":", 1)[-1]) or _looks_secret(text)):
            yield _violation(
                f"`{path}` looks like a secret in clear",
                name,
                path,
                f"`pulumi config set --secret {key}` encrypts it; and make a new one, this one has been on disk",
            )


def _project_secrets(key: str, value: object, name: str) -> Iterator[Violation]:
    path = f"{PROJECT}:{key}"
    for place in _encrypted(path, value):
        yield _violation(
            f"`{place}` is encrypted, but nothing in the project's configuration is a secret",
            name,
            place,
            "write its value in clear; secrets belong to the secret store, not here",
        )
    for place, text in _texts(path, value):
        if _looks_secret(text) or (text and _SECRET_NAME.search(key)):
            yield _violation(
                f"`{place}` looks like a secret in clear, and nothing in the project's configuration is a secret",
                name,
                place,
                "remove it and make a new one, this one has been on disk",
            )


def _looks_secret(text: str) -> bool:
    return any(pattern.search(text) for pattern in _SECRET_VALUES)


def _texts(path: str, value: object) -> Iterator[tuple[str, str]]:
    """Every text in clear below a key, with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict) and not _is_encrypted(value):
        for key, inner in cast("dict[object, object]", value).items():
            yield from _texts(f"{path}.{key}", inner)
    elif isinstance(value, list):
        for index, inner in enumerate(cast("list[object]", value)):
            yield from _texts(f"{path}[{index}]", inner)


def _encrypted(path: str, value: object) -> Iterator[str]:
    """Paths of the encrypted values below a key."""
    if isinstance(value, dict):
        if _is_encrypted(value):
            yield path
        else:
            for key, inner in cast("dict[object, object]", value).items():
                yield from _encrypted(f"{path}.{key}", inner)
    elif isinstance(value, list):
        for index, inner in enumerate(cast("list[object]", value)):
            yield from _encrypted(f"{path}[{index}]", inner)


def _is_encrypted(value: dict[Any, Any]) -> bool:
    return set(value) == {"secure"} and isinstance(value["secure"], str)


def _kind(value: object) -> str:
    for kind, name in ((list, "a list"), (dict, "a mapping"), (str, "a text"), (bool, "a truth value")):
        if isinstance(value, kind):
            return name
    return "a number"


def _violation(message: str, file: str, key: str, fix: str) -> Violation:
    return Violation(rule=Rule.SCHEMA, message=message, where=Source(file=file, key=key), fix=fix)
