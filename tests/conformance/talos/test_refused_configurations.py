"""What Talos' library refuses, and that its message reaches the person."""

import json

import pytest
import yaml

from model.exclusive import Colour
from tests.conformance.talos.configurations import ClusterSecrets, generate
from tests.conformance.talos.plans import cluster_plan
from twin.talos.machinery import Machinery, MachineryError

PLAN = cluster_plan(Colour.GREEN)
WORKER = PLAN.workers[0]

BROKEN = {
    "unknown key": ({"machine": {"instal": {"disk": "/dev/sda"}}}, "unknown keys found"),
    "unknown nested key": ({"machine": {"network": {"hostnam": "x"}}}, "unknown keys found"),
    "unknown document": ({"apiVersion": "v1alpha1", "kind": "UserVolume", "name": "x"}, "not registered"),
    "wrong type": ({"machine": {"network": {"interfaces": [{"interface": "eth0", "mtu": "big"}]}}}, "into int"),
    "octet overflow": (
        {"machine": {"network": {"interfaces": [{"interface": "eth1", "addresses": ["10.0.30.611/24"]}]}}},
        "invalid CIDR address: 10.0.30.611/24",
    ),
    "bad virtual IP": (
        {"machine": {"network": {"interfaces": [{"interface": "eth0", "vip": {"ip": "10.0.30.300"}}]}}},
        "10.0.30.300",
    ),
    "selector of an unknown field": (
        {
            "apiVersion": "v1alpha1", "kind": "UserVolumeConfig", "name": "data",
            "provisioning": {"diskSelector": {"match": "disk.siz > 1u"}, "minSize": "1GB"},
        },
        "undefined field 'siz'",
    ),
    "smallest size above the largest": (
        {
            "apiVersion": "v1alpha1", "kind": "UserVolumeConfig", "name": "data",
            "provisioning": {"diskSelector": {"match": "!system_disk"}, "minSize": "2GB", "maxSize": "1GB"},
        },
        "min size is greater than max size",
    ),
    "volume without a size": (
        {
            "apiVersion": "v1alpha1", "kind": "UserVolumeConfig", "name": "data",
            "provisioning": {"diskSelector": {"match": "!system_disk"}},
        },
        "size",
    ),
    "endpoint without scheme": ({"cluster": {"controlPlane": {"endpoint": "10.0.30.30:6443"}}}, "10.0.30.30:6443"),
}  # fmt: skip


@pytest.mark.parametrize(("patch", "message"), BROKEN.values(), ids=BROKEN.keys())
async def test_broken_patch_is_refused_with_the_librarys_message(
    machinery: Machinery, secrets: ClusterSecrets, patch: dict[str, object], message: str
) -> None:
    with pytest.raises(MachineryError) as refused:
        await machinery.inspect(await generate(machinery, PLAN, WORKER, secrets, json.dumps(patch)))
    assert message in str(refused.value)


async def test_missing_install_disk_is_refused(machinery: Machinery, secrets: ClusterSecrets) -> None:
    complete = yaml.safe_load(await generate(machinery, PLAN, WORKER, secrets))
    del complete["machine"]["install"]["disk"]
    with pytest.raises(MachineryError, match="either install disk or diskSelector should be defined"):
        await machinery.inspect(yaml.safe_dump(complete))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kubernetesVersion": "1.36.0"}, "too new to be used with Talos 1.11.3"),
        ({"kubernetesVersion": "1.20.0"}, "too old to be used with Talos 1.11.3"),
        ({"talosVersion": "v1.99.0"}, "compatibility with version 1.99.0 is not supported"),
        ({"machineType": "master"}, 'invalid machine type: "master"'),
        ({"machineType": "init"}, "must be controlplane or worker"),
        ({"clusterEndpoint": "10.0.30.30:6443"}, "10.0.30.30:6443"),
        ({"machineTyp": "worker"}, "unknown field"),
    ],
    ids=lambda case: str(case)[:40],
)
async def test_bad_arguments_are_refused(
    machinery: Machinery, secrets: ClusterSecrets, changes: dict[str, object], message: str
) -> None:
    arguments = {
        "clusterName": "green",
        "clusterEndpoint": PLAN.endpoint,
        "kubernetesVersion": PLAN.release.kubernetes,
        "talosVersion": PLAN.release.talos,
        "machineType": "worker",
        "machineSecrets": secrets.machine,
    }
    with pytest.raises(MachineryError) as refused:
        await machinery.configuration({**arguments, **changes})
    assert message in str(refused.value)


async def test_damaged_secrets_are_refused(machinery: Machinery, secrets: ClusterSecrets) -> None:
    damaged = json.loads(json.dumps(secrets.machine))
    damaged["certs"]["os"]["cert"] = ""
    with pytest.raises(MachineryError, match="machine secrets"):
        await generate(machinery, PLAN, WORKER, ClusterSecrets(damaged, secrets.client))


async def test_the_server_goes_on_after_a_refusal(machinery: Machinery) -> None:
    with pytest.raises(MachineryError):
        await machinery.schematic("customization: [")
    assert (await machinery.library())["version"].startswith("v1.")
