"""The secrets as the program gets them: always secret, read once, and only when one is asked for."""

import json
from collections.abc import Callable
from pathlib import Path

import pulumi
import pytest

from model.secrets import SecretPlace, SecretReference
from stacks.secrets import Secrets, read_secrets
from tests.harness.answers import lab_answers
from tests.harness.program import record
from tests.harness.recording import Recording
from tests.unit.secrets.samples import (
    BOOTSTRAP,
    CLIENT_SECRET,
    PASSWORD,
    PASSWORD_REFERENCE,
    SCHEMA,
    SENTINEL,
    AgeKey,
    key,
    place,
    sound_values,
    texts_in,
)
from twin.providers import wire


def run(program: Callable[[], None], *, preview: bool = False) -> Recording:
    return record(program, stack="green", answers=lab_answers(None), preview=preview)


def no_file() -> str:
    raise AssertionError("the encrypted text is not asked for")


class Reads:
    """Counts how often the file is read."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> dict[SecretPlace, str]:
        self.times += 1
        return sound_values()


@pytest.mark.parametrize("preview", [False, True], ids=["up", "preview"])
def test_a_value_is_secret_and_so_is_what_is_made_of_it(preview: bool):
    secrets = Secrets(SCHEMA, sound_values, no_file)

    def program() -> None:
        pulumi.export("password", secrets.value(PASSWORD_REFERENCE))
        pulumi.export("length", secrets.value(PASSWORD_REFERENCE).apply(len))
        pulumi.export("url", pulumi.Output.concat("https://forge:", secrets.value(PASSWORD_REFERENCE), "@forge"))

    outputs = run(program, preview=preview).outputs
    password = sound_values()[PASSWORD]

    assert outputs == {
        "password": wire.Secret(password),
        "length": wire.Secret(len(password)),
        "url": wire.Secret(f"https://forge:{password}@forge"),
    }


def test_the_bootstrap_secrets_are_secret_value_by_value():
    secrets = Secrets(SCHEMA, sound_values, no_file)

    def program() -> None:
        for one in secrets.init_secrets():
            pulumi.export(f"{one.namespace}/{one.name}", dict(one.data))

    outputs = run(program).outputs

    assert outputs == {"forge/forge-external-secret": {BOOTSTRAP.property: wire.Secret(sound_values()[CLIENT_SECRET])}}


def test_what_nobody_reads_does_not_come_into_the_cluster():
    left_over = key(place(BOOTSTRAP.path, "old", BOOTSTRAP.tree), "forge", (), unread="it was the old forge's")
    schema = SCHEMA.model_copy(update={"keys": (*SCHEMA.keys, left_over)})
    secrets = Secrets(schema, lambda: {**sound_values(), left_over.place: SENTINEL}, no_file)

    def program() -> None:
        (one,) = secrets.init_secrets()
        pulumi.export("keys", list(one.data))

    assert run(program).outputs == {"keys": [BOOTSTRAP.property]}


def test_the_file_is_read_once_and_only_when_a_value_is_asked_for():
    reads = Reads()
    secrets = Secrets(SCHEMA, reads, no_file)
    run(lambda: pulumi.export("nothing", 1))
    assert reads.times == 0

    def program() -> None:
        for one in range(3):
            pulumi.export(f"password-{one}", secrets.value(PASSWORD_REFERENCE))
        pulumi.export("bootstrap", [dict(one.data) for one in secrets.init_secrets()])

    run(program)
    assert reads.times == 1


def test_a_stack_without_secrets_needs_neither_file_nor_key(tmp_path: Path):
    read_secrets(SCHEMA, tmp_path / "nowhere", {})


def test_the_program_reads_the_file_that_the_environment_names(secrets_file: Path, age_key: AgeKey, tmp_path: Path):
    environment = {**age_key.environment, "LAB_SECRETS_FILE": str(secrets_file)}
    secrets = read_secrets(SCHEMA, tmp_path / "elsewhere", environment)

    outputs = run(lambda: pulumi.export("password", secrets.value(PASSWORD_REFERENCE))).outputs

    assert outputs == {"password": wire.Secret(sound_values()[PASSWORD])}


def test_a_wrong_key_ends_the_program_with_a_text_for_people(secrets_file: Path, other_key: AgeKey):
    secrets = read_secrets(SCHEMA, secrets_file.parent, other_key.environment)

    with pytest.raises(pulumi.RunError, match="no key at hand belongs to a recipient") as raised:
        secrets.value(PASSWORD_REFERENCE)

    assert not [text for text in texts_in(raised.value) if SENTINEL in text or "AGE-SECRET-KEY" in text]


def test_a_reference_to_nothing_ends_the_program_without_reading_the_file():
    reads = Reads()

    with pytest.raises(pulumi.RunError, match=r"`core/forge` has no property `passwrd`(?s:.*)did you mean `password`"):
        Secrets(SCHEMA, reads, no_file).value(SecretReference(path="core/forge", property="passwrd"))

    assert reads.times == 0


def test_a_value_in_an_f_string_is_an_error():
    secrets = Secrets(SCHEMA, sound_values, no_file)

    with pytest.raises(Exception, match="__str__"):
        run(lambda: pulumi.export("url", f"https://{secrets.value(PASSWORD_REFERENCE)}"))


def test_the_encrypted_file_is_handed_on_to_the_letter(secrets_file: Path):
    text = read_secrets(SCHEMA, secrets_file.parent, {}).encrypted()

    assert text == secrets_file.read_text(encoding="utf-8")
    assert SENTINEL not in text


def test_a_file_with_a_value_in_clear_is_not_handed_on(secrets_file: Path):
    document = json.loads(secrets_file.read_text(encoding="utf-8"))
    document["vault_secrets"]["core"]["forge"]["user"] = SENTINEL
    secrets_file.write_text(json.dumps(document), encoding="utf-8")

    with pytest.raises(pulumi.RunError, match="stands in the clear") as raised:
        read_secrets(SCHEMA, secrets_file.parent, {}).encrypted()

    assert not [text for text in texts_in(raised.value) if SENTINEL in text]
