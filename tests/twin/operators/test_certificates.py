"""Certificates: made by an issuer that is ready, counted by Let's Encrypt, and refused with the reason."""

from base64 import b64decode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest_asyncio
from cryptography import x509

from tests.twin.operators.conftest import Bench, status_of
from twin.kubernetes.api import Object
from twin.operators.certificates import (
    CERTIFICATE,
    CLUSTER_ISSUER,
    DUPLICATES,
    ISSUER,
    LETS_ENCRYPT,
    LETS_ENCRYPT_STAGING,
    ORDERS,
    OWN_NAMESPACE,
)
from twin.operators.cluster import SECRET, is_true
from twin.store import Store

OPERATORS = frozenset({"cert-manager"})

NAMES = ["*.bhamm-lab.com", "bhamm-lab.com"]


@pytest_asyncio.fixture
async def authority(bench: Bench) -> Bench:
    await bench.define("cert-manager")
    await bench.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OWN_NAMESPACE}})
    await bench.secret("cloudflare", {"token": "any"}, namespace=OWN_NAMESPACE)
    return bench


def issuer(name: str, *, cluster: bool = True, **spec: Any) -> Object:
    kind = CLUSTER_ISSUER if cluster else ISSUER
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": name}, "spec": spec}


def acme(name: str, server: str = LETS_ENCRYPT, key_in: str = "cloudflare") -> Object:
    solver = {"dns01": {"cloudflare": {"apiTokenSecretRef": {"name": key_in, "key": "token"}}}}
    account = {"name": f"{name}-account"}
    return issuer(name, acme={"server": server, "privateKeySecretRef": account, "solvers": [solver]})


def certificate(name: str, issuer_name: str, *, cluster: bool = True, **spec: Any) -> Object:
    reference = {"name": issuer_name, "kind": (CLUSTER_ISSUER if cluster else ISSUER).kind}
    return {
        "apiVersion": CERTIFICATE.api_version,
        "kind": CERTIFICATE.kind,
        "metadata": {"name": name},
        "spec": {"secretName": name, "issuerRef": reference, "dnsNames": NAMES, **spec},
    }


def ready(found: Object) -> bool:
    return is_true(found, "Ready")


def why_not(found: Object) -> str:
    conditions = status_of(found).get("conditions") or []
    return next((one["message"] for one in conditions if one["type"] == "Ready" and one["status"] == "False"), "")


async def issued(bench: Bench, name: str) -> x509.Certificate:
    secret = await bench.until(SECRET, name, lambda found: "tls.crt" in found["data"])
    return x509.load_pem_x509_certificate(b64decode(secret["data"]["tls.crt"]))


async def test_lets_encrypt_makes_a_real_certificate_of_ninety_days(authority: Bench) -> None:
    name = f"le-{authority.namespace}"
    await authority.apply(acme(name))
    await authority.apply(certificate("wildcard", name))
    found = await authority.until(CERTIFICATE, "wildcard", ready)
    made = await issued(authority, "wildcard")
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert sorted(names.get_values_for_type(x509.DNSName)) == NAMES
    assert timedelta(days=89) < made.not_valid_after_utc - datetime.now(UTC) < timedelta(days=91)
    assert "acme-v02" in made.issuer.rfc4514_string()
    assert found["status"]["renewalTime"] < found["status"]["notAfter"]


async def test_the_same_names_are_certified_five_times_a_week_and_other_names_still(
    authority: Bench, store: Store
) -> None:
    name = f"le-{authority.namespace}"
    await authority.apply(acme(name))
    for number in range(DUPLICATES):
        await authority.apply(certificate(f"rebuild-{number}", name))
        await authority.until(CERTIFICATE, f"rebuild-{number}", ready)
    await authority.apply(certificate("one-too-many", name))
    message = "too many certificates (5) already issued"
    await authority.until(CERTIFICATE, "one-too-many", lambda found: message in why_not(found))
    await authority.apply(certificate("other", name, dnsNames=["docs.bhamm-lab.com"]))
    await authority.until(CERTIFICATE, "other", ready)
    # A week later it is forgotten.
    old = (datetime.now(UTC) - timedelta(days=8)).isoformat()
    store.put(ORDERS, ",".join(sorted(NAMES)), {"issued": [old] * DUPLICATES})
    await authority.until(CERTIFICATE, "one-too-many", ready)


async def test_staging_does_not_count(authority: Bench, store: Store) -> None:
    name = f"stage-{authority.namespace}"
    await authority.apply(acme(name, LETS_ENCRYPT_STAGING))
    await authority.apply(certificate("staged", name))
    await authority.until(CERTIFICATE, "staged", ready)
    assert store.items(ORDERS) == []


async def test_a_certificate_waits_for_its_issuer(authority: Bench) -> None:
    name = f"late-{authority.namespace}"
    await authority.apply(certificate("early", name))
    found = await authority.until(CERTIFICATE, "early", why_not)
    assert f'"{name}" not found' in why_not(found)
    await authority.apply(acme(name, key_in="absent"))
    await authority.until(CERTIFICATE, "early", lambda found: 'secrets "absent" not found' in why_not(found))
    await authority.apply(acme(name))
    await authority.until(CERTIFICATE, "early", ready)


async def test_names_outside_of_the_zone_are_refused(authority: Bench) -> None:
    name = f"le-{authority.namespace}"
    await authority.apply(acme(name))
    await authority.apply(certificate("foreign", name, dnsNames=["example.org"]))
    message = "Found no Zones for domain _acme-challenge.example.org"
    await authority.until(CERTIFICATE, "foreign", lambda found: message in why_not(found))


async def test_an_authority_of_one_s_own_signs(authority: Bench) -> None:
    await authority.apply(issuer("self", cluster=False, selfSigned={}))
    root = certificate("root", "self", cluster=False, isCA=True, commonName="lab", dnsNames=[],
                       privateKey={"algorithm": "ECDSA", "size": 384})  # fmt: skip
    await authority.apply(issuer("own", cluster=False, ca={"secretName": "root"}))
    waiting = await authority.until(ISSUER, "own", why_not)
    assert 'secrets "root" not found' in why_not(waiting)
    await authority.apply(root)
    await authority.apply(certificate("leaf", "own", cluster=False, dnsNames=["vault.vault"]))
    await authority.until(CERTIFICATE, "leaf", ready)
    parent, leaf = await issued(authority, "root"), await issued(authority, "leaf")
    leaf.verify_directly_issued_by(parent)


async def test_a_certificate_is_made_again_when_its_secret_or_its_names_change(authority: Bench) -> None:
    await authority.apply(issuer("self", cluster=False, selfSigned={}))
    await authority.apply(certificate("web", "self", cluster=False))
    await authority.until(CERTIFICATE, "web", ready)
    first = await issued(authority, "web")
    await authority.apply(certificate("web", "self", cluster=False, dnsNames=["other.bhamm-lab.com"]))
    await authority.until(CERTIFICATE, "web", lambda found: found["status"]["revision"] == 2)
    assert (await issued(authority, "web")).serial_number != first.serial_number


async def test_an_unknown_acme_server_is_not_reached(authority: Bench) -> None:
    name = f"wrong-{authority.namespace}"
    await authority.apply(acme(name, "https://acme.example.org/directory"))
    found = await authority.until(CLUSTER_ISSUER, name, why_not, namespace=None)
    assert "no such host" in why_not(found)
