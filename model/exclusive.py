"""What exists once and can belong to one colour at a time."""

from enum import StrEnum, unique
from typing import NewType

LeaseName = NewType("LeaseName", str)


@unique
class Colour(StrEnum):
    """The two clusters; neither is the main one."""

    BLUE = "blue"
    GREEN = "green"

    @property
    def other(self) -> "Colour":
        """The colour that is not this one."""
        return Colour.GREEN if self is Colour.BLUE else Colour.BLUE


@unique
class ExclusiveRole(StrEnum):
    """Duties that exactly one colour may have at a time."""

    PUBLIC_DNS = "public-dns"
    """The wildcard name of the lab points at this colour's ingress."""
    TUNNEL_CONNECTOR = "tunnel-connector"
    """Runs the connectors of the Cloudflare tunnel."""
    BACKUP_WRITER = "backup-writer"
    """May write to the backup repositories and WAL archives."""
    MIRROR_JOB = "mirror-job"
    """Copies hot storage to cold and cold to offsite."""
    WEBHOOK_RECEIVER = "webhook-receiver"
    """Is called by the forge."""
    RENOVATE = "renovate"
    """Opens pull requests for updates."""
