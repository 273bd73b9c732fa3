"""Harbor, the lab's own registry of images: what it holds and allows, and the values of its chart."""

from enum import StrEnum, unique
from typing import Literal

from pydantic import Field, field_validator

from model.base import Value
from model.secrets import SecretReference
from model.workloads.camel_case import CamelCase
from model.workloads.charts import ChartValues, Switch
from model.workloads.names import DnsLabel
from model.workloads.retention import Days
from model.workloads.schedules import Cron

CHART = "harbor"
ADMINISTRATOR = "admin"
"""Harbor's own administrator: logs in without Authelia, so it is also the way in when that is away."""


@unique
class ImageRight(StrEnum):
    """What a robot may do with the images of a project."""

    PULL = "pull"
    PUSH = "push"


class Robot(Value):
    """A login for programs."""

    name: DnsLabel
    """Without the prefix of all robots."""
    purpose: str = Field(min_length=1)
    project: str
    rights: tuple[ImageRight, ...] = Field(min_length=1)
    token: SecretReference

    @field_validator("rights")
    @classmethod
    def _who_pushes_pulls(cls, rights: tuple[ImageRight, ...]) -> tuple[ImageRight, ...]:
        if ImageRight.PUSH in rights and ImageRight.PULL not in rights:
            raise ValueError("Harbor lets nobody push who may not pull; give both")
        return rights


class HarborSettings(Value):
    """What is set in each colour's Harbor. The projects of the caches are the mirrors of the cluster's layout."""

    application: DnsLabel
    """The application that runs it, with a route that logs in at Authelia."""
    administrator: SecretReference
    """Password of `admin`."""
    issuer: DnsLabel
    """Host name of Authelia, below the lab's domain."""
    administrators: str
    """Group at Authelia whose members administer Harbor."""
    robots: tuple[Robot, ...]
    caches_keep: Days = Field(ge=1)
    """How long a copy of somebody else's image is kept after it was pulled last."""
    tidy: Cron
    """When copies that are too old are forgotten."""
    collect: Cron
    """When the room of what was forgotten is given back; after `tidy`."""
    scan: Cron
    """When every image is looked through for known weaknesses."""


class ClusterIpService(CamelCase):
    """A service within the cluster."""

    name: str


class Exposure(CamelCase):
    """How Harbor is reached: by a service that the lab's ingress leads to."""

    type: Literal["clusterIP"] = "clusterIP"
    tls: Switch = Switch(enabled=False)
    cluster_ip: ClusterIpService = Field(serialization_alias="clusterIP")


class ExistingClaim(CamelCase):
    """A volume that is there already."""

    existing_claim: str
    size: str


class SizedClaim(CamelCase):
    """A volume that a StatefulSet of the chart takes by its name."""

    size: str


class Claims(CamelCase):
    """Harbor's volumes."""

    registry: ExistingClaim
    redis: SizedClaim
    trivy: SizedClaim


class Storage(CamelCase):
    """Where images lie."""

    type: Literal["filesystem"] = "filesystem"


class Persistence(CamelCase):
    """What outlives a pod."""

    enabled: bool = True
    persistent_volume_claim: Claims
    image_chart_storage: Storage = Storage()


class ExternalDatabase(CamelCase):
    """A PostgreSQL that is not the chart's own."""

    host: str
    port: str = "5432"
    username: str
    core_database: str
    existing_secret: str
    """With the password under the key `password`."""
    sslmode: Literal["disable", "require", "verify-ca", "verify-full"] = "require"


class DatabaseValues(CamelCase):
    """Which PostgreSQL."""

    type: Literal["external"] = "external"
    external: ExternalDatabase


class RedisValues(CamelCase):
    """Queue of jobs and sessions."""

    type: Literal["internal"] = "internal"


class JobService(CamelCase):
    """What works in the background."""

    job_loggers: tuple[Literal["file", "database", "stdout"], ...] = ("database",)
    """In the database, so that it needs no volume."""


class CacheValues(CamelCase):
    """What is kept in memory of the database."""

    enabled: bool = True
    expire_hours: int = 24


class AddressFamily(CamelCase):
    """Which addresses Harbor listens at."""

    ipv6: Switch = Switch(enabled=False)


class UpdateStrategy(CamelCase):
    """The new pod could not have the volume while the old one still has it."""

    type: Literal["Recreate"] = "Recreate"


class HarborValues(ChartValues):
    """Values of the chart `harbor`."""

    expose: Exposure
    external_url: str = Field(serialization_alias="externalURL")
    existing_secret_admin_password: str
    existing_secret_admin_password_key: str
    existing_secret_secret_key: str
    """With the key `secretKey`: what Harbor encrypts passwords of other registries with."""
    persistence: Persistence
    database: DatabaseValues
    redis: RedisValues = RedisValues()
    jobservice: JobService = JobService()
    cache: CacheValues = CacheValues()
    metrics: Switch = Switch(enabled=True)
    trivy: Switch = Switch(enabled=True)
    ip_family: AddressFamily = AddressFamily()
    update_strategy: UpdateStrategy = UpdateStrategy()
