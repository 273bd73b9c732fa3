# ruff: noqa: S105 - a type token is no password
"""Stand-in of the `random` provider, which has no API: what it makes lives in Pulumi's state alone."""

import base64
import secrets
import string
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from twin.providers.errors import ApiError
from twin.providers.inputs import Violation
from twin.providers.kinds import Call, Created, Found, ResourceKind, State, Surroundings
from twin.providers.stand_in import StandIn

SPECIAL = "!@#$%&*()-_=+[]{}<>:?"
LETTERS: Mapping[str, str] = {
    "Lower": string.ascii_lowercase,
    "Upper": string.ascii_uppercase,
    "Numeric": string.digits,
    "Special": SPECIAL,
}
"""Classes of characters by the endings of the inputs about them: `upper`, `minUpper`."""


class _RandomKind(ResourceKind):
    """A value that is drawn once, and again only when an input changes."""

    replace_on: ClassVar[frozenset[str]] = frozenset({"keepers"})

    def drawn(self, inputs: State) -> Created:
        """A new value."""
        raise NotImplementedError

    async def create(self, call: Call) -> Created:
        """Draw it."""
        return self.drawn(call.inputs)

    async def read(self, resource_id: str, inputs: State, outputs: State) -> Found | None:
        """It is what Pulumi remembers: nobody else knows it."""
        return Found(resource_id, inputs, {name: value for name, value in outputs.items() if name not in inputs})

    async def update(self, resource_id: str, call: Call, outputs: State) -> State:
        """Every input replaces the value, so nothing is left to change in place."""
        del resource_id
        return {name: value for name, value in outputs.items() if name not in call.inputs}

    async def delete(self, resource_id: str, call: Call, outputs: State) -> None:
        """Nothing is kept anywhere."""


class _Characters(_RandomKind):
    """A string of characters from the classes that are switched on."""

    replace_on = frozenset(
        {
            "keepers", "length", "overrideSpecial", "lower", "upper", "number", "numeric", "special",
            "minLower", "minUpper", "minNumeric", "minSpecial",
        }
    )  # fmt: skip

    def completed(self, inputs: State, configuration: Mapping[str, Any]) -> State:
        """Every class is on, and none is demanded."""
        del configuration
        switches = {ending.lower(): True for ending in LETTERS}
        minima = {f"min{ending}": 0 for ending in LETTERS}
        numeric = inputs.get("numeric", inputs.get("number", True))
        return {**switches, **minima, **inputs, "numeric": numeric, "number": numeric}

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """The length has room for what is demanded, and something is left to draw from."""
        asked = self.completed(inputs, configuration)
        length = asked.get("length")
        demanded = sum(asked[f"min{ending}"] for ending in LETTERS)
        if length is not None and length < max(1, demanded):
            yield Violation(
                "length", f"must be at least {max(1, demanded)}: 1, and room for every minimum; is {length}"
            )
        if not any(asked[ending.lower()] for ending in LETTERS):
            yield Violation("lower", "at least one of lower, upper, numeric and special must be true")

    def drawn(self, inputs: State) -> Created:
        """The demanded ones of each class, the rest from all classes, shuffled."""
        asked = self.completed(inputs, {})
        classes = dict(LETTERS)
        if asked.get("overrideSpecial"):
            classes["Special"] = asked["overrideSpecial"]
        letters = [secrets.choice(classes[e]) for e in classes for _ in range(asked[f"min{e}"])]
        pool = "".join(classes[ending] for ending in classes if asked[ending.lower()])
        letters += [secrets.choice(pool) for _ in range(asked["length"] - len(letters))]
        secrets.SystemRandom().shuffle(letters)
        return self._made("".join(letters), {name: asked[name] for name in asked if name not in inputs})

    def _made(self, text: str, outputs: State) -> Created:
        return Created(text, {**outputs, "result": text})


class RandomString(_Characters):
    """A random string that is no secret."""

    token = "random:index/randomString:RandomString"


class RandomPassword(_Characters):
    """A random string that is a secret; its id tells nothing. The `bcryptHash` output is not emulated: it is absent."""

    token = "random:index/randomPassword:RandomPassword"
    secret_outputs = frozenset({"result", "bcryptHash"})

    def _made(self, text: str, outputs: State) -> Created:
        return Created("none", {**outputs, "result": text})


class RandomId(_RandomKind):
    """Random bytes in several spellings."""

    token = "random:index/randomId:RandomId"
    replace_on = frozenset({"keepers", "byteLength", "prefix"})

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """At least one byte."""
        del configuration
        if inputs.get("byteLength", 1) < 1:
            yield Violation("byteLength", "must be at least 1")

    def drawn(self, inputs: State) -> Created:
        """The id is the unpadded URL-safe base64 of the bytes, without the prefix."""
        raw = secrets.token_bytes(inputs["byteLength"])
        prefix = inputs.get("prefix", "")
        url = base64.urlsafe_b64encode(raw).decode().rstrip("=")
        outputs = {
            "b64Std": prefix + base64.b64encode(raw).decode(),
            "b64Url": prefix + url,
            "dec": f"{prefix}{int.from_bytes(raw)}",
            "hex": prefix + raw.hex(),
        }
        return Created(url, outputs)


class RandomBytes(_RandomKind):
    """Random bytes that are a secret."""

    token = "random:index/randomBytes:RandomBytes"
    replace_on = frozenset({"keepers", "length"})
    secret_outputs = frozenset({"base64", "hex"})

    def drawn(self, inputs: State) -> Created:
        """The id tells nothing."""
        raw = secrets.token_bytes(inputs["length"])
        return Created("none", {"base64": base64.b64encode(raw).decode(), "hex": raw.hex()})

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """At least one byte."""
        del configuration
        if inputs.get("length", 1) < 1:
            yield Violation("length", "must be at least 1")


class RandomUuid(_RandomKind):
    """A random UUID."""

    token = "random:index/randomUuid:RandomUuid"

    def drawn(self, inputs: State) -> Created:
        """Version 4."""
        del inputs
        drawn = str(uuid.uuid4())
        return Created(drawn, {"result": drawn})

    def import_target(self, import_id: str) -> tuple[str, State]:
        """The UUID itself."""
        try:
            found = str(uuid.UUID(import_id))
        except ValueError as error:
            raise ApiError(400, f"the import id of a RandomUuid is the UUID, not `{import_id}`") from error
        return found, {"result": found}


class Random(StandIn):
    """The `random` provider."""

    name = "random"
    sdk = "pulumi_random"

    def kinds(self, surroundings: Surroundings) -> Iterable[ResourceKind]:
        """What passwords and ids need."""
        return [kind(surroundings) for kind in (RandomString, RandomPassword, RandomId, RandomBytes, RandomUuid)]
