"""Volumes: how they are provided, and what becomes of their content when the cluster is lost."""

from enum import StrEnum, unique

from pydantic import Field

from model.base import Value
from model.units import GiB
from model.workloads.keeping import Keeping
from model.workloads.names import DnsLabel


@unique
class StorageTier(StrEnum):
    """What a volume is made of."""

    BLOCK = "block"
    """A block device of the Ceph cluster: one node at a time."""
    FILES = "files"
    """A folder of the Ceph file system: any number of nodes at once."""
    LOCAL = "local"
    """A folder on one node's own disk: fast, and gone with the node."""


@unique
class AccessMode(StrEnum):
    """How many nodes mount a volume at once."""

    ONE_NODE = "ReadWriteOnce"
    MANY_NODES = "ReadWriteMany"


class StorageClass(Value):
    """A class of volumes as the cluster offers it."""

    name: DnsLabel
    tier: StorageTier
    provisioner: str
    access_modes: frozenset[AccessMode]
    is_default: bool = False


class Volume(Value):
    """A volume claim of an application."""

    name: DnsLabel
    """Of the claim; restic knows its content by it."""
    size: GiB = Field(gt=0)
    tier: StorageTier
    keeping: Keeping
    access: AccessMode = AccessMode.ONE_NODE
