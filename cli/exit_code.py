"""What the exit status of `./lab` says."""

from enum import IntEnum, unique


@unique
class ExitCode(IntEnum):
    """Exit codes of every command."""

    SUCCESS = 0
    FAILED = 1
    """The operation ran and failed: a provider refused, a test failed, a resource is missing."""
    USER_ERROR = 2
    """The configuration or the command line is wrong; nothing was touched."""
    TOOL_MISSING = 3
    """A tool could not be found, fetched or built."""
    TWIN_UNAVAILABLE = 4
    """The twin's daemon does not start or does not answer."""
    INTERRUPTED = 130
    """Ctrl-C; what was done is recorded, the next run goes on."""


EXPLANATION = (
    "Exit codes: 0 done · 1 the operation failed · 2 wrong configuration or command line, nothing touched · "
    "3 a tool is missing · 4 the twin does not answer · 130 interrupted, run again to go on."
)
