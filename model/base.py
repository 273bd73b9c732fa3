"""What every value of the lab has in common."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen value; a key it does not know is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")
