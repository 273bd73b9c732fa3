"""What must hold of the SOPS file and of those who read it; no message ever holds a value."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import cast

from model.base import Value
from model.rules.near_miss import near_miss
from model.secrets import (
    Access,
    ApplicationName,
    Copy,
    Document,
    SecretKey,
    SecretKind,
    SecretPlace,
    SecretReference,
    SecretSchema,
    Tree,
    compose,
    external_secret_name,
    is_derived,
    references,
    target_secret_name,
)
from model.violation import Rule, Source, Violation

RULE = Rule.SECRET_REFERENCES
"""The number under which all of this is told."""

_DEPTH = 4
"""Keys from the top of the file down to a value: tree, two steps of the path, property."""

_ENCRYPTED = "ENC["

Content = Mapping[str, object]
"""The file's JSON, without what SOPS notes about itself."""


class SecretRead(Value):
    """An ExternalSecret that asks for a key."""

    reference: SecretReference
    namespace: ApplicationName
    where: Source


def schema_violations(schema: SecretSchema) -> list[Violation]:
    """Each key is declared once and read, copies have an original, and no namespace can see what is not for it."""
    return [
        *_repeated(schema),
        *(violation for key in schema.keys for violation in _unsound(schema, key)),
        *_lost_on_adoption(schema),
        *_exposed(schema),
    ]


def values_in(content: Content) -> dict[SecretPlace, object]:
    """Every value that stands where a key can stand."""
    found: dict[SecretPlace, object] = {}
    for steps, value in _leaves(content, ()):
        place = _place(steps)
        if place is not None:
            found[place] = value
    return found


def stray_values(content: Content) -> tuple[str, ...]:
    """The places of values that stand where no key can stand."""
    return tuple(".".join(steps) for steps, _ in _leaves(content, ()) if _place(steps) is None)


def file_violations(schema: SecretSchema, content: Content, file: str) -> list[Violation]:
    """Every key of the schema stands in the file, and no other; whether values are encrypted does not matter."""
    found = values_in(content)
    missing = [key for key in schema.keys if found.get(key.place) in (None, "")]
    extra = [steps for steps, _ in _leaves(content, ()) if not _is_declared(schema, steps)]
    return [
        *(_missing(key, file, is_empty=key.place in found) for key in missing),
        *(_extra(steps, [str(key.place) for key in missing], file) for steps in extra),
    ]


def clear_violations(content: Content, file: str) -> list[Violation]:
    """Every value of a file as it lies on the disk is encrypted."""
    return [
        Violation(
            rule=RULE,
            message="a value stands in the clear, and so in every copy and in the history of the file",
            where=_source(file, steps),
            fix="make a new value where it came from, and put that in with `sops edit`",
        )
        for steps, value in _leaves(content, ())
        if _is_clear(value)
    ]


def value_violations(schema: SecretSchema, values: Mapping[SecretPlace, object], file: str) -> list[Violation]:
    """Every decrypted value is a text, documents are JSON, and what is made of other keys agrees with them."""
    found: list[Violation] = []
    for key in schema.keys:
        value = values.get(key.place)
        if value in (None, ""):
            continue
        if not isinstance(value, str):
            found.append(_told(key, file, f"its value is {_kind(value)}, not a text", "put it in quotes"))
        elif isinstance(key.shape, Document) and not _is_json(value):
            found.append(_told(key, file, "its value is no JSON document", "write it as one JSON object"))
        elif not _agrees(key, value, values):
            found.append(_disagreement(key, file))
    return found


def read_violations(
    schema: SecretSchema, reads: Sequence[SecretRead], deployed: Collection[ApplicationName]
) -> list[Violation]:
    """I9: what is read is declared, by whom it is read too, and what is declared is read.

    Only the declared readers among `deployed` are missed: an application that is not there reads nothing.
    """
    found: list[Violation] = []
    for read in reads:
        key = schema.at(read.reference.place())
        if key is None:
            found.append(unknown_reference(schema, read.reference, read.where))
        elif not key.is_read_in(read.namespace):
            found.append(_undeclared(key, read))
    made = {(read.reference.place(), read.namespace) for read in reads}
    for key in schema.keys:
        for consumer in key.consumers:
            promised = consumer.access is Access.EXTERNAL_SECRET and consumer.name in deployed
            if promised and (key.place, consumer.name) not in made:
                found.append(_unused(key, consumer.name))
    return found


def unknown_reference(schema: SecretSchema, reference: SecretReference, where: Source) -> Violation:
    """What to say of a reference that the schema does not have."""
    vault = [key.place for key in schema.keys if key.place.tree is Tree.VAULT]
    same_path = [place.property for place in vault if place.path == reference.path]
    if same_path:
        message = f"`{reference.path}` has no property `{reference.property}`"
        fix = near_miss(reference.property, same_path)
    else:
        message = f"there is no path `{reference.path}` in Vault"
        fix = near_miss(reference.path, [place.path for place in vault])
    return Violation(rule=RULE, message=message, where=where, fix=fix)


