"""What is told of a file's keys and values, and of those who read them."""

import json
from collections.abc import Sequence

import pytest

from model.secret_rules import (
    SecretRead,
    clear_violations,
    file_violations,
    read_violations,
    stray_values,
    value_violations,
    values_in,
)
from model.secrets import ApplicationName, SecretPlace, SecretReference
from model.violation import Source, Violation
from tests.unit.secrets.samples import (
    BOOTSTRAP,
    CHAT,
    CLIENT_SECRET,
    CONFIGURATION,
    FORGE,
    PASSWORD,
    PASSWORD_REFERENCE,
    SCHEMA,
    SENTINEL,
    TOKEN,
    USER,
    nested,
    place,
    put,
    sound_values,
)

FILE = "secrets.enc.json"


def only(found: Sequence[Violation]) -> Violation:
    assert len(found) == 1, "\n\n".join(str(one) for one in found)
    return found[0]


def test_a_file_with_every_key_has_no_violation():
    content = nested(sound_values())

    assert file_violations(SCHEMA, content, FILE) == []
    assert value_violations(SCHEMA, values_in(content), FILE) == []


@pytest.mark.parametrize("missing", [one.place for one in SCHEMA.keys], ids=str)
def test_a_missing_key_is_told_with_its_owner_and_readers(missing: SecretPlace):
    values = {where: value for where, value in sound_values().items() if where != missing}

    violation = only(file_violations(SCHEMA, nested(values), FILE))

    assert str(violation.where) == f"{FILE}: {missing}"
    assert "is missing; it is read by" in violation.message
    assert [str(one) for one in violation.also] == [f"inventory/secrets.py: SCHEMA[{missing}]"]
    assert "sops edit secrets.enc.json" in violation.fix
    assert "./lab secrets init" in violation.fix


def test_a_missing_key_says_where_the_real_value_comes_from():
    values = {where: value for where, value in sound_values().items() if where != PASSWORD}

    violation = only(file_violations(SCHEMA, nested(values), FILE))

    assert violation.message == "the password of forge is missing; it is read by forge"
    assert "it comes from the forge" in violation.fix


@pytest.mark.parametrize("empty", ["", None])
def test_an_empty_value_is_a_missing_one(empty: str | None):
    violation = only(file_violations(SCHEMA, nested({**sound_values(), PASSWORD: empty}), FILE))

    assert "the password of forge is empty" in violation.message


def test_an_extra_key_is_told_with_the_command_that_removes_it():
    violation = only(file_violations(SCHEMA, nested({**sound_values(), place("core/forge", "old"): "x"}), FILE))

    assert violation.where.key == "vault_secrets.core.forge.old"
    assert """sops unset secrets.enc.json '["vault_secrets"]["core"]["forge"]["old"]'""" in violation.fix
    assert "./lab secrets init --prune" in violation.fix


def test_a_misspelt_key_is_told_as_what_it_was_meant_to_be():
    values = sound_values()
    values[place("core/forge", "pasword")] = values.pop(PASSWORD)

    missing, extra = file_violations(SCHEMA, nested(values), FILE)

    assert missing.where.key == str(PASSWORD)
    assert f"did you mean `{PASSWORD}`?" in extra.fix


@pytest.mark.parametrize(
    "steps",
    [
        ("vault_secrets", "core", "forge", "deeper", "still"),
        ("vault_secrets", "core", "shallow"),
        ("vault_secrets", "top"),
        ("other", "core", "forge", "password"),
        ("loose",),
        ("vault_secrets", "co re", "forge", "pass word"),
    ],
    ids=".".join,
)
def test_a_value_where_no_key_can_be_is_told(steps: tuple[str, ...]):
    content = nested(sound_values())
    put(content, steps, "x")

    violation = only(file_violations(SCHEMA, content, FILE))

    assert violation.where.key == ".".join(steps)


def test_all_keys_are_told_at_once():
    values: dict[SecretPlace, object] = dict(sound_values())
    del values[USER], values[TOKEN]
    values |= {CLIENT_SECRET: "", place("core/forge", "old"): "x", place("core/x", "y"): "z"}

    assert [one.where.key for one in file_violations(SCHEMA, nested(values), FILE)] == [
        str(CLIENT_SECRET),
        str(USER),
        str(TOKEN),
        "vault_secrets.core.forge.old",
        "vault_secrets.core.x.y",
    ]


def test_only_what_is_encrypted_may_lie_on_the_disk():
    content = nested(dict.fromkeys(sound_values(), "ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]"))
    assert clear_violations(content, FILE) == []

    put(content, PASSWORD.steps(), SENTINEL)
    put(content, ("vault_secrets", "core", "list"), ["ENC[x]", SENTINEL])
    put(content, ("vault_secrets", "core", "number"), 5)
    found = clear_violations(content, FILE)

    assert [one.where.key for one in found] == [
        str(PASSWORD),
        "vault_secrets.core.list",
        "vault_secrets.core.number",
    ]
    assert SENTINEL not in "".join(str(one) for one in found)


