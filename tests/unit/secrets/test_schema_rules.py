"""Every broken copy of a sound schema is told for exactly what is wrong with it."""

import pytest

from inventory.secrets import SCHEMA as LAB_SCHEMA
from model.secret_rules import schema_violations
from model.secrets import Access, Copy, Document, SecretKey, SecretKind, SecretReference, SecretSchema, Tree
from tests.unit.secrets.samples import (
    CLIENT_SECRET,
    PASSWORD,
    PASSWORD_REFERENCE,
    SCHEMA,
    TOKEN,
    key,
    place,
    reads,
)

NEW = place("core/forge", "new")


def changed(*added: SecretKey, without: object = None) -> SecretSchema:
    return SecretSchema(keys=(*(one for one in SCHEMA.keys if one.place != without), *added))


def original(of: str, path: str = "core/forge") -> Copy:
    return Copy(of=SecretReference(path=path, property=of))


def test_the_sample_is_sound():
    assert schema_violations(SCHEMA) == []


@pytest.mark.parametrize(
    ("schema", "at", "says", "fix"),
    [
        pytest.param(
            changed(key(PASSWORD, "forge", reads("forge"))), PASSWORD, "declared 2 times", "keep one", id="twice"
        ),
        pytest.param(
            changed(key(NEW, "forge", reads("forge"), SecretKind.CLIENT_SECRET, client="forge")),
            NEW,
            "the OIDC client `forge` has 2 secrets",
            f"a Copy of {CLIENT_SECRET}",
            id="client with two secrets",
        ),
        pytest.param(
            changed(key(NEW, "forge", reads("forge"), client="chat")), NEW, "kind is API token", "no client", id="kind"
        ),
        pytest.param(
            changed(key(NEW, "forge", reads("forge", access=Access.BOOTSTRAP))),
            NEW,
            "cannot read it by bootstrap Secret",
            "keys of `init`",
            id="bootstrap from vault",
        ),
        pytest.param(
            changed(key(place("forge/plain", "k", Tree.INIT), "forge", reads("forge"))),
            place("forge/plain", "k", Tree.INIT),
            "cannot read it by ExternalSecret",
            "keys of `init`",
            id="external secret from init",
        ),
        pytest.param(
            changed(key(NEW, "forge", reads("forge"), shape=original("pasword"))),
            NEW,
            "made of core/forge: pasword, which is not declared",
            f"did you mean `{PASSWORD}`?",
            id="copy of nothing",
        ),
        pytest.param(
            changed(key(NEW, "forge", reads("forge"), shape=original("forge-token", "core/chat"))),
            NEW,
            "itself made of another key",
            "name the original",
            id="copy of a copy",
        ),
        pytest.param(
            changed(
                key(
                    NEW,
                    "forge",
                    reads("forge"),
                    shape=Document(members={"chat": SecretReference(path="core/chat", property="configuration")}),
                )
            ),
            NEW,
            "itself made of another key",
            "name the original",
            id="document of a document",
        ),
        pytest.param(changed(key(NEW, "forge", ())), NEW, "nobody reads it", "say in `unread` why", id="unread"),
        pytest.param(
            changed(key(NEW, "forge", reads("forge"), unread="old")), NEW, "has readers", "remove `unread`", id="read"
        ),
        pytest.param(
            changed(
                key(
                    place("forge/forge-external-secret", "extra", Tree.INIT),
                    "forge",
                    reads("forge", access=Access.BOOTSTRAP),
                )
            ),
            place("forge/forge-external-secret", "extra", Tree.INIT),
            "forge-external-secrets adopts forge-external-secret and would drop this key",
            "a Copy of a property of the same name",
            id="lost on adoption",
        ),
        pytest.param(
            changed(
                key(
                    place("forge/forge-external-secret", "pass", Tree.INIT),
                    "forge",
                    reads("forge", access=Access.BOOTSTRAP),
                    shape=Copy(of=PASSWORD_REFERENCE),
                )
            ),
            place("forge/forge-external-secret", "pass", Tree.INIT),
            "would drop this key",
            "of the same name",
            id="adopted under another name",
        ),
        pytest.param(
            changed(
                key(
                    place("forge/forge-external-secret", "forge-token", Tree.INIT),
                    "forge",
                    reads("forge", access=Access.BOOTSTRAP),
                    shape=Copy(of=SecretReference(path="core/other", property="forge-token")),
                ),
                key(place("core/other", "forge-token"), "other", reads("other")),
            ),
            place("forge/forge-external-secret", "forge-token", Tree.INIT),
            "forge does not read the original",
            "make forge a consumer",
            id="adopted by who cannot read",
        ),
        pytest.param(
            changed(key(TOKEN, "forge", reads("chat", "forge")), without=TOKEN),
            TOKEN,
            "`forge` reads `core/chat` and would see what is not for it: configuration",
            "give `forge` a Copy in a path of its own",
            id="exposed",
        ),
    ],
)
def test_a_broken_schema_is_told_for_what_is_wrong(schema: SecretSchema, at: object, says: str, fix: str):
    (violation,) = schema_violations(schema)

    assert violation.where.key == f"SCHEMA[{at}]"
    assert says in violation.message, str(violation)
    assert fix in violation.fix, str(violation)


def test_an_identifier_beside_a_secret_exposes_nothing():
    name = key(place("core/chat", "name"), "chat", reads("chat"), SecretKind.IDENTIFIER)
    reader = key(place("core/chat", "token"), "chat", reads("chat", "bot"))
    alone = SecretSchema(keys=(name, reader))

    assert schema_violations(alone) == []


def test_all_violations_are_told_at_once():
    first = key(NEW, "forge", ())
    second = key(place("core/forge", "newer"), "forge", reads("forge"), shape=original("nothing-like-it"))

    assert [one.where.key for one in schema_violations(changed(first, second))] == [
        f"SCHEMA[{NEW}]",
        "SCHEMA[vault_secrets.core.forge.newer]",
    ]


@pytest.mark.parametrize("path", ["core/cnpg", "core/k8up"])
def test_the_labs_shared_paths_would_expose_a_key_that_is_not_for_all(path: str):
    admin = key(place(path, "admin-key"), "seaweedfs", reads("seaweedfs"))

    found = schema_violations(SecretSchema(keys=(*LAB_SCHEMA.keys, admin)))

    assert {f"`{reader}`" for reader in ("test", "git", "immich")} <= {one.message.split(" ")[0] for one in found}
    assert all("admin-key" in one.message for one in found if one.message.startswith("`test`"))
