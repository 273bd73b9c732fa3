"""The configuration of all stacks, read and judged as a whole: either it is sound, or every violation is told."""

import traceback
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from model.configuration import (
    PROJECT,
    AddressPlan,
    ColourConfiguration,
    Configuration,
    SharedConfiguration,
    source,
    stack_file,
)
from model.exclusive import Colour
from model.lab import Lab
from model.rules import RULES
from model.rules.near_miss import near_miss
from model.violation import Rule, Source, Violation
from stacks.stack_files import StackFile, check_values, read_stack_file

if TYPE_CHECKING:
    # The types of what runs on a cluster are many, and `shared` needs none of them.
    from model.workloads.platform import Workloads

_SHARED = "shared"

_NEED_LEASE_TABLE = frozenset({Rule.LEASES, Rule.CAPACITY})
"""Rules that say nothing while `Pulumi.shared.yaml` cannot be read: the lease table decides what runs."""

_Path = tuple[int | str, ...]
_Model = TypeVar("_Model", SharedConfiguration, ColourConfiguration)


class ConfigurationError(Exception):
    """The configuration cannot work; `str()` gives one block of text per violation, all of them."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__(f"{len(violations)} violations")
        self.violations = tuple(violations)

    def __str__(self) -> str:
        return "\n\n".join(str(violation) for violation in self.violations)


def load(
    directory: Path, own: Mapping[str, object] | None = None, stack: str | None = None, *, lab: Lab | None = None
) -> Configuration:
    """The configuration of every stack, from the files of a directory.

    `own` replaces what the file of `stack` says by what the engine read, keys without namespace. Raises
    `ConfigurationError` with every violation, in the files, of the rules, and of the inventory.
    """
    if own is not None and stack is None:
        raise ValueError("`own` needs the name of its stack")
    files = {
        name: _given(own, name) if own is not None and name == stack else read_stack_file(directory, name)
        for name in (_SHARED, *Colour)
    }
    shared = _validate(files[_SHARED], _SHARED, SharedConfiguration)
    colours = {colour: _validate(files[colour], colour, ColourConfiguration) for colour in Colour}
    readings = (shared, *colours.values())
    found = [violation for reading in readings for violation in reading.violations]
    configuration = Configuration(
        shared=shared.value or SharedConfiguration(active_colour=None, leases={}),
        colours={colour: reading.value for colour, reading in colours.items() if reading.value is not None},
    )
    try:
        judged = read_inventory() if lab is None else lab
    except ConfigurationError as error:
        found += error.violations
    else:
        found += [
            violation
            for rule, check in RULES.items()
            if shared.value is not None or rule not in _NEED_LEASE_TABLE
            for violation in check(judged, configuration)
        ]
    if found:
        raise ConfigurationError(found)
    return configuration


@dataclass(frozen=True)
class _Reading(Generic[_Model]):
    """A stack's configuration as far as it makes sense: None when too little of it does."""

    value: _Model | None
    violations: tuple[Violation, ...]


def _given(own: Mapping[str, object], stack: str) -> StackFile:
    violations, spoilt = check_values(own, stack_file(stack))
    return StackFile(own, violations, spoilt)


def _validate(file: StackFile, stack: str, model: type[_Model]) -> _Reading[_Model]:
    if file.content is None:
        return _Reading(None, file.violations)
    try:
        return _Reading(model.model_validate(file.content), file.violations)
    except ValidationError as error:
        errors = [detail for detail in error.errors() if detail["loc"][:1] not in {(key,) for key in file.spoilt}]
    meant = _meant(errors)
    told = tuple(
        _violation(detail, stack, model, meant) for detail in errors if detail["loc"] not in meant.values()
    )
    repaired = _repaired(file.content, errors, meant, file.spoilt)
    try:
        value = model.model_validate(repaired)
    except ValidationError:
        value = None
    return _Reading(value, (*file.violations, *told))


def _meant(errors: Sequence[ErrorDetails]) -> dict[_Path, _Path]:
    """Which missing key each unknown one stands for, so that a slip of the keyboard is told once."""
    missing = {detail["loc"] for detail in errors if detail["type"] == "missing"}
    found: dict[_Path, _Path] = {}
    for detail in errors:
        if detail["type"] == "extra_forbidden":
            *above, key = detail["loc"]
            candidates = [str(loc[-1]) for loc in missing - set(found.values()) if loc[:-1] == tuple(above)]
            nearest = near_miss(str(key), candidates)
            if candidates and nearest.startswith("did you mean"):
                found[detail["loc"]] = (*above, nearest.split("`")[1])
    return found


def _repaired(
    content: Mapping[str, object], errors: Sequence[ErrorDetails], meant: Mapping[_Path, _Path], spoilt: frozenset[str]
) -> dict[str, object]:
    """The content without unknown keys and with the misspelt ones as they were meant, for the rules to look at."""
    copy = cast("dict[str, object]", _copied({key: value for key, value in content.items() if key not in spoilt}))
    for detail in errors:
        if detail["type"] != "extra_forbidden":
            continue
        *above, key = detail["loc"]
        inner: Any = copy
        for step in above:
            inner = inner[step]
        value = inner.pop(key, None)
        if detail["loc"] in meant:
            inner[meant[detail["loc"]][-1]] = value
    return copy


def _copied(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _copied(inner) for key, inner in cast("Mapping[object, object]", value).items()}
    return value


def _violation(
    detail: ErrorDetails, stack: str, model: type[BaseModel], meant: Mapping[_Path, _Path]
) -> Violation:
    loc = detail["loc"]
    message, fix = _explanation(detail, stack, model, meant)
    return Violation(rule=Rule.SCHEMA, message=message, where=_source(stack, loc), fix=fix)


