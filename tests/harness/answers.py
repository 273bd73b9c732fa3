"""What the lab's providers answer when everything goes well, with sentinels where the secrets would be."""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from model.configuration import Configuration
from model.lab import Lab
from stacks.outputs import LEASES, MAPPINGS, SHARED_STACK, STORAGES
from tests.harness.monitor import Answers, Made
from twin.providers import wire

Inputs = Mapping[str, Any]

SENTINEL = "sentinel-secret"


def sentinel(name: str) -> str:
    """A made-up secret; wherever the text turns up unwrapped, a secret is in clear."""
    return f"{SENTINEL}({name})"


def lab_answers(shared_outputs: Mapping[str, wire.Value] | None) -> Answers:
    """The providers of the lab; `shared_outputs` are what the colours read, None before `shared` was applied."""

    def read_stack(name: str) -> Mapping[str, wire.Value] | None:
        if name != SHARED_STACK:
            raise LookupError(f"the program reads the stack {name}, which the lab does not have")
        return shared_outputs

    return Answers(create=create, invoke=invoke, read_stack=read_stack)


def shared_outputs(lab: Lab, configuration: Configuration) -> dict[str, wire.Value]:
    """What the colours read of the applied `shared` stack."""
    return {
        LEASES: {str(lease): str(colour) for lease, colour in configuration.shared.leases.items()},
        MAPPINGS: {str(device.mapping): str(device.mapping) for _, device in lab.pci_devices},
        STORAGES: {str(storage.name): str(storage.name) for storage in lab.storages},
    }


def create(token: str, name: str, inputs: Inputs) -> Made:
    """The new resource; LookupError for a type nobody has described here."""
    if token.startswith("pulumi:providers:"):
        return Made(f"provider-{name}", {})
    if token.startswith("kubernetes:"):
        metadata = inputs.get("metadata", {})
        return Made("/".join(part for part in (metadata.get("namespace"), metadata.get("name", name)) if part), {})
    if token not in _CREATIONS:
        raise LookupError(f"no answer is described for {token}; add one to tests/harness/answers.py")
    return _CREATIONS[token](inputs)


def invoke(token: str, arguments: Inputs) -> Mapping[str, wire.Value]:
    """The function's result; LookupError for a function nobody has described here."""
    if token not in _INVOCATIONS:
        raise LookupError(f"no answer is described for {token}; add one to tests/harness/answers.py")
    return _INVOCATIONS[token](arguments)


def _text_id(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _uuid(text: str) -> str:
    digest = _text_id(text)
    return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32]))


def _talos_secrets(inputs: Inputs) -> Made:
    def pair(name: str) -> dict[str, wire.Value]:
        return {"cert": f"certificate of {name}", "key": sentinel(f"key of {name}")}

    return Made(
        "machine_secrets",
        {
            "talosVersion": inputs["talosVersion"],
            "machineSecrets": {
                "certs": {
                    "etcd": pair("etcd"),
                    "k8s": pair("k8s"),
                    "k8sAggregator": pair("k8sAggregator"),
                    "k8sServiceaccount": {"key": sentinel("key of service accounts")},
                    "os": pair("os"),
                },
                "cluster": {"id": "cluster-id", "secret": sentinel("cluster secret")},
                "secrets": {
                    "bootstrapToken": sentinel("bootstrap token"),
                    "secretboxEncryptionSecret": sentinel("secretbox"),
                    "aescbcEncryptionSecret": sentinel("aescbc"),
                },
                "trustdinfo": {"token": sentinel("trustd token")},
            },
            "clientConfiguration": {
                "caCertificate": "certificate of the Talos API",
                "clientCertificate": "certificate of the Talos administrator",
                "clientKey": sentinel("key of the Talos administrator"),
            },
        },
    )


def _configuration_apply(inputs: Inputs) -> Made:
    return Made(
        "machine_configuration_apply",
        {"machineConfiguration": inputs["machineConfigurationInput"], "applyMode": inputs.get("applyMode", "auto")},
    )


