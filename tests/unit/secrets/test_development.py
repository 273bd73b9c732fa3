"""The development secrets: made once, completed later, for their owner alone."""

import base64
import errno
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.secrets import DevelopmentSecrets, Made, draw, inspect
from engine.workspace import Workspace
from inventory import LAB
from inventory.secrets import SCHEMA as LAB_SCHEMA
from model.secrets import (
    Alphabet,
    Characters,
    Document,
    Listing,
    Octets,
    Plain,
    PrivateKey,
    SecretKind,
    SecretPlace,
    SecretReference,
    SecretSchema,
    Tree,
    compose,
    encryption_key_id,
    references,
)
from stacks.secrets_file import SecretsError, SecretsFile, read_values
from tests.unit.secrets.samples import (
    CONFIGURATION,
    PASSWORD,
    SCHEMA,
    SENTINEL,
    TOKEN,
    USER,
    AgeKey,
    encrypt,
    key,
    nested,
    place,
    reads,
    sound_values,
    texts_in,
)


@pytest.fixture
def development(tmp_path: Path) -> DevelopmentSecrets:
    return DevelopmentSecrets(tmp_path / "secrets")


def values_of(development: DevelopmentSecrets, schema: SecretSchema = SCHEMA) -> dict[SecretPlace, str]:
    return read_values(development.file, schema, development.sops_environment())


def own_key(development: DevelopmentSecrets) -> AgeKey:
    return AgeKey(development.key_file, development.public_key())


def refusal(development: DevelopmentSecrets, schema: SecretSchema = SCHEMA) -> str:
    with pytest.raises(SecretsError) as raised:
        development.make(schema)
    assert not [text for text in texts_in(raised.value) if SENTINEL in text or "AGE-SECRET-KEY" in text]
    return str(raised.value)


def test_the_whole_schema_of_the_lab_is_made_and_read_again(development: DevelopmentSecrets):
    made = development.make(LAB_SCHEMA)

    assert made == Made(key=True, added=tuple(one.place for one in LAB_SCHEMA.keys))
    values = values_of(development, LAB_SCHEMA)
    own = [values[one.place] for one in LAB_SCHEMA.keys if one.is_secret and not any(references(one.shape))]
    assert len(set(own)) == len(own)
    assert json.loads(
        values[
            SecretPlace.model_validate({"tree": "init", "path": "argo/gcp-sops-sa", "property": "service-account.json"})
        ]
    )["client_email"].startswith("gcp-sops-decrypt@")


def test_a_second_run_changes_nothing(development: DevelopmentSecrets):
    development.make(SCHEMA)
    before = development.file.read_bytes(), development.key_file.read_bytes()

    assert development.make(SCHEMA) == Made()
    assert (development.file.read_bytes(), development.key_file.read_bytes()) == before


def test_two_checkouts_have_different_secrets(tmp_path: Path):
    first, second = DevelopmentSecrets(tmp_path / "a"), DevelopmentSecrets(tmp_path / "b")
    first.make(SCHEMA)
    second.make(SCHEMA)

    differing = {where for where, value in values_of(first).items() if values_of(second)[where] != value}

    assert differing == {one.place for one in SCHEMA.keys} - {USER}


def test_only_missing_keys_are_added(development: DevelopmentSecrets):
    smaller = SecretSchema(keys=tuple(one for one in SCHEMA.keys if one.place not in (USER, TOKEN)))
    development.make(smaller)
    before = values_of(development, smaller)

    made = development.make(SCHEMA)

    assert made == Made(added=(USER, TOKEN))
    after = values_of(development)
    assert {where: after[where] for where in before} == before
    assert after[TOKEN] == before[PASSWORD]


def test_a_value_that_somebody_chose_stays_and_what_is_made_of_it_follows(development: DevelopmentSecrets):
    development.make(SCHEMA)
    chosen = {**values_of(development), PASSWORD: SENTINEL}
    encrypt(development.file, nested(chosen), own_key(development))

    made = development.make(SCHEMA)

    assert set(made.aligned) == {TOKEN, CONFIGURATION}
    assert made.added == ()
    values = values_of(development)
    assert values[PASSWORD] == values[TOKEN] == SENTINEL
    assert json.loads(values[CONFIGURATION])["forge"]["password"] == SENTINEL


