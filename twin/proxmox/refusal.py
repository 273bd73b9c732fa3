"""How the emulated API says no."""

from collections.abc import Mapping
from http import HTTPStatus


class RefusalError(Exception):
    """A call is refused: HTTP status, a message of one line, and messages by parameter where parameters are wrong."""

    def __init__(self, status: int, message: str, errors: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors: dict[str, str] = dict(errors or {})


def wrong_parameters(errors: Mapping[str, str]) -> RefusalError:
    """One or more parameters are wrong: message by parameter."""
    return RefusalError(HTTPStatus.BAD_REQUEST, "Parameter verification failed.", errors)


def failed(message: str) -> RefusalError:
    """The call is well formed and cannot be done."""
    return RefusalError(HTTPStatus.INTERNAL_SERVER_ERROR, message)


def not_emulated(what: str) -> RefusalError:
    """Proxmox VE can do it, the twin cannot: it says so instead of pretending."""
    return RefusalError(HTTPStatus.NOT_IMPLEMENTED, f"{what} is not emulated by the twin")


def unreachable(node: str) -> RefusalError:
    """The node does not answer the node that was asked; 595 is Proxmox VE's own status for it."""
    return RefusalError(595, f"No route to host (node '{node}' is down)")
