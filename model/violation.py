"""What a rule says when it is broken."""

from enum import StrEnum, unique

from model.base import Value


@unique
class Rule(StrEnum):
    """Every rule by its number; the docstring of its function says what it demands.

    Those over the configuration are in `model.rules`, those over registered resources in `policy.rules`; some numbers
    have a part in both.
    """

    SCHEMA = "S1"
    """A configuration value has the wrong type, is missing or is not known."""
    NAMES = "S2"
    LAYERS = "S3"
    INCARNATIONS = "S4"
    PASSTHROUGH = "I1"
    LEASES = "I2"
    ADDRESSES = "I3"
    CAPACITY = "I4"
    BACKUP_WRITERS = "I5"
    STATEFUL = "I6"
    BACKUPS = "I7"
    RESTORE_CLOSURE = "I8"
    SECRET_REFERENCES = "I9"  # noqa: S105 - a number, no password
    ORDER = "I10"
    VERSIONS = "I11"
    SCHEDULING = "I12"
    INGRESS = "I13"
    RECOVERY_POINTS = "I14"
    MTU = "N1"
    CABLES = "N2"


class Source(Value):
    """Where a value stands: a file and the key in it, or a registered resource (its URN) and the property in it."""

    file: str
    key: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}"


class Violation(Value):
    """One broken rule: what is wrong, where, who else claims it, how to mend it."""

    rule: Rule
    message: str
    where: Source
    also: tuple[Source, ...] = ()
    """The other owners of what clashes."""
    fix: str

    def __str__(self) -> str:
        others = "".join(f"\n    also: {other}" for other in self.also)
        return f"{self.rule} {self.message}\n    at:   {self.where}{others}\n    fix:  {self.fix}"
