"""What becomes of an application's data when its cluster is lost and built again."""

from typing import Annotated, Literal

from pydantic import Field

from model.base import Value
from model.lineage import IncarnationNumber


class BackedUp(Value):
    """Content that is backed up, and restored when the cluster is built again."""

    kind: Literal["backed-up"] = "backed-up"
    since: IncarnationNumber = IncarnationNumber(0)
    """The first build of a cluster that had this content. Before it there is nothing to restore."""


class Disposable(Value):
    """Content that nobody will miss."""

    kind: Literal["disposable"] = "disposable"
    reason: str = Field(min_length=10)
    """Where it comes from again, or why it is worth nothing."""


Keeping = Annotated[BackedUp | Disposable, Field(discriminator="kind")]
"""What is done for the content. It has no default: whoever adds data decides."""
