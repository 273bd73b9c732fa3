"""What is read out of the installed SDKs; fails when Pulumi's private parts move."""

import asyncio
import json
from pathlib import Path

import pytest
from pulumi.runtime import rpc

from twin.daemon import STAND_INS
from twin.providers import sdk, wire
from twin.providers.inputs import ShapeKind
from twin.providers.kinds import Surroundings
from twin.providers.stand_in import StandIn
from twin.providers.types_cache import SdkTypes, SdkUnreadableError


def test_marks_of_the_wire_are_pulumi_s() -> None:
    assert rpc._special_sig_key == wire.SIGNATURE  # pyright: ignore[reportPrivateUsage]
    assert rpc._special_secret_sig == wire.SECRET_SIGNATURE  # pyright: ignore[reportPrivateUsage]
    assert rpc._special_output_value_sig == wire.OUTPUT_SIGNATURE  # pyright: ignore[reportPrivateUsage]
    assert {
        rpc._special_asset_sig,  # pyright: ignore[reportPrivateUsage]
        rpc._special_archive_sig,  # pyright: ignore[reportPrivateUsage]
    } == wire.ASSET_SIGNATURES
    assert wire.UNKNOWN_STRING == rpc.UNKNOWN


def test_nested_objects_lists_maps_and_enums() -> None:
    (command,) = sdk.read_types("pulumi_command", ["command:remote:Command"])
    properties = command.inputs.properties
    assert properties["connection"].required
    assert properties["logging"].shape.values == ("stdout", "stderr", "stdoutAndStderr", "none")
    environment = properties["environment"].shape
    assert environment.kind is ShapeKind.MAP
    assert environment.item is not None
    assert environment.item.kind is ShapeKind.STRING
    triggers = properties["triggers"].shape
    assert (triggers.kind, triggers.item and triggers.item.kind) == (ShapeKind.ARRAY, ShapeKind.ANY)
    definition = properties["connection"].shape.definition
    assert definition is not None
    connection = command.definitions[definition].properties
    assert connection["host"].required
    assert not connection["privateKeyPassword"].required
    proxy = connection["proxy"].shape.definition
    assert proxy is not None
    assert command.definitions[proxy].properties["host"].required
    assert {"stdout", "stderr", "connection"} <= set(command.outputs)


def test_integers_are_not_numbers() -> None:
    (password,) = sdk.read_types("pulumi_random", ["random:index/randomPassword:RandomPassword"])
    assert password.inputs.properties["length"].shape.kind is ShapeKind.INTEGER


def test_arguments_of_a_function() -> None:
    (run,) = sdk.read_types("pulumi_command", ["command:local:run"])
    assert run.inputs.properties["command"].shape.kind is ShapeKind.STRING
    assert "archivePaths" in run.inputs.properties


def test_configuration_of_a_provider() -> None:
    (provider,) = sdk.read_types("pulumi_gcp", ["pulumi:providers:gcp"])
    assert provider.inputs.properties["userProjectOverride"].shape.kind is ShapeKind.BOOLEAN


def test_unknown_type_is_named() -> None:
    with pytest.raises(sdk.UnknownTokenError, match="random:index/randomCat:RandomCat"):
        sdk.read_types("pulumi_random", ["random:index/randomCat:RandomCat"])


def edit_the_only_file(directory: Path, token: str) -> None:
    (kept,) = directory.iterdir()
    raw = json.loads(kept.read_text())
    raw[token]["outputs"] = ["from the file"]
    kept.write_text(json.dumps(raw))


async def test_types_are_read_once_and_kept(tmp_path: Path) -> None:
    token = "random:index/randomId:RandomId"
    first = await SdkTypes(tmp_path, "pulumi_random", [token]).get(token)
    edit_the_only_file(tmp_path, token)
    second = await SdkTypes(tmp_path, "pulumi_random", [token]).get(token)
    assert (second.inputs, second.outputs) == (first.inputs, ("from the file",))


async def test_half_written_file_is_read_anew(tmp_path: Path) -> None:
    token = "random:index/randomId:RandomId"
    types = SdkTypes(tmp_path, "pulumi_random", [token])
    await asyncio.to_thread(lambda: types.path.write_text('{"random:'))
    assert (await types.get(token)).inputs.properties["byteLength"].required


async def test_missing_sdk_is_explained(tmp_path: Path) -> None:
    with pytest.raises(SdkUnreadableError, match="pulumi_nothing is not installed"):
        await SdkTypes(tmp_path, "pulumi_nothing", []).get("nothing:index:Nothing")


@pytest.mark.parametrize("kind", STAND_INS, ids=lambda kind: kind.name)
async def test_tables_of_a_stand_in_name_properties_of_the_sdk(
    kind: type[StandIn], surroundings: Surroundings, types_cache: Path
) -> None:
    stand_in = kind(surroundings, types_cache)
    types = SdkTypes(types_cache, kind.sdk, stand_in.all_tokens)
    for token in stand_in.tokens:
        declared, resource = await types.get(token), stand_in.kind(token)
        inputs, outputs = set(declared.inputs.properties), set(declared.outputs)
        generated = {resource.generated_name} - {None}
        assert resource.replace_on <= inputs, token
        assert generated <= inputs, token
        assert resource.secret_outputs | resource.told_once | resource.renewed_on_update <= outputs, token
