"""`preview`, `up`, `refresh` and `destroy`."""

import time
from collections.abc import Mapping
from typing import Any

import typer

from cli.console import (
    Progress,
    complain,
    notice,
    outcome_document,
    print_json,
    say,
    show_outcome,
)
from cli.exit_code import ExitCode
from cli.session import Session, leave, prepare, read_configuration
from engine.admission import refusals
from engine.operation import Operation, Outcome, run
from engine.policy import PolicyPack, policy_pack
from engine.repair import Lookup, repair
from engine.state import EngineError, PendingOperation
from engine.workspace import Target, Workspace
from model.configuration import Configuration, stack_file
from model.exclusive import Colour
from model.lab import Lab
from policy.surroundings import surroundings
from stacks.configuration import ConfigurationError, read_workloads
from twin.kubernetes.plane_state import PlaneState

CLUSTER_SECONDS = 60.0
"""How long a cluster that is being started is waited for; what is wrong then, the engine tells."""
CLUSTER_POLL_SECONDS = 0.2


def operate(
    operation: Operation,
    stack: str,
    target: Target,
    *,
    as_json: bool,
    flags: tuple[str, ...] = (),
    unprotect: bool = False,
    policy: bool = False,
) -> None:
    """Run one operation of one stack from checks to its last line; ends the command with its exit code.

    `policy` has the rules over registered resources judge it.
    """
    lab, configuration = read_configuration(Workspace())
    session = prepare(target, clusters=stack in tuple(Colour) and operation is not Operation.PREVIEW)
    _clear_locks(session, stack)
    _await_cluster(session, stack)
    try:
        if operation is Operation.UP:
            problems = refusals(lab, configuration, stack, session.state)
            if problems:
                complain(f"{stack} cannot be up now; nothing was touched.", [str(problem) for problem in problems])
                leave(ExitCode.USER_ERROR)
        if operation is not Operation.PREVIEW:
            repair(session.state, stack, _lookup(session), say)
        if operation is Operation.DESTROY:
            _take_down_protection(session, stack, unprotect=unprotect)
    except EngineError as error:
        complain("The engine refused.", [str(error)])
        leave(ExitCode.FAILED)
    environment = session.environment
    if policy:
        pack = _policy_pack(session, lab, configuration)
        environment, flags = pack.environment(environment), (*flags, *pack.flags(operation))
    with Progress(operation, quiet=as_json) as progress:
        outcome = run(operation, stack, session.workspace, environment, progress.on_event, flags)
    finish(outcome, as_json=as_json)


def finish(outcome: Outcome, *, as_json: bool) -> None:
    """Show how the operation ended and leave with its exit code."""
    if as_json:
        print_json(outcome_document(outcome))
    else:
        if not outcome.succeeded and not outcome.errors and not outcome.interrupted:
            complain("The engine said:", [outcome.output.strip()])
        show_outcome(outcome)
        for hint in _hints(outcome):
            notice.print(f"hint: {hint}", markup=False)
    if outcome.interrupted:
        leave(ExitCode.INTERRUPTED)
    if not outcome.succeeded:
        leave(ExitCode.FAILED)


def _hints(outcome: Outcome) -> list[str]:
    text = "\n".join([*outcome.errors, outcome.output])
    hints: list[str] = []
    if outcome.interrupted:
        hints.append(f"what was done is recorded; `./lab {outcome.operation} {outcome.stack}` goes on")
    if "protect" in text and not outcome.succeeded and outcome.stack in tuple(Colour):
        hints.append(
            "control-plane nodes of the live colour are replaced one at a time: name one under `replaceable` in "
            f"{stack_file(outcome.stack)}, or rebuild the other colour instead"
        )
    return hints


def _policy_pack(session: Session, lab: Lab, configuration: Configuration) -> PolicyPack:
    try:
        open_routes = read_workloads().open_routes
    except ConfigurationError as error:
        complain("The inventory cannot work; nothing was touched.", [str(error)])
        leave(ExitCode.USER_ERROR)
    return policy_pack(session.workspace, surroundings(lab, configuration, lab.secrets, open_routes))


def _take_down_protection(session: Session, stack: str, *, unprotect: bool) -> None:
    """The engine meets protection only after it has deleted what is not protected; so it is asked first."""
    resources = session.state.resources(stack)
    protected = {str(entry["urn"]).rsplit("::", 1)[-1] for entry in resources if entry.get("protect")}
    if not protected:
        return
    if unprotect:
        session.state.unprotect(stack)
        return
    complain(
        f"{stack} is protected; nothing was touched.",
        [
            f"  protected: {', '.join(sorted(protected))}",
            "  They hold data or serve the lab. A colour stops being protected when `active_colour` in",
            f"  {stack_file('shared')} names another (or null) and `./lab up {stack}` was run.",
            f"  `./lab destroy {stack} --unprotect` goes on all the same; what is retained stays in the lab.",
        ],
    )
    leave(ExitCode.USER_ERROR)


def _lookup(session: Session) -> Lookup:
    """Where the ids of creations that were cut off are looked up."""
    twin = session.twin
    if twin is None:
        # On hardware the docs say where a person finds what a service assigned.
        return lambda _pending: {}

    def created(pending: list[PendingOperation]) -> dict[str, str]:
        return {urn: entry["id"] for urn, entry in twin.created([entry.urn for entry in pending]).items()}

    return created


def _await_cluster(session: Session, stack: str) -> None:
    """The cluster of a twin that was started just now is not there at once, and the engine would not wait for it."""
    if session.twin is None or stack not in tuple(Colour):
        return
    told = False
    until = time.monotonic() + CLUSTER_SECONDS
    while any(_is_coming(plane) for plane in session.twin.planes() if plane["name"] == stack):
        if time.monotonic() > until:
            return
        if not told:
            say(f"Waiting for the Kubernetes of {stack}, which is being started.")
            told = True
        time.sleep(CLUSTER_POLL_SECONDS)


def _is_coming(plane: Mapping[str, Any]) -> bool:
    """Whether it is on its way: one that cannot start says why, and there is nothing to wait for."""
    return plane["state"] == PlaneState.STARTING and not plane["problems"]


def _clear_locks(session: Session, stack: str) -> None:
    for lock in session.state.clear_stale_locks(stack):
        say(f"Removed the lock of process {lock.process}, which is gone (it had begun to work on {stack}).")
    held = session.state.locks(stack)
    if held:
        complain(
            f"{stack} is being worked on.",
            [f"  locked by process {lock.process} of {lock.user} on {lock.host}" for lock in held]
            + [f"  wait for it; if it is gone: pulumi cancel --stack {stack} (environment: ./lab env)"],
        )
        leave(ExitCode.FAILED)


def checked_stack(value: str) -> str:
    """The stack's name; a usage error naming the stacks there are when it is none of them."""
    from engine.workspace import STACKS

    if value not in STACKS:
        raise typer.BadParameter(f"no such stack; there are {', '.join(STACKS)}")
    return value
