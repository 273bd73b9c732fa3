"""Objects of custom kinds: their exact JSON, and who must be there before them."""

import importlib
import pkgutil
import re

import pulumi
import pytest
from pulumi_kubernetes import core
from pydantic import ValidationError

from components.kubernetes.objects import CustomResource, Metadata
from components.kubernetes.provided import Definitions
from model.workloads import custom
from model.workloads.camel_case import CamelCase, camel_case
from model.workloads.custom.certificates import Certificate, CertificateSpec, IssuerReference
from model.workloads.custom.cloudnative_pg import (
    Cluster,
    ClusterSpec,
    ObjectStoreConfiguration,
    Parameters,
    Plugin,
    Storage,
)
from model.workloads.custom.k8up import Schedule
from model.workloads.custom.snapshots import VolumeSnapshotClass
from model.workloads.objects import CustomObject, Kind, kinds
from tests.graph.workloads.layers import on_kubernetes, run

TOKEN = "kubernetes:cert-manager.io/v1:Certificate"
CERTIFICATE = Certificate(
    spec=CertificateSpec(secret_name="wildcard", dns_names=("*.lab.example",), issuer_ref=IssuerReference(name="acme"))
)


def every_shape() -> list[type[CamelCase]]:
    """Every class of the modules of custom kinds."""
    names = [module.name for module in pkgutil.iter_modules(custom.__path__, f"{custom.__name__}.")]
    return [
        value
        for name in names
        for value in vars(importlib.import_module(name)).values()
        if isinstance(value, type) and issubclass(value, CamelCase) and value.__module__ == name
    ]


def kinds_of_objects() -> list[type[CustomObject]]:
    return [shape for shape in every_shape() if issubclass(shape, CustomObject)]


def certificate(brought: tuple[Kind, ...]) -> None:
    """A certificate in a component whose other child brings some kinds."""
    home = pulumi.ComponentResource("test:Home", "home", None, on_kubernetes())
    child = pulumi.ResourceOptions(parent=home)
    operator = core.v1.ConfigMap("operator", opts=child)
    CustomResource(
        "some",
        metadata=Metadata(name="wildcard", namespace="traefik"),
        content=CERTIFICATE,
        definitions=Definitions(kinds=brought, origin="the application some", by=operator),
        opts=child,
    )


def build() -> None:
    certificate(kinds(Certificate))


def test_an_object_is_registered_as_the_api_has_it():
    recorded = run(build).one(TOKEN, "some")
    assert recorded.clear_inputs == {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {
            "name": "wildcard",
            "namespace": "traefik",
            "annotations": {"pulumi.com/waitFor": "condition=Ready"},
        },
        "spec": {
            "secretName": "wildcard",
            "dnsNames": ["*.lab.example"],
            "issuerRef": {"name": "acme", "kind": "ClusterIssuer"},
        },
    }


def test_an_object_comes_after_what_brings_its_kind():
    recording = run(build)
    recorded = recording.one(TOKEN, "some")
    assert recorded.provider == recording.one("pulumi:providers:kubernetes", "kubernetes").urn
    assert recording.one("kubernetes:core/v1:ConfigMap", "operator").urn in recorded.dependencies


def test_an_object_of_a_kind_that_nobody_brought_is_refused():
    expected = re.escape(
        "some is a Certificate (cert-manager.io/v1), which the application some does not bring; "
        "it brings Schedule (k8up.io/v1)"
    )
    with pytest.raises(pulumi.RunError, match=expected):
        run(lambda: certificate(kinds(Schedule)))


def test_a_field_beside_the_spec_is_one():
    content = VolumeSnapshotClass(driver="rbd.csi.ceph.com", deletion_policy="Delete", parameters={"clusterID": "a"})
    assert content.document() == {
        "driver": "rbd.csi.ceph.com", "deletionPolicy": "Delete", "parameters": {"clusterID": "a"},
    }  # fmt: skip


@pytest.mark.parametrize("shape", every_shape(), ids=lambda shape: f"{shape.__module__}.{shape.__name__}")
def test_a_misspelt_field_of_any_shape_is_refused(shape: type[CamelCase]):
    with pytest.raises(ValidationError, match=r"nonsense\n  Extra inputs are not permitted"):
        shape.model_validate({"nonsense": 1})


SNAKE_CASE_OF_VAULT = {"Role", "TcpListener", "ServerConfiguration", "Telemetry", "ListenerTelemetry"}


@pytest.mark.parametrize("shape", every_shape(), ids=lambda shape: f"{shape.__module__}.{shape.__name__}")
def test_no_name_reaches_the_api_as_python_spells_it(shape: type[CamelCase]):
    # These few are in snake case on the other side too.
    native = {"shared_preload_libraries"} if shape is Parameters else set[str]()
    if shape.__module__.endswith(".vault") and shape.__name__ in SNAKE_CASE_OF_VAULT:
        native |= set(shape.model_fields)
    names = {name: field.serialization_alias or camel_case(name) for name, field in shape.model_fields.items()}
    assert [name for name, alias in names.items() if "_" in alias and name not in native] == []


def test_every_kind_of_object_has_a_kind_of_its_own():
    found = [shape.OF for shape in kinds_of_objects()]
    assert len(found) == len(set(found))
    assert all("." in kind.group for kind in found)


@pytest.mark.parametrize(
    ("name", "alias"),
    [("storage_class", "storageClass"), ("global_", "global"), ("k8s_service_host", "k8sServiceHost"), ("s3", "s3")],
)
def test_names_become_camel_case(name: str, alias: str):
    assert camel_case(name) == alias


def test_names_with_abbreviations_are_the_api_s_own():
    plugin = Plugin(is_wal_archiver=True, parameters={"serverName": "a"})
    spec = ClusterSpec(
        instances=1,
        image_name="ghcr.io/cloudnative-pg/postgresql:17.5",
        storage=Storage(storage_class="csi-rbd-sc", size="2Gi"),
        postgresql=Parameters(shared_preload_libraries=("vchord.so",)),
        bootstrap={"initdb": {"database": "a", "owner": "a", "post_init_sql": ("select 1",)}},  # pyright: ignore[reportArgumentType]
        plugins=(plugin,),
    )
    assert Cluster(spec=spec).document()["spec"] == {
        "instances": 1,
        "imageName": "ghcr.io/cloudnative-pg/postgresql:17.5",
        "storage": {"storageClass": "csi-rbd-sc", "size": "2Gi"},
        "postgresql": {"shared_preload_libraries": ["vchord.so"]},
        "bootstrap": {"initdb": {"database": "a", "owner": "a", "postInitSQL": ["select 1"]}},
        "plugins": [
            {
                "name": "barman-cloud.cloudnative-pg.io", "isWALArchiver": True, "parameters": {"serverName": "a"},
            }
        ],
    }  # fmt: skip


def test_an_archive_names_no_server():
    """Who uses it says which: a name here would be the same for reading and writing."""
    with pytest.raises(ValidationError, match="serverName"):
        ObjectStoreConfiguration.model_validate({"serverName": "git-postgresql"})
