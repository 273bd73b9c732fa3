"""`./lab env`."""

import shlex

from cli.console import print_json, result
from cli.session import prepare
from engine.workspace import Target


def show(target: Target, *, as_json: bool) -> None:
    """Assignments for a POSIX shell, or one JSON object."""
    environment = prepare(target).environment
    if as_json:
        print_json(environment)
        return
    for name, value in sorted(environment.items()):
        result.print(f"export {name}={shlex.quote(value)}", markup=False)
