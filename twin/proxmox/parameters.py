"""Parameters of API calls: what a call takes, and how Proxmox VE words it when a value does not fit."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TypeAlias

from twin.proxmox.refusal import not_emulated, wrong_parameters

Scalar: TypeAlias = str | int | float | bool
Values: TypeAlias = dict[str, Scalar]

_UNKNOWN = "property is not defined in schema and the schema does not allow additional properties"
_MISSING = "property is missing and it is not optional"
_TRUE = frozenset({"1", "on", "yes", "true"})
_FALSE = frozenset({"0", "off", "no", "false"})


class Kind(Enum):
    """Type of a parameter."""

    STRING = auto()
    INTEGER = auto()
    NUMBER = auto()
    BOOLEAN = auto()


@dataclass(frozen=True)
class Parameter:
    """One parameter, or a numbered family of them (`scsi0` … `scsi30`) when `count` is set."""

    name: str
    kind: Kind = Kind.STRING
    required: bool = False
    pattern: str | None = None
    choices: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    count: int | None = None
    check: Callable[[str], str | None] | None = None
    """Further check of a string: the complaint, or None."""
    emulated: bool = True
    """False: Proxmox VE takes it, the twin refuses it by name."""

    def matches(self, name: str) -> bool:
        """Whether a parameter of the call is this one or one of this family."""
        if self.count is None:
            return name == self.name
        number = name.removeprefix(self.name)
        return name.startswith(self.name) and number.isdecimal() and int(number) < self.count

    def parse(self, raw: str) -> Scalar:
        """The value; ValueError with Proxmox VE's words when it does not fit."""
        if self.kind is Kind.BOOLEAN:
            if raw.lower() in _TRUE:
                return True
            if raw.lower() in _FALSE:
                return False
            raise ValueError(f"type check ('boolean') failed - got '{raw}'")
        if self.kind is Kind.INTEGER:
            if not re.fullmatch(r"-?\d+", raw):
                raise ValueError(f"type check ('integer') failed - got '{raw}'")
            self._bounds(int(raw))
            return int(raw)
        if self.kind is Kind.NUMBER:
            try:
                number = float(raw)
            except ValueError:
                raise ValueError(f"type check ('number') failed - got '{raw}'") from None
            self._bounds(number)
            return number
        if self.choices and raw not in self.choices:
            raise ValueError(f"value '{raw}' does not have a value in the enumeration '{', '.join(self.choices)}'")
        if self.pattern is not None and not re.fullmatch(self.pattern, raw):
            raise ValueError(f"value does not match the regex pattern ({self.pattern})")
        if self.check is not None and (complaint := self.check(raw)) is not None:
            raise ValueError(complaint)
        return raw

    def _bounds(self, number: float) -> None:
        if self.minimum is not None and number < self.minimum:
            raise ValueError(f"value must have a minimum value of {self.minimum}")
        if self.maximum is not None and number > self.maximum:
            raise ValueError(f"value must have a maximum value of {self.maximum}")


@dataclass(frozen=True)
class Schema:
    """All parameters that a call takes besides those in its path."""

    parameters: tuple[Parameter, ...] = field(default=())

    def find(self, name: str) -> Parameter | None:
        """The parameter of that name, None when the call does not take it."""
        return next((p for p in self.parameters if p.matches(name)), None)

    def parse(self, raw: Mapping[str, str]) -> Values:
        """Every value by name.

        RefusalError 400 with one message per wrong parameter; 501 for a parameter that the twin does not emulate.
        """
        errors = {p.name: _MISSING for p in self.parameters if p.required and p.name not in raw}
        values: Values = {}
        for name, text in raw.items():
            parameter = self.find(name)
            if parameter is None:
                errors[name] = _UNKNOWN
                continue
            if not parameter.emulated:
                raise not_emulated(f"parameter '{name}'")
            try:
                values[name] = parameter.parse(text)
            except ValueError as error:
                errors[name] = str(error)
        if errors:
            raise wrong_parameters(errors)
        return values


def text(name: str, *, required: bool = False, pattern: str | None = None) -> Parameter:
    """A string."""
    return Parameter(name, required=required, pattern=pattern)


def choice(name: str, *choices: str, required: bool = False) -> Parameter:
    """One of a few strings."""
    return Parameter(name, required=required, choices=choices)


def integer(
    name: str, *, required: bool = False, minimum: int | None = None, maximum: int | None = None
) -> Parameter:
    """A whole number."""
    return Parameter(name, Kind.INTEGER, required=required, minimum=minimum, maximum=maximum)


def boolean(name: str) -> Parameter:
    """0 or 1."""
    return Parameter(name, Kind.BOOLEAN)


def unsupported(name: str, count: int | None = None) -> Parameter:
    """A parameter that exists and is refused by name."""
    return Parameter(name, count=count, emulated=False)


IDENTIFIER = r"[A-Za-z][A-Za-z0-9_.-]*"
"""Pattern of the identifiers that administrators choose (storages, mappings, jobs)."""


def words(values: Values, name: str) -> list[str]:
    """A list parameter (comma, semicolon or blank between its words); empty when absent."""
    return [word for word in re.split(r"[,;\s]+", str(values.get(name, ""))) if word]
