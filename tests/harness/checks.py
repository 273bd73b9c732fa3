"""What must hold of every program: each check returns one line per offender, and none when all is well."""

from collections import Counter
from collections.abc import Iterator, Mapping

from tests.harness.answers import SENTINEL
from tests.harness.recording import STACK_REFERENCE_TYPE, STACK_TYPE, Recording
from twin.providers import wire

OUTPUT_AS_TEXT = "Calling __str__ on an Output[T] is not supported"
"""How the text begins that an Output formatted into a string becomes."""


def duplicate_urns(recording: Recording) -> list[str]:
    """Two resources of one type, parent and name: the engine refuses the second, Pulumi's mocks lose the first."""
    counted = Counter(one.urn for one in recording.registrations)
    return [f"{urn} is registered {times} times" for urn, times in counted.items() if times > 1]


def implicit_providers(recording: Recording) -> list[str]:
    """Resources and calls that would fall back on a default provider and on the credentials lying about."""
    known = {one.urn: one for one in recording.registrations if one.is_provider}
    users = [
        *((str(one), one.package, one.provider) for one in recording.managed),
        *((f"call of {one.token}", one.token.split(":")[0], one.provider) for one in recording.invocations),
    ]
    offenders: list[str] = []
    for user, package, provider in users:
        if provider is None:
            offenders.append(f"{user} names no provider")
        elif provider not in known:
            offenders.append(f"{user} has the provider {provider}, which the program does not register")
        elif known[provider].package != package:
            offenders.append(f"{user} has the {known[provider].package} provider")
    return offenders


def escaped_children(recording: Recording) -> list[str]:
    """Resources outside every component. Providers and references to other stacks belong to the stack itself."""
    components = {one.urn for one in recording.components}
    offenders: list[str] = []
    for one in recording.registrations:
        at_home = one.is_provider or one.type in (STACK_TYPE, STACK_REFERENCE_TYPE) or one.urn in components
        if not at_home and one.parent not in components:
            offenders.append(f"{one} has no component as its parent, but {one.parent}")
    return offenders


def unfinished_components(recording: Recording) -> list[str]:
    """Components that never called `register_outputs`: the engine shows them as unfinished for ever."""
    return [
        f"{one} does not call register_outputs"
        for one in recording.components
        if one.urn not in recording.registered_outputs
    ]


def outputs_as_text(recording: Recording) -> list[str]:
    """Texts that are the complaint of an Output about being formatted."""
    offenders = [
        f"{where}: an Output is formatted into the text; use Output.format, Output.concat or apply"
        for where, text in _clear_texts(recording)
        if OUTPUT_AS_TEXT in text
    ]
    named = [one for one in recording.registrations if OUTPUT_AS_TEXT in one.name]
    return [*offenders, *(f"{one.type}: its name is a formatted Output" for one in named)]


def secrets_in_clear(recording: Recording) -> list[str]:
    """Sentinels that can be read in inputs, kept outputs, component outputs or stack outputs."""
    return [f"{where} shows a secret: {text[:80]}" for where, text in _clear_texts(recording) if SENTINEL in text]


def _clear_texts(recording: Recording) -> Iterator[tuple[str, str]]:
    """Every text that is not within a secret, with where it stands."""
    for one in recording.registrations:
        yield from _texts(one.inputs, f"{one} input ")
        if not recording.preview:
            yield from _texts(one.state, f"{one} output ")
    for urn, outputs in recording.registered_outputs.items():
        yield from _texts(outputs, f"{urn} registered output ")


def _texts(value: wire.Value, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield f"{where}{name}", name
            yield from _texts(item, f"{where}{name}" if where.endswith(" ") else f"{where}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, f"{where}[{index}]")
