"""What a stand-in answers when it refuses."""

from http import HTTPStatus

from twin.providers import wire


class ApiError(Exception):
    """The emulated API refused the call, as the real one would."""

    def __init__(self, status: HTTPStatus | int, message: str) -> None:
        super().__init__(message)
        self.status = HTTPStatus(status)

    def __str__(self) -> str:
        return f"{self.status.value} {self.status.phrase}: {self.args[0]}"


def already_exists(what: str) -> ApiError:
    """Something of that name is there; the API never takes a second one for the first."""
    return ApiError(HTTPStatus.CONFLICT, f"{what} already exists")


def not_found(what: str) -> ApiError:
    """What the call refers to is not there."""
    return ApiError(HTTPStatus.NOT_FOUND, f"{what} does not exist")


class CommandError(Exception):
    """A command ended with an error; the message is what it printed."""


class NotEmulatedError(Exception):
    """The twin does not emulate this; it never pretends that it worked."""


class OutOfReachError(Exception):
    """The API cannot be asked; a later run may reach it."""


class OverdueError(Exception):
    """What was begun did not end in time; it may end yet."""


class NotReadyError(Exception):
    """The resource was made or changed, or is there, but it does not work yet: the engine keeps it with the reasons."""

    def __init__(
        self,
        resource_id: str,
        properties: wire.Properties,
        reasons: tuple[str, ...],
        inputs: wire.Properties | None = None,
    ) -> None:
        super().__init__("; ".join(reasons))
        self.resource_id = resource_id
        self.properties = properties
        self.reasons = reasons
        self.inputs = inputs
        """As they are now, for a read; None leaves them as they were sent."""