def test_the_copy_of_a_document_follows_the_document(development: DevelopmentSecrets):
    development.make(LAB_SCHEMA)
    backup_key = place("core/k8up", "secret-key")
    values = {**values_of(development, LAB_SCHEMA), backup_key: SENTINEL}
    encrypt(development.file, nested(values), own_key(development))

    made = development.make(LAB_SCHEMA)

    document = place("core/seaweedfs", "seaweedfs_s3_config")
    copy = place("seaweedfs/seaweedfs-external-secret", "seaweedfs_s3_config", Tree.INIT)
    assert set(made.aligned) == {document, copy}
    after = values_of(development, LAB_SCHEMA)
    assert SENTINEL in after[document]
    assert after[copy] == after[document]


def test_an_empty_value_is_made_anew(development: DevelopmentSecrets):
    development.make(SCHEMA)
    encrypt(development.file, nested({**values_of(development), USER: ""}), own_key(development))

    assert development.make(SCHEMA) == Made(added=(USER,))
    assert values_of(development)[USER] == "admin"


def test_an_extra_key_is_named_and_kept_until_it_is_pruned(development: DevelopmentSecrets):
    old = key(place("core/forge", "old"), "forge", reads("forge"))
    larger = SecretSchema(keys=(*SCHEMA.keys, old))
    development.make(larger)
    before = values_of(development, larger)

    assert development.make(SCHEMA) == Made(extra=(old.place,))
    assert values_of(development, larger) == before
    assert development.make(SCHEMA, prune=True) == Made(removed=(old.place,))
    assert values_of(development) == {where: value for where, value in before.items() if where != old.place}


def test_a_second_recipient_stays_when_the_file_is_written_anew(development: DevelopmentSecrets, other_key: AgeKey):
    development.make(SCHEMA)
    kept = {where: value for where, value in values_of(development).items() if where != USER}
    encrypt(development.file, nested(kept), own_key(development), other_key)

    assert development.make(SCHEMA).added == (USER,)
    assert read_values(development.file, SCHEMA, other_key.environment) == values_of(development)


def test_only_the_owner_can_read(development: DevelopmentSecrets):
    development.make(SCHEMA)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (development.key_file, development.file)}

    assert set(modes.values()) == {0o600}, modes
    assert stat.S_IMODE(development.directory.stat().st_mode) == 0o700


def test_a_key_that_others_could_read_is_closed(development: DevelopmentSecrets):
    development.make(SCHEMA)
    development.key_file.chmod(0o644)
    development.directory.chmod(0o755)

    development.make(SCHEMA)

    assert stat.S_IMODE(development.key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(development.directory.stat().st_mode) == 0o700


def test_no_value_stands_in_any_file(development: DevelopmentSecrets):
    development.make(SCHEMA)
    secret = {where: value for where, value in values_of(development).items() if where != USER}
    files = [path for path in development.directory.rglob("*") if path.is_file()]

    assert {path.name for path in files} == {"age.key", "secrets.enc.json", "lock"}
    for path in files:
        content = path.read_bytes()
        assert not [str(where) for where, value in secret.items() if value.encode() in content]


def test_what_a_killed_run_left_unfinished_is_no_obstacle(development: DevelopmentSecrets):
    development.make(SCHEMA)
    for path in (development.file, development.key_file):
        path.with_name(path.name + ".unfinished").write_bytes(b"{")
    development.file.unlink()

    assert len(development.make(SCHEMA).added) == len(SCHEMA.keys)


def test_several_at_once_make_one_key(development: DevelopmentSecrets):
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(development.make, [SCHEMA] * 4))

    assert [one.key for one in made].count(True) == 1
    assert len(values_of(development)) == len(SCHEMA.keys)


def test_a_lost_key_is_told_and_nothing_is_thrown_away(development: DevelopmentSecrets):
    development.make(SCHEMA)
    before = development.file.read_bytes()
    development.key_file.unlink()

    told = refusal(development)

    assert "the key of secrets.enc.json is gone" in told
    assert f"rm -r {development.directory}" in told
    assert development.file.read_bytes() == before


@pytest.mark.parametrize("content", ["", "damaged", "# public key: age1x\n"])
def test_a_damaged_key_is_told(development: DevelopmentSecrets, content: str):
    development.make(SCHEMA)
    development.key_file.write_text(content, encoding="utf-8")

    assert f"rm -r {development.directory}" in refusal(development) or "move it" in refusal(development)


