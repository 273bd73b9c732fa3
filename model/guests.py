"""Guests that outlive every cluster, and what they are installed from."""

from enum import StrEnum, unique
from ipaddress import IPv4Address
from typing import NewType

from pydantic import Field, HttpUrl

from model.base import Value
from model.hardware import HostName, MappingName
from model.network import NetworkName
from model.units import GiB, MiB, VmId

GuestName = NewType("GuestName", str)
ImageName = NewType("ImageName", str)


@unique
class Firmware(StrEnum):
    """What starts a VM."""

    SEABIOS = "seabios"
    OVMF = "ovmf"


class InstallerImage(Value):
    """An ISO from which a guest is installed by hand, once."""

    name: ImageName
    file_name: str
    url: HttpUrl


class InfrastructureGuest(Value):
    """A VM of the `shared` stack."""

    name: GuestName
    purpose: str
    host: HostName
    vm_id: VmId
    network: NetworkName
    address: IPv4Address
    virtual_cpus: int = Field(ge=1)
    memory: MiB
    disk: GiB
    firmware: Firmware
    installer: ImageName
    passthrough: tuple[MappingName, ...] = ()
