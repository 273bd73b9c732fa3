"""Builds of clusters: where the data of each comes from.

Each build of a colour's cluster is an incarnation with a number of its own, counted over both colours. A new build
begins with the data of an older one.
"""

from typing import NewType

from pydantic import Field, model_validator

from model.base import Value
from model.exclusive import Colour

IncarnationNumber = NewType("IncarnationNumber", int)
"""Builds of clusters counted over both colours, from 1; 0 is before any."""


class Incarnation(Value):
    """One build of one colour's cluster."""

    colour: Colour
    number: IncarnationNumber = Field(ge=1)

    def __str__(self) -> str:
        return f"{self.colour}-{self.number}"


class Lineage(Value):
    """The build that is going on, and the one whose data it begins with."""

    own: Incarnation
    source: Incarnation | None = None
    """None for a cluster that begins empty."""

    @model_validator(mode="after")
    def _source_is_older(self) -> "Lineage":
        if self.source is not None and self.source.number >= self.own.number:
            raise ValueError(
                f"{self.own} cannot begin with the data of {self.source}, which is not older; "
                f"give the new build a number above {self.source.number}"
            )
        return self

    def restores(self, since: IncarnationNumber) -> Incarnation | None:
        """The build to restore from content that exists since the numbered build; None where there is none yet."""
        return self.source if self.source is not None and self.source.number >= since else None
