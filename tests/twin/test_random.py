"""Random values: drawn once, of the form asked for, secret where the provider's are."""

import base64
import string
import uuid

import pytest
import pytest_asyncio

from tests.twin.conftest import Connect
from tests.twin.provider_client import ProviderClient, RefusedError
from twin.providers import wire
from twin.providers.random import Random

PASSWORD = "random:index/randomPassword:RandomPassword"
ID = "random:index/randomId:RandomId"
BYTES = "random:index/randomBytes:RandomBytes"
UUID = "random:index/randomUuid:RandomUuid"


@pytest_asyncio.fixture
async def random(connect: Connect) -> ProviderClient:
    return await connect(Random)


async def test_password_is_secret_and_of_the_classes_asked_for(random: ProviderClient) -> None:
    made = await random.create(PASSWORD, "p", {"length": 40, "special": False, "minNumeric": 5, "upper": False})
    sealed = made.properties["result"]
    assert isinstance(sealed, wire.Secret)
    assert made.resource_id == "none"
    text = str(sealed.value)
    assert len(text) == 40
    assert set(text) <= set(string.ascii_lowercase + string.digits)
    assert sum(letter.isdigit() for letter in text) >= 5


async def test_refresh_and_update_keep_the_value(random: ProviderClient) -> None:
    made = await random.create(PASSWORD, "p", {"length": 20})
    read = await random.read(made)
    assert read is not None
    assert (read.inputs, read.properties) == (made.inputs, made.properties)


async def test_every_input_replaces(random: ProviderClient) -> None:
    made = await random.create(PASSWORD, "p", {"length": 20})
    assert list((await random.diff(made, {"length": 21})).replaces) == ["length"]
    assert list((await random.diff(made, {"length": 20, "keepers": {"a": "b"}})).replaces) == ["keepers"]
    assert not (await random.diff(made, {"length": 20})).replaces


async def test_two_passwords_differ(random: ProviderClient) -> None:
    first, second = [await random.create(PASSWORD, name, {"length": 20}) for name in ("p", "q")]
    assert first.plain("result") != second.plain("result")


async def test_room_for_the_minima(random: ProviderClient) -> None:
    with pytest.raises(RefusedError, match="length: must be at least 6"):
        await random.check(PASSWORD, "p", {"length": 5, "minLower": 3, "minUpper": 3})
    off: dict[str, wire.Value] = {"lower": False, "upper": False, "numeric": False, "special": False}
    with pytest.raises(RefusedError, match="at least one of lower, upper, numeric and special"):
        await random.check(PASSWORD, "p", {"length": 5, **off})


async def test_spellings_of_an_id_agree(random: ProviderClient) -> None:
    made = await random.create(ID, "i", {"byteLength": 9, "prefix": "p-"})
    raw = base64.urlsafe_b64decode(made.resource_id + "=" * (-len(made.resource_id) % 4))
    assert made.properties["hex"] == f"p-{raw.hex()}"
    assert made.properties["dec"] == f"p-{int.from_bytes(raw)}"
    assert made.properties["b64Url"] == f"p-{made.resource_id}"


async def test_bytes_are_secret(random: ProviderClient) -> None:
    made = await random.create(BYTES, "b", {"length": 16})
    assert base64.b64decode(made.plain("base64")).hex() == made.plain("hex")
    assert isinstance(made.properties["hex"], wire.Secret)


async def test_uuid_is_one_and_can_be_imported(random: ProviderClient) -> None:
    made = await random.create(UUID, "u", {})
    assert uuid.UUID(made.resource_id).version == 4
    imported = await random.import_(UUID, "u", made.resource_id)
    assert imported is not None
    assert imported.properties["result"] == made.resource_id
