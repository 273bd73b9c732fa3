"""The few places outside the lab that emulated downloads can reach.

Files of the image factory and the installers of the inventory are known by size only: nothing is fetched, so their
checksums cannot be verified and a download that asks for it is refused. Files on loopback are really fetched.
"""

import bz2
import gzip
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

import aiohttp

from model.lab import Lab
from twin.talos.factory import FACTORY_HOST

MIB = 1 << 20
_FACTORY_FILE = re.compile(
    r"/image/(?P<schematic>[0-9a-f]{64})/v\d+\.\d+\.\d+[^/]*/[a-z]+-(?:amd64|arm64)(?:-secureboot)?\.(?P<format>[a-z0-9.]+)"
)
_FACTORY_SIZES = {
    "qcow2": 190 * MIB,
    "raw.gz": 185 * MIB,
    "raw.xz": 120 * MIB,
    "raw.zst": 150 * MIB,
    "iso": 130 * MIB,
}
"""Assumed sizes of the factory's files, which depend on the extensions built in."""
_FACTORY_DISK = 8192 * MIB
"""Assumed size of the disk inside a factory image."""
_INSTALLER_SIZE = 1800 * MIB
_QCOW2_MAGIC = b"QFI\xfb"

DECOMPRESSORS: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.decompress, "bz2": bz2.decompress}


class DownloadError(Exception):
    """The file cannot be had; the message says why."""


@dataclass(frozen=True)
class RemoteFile:
    """A file that can be downloaded."""

    url: str
    size: int
    virtual_size: int
    """Bytes of the disk it describes; of anything but a disk image, its size."""
    content: bytes | None
    """None where only the size is known."""

    @property
    def name(self) -> str:
        """Last part of the URL's path."""
        return urlsplit(self.url).path.rsplit("/", 1)[-1]


class Internet:
    """Finds files by URL."""

    def __init__(self, lab: Lab, knows_schematic: Callable[[str], bool]) -> None:
        """`knows_schematic` says whether the image factory was given the schematic of that id."""
        self._knows_schematic = knows_schematic
        self._installers = {str(installer.url) for installer in lab.installers}

    async def find(self, url: str) -> RemoteFile:
        """The file behind the URL; DownloadError when it is not there or out of the twin's reach."""
        parts = urlsplit(url)
        if _is_loopback(parts.hostname or ""):
            return await self._fetch(url)
        if url in self._installers:
            return RemoteFile(url, _INSTALLER_SIZE, _INSTALLER_SIZE, None)
        if parts.hostname == FACTORY_HOST:
            match = _FACTORY_FILE.fullmatch(parts.path)
            if match is None or match["format"] not in _FACTORY_SIZES:
                raise DownloadError(f"{url}: 404 Not Found (no image of the factory has such a path)")
            schematic = match["schematic"]
            if not self._knows_schematic(schematic):
                raise DownloadError(f"{url}: 404 Not Found (the factory was never given schematic {schematic})")
            return RemoteFile(url, _FACTORY_SIZES[match["format"]], _FACTORY_DISK, None)
        raise DownloadError(
            f"{url}: out of the twin's reach; it knows {FACTORY_HOST}, the installers of the inventory and loopback"
        )

    async def _fetch(self, url: str) -> RemoteFile:
        try:
            async with aiohttp.ClientSession() as session, session.get(url) as response:
                if response.status != 200:
                    raise DownloadError(f"{url}: {response.status} {response.reason}")
                content = await response.read()
        except aiohttp.ClientError as error:
            raise DownloadError(f"{url}: {error}") from error
        return RemoteFile(url, len(content), virtual_size(content), content)


def decompress(file: RemoteFile, algorithm: str) -> RemoteFile:
    """The file without its compression; DownloadError when it is not compressed that way."""
    if file.content is None:
        return RemoteFile(file.url, file.virtual_size, file.virtual_size, None)
    decompressor = DECOMPRESSORS.get(algorithm)
    if decompressor is None:
        raise DownloadError(f"decompression by '{algorithm}' is not emulated by the twin")
    try:
        content = decompressor(file.content)
    except (OSError, EOFError, ValueError) as error:
        raise DownloadError(f"{file.url}: {error}") from error
    return RemoteFile(file.url, len(content), virtual_size(content), content)


def verify(file: RemoteFile, algorithm: str, expected: str) -> None:
    """DownloadError when the checksum differs, or cannot be computed because nothing was fetched."""
    if file.content is None:
        raise DownloadError(f"{file.url}: the twin knows this file by size only and cannot verify its {algorithm}")
    actual = hashlib.new(algorithm, file.content).hexdigest()
    if actual != expected.lower():
        raise DownloadError(f"checksum mismatch: got '{actual}' != expect '{expected}'")


def virtual_size(content: bytes) -> int:
    """Bytes of the disk in a qcow2 image; of anything else, its length."""
    if content[:4] == _QCOW2_MAGIC:
        return int.from_bytes(content[24:32], "big")
    return len(content)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