def _kubeconfig(inputs: Inputs) -> Made:
    host = f"https://{inputs['endpoint']}:6443"
    key = sentinel("key of the Kubernetes administrator")
    credentials: dict[str, wire.Value] = {
        "caCertificate": "certificate of Kubernetes",
        "clientCertificate": "certificate of the Kubernetes administrator",
        "clientKey": key,
    }
    return Made(
        inputs["endpoint"],
        {
            "kubeconfigRaw": f"server: {host}\nclient-key-data: {key}\n",
            "kubernetesClientConfiguration": {**credentials, "host": host},
        },
    )


def _machine_configuration(arguments: Inputs) -> Mapping[str, wire.Value]:
    patches = [json.loads(patch) for patch in arguments.get("configPatches", [])]
    configuration = {"type": arguments["machineType"], "secrets": arguments["machineSecrets"], "patches": patches}
    return {**arguments, "id": arguments["clusterName"], "machineConfiguration": json.dumps(configuration)}


def _talosconfig(arguments: Inputs) -> Mapping[str, wire.Value]:
    return {
        **arguments,
        "id": arguments["clusterName"],
        "talosConfig": f"key: {arguments['clientConfiguration'].get('clientKey')}\n",
    }


def _downloaded(inputs: Inputs) -> Made:
    return Made(f"{inputs['datastoreId']}:{inputs['contentType']}/{inputs['fileName']}", {"size": 2**30})


def hardware_address(vm_id: int) -> str:
    """Of the first network device of a VM, in the range that Proxmox draws from."""
    return f"BC:24:11:00:{vm_id // 256:02X}:{vm_id % 256:02X}"


def _machine(inputs: Inputs) -> Made:
    address = hardware_address(inputs["vmId"])
    devices: list[wire.Value] = [{**device, "macAddress": address} for device in inputs["networkDevices"]]
    return Made(str(inputs["vmId"]), {"macAddresses": [address], "networkDevices": devices})


def _tunnel(inputs: Inputs) -> Made:
    return Made(_uuid(inputs["name"]), {"status": "inactive", "accountTag": inputs["accountId"]})


def _service_account(inputs: Inputs) -> Made:
    email = f"{inputs['accountId']}@{inputs['project']}.iam.gserviceaccount.com"
    name = f"projects/{inputs['project']}/serviceAccounts/{email}"
    return Made(name, {"name": name, "email": email, "member": f"serviceAccount:{email}", "uniqueId": "1"})


def _service_account_key(inputs: Inputs) -> Made:
    name = f"{inputs['serviceAccountId']}/keys/1"
    return Made(name, {"name": name, "privateKey": sentinel(f"key of {inputs['serviceAccountId']}")})


def _password(inputs: Inputs) -> Made:
    del inputs
    return Made("none", {"result": sentinel("password"), "bcryptHash": sentinel("hash of a password")})


def _numbered(path: str, name: str = "name") -> Callable[[Inputs], Made]:
    """A resource that Harbor numbers, under `path`."""
    return lambda inputs: Made(f"{path}/{int(_text_id(str(inputs[name]))[:6], 16)}", {})


def _harbor_registry(inputs: Inputs) -> Made:
    made = _numbered("/registries")(inputs)
    return Made(made.id, {"registryId": int(made.id.rsplit("/", 1)[-1]), "status": "healthy"})