def _explanation(
    detail: ErrorDetails, stack: str, model: type[BaseModel], meant: Mapping[_Path, _Path]
) -> tuple[str, str]:
    loc = detail["loc"]
    name = str(loc[-1]) if loc else PROJECT
    kind = detail["type"]
    if kind == "missing":
        return f"`{name}` is missing", f"add it: {_meaning(model, loc)}"
    if kind == "extra_forbidden":
        return f"there is no key `{name}`", _home(name, stack, loc) or (
            f"did you mean `{meant[loc][-1]}`?" if loc in meant else near_miss(name, _fields(model, loc[:-1]))
        )
    given = _shown(detail["input"])
    if kind == "enum":
        expected = str(detail.get("ctx", {}).get("expected", ""))
        return f"{given} is not one of {expected}", near_miss(str(detail["input"]), _choices(expected))
    return f"{given} does not fit: {_problem(detail)}", _advice(kind, model, loc)


def _problem(detail: ErrorDetails) -> str:
    """What the validator says, in the words of a stack file."""
    kind = detail["type"]
    if kind.startswith("tuple_"):
        return "it is not a list"
    if kind.startswith(("model_", "dict_")):
        return "it is not a mapping"
    return _lowered(detail["msg"])


def _advice(kind: str, model: type[BaseModel], loc: _Path) -> str:
    if kind.startswith("ip_"):
        return "write an IPv4 address, for example 10.0.30.30"
    if kind == "string_pattern_mismatch":
        return "write a version as v1.11.3"
    if kind.startswith(("int_", "greater_than")):
        return "write a whole number of 100 or more, without quotes"
    if kind == "bool_parsing" or kind.startswith("bool_"):
        return "write true or false"
    if kind.startswith("tuple_"):
        return f"write a list, for example `{loc[-1]}: []`"
    if kind.startswith(("model_", "dict_")):
        inner = ", ".join(f"`{name}`" for name in _fields(model, loc))
        return "write a mapping, one indented `key: value` a line" + (f", with {inner}" if inner else "")
    if kind == "string_type":
        return "write a text; quotes keep YAML from reading it as something else"
    return "see docs/reference for what the key takes"


def _home(name: str, stack: str, loc: _Path) -> str | None:
    """The file that a key belongs to, where it is another one."""
    if len(loc) != 1:
        return None
    if stack == _SHARED and name in ColourConfiguration.model_fields:
        return f"that key belongs into {stack_file(Colour.GREEN)} or {stack_file(Colour.BLUE)}"
    if stack != _SHARED and name in SharedConfiguration.model_fields:
        return f"that key belongs into {stack_file(_SHARED)}"
    return None


def _model_at(model: type[BaseModel], path: _Path) -> type[BaseModel] | None:
    for step in path:
        annotation = model.model_fields[str(step)].annotation if str(step) in model.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return None
        model = annotation
    return model


def _fields(model: type[BaseModel], path: _Path) -> tuple[str, ...]:
    inner = _model_at(model, path)
    return () if inner is None else tuple(inner.model_fields)


def _meaning(model: type[BaseModel], loc: _Path) -> str:
    inner = _model_at(model, loc[:-1])
    if inner is AddressPlan:
        return "every colour needs its whole address plan"
    return f"see docs/reference/stack-{'shared' if model is SharedConfiguration else 'colour'}.schema.json"


def _choices(expected: str) -> list[str]:
    return [part.strip("' ") for part in expected.replace(" or ", ", ").split(",") if part.strip()]


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    text = f"`{value}`" if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]


def _source(stack: str, loc: _Path) -> Source:
    steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc if step != "[key]")
    return source(stack, steps.removeprefix("."))


def read_inventory() -> Lab:
    """The lab of this checkout; a mistake in its Python files becomes violations that name file and line."""
    with _mistakes_are_told():
        from inventory import LAB
    return LAB


def read_workloads() -> "Workloads":
    """What runs on the clusters of this checkout; mistakes as with the lab. Only a colour needs it."""
    with _mistakes_are_told():
        from inventory.workloads import WORKLOADS
    return WORKLOADS


@contextmanager
def _mistakes_are_told() -> Generator[None]:
    try:
        yield
    except ValidationError as error:
        raise ConfigurationError([_mistake(error, _line(detail)) for detail in error.errors()]) from None
    except (ValueError, TypeError, NameError, AttributeError, KeyError, SyntaxError, ImportError) as error:
        raise ConfigurationError([_mistake(error, str(error))]) from None


def _line(detail: ErrorDetails) -> str:
    path = ".".join(str(step) for step in detail["loc"])
    return f"{path}: {_shown(detail['input'])} does not fit: {_lowered(detail['msg'])}"


def _mistake(error: Exception, message: str) -> Violation:
    file, line = next(_frames(error), ("inventory", 0))
    return Violation(
        rule=Rule.SCHEMA,
        message=message,
        where=Source(file=file, key=f"line {line}"),
        fix="mend the Python there"
        if isinstance(error, SyntaxError)
        else "give the value the type that the class in model/ says",
    )


def _frames(error: Exception) -> Iterator[tuple[str, int]]:
    """Where in the inventory the error arose, the innermost place first."""
    if isinstance(error, SyntaxError) and error.filename is not None:
        yield _inventory_file(Path(error.filename)) or Path(error.filename).name, error.lineno or 0
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        name = _inventory_file(Path(frame.filename))
        if name is not None:
            yield name, frame.lineno or 0


def _inventory_file(path: Path) -> str | None:
    """The file as a person names it, e.g. `inventory/workloads/canary.py`; None outside the inventory."""
    if "inventory" not in path.parts:
        return None
    last = len(path.parts) - 1 - path.parts[::-1].index("inventory")
    return "/".join(path.parts[last:])
