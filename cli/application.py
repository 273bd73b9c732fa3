"""Every command of `./lab`."""

from typing import Annotated, Optional

import typer

from cli import doctor as doctor_command
from cli import environment as environment_command
from cli import kubectl as kubectl_command
from cli import secrets, suites, twin
from cli import status as status_command
from cli.exit_code import EXPLANATION
from cli.operations import checked_stack, operate
from engine.operation import Operation
from engine.workspace import Target
from model.exclusive import Colour

application = typer.Typer(
    name="lab",
    help="A whole homelab as one typed program: preview, apply, rebuild and prove it, on hardware or on its twin.",
    epilog=EXPLANATION,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
application.add_typer(twin.application, name="twin")
application.add_typer(secrets.application, name="secrets")

Stack = Annotated[
    str, typer.Argument(help="shared, blue or green.", callback=checked_stack, show_default=False, metavar="STACK")
]
TargetOption = Annotated[
    Target,
    typer.Option(
        "--target",
        envvar="LAB_TARGET",
        help="twin: the emulated lab on this machine. hardware: the real one, with your own credentials and backend.",
    ),
]
WithPolicy = Annotated[
    bool, typer.Option("--policy", help="Judge what is registered by the rules of docs/rules.md; a broken one refuses.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, for scripts.")]


@application.command(epilog=EXPLANATION)
def preview(
    stack: Stack,
    target: TargetOption = Target.TWIN,
    as_json: AsJson = False,
    expect_no_changes: Annotated[
        bool, typer.Option("--expect-no-changes", help="Fail when anything would change.")
    ] = False,
    policy: WithPolicy = False,
) -> None:
    """Show what `up` would do to a stack, and change nothing."""
    flags = ("--expect-no-changes",) if expect_no_changes else ()
    operate(Operation.PREVIEW, stack, target, as_json=as_json, flags=flags, policy=policy)


@application.command(epilog=EXPLANATION)
def up(
    stack: Stack, target: TargetOption = Target.TWIN, as_json: AsJson = False, policy: WithPolicy = False
) -> None:
    """Make a stack what the program says."""
    operate(Operation.UP, stack, target, as_json=as_json, policy=policy)


@application.command(epilog=EXPLANATION)
def refresh(stack: Stack, target: TargetOption = Target.TWIN, as_json: AsJson = False) -> None:
    """Read what really exists into a stack's state; shows what was changed behind its back."""
    operate(Operation.REFRESH, stack, target, as_json=as_json)


@application.command(epilog=EXPLANATION)
def destroy(
    stack: Stack,
    target: TargetOption = Target.TWIN,
    as_json: AsJson = False,
    unprotect: Annotated[
        bool,
        typer.Option(
            "--unprotect",
            help="Also what is protected. Retained things leave the state and stay in the lab.",
        ),
    ] = False,
) -> None:
    """Take a stack down. Protected resources stop it."""
    operate(Operation.DESTROY, stack, target, as_json=as_json, unprotect=unprotect)


@application.command(epilog=EXPLANATION)
def status(target: TargetOption = Target.TWIN, as_json: AsJson = False) -> None:
    """Stacks, leases, hosts and what holds them; of each cluster what is not ready, and why."""
    status_command.show(target, as_json=as_json)


@application.command(epilog=EXPLANATION)
def env(
    target: TargetOption = Target.TWIN, as_json: AsJson = False
) -> None:
    """Print what a plain `pulumi preview --stack green` needs: eval "$(./lab env)"."""
    environment_command.show(target, as_json=as_json)


@application.command(epilog=EXPLANATION)
def doctor(as_json: AsJson = False) -> None:
    """Say which tools are used and where from, without building any."""
    doctor_command.show(as_json=as_json)


@application.command(
    epilog=EXPLANATION, context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def kubectl(
    context: typer.Context,
    colour: Annotated[Colour, typer.Argument(help="blue or green.", show_default=False)],
    target: TargetOption = Target.TWIN,
) -> None:
    """Run kubectl against a colour's cluster, e.g. `./lab kubectl green get nodes -o wide`."""
    kubectl_command.run(colour, tuple(context.args), target)


@application.command(
    epilog=EXPLANATION, context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def test(
    context: typer.Context,
    suite: Annotated[
        Optional[suites.Suite],  # noqa: UP045 - Typer reads it at run time
        typer.Argument(help="One suite; all of them when left out.", show_default=False),
    ] = None,  # noqa: PT028 - a command, not a test function
) -> None:
    """Run the tests. What follows the suite goes to pytest."""
    suites.run(suite, tuple(context.args))