_CREATIONS: Mapping[str, Callable[[Inputs], Made]] = {
    "talos:machine/secrets:Secrets": _talos_secrets,
    "talos:machine/configurationApply:ConfigurationApply": _configuration_apply,
    "talos:machine/bootstrap:Bootstrap": lambda _: Made("machine_bootstrap", {}),
    "talos:cluster/kubeconfig:Kubeconfig": _kubeconfig,
    "talos:imageFactory/schematic:Schematic": lambda inputs: Made(_text_id(inputs["schematic"]), {}),
    "proxmoxve:download/file:File": _downloaded,
    "proxmoxve:index/vmLegacy:VmLegacy": _machine,
    "proxmoxve:hardware/mapping/pci:Pci": lambda inputs: Made(inputs["name"], {}),
    "proxmoxve:ceph/pool:Pool": lambda inputs: Made(f"{inputs['nodeName']}/{inputs['name']}", {}),
    "proxmoxve:storage/lvm:Lvm": lambda inputs: Made(inputs["resourceId"], {}),
    "proxmoxve:storage/pbs:Pbs": lambda inputs: Made(inputs["resourceId"], {}),
    "proxmoxve:backup/job:Job": lambda inputs: Made(inputs["resourceId"], {}),
    "cloudflare:index/r2Bucket:R2Bucket": lambda inputs: Made(inputs["name"], {}),
    "cloudflare:index/r2BucketLock:R2BucketLock": lambda inputs: Made(inputs["bucketName"], {}),
    "cloudflare:index/r2BucketLifecycle:R2BucketLifecycle": lambda inputs: Made(inputs["bucketName"], {}),
    "cloudflare:index/zeroTrustTunnelCloudflared:ZeroTrustTunnelCloudflared": _tunnel,
    "cloudflare:index/zeroTrustTunnelCloudflaredConfig:ZeroTrustTunnelCloudflaredConfig": lambda inputs: Made(
        inputs["tunnelId"], {}
    ),
    "cloudflare:index/dnsRecord:DnsRecord": lambda inputs: Made(_text_id(inputs["name"])[:32], {}),
    "cloudflare:index/tieredCache:TieredCache": lambda inputs: Made(inputs["zoneId"], {}),
    "gcp:projects/service:Service": lambda inputs: Made(f"{inputs['project']}/{inputs['service']}", {}),
    "gcp:kms/keyRing:KeyRing": lambda inputs: Made(
        f"projects/{inputs['project']}/locations/{inputs['location']}/keyRings/{inputs['name']}", {}
    ),
    "gcp:kms/cryptoKey:CryptoKey": lambda inputs: Made(f"{inputs['keyRing']}/cryptoKeys/{inputs['name']}", {}),
    "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember": lambda inputs: Made(
        f"{inputs['cryptoKeyId']}/{inputs['role']}/{inputs['member']}", {"etag": "1"}
    ),
    "gcp:projects/iAMMember:IAMMember": lambda inputs: Made(
        f"{inputs['project']}/{inputs['role']}/{inputs['member']}", {"etag": "1"}
    ),
    "gcp:serviceaccount/account:Account": _service_account,
    "gcp:serviceaccount/key:Key": _service_account_key,
    "random:index/randomPassword:RandomPassword": _password,
    "harbor:index/configAuth:ConfigAuth": lambda _: Made("/configurations", {}),
    "harbor:index/configSystem:ConfigSystem": lambda _: Made("/configurations", {}),
    "harbor:index/registry:Registry": _harbor_registry,
    "harbor:index/project:Project": _numbered("/projects"),
    "harbor:index/retentionPolicy:RetentionPolicy": _numbered("/retentions", "scope"),
    "harbor:index/immutableTagRule:ImmutableTagRule": lambda inputs: Made(
        f"{inputs['projectId']}/immutabletagrules/1", {}
    ),
    "harbor:index/robotAccount:RobotAccount": _numbered("/robots"),
    "harbor:index/garbageCollection:GarbageCollection": lambda _: Made("/system/gc/schedule", {}),
    "harbor:index/interrogationServices:InterrogationServices": lambda _: Made("/system/scanAll/schedule", {}),
}

_INVOCATIONS: Mapping[str, Callable[[Inputs], Mapping[str, wire.Value]]] = {
    "talos:machine/getConfiguration:getConfiguration": _machine_configuration,
    "talos:client/getConfiguration:getConfiguration": _talosconfig,
    "talos:cluster/getHealth:getHealth": lambda arguments: {**arguments, "id": "cluster_health"},
}
