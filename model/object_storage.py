"""S3 stores of the lab: their buckets, who may do what with which, and how backups are laid out in them."""

from enum import StrEnum, unique
from typing import Annotated, Literal

from pydantic import Field, model_validator

from model.base import Value
from model.guests import GuestName
from model.secrets import Document, Listing, SecretReference
from model.units import Seconds

BucketLabel = Annotated[str, Field(pattern=r"^[a-z0-9][-a-z0-9]{1,61}[a-z0-9]$")]
"""Name of a bucket, as every S3 server takes it."""


@unique
class Layout(StrEnum):
    """How a program lays out its objects. All of them write each object once, under a name that no other ever has."""

    RESTIC = "restic"
    """https://restic.readthedocs.io/en/stable/100_references.html, repository format."""
    BARMAN = "barman"
    """Base backups and log of PostgreSQL, as barman-cloud writes them."""

    @property
    def pointers(self) -> tuple[str, ...]:
        """Objects that name others: extended regular expressions of the whole path, in the order of writing.

        What they name was written before them. So whoever copies objects that existed at one moment, these last and in
        this order, has something that can be restored at every moment of the copy.
        """
        return ("index/.*", "snapshots/.*") if self is Layout.RESTIC else (r".*/base/[^/]+/backup\.info",)

    @property
    def passing(self) -> str:
        """Objects that mean nothing outside the moment: an extended regular expression of the whole path."""
        # A lock that is copied locks the copy, and nobody ever takes it away there.
        return "locks/.*" if self is Layout.RESTIC else ""


class WriteOnce(Value):
    """Backups: the bucket is copied to the other tiers."""

    kind: Literal["write-once"] = "write-once"
    layout: Layout


class NotCopied(Value):
    """Objects that nobody will miss when the cluster's store is lost."""

    kind: Literal["not-copied"] = "not-copied"
    reason: str = Field(min_length=10)


class Bucket(Value):
    """A bucket, and what becomes of its content."""

    name: BucketLabel
    content: Annotated[WriteOnce | NotCopied, Field(discriminator="kind")]


class S3Keys(Value):
    """Access to an S3 endpoint."""

    access_key: SecretReference
    secret_key: SecretReference

    @property
    def both(self) -> tuple[SecretReference, SecretReference]:
        """The two of them."""
        return self.access_key, self.secret_key


@unique
class Verb(StrEnum):
    """What a user may do with the objects of a bucket. Nobody but an administrator makes or removes buckets."""

    READ = "Read"
    LIST = "List"
    WRITE = "Write"
    """Put and delete."""
    ADD = "Add"
    """Put, and never delete."""


class Grant(Value):
    """The verbs that a user has on one bucket."""

    bucket: BucketLabel
    verbs: tuple[Verb, ...] = Field(min_length=1)


class S3User(Value):
    """A user of an S3 store and all that it may do."""

    name: str = Field(pattern=r"^[a-z][-a-z0-9]*$")
    keys: S3Keys
    grants: tuple[Grant, ...] = ()
    administrator: bool = False
    """Makes buckets; no workload has these keys."""

    @model_validator(mode="after")
    def _has_a_purpose(self) -> "S3User":
        if self.administrator == bool(self.grants):
            raise ValueError(f"user {self.name}: either an administrator, or one with grants")
        return self

    def may(self, verb: Verb, bucket: str) -> bool:
        """Whether the user was given the verb on the bucket."""
        return any(grant.bucket == bucket and verb in grant.verbs for grant in self.grants)


class ColdStorage(Value):
    """MinIO on disks of its own: the second medium in the house."""

    guest: GuestName
    """The infrastructure guest that it runs on."""
    port: int = Field(ge=1, le=65535)
    bucket: BucketLabel
    """The one bucket; each bucket that is copied is a folder of it."""
    root: S3Keys
    """Makes the bucket, the policies and the users, and does nothing else."""
    users: tuple[S3User, ...]
    expire_after: Seconds
    """What was neither copied nor renewed for so long is gone upstream too: the lifecycle rule deletes it."""
    keep_replaced: Seconds
    """How long a version stays that was replaced or deleted."""

    @model_validator(mode="after")
    def _grants_its_bucket(self) -> "ColdStorage":
        for user in self.users:
            strange = [grant.bucket for grant in user.grants if grant.bucket != self.bucket]
            if strange or user.administrator:
                raise ValueError(f"user {user.name}: may use the bucket {self.bucket} and no other")
        return self

    def user(self, name: str) -> S3User:
        """The named user; KeyError when there is none."""
        for user in self.users:
            if user.name == name:
                return user
        raise KeyError(f"user {name} of the cold storage")


def identities(users: tuple[S3User, ...]) -> Document:
    """The users as SeaweedFS reads them. Raises ValueError for what it cannot express."""
    return Document(members={"identities": Listing(items=tuple(_identity(user) for user in users))})


def _identity(user: S3User) -> Document:
    if any(Verb.ADD in grant.verbs for grant in user.grants):
        raise ValueError(f"user {user.name}: SeaweedFS lets everybody delete who may put; grant {Verb.WRITE}")
    credentials = Document(members={"accessKey": user.keys.access_key, "secretKey": user.keys.secret_key})
    actions = tuple(f"{verb}:{grant.bucket}" for grant in user.grants for verb in grant.verbs)
    return Document(
        members={
            "name": user.name,
            "credentials": Listing(items=(credentials,)),
            "actions": Listing(items=("Admin", "Read", "Write", "List") if user.administrator else actions),
        }
    )


_OBJECT_ACTIONS = {
    Verb.READ: ("s3:GetObject",),
    Verb.ADD: ("s3:PutObject", "s3:AbortMultipartUpload"),
    Verb.WRITE: ("s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"),
    Verb.LIST: (),
}
_BUCKET_ACTIONS = {
    Verb.READ: (),
    Verb.ADD: (),
    Verb.WRITE: (),
    Verb.LIST: ("s3:ListBucket", "s3:GetBucketLocation"),
}


def policy(user: S3User) -> dict[str, object]:
    """What the user may do, as an IAM policy that MinIO takes."""
    statements: list[dict[str, object]] = []
    for grant in user.grants:
        for actions, resource in ((_BUCKET_ACTIONS, grant.bucket), (_OBJECT_ACTIONS, f"{grant.bucket}/*")):
            allowed = sorted({action for verb in grant.verbs for action in actions[verb]})
            if allowed:
                statements.append({"Effect": "Allow", "Action": allowed, "Resource": [f"arn:aws:s3:::{resource}"]})
    return {"Version": "2012-10-17", "Statement": statements}
