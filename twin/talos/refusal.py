"""What a Talos machine answers when it refuses."""

from enum import StrEnum, unique
from http import HTTPStatus

from twin.providers.errors import ApiError


@unique
class Code(StrEnum):
    """gRPC status codes, as Talos' clients print them."""

    ALREADY_EXISTS = "AlreadyExists"
    FAILED_PRECONDITION = "FailedPrecondition"
    INVALID_ARGUMENT = "InvalidArgument"
    NOT_FOUND = "NotFound"
    UNAVAILABLE = "Unavailable"
    DEADLINE_EXCEEDED = "DeadlineExceeded"


_STATUS = {
    Code.ALREADY_EXISTS: HTTPStatus.CONFLICT,
    Code.FAILED_PRECONDITION: HTTPStatus.PRECONDITION_FAILED,
    Code.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    Code.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.DEADLINE_EXCEEDED: HTTPStatus.GATEWAY_TIMEOUT,
}


class TalosError(ApiError):
    """A call to a machine failed."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(_STATUS[code], message)
        self.code = code

    def __str__(self) -> str:
        return f"rpc error: code = {self.code} desc = {self.args[0]}"