def test_a_damaged_file_is_told_with_the_way_to_begin_anew(development: DevelopmentSecrets):
    development.make(SCHEMA)
    document = json.loads(development.file.read_text(encoding="utf-8"))
    document["sops"]["mac"] = ""
    development.file.write_text(json.dumps(document), encoding="utf-8")

    told = refusal(development)

    assert "was changed by hand or damaged" in told
    assert f"rm -r {development.directory}" in told


def test_a_file_for_others_is_never_written_over(development: DevelopmentSecrets, other_key: AgeKey):
    development.make(SCHEMA)
    encrypt(development.file, nested({PASSWORD: SENTINEL}), other_key)
    before = development.file.read_bytes()

    told = refusal(development)

    assert f"it is for {other_key.public}, the key for {development.public_key()}" in told
    assert development.file.read_bytes() == before


def test_a_value_where_no_key_can_be_is_not_lost_silently(development: DevelopmentSecrets):
    development.make(SCHEMA)
    content = nested({**sound_values()})
    content["loose"] = SENTINEL
    encrypt(development.file, content, own_key(development))

    assert "values where no key can stand: loose" in refusal(development)


def test_a_folder_that_cannot_be_made_is_told(development: DevelopmentSecrets):
    development.directory.write_text("a file", encoding="utf-8")

    assert f"cannot be written: File exists\n    at:   {development.directory}" in refusal(development)


def test_a_full_disk_is_told_and_loses_nothing(development: DevelopmentSecrets, monkeypatch: pytest.MonkeyPatch):
    development.make(SecretSchema(keys=SCHEMA.keys[:3]))
    before = development.file.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        assert "No space left on device" in refusal(development)

    assert development.file.read_bytes() == before
    assert development.make(SCHEMA).added == tuple(one.place for one in SCHEMA.keys[3:])


def test_a_schema_that_cannot_work_makes_nothing(development: DevelopmentSecrets):
    assert "nobody reads it" in refusal(development, SecretSchema(keys=(key(PASSWORD, "forge", ()),)))
    assert not development.directory.exists()


def test_the_callers_own_keys_and_recipients_stay_out(
    development: DevelopmentSecrets, other_key: AgeKey, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SOPS_AGE_RECIPIENTS", other_key.public)
    monkeypatch.setenv("SOPS_GCP_KMS_IDS", "projects/p/locations/l/keyRings/r/cryptoKeys/k")
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(other_key.file))

    development.make(SCHEMA)

    recipients = SecretsFile.read(development.file).recipients
    assert (recipients.age, recipients.google) == ((development.public_key(),), ())


def test_the_program_is_told_where_they_are(tmp_path: Path):
    development = DevelopmentSecrets.of(Workspace(local=tmp_path / ".lab"))
    development.make(SCHEMA)

    assert development.directory == tmp_path / ".lab" / "secrets"
    assert set(development.environment()) == {"LAB_SECRETS_FILE", "SOPS_AGE_KEY_FILE"}
    path = Path(development.environment()["LAB_SECRETS_FILE"])
    assert read_values(path, SCHEMA, development.sops_environment()) == values_of(development)


def test_the_real_file_needs_an_age_key_and_the_kms_key_of_the_inventory(secrets_file: Path, age_key: AgeKey):
    google = LAB.cloud.google
    document = json.loads(secrets_file.read_text(encoding="utf-8"))

    def told(**recipients: object) -> list[str]:
        changed = {**document, "sops": {**document["sops"], **recipients}}
        secrets_file.write_text(json.dumps(changed), encoding="utf-8")
        found = inspect(secrets_file, SCHEMA, age_key.environment, google=google, decrypt=False)
        return [str(one) for one in found.violations]

    right = [{"resource_id": encryption_key_id(google), "enc": "eA=="}]
    other = [{"resource_id": "projects/p/locations/l/keyRings/r/cryptoKeys/other", "enc": "eA=="}]

    assert told(gcp_kms=right) == []
    (missing,) = told()
    assert "no cluster can decrypt it" in missing
    assert "inventory/cloud.py: CLOUD.google.encryption_key" in missing
    (wrong,) = told(gcp_kms=other)
    assert "cryptoKeys/other" in wrong
    (no_age,) = told(gcp_kms=right, age=[])
    assert "no age key is among the recipients" in no_age