@pytest.mark.parametrize(
    ("where", "value", "says"),
    [
        (PASSWORD, 5, "a number, not a text"),
        (PASSWORD, True, "a truth value, not a text"),
        (PASSWORD, ["a"], "a list, not a text"),
        (BOOTSTRAP, SENTINEL, "not that of core/forge: client-secret, of which it is a copy"),
        (TOKEN, SENTINEL, "not that of core/forge: password, of which it is a copy"),
        (CONFIGURATION, SENTINEL, "no JSON document"),
        (CONFIGURATION, json.dumps({"forge": {"user": "chat", "password": SENTINEL}}), "does not hold the values"),
        (CONFIGURATION, "[]", "does not hold the values"),
    ],
)
def test_a_value_that_does_not_fit_is_told_without_it(where: SecretPlace, value: object, says: str):
    values: dict[SecretPlace, object] = {**sound_values(), where: value}
    if where == PASSWORD:
        # What is made of it would be told, too.
        del values[TOKEN], values[CONFIGURATION]

    violation = only(value_violations(SCHEMA, values, FILE))

    assert violation.where.key == str(where)
    assert says in violation.message
    assert SENTINEL not in str(violation)


def test_a_secret_changed_in_one_place_is_told_in_every_other():
    values = {**sound_values(), PASSWORD: f"{SENTINEL} rotated"}

    assert [one.where.key for one in value_violations(SCHEMA, values, FILE)] == [str(TOKEN), str(CONFIGURATION)]


def test_a_document_may_be_written_otherwise():
    text = json.dumps(json.loads(sound_values()[CONFIGURATION]), indent=4, sort_keys=True)

    assert value_violations(SCHEMA, {**sound_values(), CONFIGURATION: text}, FILE) == []


def test_copies_of_a_missing_value_are_not_told_a_second_time():
    values = {where: value for where, value in sound_values().items() if where != PASSWORD}

    assert value_violations(SCHEMA, values, FILE) == []


def test_stray_values_are_named():
    content = nested(sound_values())
    put(content, ("vault_secrets", "core", "shallow"), "x")

    assert stray_values(content) == ("vault_secrets.core.shallow",)


def read(reference: SecretReference, namespace: str) -> SecretRead:
    where = Source(file=f"namespace {namespace}", key="external-secrets")
    return SecretRead(reference=reference, namespace=ApplicationName(namespace), where=where)


def reference(path: str, name: str) -> SecretReference:
    return SecretReference(path=path, property=name)


FORGE_READS = tuple(read(reference("core/forge", name), "forge") for name in ("password", "client-secret", "user"))
CHAT_READS = tuple(read(reference("core/chat", name), "chat") for name in ("forge-token", "configuration"))


def test_reads_as_they_are_declared_have_no_violation():
    assert read_violations(SCHEMA, (*FORGE_READS, *CHAT_READS), (FORGE, CHAT)) == []


def test_an_application_that_is_not_there_is_not_missed():
    assert read_violations(SCHEMA, FORGE_READS, (FORGE,)) == []


@pytest.mark.parametrize(
    ("path", "name", "says", "fix"),
    [
        ("core/forge", "passwrd", "`core/forge` has no property `passwrd`", "did you mean `password`?"),
        ("core/forg", "password", "there is no path `core/forg` in Vault", "did you mean `core/forge`?"),
    ],
)
def test_a_reference_to_nothing_is_told(path: str, name: str, says: str, fix: str):
    violation = only(read_violations(SCHEMA, (*FORGE_READS, read(reference(path, name), "forge")), (FORGE,)))

    assert violation.message == says
    assert violation.fix == fix
    assert violation.where.file == "namespace forge"


def test_a_reader_that_is_not_declared_is_told_with_those_who_are():
    violation = only(read_violations(SCHEMA, (*FORGE_READS, read(PASSWORD_REFERENCE, "chat")), (FORGE,)))

    assert violation.message == "`chat` reads core/forge: password, which is for forge"
    assert [str(one) for one in violation.also] == [f"inventory/secrets.py: SCHEMA[{PASSWORD}]"]


def test_a_declared_reader_that_does_not_read_is_told():
    violation = only(read_violations(SCHEMA, (*FORGE_READS, CHAT_READS[0]), (FORGE, CHAT)))

    assert violation.message == f"`chat` is declared to read {CONFIGURATION}, but does not"
    assert str(violation.also[0]) == "namespace chat: chat-external-secrets"
