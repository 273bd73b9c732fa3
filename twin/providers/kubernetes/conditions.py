"""`pulumi.com/waitFor`: what else than its kind's own rules makes an object ready.

The expressions are those of the published provider: `condition=TYPE`, `condition=TYPE=STATUS`, `jsonpath={PATH}`,
`jsonpath={PATH}=VALUE`, or a JSON list of them. Of JSONPath the twin reads names, indices, `[*]` and the filter
`[?(@.NAME=="VALUE")]`; another expression is refused.
"""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from twin.kubernetes.api import Object

STEP: Final = re.compile(
    r"""\.?\[\?\(?\s*@((?:\.[\w/-]+)+)\s*==\s*(?:"([^"]*)"|'([^']*)'|(\w+))\s*\)?\]"""
    r"""|\.?\[(\*|-?\d+)\]|\.?\[(?:"([^"]+)"|'([^']+)')\]|\.((?:[\w/-]|\\\.)+)"""
)
FILTER_NAME: Final = re.compile(r"\.([\w/-]+)")


class ExpressionError(ValueError):
    """An expression that cannot be waited for."""


class Expression(ABC):
    """Something that must be so of an object."""

    @abstractmethod
    def holds(self, body: Object) -> bool:
        """Whether it is so."""

    @abstractmethod
    def missing(self, body: Object) -> str:
        """What is waited for, and what is found instead."""


@dataclass(frozen=True)
class Condition(Expression):
    """One of `.status.conditions` has a status."""

    kind: str
    status: str

    def holds(self, body: Object) -> bool:
        """Whether it has, as far as the controller has looked at the object as it is now."""
        found = find_condition(body, self.kind)
        if found is None:
            return False
        generation = body["metadata"].get("generation")
        observed = found.get("observedGeneration") or (body.get("status") or {}).get("observedGeneration")
        seen = observed is None or generation is None or observed >= generation
        return seen and str(found.get("status", "")).lower() == self.status.lower()

    def missing(self, body: Object) -> str:
        """The condition, and what it says."""
        found = find_condition(body, self.kind)
        wanted = f"waiting for condition {self.kind} to be {self.status}"
        return f"{wanted}; the object has no such condition" if found is None else f"{wanted}; it is {said(found)}"


@dataclass(frozen=True)
class FieldValue(Expression):
    """A field is there, or has a value."""

    path: str
    steps: tuple["_Step", ...]
    value: str

    def holds(self, body: Object) -> bool:
        """Whether the first value that the path leads to is the wanted one, or there is any when none is wanted."""
        for found in self._found(body):
            return not self.value or _printed(found) == self.value
        return False

    def missing(self, body: Object) -> str:
        """The field, and what it is."""
        wanted = f"waiting for {self.path}{'=' + self.value if self.value else ''}"
        for found in self._found(body):
            what = "no single value" if isinstance(found, dict | list) else f"`{_printed(found)}`"
            return f"{wanted}; it is {what}"
        return f"{wanted}; the object has no such field"

    def _found(self, body: Object) -> Iterator[Any]:
        values: list[Any] = [body]
        for step in self.steps:
            values = [inner for value in values for inner in step.into(value)]
        yield from values


@dataclass(frozen=True)
class _Step:
    """One step down."""

    name: str | None = None
    index: int | None = None
    test: tuple[tuple[str, ...], str] | None = None
    """Names down from an element, and what must be there."""

    def into(self, value: Any) -> Iterator[Any]:
        """Where it leads; a step without anything leads to every element."""
        if self.name is not None:
            if isinstance(value, dict) and self.name in value:
                yield value[self.name]
        elif self.index is not None:
            if isinstance(value, list) and -len(value) <= self.index < len(value):
                yield value[self.index]
        else:
            items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
            yield from (item for item in items if self._passes(item))

    def _passes(self, item: Any) -> bool:
        if self.test is None:
            return True
        names, wanted = self.test
        for name in names:
            if not isinstance(item, dict) or name not in item:
                return False
            item = item[name]
        return _printed(item) == wanted


def read_expressions(text: str) -> tuple[Expression, ...]:
    """What the annotation says; ExpressionError when it is not of the form."""
    try:
        listed: Any = json.loads(text)
    except json.JSONDecodeError:
        listed = [text]
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        listed = [text]
    if not listed:
        raise ExpressionError("at least one condition must be given")
    return tuple(_read(one) for one in listed)


def find_condition(body: Object, kind: str) -> Object | None:
    """The condition of the type; None when the object has none. Letters may be large or small, as for `kubectl`."""
    for condition in (body.get("status") or {}).get("conditions") or ():
        if isinstance(condition, dict) and str(condition.get("type", "")).lower() == kind.lower():
            return condition
    return None


def said(condition: Object) -> str:
    """What a condition says: its status, reason and message."""
    reason = f" [{condition['reason']}]" if condition.get("reason") else ""
    message = f" {condition['message']}" if condition.get("message") else ""
    return f"{condition.get('status')}{reason}{message}"


def _read(text: str) -> Expression:
    if text.startswith("condition="):
        kind, _, status = text.removeprefix("condition=").partition("=")
        return Condition(kind, status or "True")
    if text.startswith("jsonpath="):
        return _read_path(text.removeprefix("jsonpath="))
    raise ExpressionError(f"an expression begins with `jsonpath=` or `condition=`, this one is `{text}`")


def _read_path(text: str) -> FieldValue:
    if text.startswith("'"):
        raise ExpressionError(f"{text} should be without the quotes of a shell")
    end = text.rfind("}")
    if not text.startswith("{") or end < 0:
        raise ExpressionError(f"{text} should have its path in brackets: {{.path}} or {{.path}}=value")
    path, rest = text[: end + 1], text[end + 1 :]
    if rest and (not rest.startswith("=") or "=" in rest[1:]):
        raise ExpressionError(f"the format is {{.path}}=value or {{.path}}, not {text}")
    if rest == "=":
        raise ExpressionError(f"{path}= needs a value")
    return FieldValue(path, _steps(path), rest.removeprefix("="))


def _steps(path: str) -> tuple[_Step, ...]:
    inner = path[1:-1].strip().removeprefix("$")
    steps: list[_Step] = []
    position = 0
    while position < len(inner):
        match = STEP.match(inner, position)
        if match is None:
            raise ExpressionError(f"the twin does not read `{inner[position:]}` of {path}")
        position = match.end()
        test, double, single, bare, index, quoted, apostrophed, name = match.groups()
        if test is not None:
            wanted = next(value for value in (double, single, bare) if value is not None)
            steps.append(_Step(test=(tuple(FILTER_NAME.findall(test)), wanted)))
        elif index is not None:
            steps.append(_Step(index=None if index == "*" else int(index)))
        else:
            steps.append(_Step(name=quoted or apostrophed or name.replace("\\.", ".")))
    if not steps:
        raise ExpressionError(f"{path} names no field")
    return tuple(steps)


def _printed(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "<nil>" if value is None else str(value)
