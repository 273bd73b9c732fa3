"""From the stack's name to its resources."""

from pathlib import Path

import pulumi
import yaml

from model.configuration import PROJECT, Configuration
from model.exclusive import Colour
from stacks.adoption import adopt
from stacks.configuration import ConfigurationError, load, read_inventory, read_workloads
from stacks.imports import shared_catalogue
from stacks.sdk import quicken
from stacks.secrets import Secrets, read_secrets

SHARED = "shared"


def main() -> None:
    """Build the stack that the engine asked for. A wrong configuration ends it with all its violations."""
    stack = pulumi.get_stack()
    try:
        # The engine starts the program in the project's folder, wherever the command was given.
        build_stack(stack, load(Path.cwd(), stack=stack, own=_own()))
    except ConfigurationError as error:
        raise pulumi.RunError(str(error)) from None


def build_stack(stack: str, configuration: Configuration, secrets: Secrets | None = None) -> None:
    """Register every resource of the named stack; `secrets` are the SOPS file's when not given."""
    quicken()
    lab = read_inventory()
    if stack == SHARED:
        from stacks import shared

        if configuration.shared.adopt:
            adopt(shared_catalogue(lab), configuration.shared.adopted_ids)
        shared.build(lab, configuration)
    elif stack in tuple(Colour):
        from stacks import colour

        colour.build(lab, read_workloads(), configuration, Colour(stack), secrets or read_secrets(lab.secrets))
    else:
        names = ", ".join((SHARED, *Colour))
        raise pulumi.RunError(f"the project has no stack `{stack}`; there are {names}")


def _own() -> dict[str, object]:
    """The stack's keys as the engine read them: it also knows of `--config` and `--config-file`."""
    settings = pulumi.runtime.get_config_env()
    # The engine hands over documents as JSON and scalars as text; YAML reads both as the stack file was read.
    return {
        key.removeprefix(f"{PROJECT}:"): yaml.safe_load(text)
        for key, text in settings.items()
        if key.startswith(f"{PROJECT}:")
    }
