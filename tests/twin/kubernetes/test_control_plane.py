"""What the programs of a control plane are told, and the certificates that they are given."""

import json
from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.verification import PolicyBuilder, Store

from model.exclusive import Colour
from tests.conformance.talos.configurations import ClusterSecrets
from tests.twin.kubernetes.lab_state import LabState, node
from twin.kubernetes.access import read_kubeconfig
from twin.kubernetes.certificates import Authority, KeyUnusableError, api_server_certificate
from twin.kubernetes.control_plane import Part, Site, arguments, files
from twin.kubernetes.settings import ClusterSettings, KeyPair, read_settings

GREEN = Colour.GREEN
MASTER = node(GREEN, "master-0")
CONTROL_PLANES = (IPv4Address("10.0.30.60"), IPv4Address("10.0.30.61"))


@pytest_asyncio.fixture
async def settings(lab: LabState, secrets: Mapping[Colour, ClusterSecrets]) -> ClusterSettings:
    await lab.configure(MASTER, secrets[GREEN])
    configured = lab.clusters.configured(str(MASTER.address))
    assert configured is not None
    return read_settings(configured.configuration)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, 21000, CONTROL_PLANES)


async def test_settings_are_the_machine_configurations(settings: ClusterSettings) -> None:
    assert settings.name == "green"
    assert settings.endpoint == "https://10.0.30.30:6443"
    assert (settings.endpoint_host, settings.endpoint_port) == ("10.0.30.30", 6443)
    assert settings.service_address == IPv4Address("10.96.0.1")
    assert settings.api_server.image == "registry.k8s.io/kube-apiserver:v1.34.1"
    assert [manifest["kind"] for manifest in settings.manifests] == [
        "ConfigMap", "ServiceAccount", "ClusterRoleBinding", "Job",
    ]  # fmt: skip


async def test_the_api_server_is_known_by_every_name_it_is_asked_at(settings: ClusterSettings) -> None:
    issued = api_server_certificate(settings, CONTROL_PLANES)
    certificate = x509.load_pem_x509_certificate(issued.certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {
        "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    }  # fmt: skip
    assert {str(address) for address in names.get_values_for_type(x509.IPAddress)} == {
        "127.0.0.1", "10.96.0.1", "10.0.30.30", "10.0.30.60", "10.0.30.61",
    }  # fmt: skip
    authority = x509.load_pem_x509_certificate(settings.authority.certificate)
    verifier = PolicyBuilder().store(Store([authority])).build_server_verifier(x509.IPAddress(CONTROL_PLANES[0]))
    verifier.verify(certificate, [])
    # However the clock jumps, it ends no sooner than its authority.
    assert certificate.not_valid_after_utc == authority.not_valid_after_utc


async def test_clients_are_who_they_are_and_no_administrators(settings: ClusterSettings, site: Site) -> None:
    written = files(settings, site)
    users = {
        "controller-manager.kubeconfig": "CN=system:kube-controller-manager",
        "scheduler.kubeconfig": "CN=system:kube-scheduler",
        "kwok.kubeconfig": "CN=twin:kwok",
    }
    for name, subject in users.items():
        access = read_kubeconfig(written[name].decode())
        certificate = x509.load_pem_x509_certificate(access.certificate.encode())
        assert certificate.subject.rfc4514_string() == subject
        assert access.server == "https://127.0.0.1:21000"
        assert access.proxy is None


async def test_secrets_are_encrypted_with_the_key_of_the_machine_configuration(
    settings: ClusterSettings, site: Site
) -> None:
    (rule,) = json.loads(files(settings, site)["encryption.json"])["resources"]
    first, last = rule["providers"]
    assert first["secretbox"]["keys"][0]["secret"] == settings.secretbox_secret != ""
    assert last == {"identity": {}}


async def test_only_health_is_told_to_anybody(settings: ClusterSettings, site: Site) -> None:
    anonymous = json.loads(files(settings, site)["authentication.json"])["anonymous"]
    assert {condition["path"] for condition in anonymous["conditions"]} == {"/livez", "/readyz", "/healthz"}


async def test_the_api_server_reaches_nothing_but_the_twins_network(settings: ClusterSettings, site: Site) -> None:
    (selection,) = json.loads(files(settings, site)["egress.json"])["egressSelections"]
    assert selection["name"] == "cluster"
    assert selection["connection"]["transport"] == {"uds": {"udsName": "network.sock"}}


async def test_nothing_listens_beyond_loopback(settings: ClusterSettings, site: Site) -> None:
    told = {part: " ".join(arguments(part, settings, site)) for part in Part}
    assert "--bind-address=127.0.0.1" in told[Part.API_SERVER]
    assert "unix://" in told[Part.ETCD]
    assert "http" not in told[Part.ETCD]
    assert "--secure-port=0" in told[Part.CONTROLLER_MANAGER]
    assert "--secure-port=0" in told[Part.SCHEDULER]
    assert "server-address" not in told[Part.KWOK]


async def test_arguments_of_the_machine_configuration_are_passed_on_but_not_where_the_twin_decides(
    lab: LabState, secrets: Mapping[Colour, ClusterSecrets], site: Site
) -> None:
    extra = {"bind-address": "0.0.0.0", "event-ttl": "2h"}  # noqa: S104 - what the twin must not follow
    patch = json.dumps({"cluster": {"apiServer": {"extraArgs": extra}}})
    await lab.configure(MASTER, secrets[GREEN], patch)
    configured = lab.clusters.configured(str(MASTER.address))
    assert configured is not None
    told = arguments(Part.API_SERVER, read_settings(configured.configuration), site)
    assert "--event-ttl=2h" in told
    assert "--bind-address=127.0.0.1" in told
    assert not any("0.0.0.0" in argument for argument in told)  # noqa: S104


def test_an_authority_that_cannot_sign_is_told_with_its_purpose() -> None:
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(KeyUnusableError, match="the authority of Kubernetes in the machine configuration"):
        Authority(KeyPair(certificate=b"no certificate", key=key), "Kubernetes")