def declared_at(place: SecretPlace) -> Source:
    """Where the inventory declares a key."""
    return Source(file="inventory/secrets.py", key=f"SCHEMA[{place}]")


def _repeated(schema: SecretSchema) -> Iterator[Violation]:
    for place, times in Counter(key.place for key in schema.keys).items():
        if times > 1:
            yield _declared_wrong(place, f"the key is declared {times} times", "keep one of the declarations")
    by_client: dict[str, list[SecretPlace]] = {}
    for key in schema.keys:
        if key.client is not None:
            by_client.setdefault(key.client, []).append(key.place)
    for client, (first, *others) in by_client.items():
        if others:
            yield _declared_wrong(
                others[0],
                f"the OIDC client `{client}` has {len(others) + 1} secrets; it can log in with one",
                f"make it a Copy of {first}, without `client`",
                first,
                *others[1:],
            )


def _unsound(schema: SecretSchema, key: SecretKey) -> Iterator[Violation]:
    if key.client is not None and key.kind is not SecretKind.CLIENT_SECRET:
        yield _declared_wrong(
            key.place,
            f"it is the secret of the OIDC client `{key.client}`, but its kind is {key.kind}",
            f"give it the kind {SecretKind.CLIENT_SECRET}, or no client",
        )
    for consumer in key.consumers:
        if (consumer.access is Access.BOOTSTRAP) is not (key.place.tree is Tree.INIT):
            yield _declared_wrong(
                key.place,
                f"{consumer.name} cannot read it by {consumer.access}: it is in `{key.place.tree}`",
                "keys of `init` are read as bootstrap Secrets, and nothing else is",
            )
    for reference in references(key.shape):
        original = schema.at(reference.place())
        if original is None:
            vault = [str(one.place) for one in schema.keys if one.place.tree is Tree.VAULT]
            hint = near_miss(str(reference.place()), vault)
            yield _declared_wrong(
                key.place,
                f"it is made of {reference}, which is not declared",
                hint if hint.startswith("did you mean") else "declare that key, too",
            )
        elif isinstance(original.shape, Copy) or (isinstance(key.shape, Document) and is_derived(original.shape)):
            yield _declared_wrong(
                key.place,
                f"it is made of {reference}, which is itself made of another key",
                "name the original",
                original.place,
            )
    is_read = bool(key.consumers) or any(not made.unread for made in schema.made_of(key.place))
    if not is_read and not key.unread:
        yield _declared_wrong(
            key.place, "nobody reads it", "declare who does, or say in `unread` why it is kept, or remove it"
        )
    elif is_read and key.unread:
        yield _declared_wrong(key.place, "it is said to be unread, but has readers", "remove `unread`")


def _lost_on_adoption(schema: SecretSchema) -> Iterator[Violation]:
    """What External Secrets adopts it fills anew: a key that the application does not have in Vault would vanish."""
    for secret in schema.init_secrets():
        application = ApplicationName(secret.namespace)
        if secret.name != target_secret_name(application):
            continue
        for key in secret.keys:
            original = schema.at(key.shape.of.place()) if isinstance(key.shape, Copy) else None
            if original is None or original.place.property != key.place.property:
                yield _declared_wrong(
                    key.place,
                    f"{external_secret_name(application)} adopts {secret.name} and would drop this key",
                    "make it a Copy of a property of the same name in Vault, or call the Secret otherwise",
                )
            elif key.consumers and not original.is_read_in(application):
                yield _declared_wrong(
                    key.place,
                    f"{external_secret_name(application)} adopts {secret.name} and would drop this key: "
                    f"{application} does not read the original",
                    f"make {application} a consumer of the original",
                    original.place,
                )


def _exposed(schema: SecretSchema) -> Iterator[Violation]:
    """Vault opens whole paths: who may read one property of a path may read them all."""
    by_path: dict[str, list[SecretKey]] = {}
    for key in schema.keys:
        if key.place.tree is Tree.VAULT:
            by_path.setdefault(key.place.path, []).append(key)
    for path, keys in by_path.items():
        for application in dict.fromkeys(one.name for key in keys for one in key.consumers):
            read = [key for key in keys if key.is_read_in(application)]
            exposed = [
                key for key in keys if key.is_secret and key.owner != application and not key.is_read_in(application)
            ]
            if read and exposed:
                yield _declared_wrong(
                    read[0].place,
                    f"`{application}` reads `{path}` and would see what is not for it: "
                    + ", ".join(key.place.property for key in exposed),
                    f"give `{application}` a Copy in a path of its own",
                    *(key.place for key in exposed),
                )


