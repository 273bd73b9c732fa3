"""The Talos image factory: which schematics it knows, and what their images bring."""

import re
from collections.abc import Mapping
from typing import Any

from model.base import Value
from twin.store import Collection, Store

SCHEMATICS = Collection("talos/schematics")
"""Key: the schematic's id."""

FACTORY_HOST = "factory.talos.dev"
_IMAGE_FILE = re.compile(r"(?P<schematic>[0-9a-f]{64})-(?P<version>v\d+\.\d+\.\d+)-(?P<platform>[a-z]+)-")
_INSTALLER = re.compile(
    rf"^{re.escape(FACTORY_HOST)}/(?P<platform>[a-z]+)-installer/(?P<schematic>[0-9a-f]{{64}}):(?P<version>v\d+\.\d+\.\d+)$"
)

MODULE_EXTENSIONS: Mapping[str, str] = {
    "amdgpu": "siderolabs/amdgpu",
    "i915": "siderolabs/i915",
    "mei_me": "siderolabs/mei",
    "thunderbolt": "siderolabs/thunderbolt",
    "thunderbolt_net": "siderolabs/thunderbolt",
    "xe": "siderolabs/xe",
}
"""The system extension that brings a kernel module; other modules are part of Talos or not known to the twin."""


class SystemImage(Value):
    """What a machine runs, as its image's name tells."""

    schematic_id: str
    version: str
    platform: str


class RegisteredSchematic(Value):
    """A schematic that the factory was given."""

    schematic_id: str
    extensions: tuple[str, ...]
    kernel_arguments: tuple[str, ...]


class Factory:
    """The schematics, kept in the store. Like the real factory it never forgets one."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def register(self, inspected: Mapping[str, Any]) -> RegisteredSchematic:
        """Take a schematic that the library inspected; one with the same content is the same schematic."""
        schematic = RegisteredSchematic(
            schematic_id=inspected["id"],
            extensions=tuple(inspected["extensions"]),
            kernel_arguments=tuple(inspected["kernelArguments"]),
        )
        self._store.put(SCHEMATICS, schematic.schematic_id, schematic.model_dump(mode="json"))
        return schematic

    def schematic(self, schematic_id: str) -> RegisteredSchematic | None:
        """The schematic with that id, None when the factory was never given one."""
        body = self._store.get(SCHEMATICS, schematic_id)
        return None if body is None else RegisteredSchematic.model_validate(body)


def image_of_file(file_name: str) -> SystemImage | None:
    """What the file of a disk image holds; None when its name names no schematic and version."""
    return _image(_IMAGE_FILE.search(file_name))


def image_of_installer(reference: str) -> SystemImage | None:
    """What an installer image of the factory installs; None when it is not one of the factory's."""
    return _image(_INSTALLER.match(reference))


def _image(found: re.Match[str] | None) -> SystemImage | None:
    if found is None:
        return None
    return SystemImage(schematic_id=found["schematic"], version=found["version"], platform=found["platform"])
