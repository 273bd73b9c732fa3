"""Schematic ids are those of the image factory."""

import pytest

from components.talos.schematics import installer_image, schematic_text
from inventory import LAB
from model.cluster import NodeRole
from model.exclusive import Colour
from tests.conformance.talos.plans import cluster_plan
from twin.talos.factory import image_of_installer
from twin.talos.machinery import Machinery, MachineryError

PLAIN = "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba"
"""Published by the factory as the id of the schematic without customization."""


@pytest.mark.parametrize("text", ["", "customization: {}", "{}"])
async def test_plain_schematic_has_the_published_id(machinery: Machinery, text: str) -> None:
    assert (await machinery.schematic(text))["id"] == PLAIN


async def test_every_schematic_of_the_lab_is_one_of_its_own(machinery: Machinery) -> None:
    ids = set[str]()
    for schematic in LAB.cluster.schematics:
        known = await machinery.schematic(schematic_text(schematic))
        assert known["extensions"] == [f"siderolabs/{extension}" for extension in schematic.extensions]
        assert known["kernelArguments"] == list(schematic.kernel_arguments)
        ids.add(known["id"])
    assert len(ids) == len(LAB.cluster.schematics)
    assert PLAIN not in ids


async def test_same_content_is_the_same_schematic(machinery: Machinery) -> None:
    as_json = '{"customization": {"systemExtensions": {"officialExtensions": ["siderolabs/fuse3"]}}}'
    as_yaml = "customization:\n  systemExtensions:\n    officialExtensions:\n      - siderolabs/fuse3\n"
    assert (await machinery.schematic(as_json))["id"] == (await machinery.schematic(as_yaml))["id"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("customisation: {}", "field customisation not found"),
        ("customization: {extraKernelArg: [x]}", "field extraKernelArg not found"),
        ("customization: [", "did not find"),
        ("overlay: {name: rpi_generic, image: siderolabs/sbc-raspberrypi}", "overlays are not emulated"),
    ],
)
async def test_bad_schematic_is_refused(machinery: Machinery, text: str, message: str) -> None:
    with pytest.raises(MachineryError) as refused:
        await machinery.schematic(text)
    assert message in str(refused.value)


def test_installer_of_every_node_is_one_of_the_factorys() -> None:
    for node in cluster_plan(Colour.GREEN).nodes:
        image = image_of_installer(installer_image(node, PLAIN, "v1.11.3"))
        assert image is not None
        assert (image.schematic_id, image.version) == (PLAIN, "v1.11.3")
        assert image.platform == ("metal" if node.role is NodeRole.STRIX_HALO else "nocloud")