def test_unused_keys_are_reported_with_their_reason(development: DevelopmentSecrets):
    kept = key(place("core/forge", "old"), "forge", (), unread="it was the old forge's")
    schema = SecretSchema(keys=(*SCHEMA.keys, kept))
    development.make(schema)

    findings = inspect(development.file, schema, development.sops_environment(), google=None)

    assert findings.violations == ()
    assert findings.unused == (kept,)


SHAPES = st.builds(
    Characters,
    length=st.integers(8, 90),
    alphabet=st.sampled_from(list(Alphabet)),
    prefix=st.text(alphabet="abc-_@!=", max_size=12),
)
OCTETS = st.builds(Octets, count=st.integers(16, 64), lead=st.binary(max_size=14).map(bytes.hex))
EXAMPLES = settings(max_examples=150, deadline=None, derandomize=True)


@EXAMPLES
@given(SHAPES)
def test_random_text_has_its_length_alphabet_and_prefix(shape: Characters):
    text = draw(shape)
    rest = text.removeprefix(shape.prefix)

    assert text.startswith(shape.prefix)
    assert len(text) == len(shape.prefix) + shape.length
    assert set(text[len(shape.prefix) :]) <= set(shape.alphabet), rest
    assert draw(shape) != text


@EXAMPLES
@given(OCTETS)
def test_random_octets_are_base64_of_their_length_after_their_lead(shape: Octets):
    octets = base64.b64decode(draw(shape), validate=True)

    assert octets.startswith(bytes.fromhex(shape.lead))
    assert len(octets) == len(bytes.fromhex(shape.lead)) + shape.count


LEAVES = st.text(max_size=5) | SHAPES | st.just(SecretReference(path="core/forge", property="password"))
DOCUMENTS: st.SearchStrategy[Document] = st.recursive(
    st.dictionaries(st.text(min_size=1, max_size=4), LEAVES, min_size=1, max_size=3).map(
        lambda members: Document(members={**members})
    ),
    lambda inner: st.dictionaries(
        st.text(min_size=1, max_size=4),
        LEAVES | inner | st.lists(LEAVES | inner, max_size=3).map(lambda items: Listing(items=tuple(items))),
        min_size=1,
        max_size=3,
    ).map(lambda members: Document(members=members)),
    max_leaves=6,
)


@EXAMPLES
@given(DOCUMENTS)
def test_a_document_is_json_of_its_form(document: Document):
    text = compose(document, lambda _: SENTINEL, lambda _: "drawn")

    assert_has_form(json.loads(text), document)


def assert_has_form(value: object, shape: object) -> None:
    if isinstance(shape, Document):
        assert isinstance(value, dict)
        assert set(value) == set(shape.members)
        for name, member in shape.members.items():
            assert_has_form(value[name], member)
    elif isinstance(shape, Listing):
        assert isinstance(value, list)
        assert len(value) == len(shape.items)
        for inner, item in zip(value, shape.items, strict=True):
            assert_has_form(inner, item)
    elif isinstance(shape, SecretReference):
        assert value == SENTINEL
    else:
        assert value == (shape if isinstance(shape, str) else "drawn")


def test_a_ceph_key_is_one_that_ceph_reads(development: DevelopmentSecrets):
    development.make(LAB_SCHEMA)
    found = values_of(development, LAB_SCHEMA)
    keys = [found[one.place] for one in LAB_SCHEMA.keys if one.kind is SecretKind.CEPH_KEY]

    assert len(keys) == 3
    for text in keys:
        octets = base64.b64decode(text, validate=True)
        # struct: type 1, creation time, length of the secret, the secret.
        assert (int.from_bytes(octets[:2], "little"), int.from_bytes(octets[10:12], "little")) == (1, 16)
        assert len(octets) == 28


def test_a_private_key_is_one():
    loaded = load_pem_private_key(draw(PrivateKey()).encode(), password=None)

    assert isinstance(loaded, RSAPrivateKey)
    assert loaded.key_size == 2048


def test_what_is_no_secret_is_as_it_stands_in_the_schema():
    assert compose(Plain(text="admin"), lambda _: SENTINEL, draw) == "admin"
