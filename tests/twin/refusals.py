"""What a stand-in says when it refuses a call."""

from collections.abc import Awaitable
from typing import Any

import grpc.aio
import pytest


async def refusal(call: Awaitable[Any]) -> str:
    """The message of the gRPC status that `call` must end with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return str(caught.value.details())
