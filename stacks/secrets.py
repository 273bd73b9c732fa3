"""The lab's secrets in the program: decrypted once, when the first is asked for, and handed out as secret outputs."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pulumi

from model.secret_rules import unknown_reference
from model.secrets import SecretPlace, SecretReference, SecretSchema
from model.violation import Source
from stacks.secrets_file import SecretsError, read_encrypted, read_values, secrets_path


@dataclass(frozen=True)
class BootstrapSecret:
    """A plain Kubernetes Secret that is there before GitOps."""

    namespace: str
    name: str
    data: Mapping[str, pulumi.Output[str]]
    """Values by key, as text; secret."""


class Secrets:
    """The values of the schema's keys. Every output is secret, in a preview too."""

    def __init__(
        self, schema: SecretSchema, read: Callable[[], Mapping[SecretPlace, str]], encrypted: Callable[[], str]
    ) -> None:
        """`read` is called once, with the first value that is asked for. Both may raise SecretsError.

        `encrypted` gives the text of the SOPS file.
        """
        self._schema = schema
        self._read = read
        self._encrypted = encrypted

    def value(self, reference: SecretReference) -> pulumi.Output[str]:
        """The value of a key; RunError when the schema does not have it, or when the file cannot be had."""
        place = reference.place()
        if self._schema.at(place) is None:
            where = Source(file="inventory/secrets.py", key="SCHEMA")
            raise pulumi.RunError(str(unknown_reference(self._schema, reference, where)))
        return pulumi.Output.secret(self._values[place])

    def init_secrets(self) -> tuple[BootstrapSecret, ...]:
        """The Secrets of the tree `init`, without the keys that nobody reads; RunError as with `value`."""
        return tuple(
            BootstrapSecret(
                namespace=secret.namespace,
                name=secret.name,
                data={
                    key.place.property: pulumi.Output.secret(self._values[key.place])
                    for key in secret.keys
                    if key.consumers
                },
            )
            for secret in self._schema.init_secrets()
        )

    def encrypted(self) -> str:
        """The text of the SOPS file, every value encrypted; RunError when it cannot be had or has one in clear."""
        try:
            return self._encrypted()
        except SecretsError as error:
            problem = str(error)
        raise pulumi.RunError(problem)

    @cached_property
    def _values(self) -> Mapping[SecretPlace, str]:
        try:
            return self._read()
        except SecretsError as error:
            problem = str(error)
        raise pulumi.RunError(problem)


def read_secrets(
    schema: SecretSchema, directory: Path | None = None, environment: Mapping[str, str] | None = None
) -> Secrets:
    """The secrets of the file that `LAB_SECRETS_FILE` names, else of `secrets.enc.json` in the project's folder.

    Nothing is read before a value is asked for: a stack without secrets needs neither file nor key.
    """
    given = os.environ if environment is None else environment
    path = secrets_path(Path.cwd() if directory is None else directory, given)
    return Secrets(schema, lambda: read_values(path, schema, given), lambda: read_encrypted(path))