def _declared_wrong(place: SecretPlace, message: str, fix: str, *others: SecretPlace) -> Violation:
    return Violation(
        rule=RULE,
        message=message,
        where=declared_at(place),
        also=tuple(declared_at(other) for other in others),
        fix=fix,
    )


def _leaves(value: object, steps: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    if isinstance(value, Mapping):
        for name, inner in cast("Mapping[object, object]", value).items():
            yield from _leaves(inner, (*steps, str(name)))
    else:
        yield steps, value


def _is_clear(value: object) -> bool:
    if isinstance(value, list):
        return any(_is_clear(item) for item in cast("list[object]", value))
    return value not in (None, "") and not (isinstance(value, str) and value.startswith(_ENCRYPTED))


def _place(steps: tuple[str, ...]) -> SecretPlace | None:
    if len(steps) != _DEPTH or steps[0] not in tuple(Tree):
        return None
    # Not validated: the file may have names that no key may have, and they shall be told like any other.
    return SecretPlace.model_construct(tree=Tree(steps[0]), path=f"{steps[1]}/{steps[2]}", property=steps[3])


def _is_declared(schema: SecretSchema, steps: tuple[str, ...]) -> bool:
    place = _place(steps)
    return place is not None and schema.at(place) is not None


def _missing(key: SecretKey, file: str, *, is_empty: bool) -> Violation:
    readers = ", ".join(dict.fromkeys(consumer.name for consumer in key.consumers)) or "nobody now"
    origin = "any new value of its kind" if key.issuer is None else f"it comes from {key.issuer}"
    return Violation(
        rule=RULE,
        message=f"the {key.kind} of {key.owner} is {'empty' if is_empty else 'missing'}; it is read by {readers}",
        where=_source(file, key.place.steps()),
        also=(declared_at(key.place),),
        fix=f"put it in with `sops edit {file}` ({origin}); for the development file: ./lab secrets init",
    )


def _extra(steps: tuple[str, ...], missing: Sequence[str], file: str) -> Violation:
    name = ".".join(steps)
    # A misspelt key is the nearest one that is missing; among all keys of an application many are near.
    hint = near_miss(name, missing)
    index = "".join(f'["{step}"]' for step in steps)
    if hint.startswith("did you mean"):
        fix = f"{hint} Rename it with `sops edit {file}`."
    else:
        fix = (
            f"declare it in inventory/secrets.py, or remove it: sops unset {file} '{index}'; "
            "from the development file: ./lab secrets init --prune"
        )
    return Violation(
        rule=RULE, message="no key is declared there, so nobody can read it", where=_source(file, steps), fix=fix
    )


def _agrees(key: SecretKey, value: str, values: Mapping[SecretPlace, object]) -> bool:
    sources = [values.get(reference.place()) for reference in references(key.shape)]
    if not is_derived(key.shape) or not all(isinstance(source, str) and source for source in sources):
        return True

    def read(reference: SecretReference) -> str:
        return str(values.get(reference.place(), ""))

    def draw(shape: object) -> str:
        raise AssertionError(shape)

    expected = compose(key.shape, read, draw)
    return json.loads(value) == json.loads(expected) if isinstance(key.shape, Document) else value == expected


def _disagreement(key: SecretKey, file: str) -> Violation:
    if isinstance(key.shape, Copy):
        return _told(
            key, file, f"its value is not that of {key.shape.of}, of which it is a copy", "give both the same value"
        )
    return _told(
        key, file, "the document does not hold the values of the keys that it is made of", "put their values into it"
    )


def _told(key: SecretKey, file: str, message: str, fix: str) -> Violation:
    return Violation(
        rule=RULE,
        message=message,
        where=_source(file, key.place.steps()),
        also=(declared_at(key.place),),
        fix=f"{fix} with `sops edit {file}`",
    )


def _undeclared(key: SecretKey, read: SecretRead) -> Violation:
    others = ", ".join(dict.fromkeys(one.name for one in key.consumers if one.access is Access.EXTERNAL_SECRET))
    return Violation(
        rule=RULE,
        message=f"`{read.namespace}` reads {read.reference}, which is for {others or 'no ExternalSecret'}",
        where=read.where,
        also=(declared_at(key.place),),
        fix="let it read a key of its own, or declare it as a consumer: Vault shows a namespace its own paths only",
    )


def _unused(key: SecretKey, application: ApplicationName) -> Violation:
    return Violation(
        rule=RULE,
        message=f"`{application}` is declared to read {key.place}, but does not",
        where=declared_at(key.place),
        also=(Source(file=f"namespace {application}", key=external_secret_name(application)),),
        fix=f"remove {application} from its consumers, or let its ExternalSecret read it",
    )


def _source(file: str, steps: Sequence[str]) -> Source:
    return Source(file=file, key=".".join(steps))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _kind(value: object) -> str:
    for kind, name in ((bool, "a truth value"), (int | float, "a number"), (list, "a list")):
        if isinstance(value, kind):
            return name
    return "no value"
