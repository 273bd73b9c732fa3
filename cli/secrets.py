"""`./lab secrets`: the development secrets, and what the SOPS file must hold."""

import os
from typing import Annotated, Any, NoReturn

import typer

from cli.console import complain, print_json, result, say
from cli.exit_code import EXPLANATION, ExitCode
from cli.session import leave, read_lab
from engine.secrets import DevelopmentSecrets, Findings, Made, inspect
from engine.workspace import Target, Workspace
from model.secrets import Access, SecretKey, SecretSchema, references
from model.violation import Violation
from stacks.secrets_file import SecretsError, SopsMissingError, secrets_path, shown

application = typer.Typer(
    help="Development secrets, and what the SOPS file must hold.", no_args_is_help=True, epilog=EXPLANATION
)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, for scripts.")]


@application.command()
def init(
    prune: Annotated[bool, typer.Option("--prune", help="Also remove keys that the schema does not have.")] = False,
) -> None:
    """Make a development key and a file with random values for every key; what is there already stays."""
    workspace = Workspace()
    schema = read_lab().secrets
    workspace.make()
    development = DevelopmentSecrets.of(workspace)
    is_new = not development.file.exists()
    try:
        made = development.make(schema, prune=prune)
    except SecretsError as error:
        _give_up("The development secrets cannot be made.", error)
    for line in _changes(made, is_new=is_new):
        say(line)
    result.print(f"{shown(development.file)}: {len(schema.keys)} keys, {len(made.added)} of them new", markup=False)


@application.command()
def check(
    target: Annotated[
        Target,
        typer.Option(
            "--target",
            envvar="LAB_TARGET",
            help="twin: the development file. hardware: the file of LAB_SECRETS_FILE, else secrets.enc.json.",
        ),
    ] = Target.TWIN,
    keys_only: Annotated[
        bool, typer.Option("--keys-only", help="Names and recipients alone, without decrypting; needs no key.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Report missing, extra and unused keys, copies that differ, and who can decrypt the file."""
    workspace = Workspace()
    lab = read_lab()
    is_real = target is Target.HARDWARE
    development = DevelopmentSecrets.of(workspace)
    environment = dict(os.environ) if is_real else development.sops_environment()
    path = secrets_path(workspace.project, environment) if is_real else development.file
    try:
        findings = inspect(
            path, lab.secrets, environment, google=lab.cloud.google if is_real else None, decrypt=not keys_only
        )
    except SecretsError as error:
        _give_up("The secrets cannot be checked.", error)
    if as_json:
        print_json(_document(findings, decrypted=not keys_only))
    else:
        _show(lab.secrets, findings, is_real=is_real, decrypted=not keys_only)
    if findings.violations:
        leave(ExitCode.USER_ERROR)


@application.command("keys")
def list_keys(as_json: AsJson = False) -> None:
    """Every key with its owner and its consumers."""
    schema = read_lab().secrets
    if as_json:
        print_json([_key_document(schema, key) for key in schema.keys])
        return
    for key in schema.keys:
        result.print(_key_line(schema, key), markup=False)


def _changes(made: Made, *, is_new: bool) -> list[str]:
    lines = ["made a new age key"] if made.key else []
    # All of a new file is new.
    named = () if is_new else made.added
    lines += [f"added {place}" for place in named]
    lines += [f"{place} agrees with its originals again" for place in made.aligned if place not in named]
    lines += [f"removed {place}" for place in made.removed]
    return lines + [f"kept {place}, which the schema does not have; --prune removes it" for place in made.extra]


def _show(schema: SecretSchema, findings: Findings, *, is_real: bool, decrypted: bool) -> None:
    result.print(f"{shown(findings.file.path)} is for {findings.file.recipients}", markup=False)
    if not is_real:
        result.print("no KMS key is among them, as the development file is for this machine alone")
    for reason in dict.fromkeys(key.unread for key in findings.unused):
        places = ", ".join(str(key.place) for key in findings.unused if key.unread == reason)
        result.print(f"unused: {places}: {reason}", markup=False)
    if findings.violations:
        complain(
            f"The secrets cannot work; {len(findings.violations)} violations.",
            ["\n\n".join(str(violation) for violation in findings.violations)],
        )
        return
    values = "values agree" if decrypted else "values were not looked at"
    result.print(
        f"{len(schema.keys)} keys: none missing, none extra, {len(findings.unused)} unused; {values}", markup=False
    )


def _document(findings: Findings, *, decrypted: bool) -> dict[str, Any]:
    recipients = findings.file.recipients
    return {
        "file": str(findings.file.path),
        "recipients": {"age": recipients.age, "gcp_kms": recipients.google, "others": recipients.others},
        "decrypted": decrypted and not findings.violations,
        "violations": [_violation_document(violation) for violation in findings.violations],
        "unused": [{"key": str(key.place), "reason": key.unread} for key in findings.unused],
    }


def _violation_document(violation: Violation) -> dict[str, Any]:
    return {
        "rule": str(violation.rule),
        "message": violation.message,
        "at": str(violation.where),
        "also": [str(other) for other in violation.also],
        "fix": violation.fix,
    }


def _key_document(schema: SecretSchema, key: SecretKey) -> dict[str, Any]:
    return {
        "tree": str(key.place.tree),
        "path": key.place.path,
        "property": key.place.property,
        "kind": str(key.kind),
        "owner": key.owner,
        "consumers": [{"name": one.name, "access": str(one.access)} for one in key.consumers],
        "made_of": [str(reference.place()) for reference in references(key.shape)],
        "part_of": [str(made.place) for made in schema.made_of(key.place)],
        "unread": key.unread,
        "issuer": key.issuer,
        "oidc_client": key.client,
    }


def _key_line(schema: SecretSchema, key: SecretKey) -> str:
    line = f"{key.place}: {key.kind} of {key.owner}, "
    if key.unread:
        line += f"unused: {key.unread}"
    else:
        readers: dict[Access, list[str]] = {}
        for consumer in key.consumers:
            readers.setdefault(consumer.access, []).append(consumer.name)
        groups = [f"{', '.join(names)} ({access})" for access, names in readers.items()]
        line += "for " + ", ".join((*groups, *(f"{made.place}" for made in schema.made_of(key.place))))
    return line + (f"; made by {key.issuer}" if key.issuer else "")


def _give_up(title: str, error: SecretsError) -> NoReturn:
    complain(title, [str(error)])
    leave(ExitCode.TOOL_MISSING if isinstance(error, SopsMissingError) else ExitCode.USER_ERROR)
