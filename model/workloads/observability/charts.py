"""Values of the charts for logs and of small exporters."""

from collections.abc import Sequence

from pydantic import Field

from model.base import Value
from model.cluster import Taint
from model.units import Seconds
from model.workloads.camel_case import CamelCase
from model.workloads.charts import ChartValues, SecretSource, Switch, Variable
from model.workloads.custom.selectors import SecretKey
from model.workloads.observability.alloy import pods_configuration
from model.workloads.observability.rules import duration
from model.workloads.platform import ObjectStorage

CONTROL_PLANE_TAINT = "node-role.kubernetes.io/control-plane"
GATEWAY_PORT = 80


class LokiPart(CamelCase):
    """One of Loki's processes. It replaces variables in its configuration, so that no key is in there."""

    enabled: bool | None = None
    extra_args: tuple[str, ...] = ("-config.expand-env=true",)
    extra_env: tuple[Variable, ...]


class IndexPeriod(Value):
    """How long one table of the index is written to."""

    prefix: str = "loki_index_"
    period: str = "24h"


class SchemaPeriod(Value):
    """How logs are stored from a day on; what is written once never changes."""

    from_: str = Field(default="2024-04-01", serialization_alias="from")
    store: str = "tsdb"
    object_store: str = "s3"
    schema_: str = Field(default="v13", serialization_alias="schema")
    index: IndexPeriod = IndexPeriod()


class LokiSchema(Value):
    """Every period."""

    configs: tuple[SchemaPeriod, ...] = (SchemaPeriod(),)


class LokiBucket(Value):
    """The bucket, and the variables that its keys are in."""

    endpoint: str
    bucketnames: str
    s3forcepathstyle: bool = True
    insecure: bool = True
    """Plain HTTP: the endpoint is inside the cluster."""
    access_key_id: str = "${S3_ACCESS_KEY}"
    secret_access_key: str = "${S3_SECRET_KEY}"  # noqa: S105 - the name of a variable


class LokiIndex(Value):
    """Where the index is kept before it goes to the bucket."""

    active_index_directory: str = "/var/loki/tsdb-index"
    cache_location: str = "/var/loki/tsdb-cache"
    shared_store: str = "s3"


class LokiStorage(Value):
    """Bucket and index."""

    aws: LokiBucket
    tsdb_shipper: LokiIndex = LokiIndex()


class LokiCompactor(Value):
    """What removes old logs."""

    working_directory: str = "/var/loki/compactor"
    shared_store: str = "s3"
    retention_enabled: bool = True


class LokiLimits(Value):
    """How long logs are kept."""

    retention_period: str
    reject_old_samples: bool = True
    reject_old_samples_max_age: str


class LokiConfiguration(Value):
    """What differs from the chart's own configuration."""

    auth_enabled: bool = False
    """One tenant: who may push at all is asked at the ingress."""
    compactor: LokiCompactor = LokiCompactor()
    limits_config: LokiLimits


class LokiSettings(CamelCase):
    """Loki's configuration by its parts."""

    schema_config: LokiSchema = LokiSchema()
    storage_config: LokiStorage
    structured_config: LokiConfiguration


class LokiValues(ChartValues):
    """Values of the chart `loki-distributed`."""

    fullname_override: str
    loki: LokiSettings
    ingester: LokiPart
    distributor: LokiPart
    querier: LokiPart
    query_frontend: LokiPart
    compactor: LokiPart
    service_monitor: Switch = Switch(enabled=True)


def loki_values(
    storage: ObjectStorage, bucket: str, *, name: str, retention: Seconds, access_key: SecretKey, secret_key: SecretKey
) -> LokiValues:
    """Logs in a bucket of the cluster's object storage for `retention`; services are called `name` and a suffix."""
    keys = tuple(
        Variable(name=variable, value_from=SecretSource(secret_key_ref=key))
        for variable, key in (("S3_ACCESS_KEY", access_key), ("S3_SECRET_KEY", secret_key))
    )
    part = LokiPart(extra_env=keys)
    kept = duration(retention)
    return LokiValues(
        fullname_override=name,
        loki=LokiSettings(
            storage_config=LokiStorage(
                aws=LokiBucket(endpoint=storage.endpoint.removeprefix("http://"), bucketnames=bucket)
            ),
            structured_config=LokiConfiguration(
                limits_config=LokiLimits(retention_period=kept, reject_old_samples_max_age=kept)
            ),
        ),
        ingester=part,
        distributor=part,
        querier=part,
        query_frontend=part,
        compactor=LokiPart(enabled=True, extra_env=keys),
    )


class Toleration(CamelCase):
    """A taint that the collector may stand under."""

    key: str
    operator: str = "Exists"
    effect: str


class AlloyContent(CamelCase):
    """The configuration itself."""

    content: str


class AlloySettings(CamelCase):
    """What Alloy runs."""

    config_map: AlloyContent


class AlloyController(CamelCase):
    """One on every node."""

    type: str = "daemonset"
    tolerations: tuple[Toleration, ...]


class AlloyValues(ChartValues):
    """Values of the chart `alloy`."""

    alloy: AlloySettings
    controller: AlloyController
    service_monitor: Switch = Switch(enabled=True)


def alloy_values(push: str, taints: Sequence[Taint]) -> AlloyValues:
    """Logs of every pod to the URL `push`, also from nodes with these taints and from control planes."""
    tolerated = dict.fromkeys(((CONTROL_PLANE_TAINT, "NoSchedule"), *((one.key, str(one.effect)) for one in taints)))
    return AlloyValues(
        alloy=AlloySettings(config_map=AlloyContent(content=pods_configuration(push))),
        controller=AlloyController(
            tolerations=tuple(Toleration(key=key, effect=effect) for key, effect in tolerated)
        ),
    )


class CloudflareExporterValues(ChartValues):
    """Values of the chart `cloudflare-exporter`."""

    env: tuple[Variable, ...]
    service_monitor: Switch = Switch(enabled=True)


def cloudflare_exporter_values(zone: str, token: SecretKey) -> CloudflareExporterValues:
    """Requests and threats of one zone."""
    return CloudflareExporterValues(
        env=(
            Variable(name="CF_ZONES", value=zone),
            Variable(name="CF_API_TOKEN", value_from=SecretSource(secret_key_ref=token)),
        )
    )
