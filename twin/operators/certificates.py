"""cert-manager: issuers become ready, certificates are made, and Let's Encrypt counts."""

import asyncio
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, Final

from twin.kubernetes.api import Object
from twin.operators.certificate_making import (
    KeyPair,
    Request,
    dns_names_of,
    make_authority,
    make_certificate,
    validity_of,
)
from twin.operators.cluster import SECRET, Kind, NotReadyError, Operator, is_true, with_condition
from twin.operators.controller import Controller
from twin.store import Collection, Store

CERT_MANAGER: Final = Operator("cert-manager")

CERTIFICATE: Final = Kind("cert-manager.io/v1", "Certificate")
ISSUER: Final = Kind("cert-manager.io/v1", "Issuer")
CLUSTER_ISSUER: Final = Kind("cert-manager.io/v1", "ClusterIssuer")
OWN_NAMESPACE: Final = "cert-manager"
"""Where a ClusterIssuer's Secrets are: the cluster resource namespace."""

LETS_ENCRYPT: Final = "https://acme-v02.api.letsencrypt.org/directory"
LETS_ENCRYPT_STAGING: Final = "https://acme-staging-v02.api.letsencrypt.org/directory"
ACME_SERVERS: Final = (LETS_ENCRYPT, LETS_ENCRYPT_STAGING)
ACME_LIFETIME: Final = timedelta(days=90)
DEFAULT_LIFETIME: Final = timedelta(days=90)
DUPLICATES: Final = 5
DUPLICATES_PERIOD: Final = timedelta(days=7)

ORDERS: Final = Collection("lets-encrypt/certificates")
"""Key: the exact set of names, sorted, with commas; body: when each certificate for it was issued."""
AUTHORITIES: Final = Collection("lets-encrypt/authorities")
"""Key: ACME directory; body: the twin's authority behind it. Nobody outside of the twin trusts it."""

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class LetsEncrypt:
    """The certificate authority on the Internet: it knows nothing of clusters, and counts for all of them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def authority(self, server: str) -> KeyPair:
        """The twin's authority for the directory, made at the first call."""
        body = self._store.get(AUTHORITIES, server)
        if body is None:
            made = make_authority(f"(twin) {server.split('/')[2]}")
            body = {"certificate": made.certificate.decode(), "key": made.key.decode()}
            self._store.put(AUTHORITIES, server, body)
        return KeyPair(body["certificate"].encode(), body["key"].encode())

    def order(self, server: str, names: Sequence[str]) -> None:
        """Count a certificate for the names; NotReadyError when too many were issued. Staging does not count."""
        if server != LETS_ENCRYPT:
            return
        key = ",".join(sorted(names))
        moment = datetime.now(UTC)
        body = self._store.get(ORDERS, key) or {"issued": []}
        recent = [one for one in map(datetime.fromisoformat, body["issued"]) if moment - one < DUPLICATES_PERIOD]
        if len(recent) >= DUPLICATES:
            again = min(recent) + DUPLICATES_PERIOD
            raise NotReadyError(
                "Failed",
                "429 urn:ietf:params:acme:error:rateLimited: too many certificates "
                f"({DUPLICATES}) already issued for this exact set of identifiers in the last 168h0m0s, "
                f"retry after {again:%Y-%m-%d %H:%M:%S} UTC: {key}",
            )
        self._store.put(ORDERS, key, {"issued": [one.isoformat() for one in (*recent, moment)]})


class _Issuers(Controller):
    """Registers accounts and looks at the Secrets of issuers."""

    operator = CERT_MANAGER

    async def reconcile(self, found: Object) -> None:
        """Ready when what it refers to is there."""
        spec, namespace = found["spec"], secrets_namespace(found)
        reason, message = "IsReady", "Signing CA verified"
        status: Object = {}
        if "acme" in spec:
            reason, message = "ACMEAccountRegistered", "The ACME account was registered with the ACME server"
            status["acme"] = {"uri": await self._register(spec["acme"], namespace)}
        elif "ca" in spec:
            reason, message = "KeyPairVerified", "Signing CA verified"
            name = spec["ca"]["secretName"]
            for key in ("tls.crt", "tls.key"):
                await self.cluster.secret_value(namespace, name, key)
        elif "selfSigned" not in spec:
            raise NotReadyError("Unsupported", "the twin has issuers of type acme, ca and selfSigned only")
        conditions = with_condition(found, "Ready", true=True, reason=reason, message=message, generation=True)
        await self.cluster.set_status(found, {**status, "conditions": conditions})

    async def refuse(self, found: Object, problem: NotReadyError) -> None:
        """Not ready, and why."""
        await self.cluster.set_status(found, {"conditions": _not_ready(found, problem)})
        await self.tell(found, problem.reason, problem.message)

    async def _register(self, acme: Object, namespace: str) -> str:
        server = acme["server"]
        if server not in ACME_SERVERS:
            raise NotReadyError(
                "ErrInitIssuer", f"Failed to register ACME account: no such host: {server} (the twin has Let's Encrypt)"
            )
        if not acme.get("solvers"):
            raise NotReadyError("InvalidConfig", "the issuer has no solvers: no certificate can be ordered by it")
        account = acme["privateKeySecretRef"]["name"]
        if await self.cluster.find(SECRET, namespace, account) is None:
            made = await asyncio.to_thread(make_authority, account)
            await self.cluster.create(CERT_MANAGER, _secret(namespace, account, "Opaque", {"tls.key": made.key}))
        return f"{server.removesuffix('directory')}acme/acct/1"


class Issuers(_Issuers):
    """Issuers of one namespace."""

    kind = ISSUER


class ClusterIssuers(_Issuers):
    """Issuers of the whole cluster."""

    kind = CLUSTER_ISSUER


class Certificates(Controller):
    """Makes certificates, and makes them again when they are gone, say something else or are about to end."""

    operator = CERT_MANAGER
    kind = CERTIFICATE

    async def reconcile(self, found: Object) -> None:
        """A Secret with a certificate that says what is asked for."""
        secret = await self.cluster.find(SECRET, found["metadata"]["namespace"], found["spec"]["secretName"])
        why = _why_anew(found, secret)
        if why is not None or secret is None:
            await self._issue(found, why or "")
            secret = await self.cluster.find(SECRET, found["metadata"]["namespace"], found["spec"]["secretName"])
        if secret is None:
            raise NotReadyError("DoesNotExist", "the Secret was deleted meanwhile")
        begin, end = validity_of(_decoded(secret, "tls.crt"))
        status: Object = {
            "notBefore": _text(begin),
            "notAfter": _text(end),
            "renewalTime": _text(_renewal(found, begin, end)),
            "conditions": with_condition(
                found, "Ready", true=True, reason="Ready", generation=True,
                message="Certificate is up to date and has not expired",
            ),
        }  # fmt: skip
        if why is not None:
            status["revision"] = (found.get("status") or {}).get("revision", 0) + 1
        await self.cluster.set_status(found, status)

    async def refuse(self, found: Object, problem: NotReadyError) -> None:
        """Not ready, and why."""
        await self.cluster.set_status(found, {"conditions": _not_ready(found, problem)})
        await self.tell(found, problem.reason, problem.message)

    async def _issue(self, found: Object, why: str) -> None:
        spec, namespace = found["spec"], found["metadata"]["namespace"]
        issuer = await self._issuer(found)
        request = _request(spec)
        authority: KeyPair | None = None
        if "acme" in issuer["spec"]:
            authority = await self._order(issuer, request)
            request = replace(request, lifetime=ACME_LIFETIME)
        elif "ca" in issuer["spec"]:
            name, place = issuer["spec"]["ca"]["secretName"], secrets_namespace(issuer)
            parts = [b64decode(await self.cluster.secret_value(place, name, key)) for key in ("tls.crt", "tls.key")]
            authority = KeyPair(*parts)
        made = await asyncio.to_thread(make_certificate, request, authority)
        data = {"tls.crt": made.certificate, "tls.key": made.key}
        if authority is not None and "ca" in issuer["spec"]:
            data["ca.crt"] = authority.certificate
        elif authority is None:
            data["ca.crt"] = made.certificate
        body = _secret(namespace, spec["secretName"], "kubernetes.io/tls", data)
        template = spec.get("secretTemplate") or {}
        body["metadata"] |= {
            "labels": template.get("labels") or {},
            "annotations": {
                **(template.get("annotations") or {}),
                **_issuer_notes(spec),
                "cert-manager.io/certificate-name": found["metadata"]["name"],
            },
        }
        await self.cluster.apply(CERT_MANAGER, body)
        await self.tell(found, "Issuing", f"The certificate has been successfully issued: {why}", warning=False)

    async def _issuer(self, found: Object) -> Object:
        reference = found["spec"]["issuerRef"]
        kind = CLUSTER_ISSUER if reference.get("kind") == CLUSTER_ISSUER.kind else ISSUER
        namespace = None if kind is CLUSTER_ISSUER else found["metadata"]["namespace"]
        issuer = await self.cluster.find(kind, namespace, reference["name"])
        if issuer is None:
            raise NotReadyError(
                "IssuerNotFound",
                f'Referenced "{kind.kind}" not found: {kind.kind.lower()}.cert-manager.io "{reference["name"]}" '
                "not found",
            )
        if not is_true(issuer, "Ready"):
            raise NotReadyError(
                "IssuerNotReady", f"Referenced issuer {kind.kind}/{reference['name']} does not have a Ready condition"
            )
        return issuer

    async def _order(self, issuer: Object, request: Request) -> KeyPair:
        acme = issuer["spec"]["acme"]
        for name in request.dns_names:
            await self._solve(acme["solvers"], name, secrets_namespace(issuer))
        lets_encrypt = LetsEncrypt(self.cluster.around.store)
        lets_encrypt.order(acme["server"], request.dns_names)
        return lets_encrypt.authority(acme["server"])

    async def _solve(self, solvers: Sequence[Object], name: str, namespace: str) -> None:
        domain = self.cluster.around.lab.domain
        bare = name.removeprefix("*.")
        solver = next((one for one in solvers if _is_for(one.get("selector") or {}, name)), None)
        if solver is None:
            raise NotReadyError("Failed", f"no configured challenge solvers can be used for {name}")
        if "dns01" not in solver:
            raise NotReadyError(
                "Failed", f"{name}: HTTP-01 cannot be solved: the lab's names are not reachable from the Internet"
            )
        cloudflare = solver["dns01"].get("cloudflare")
        reference = (cloudflare or {}).get("apiTokenSecretRef")
        if reference is None:
            raise NotReadyError("Failed", f"{name}: the solver has no API token of Cloudflare, where the lab's zone is")
        await self.cluster.secret_value(namespace, reference["name"], reference.get("key", "api-token"))
        if bare != domain and not bare.endswith(f".{domain}"):
            message = f"Found no Zones for domain _acme-challenge.{bare} (the lab's zone is {domain})"
            raise NotReadyError("Failed", message)


def secrets_namespace(issuer: Object) -> str:
    """Where the Secrets of an issuer are."""
    return issuer["metadata"].get("namespace", OWN_NAMESPACE)


def _why_anew(found: Object, secret: Object | None) -> str | None:
    """Why a certificate must be made; None when the one in the Secret will do."""
    spec = found["spec"]
    if secret is None:
        return "Issuing certificate as Secret does not exist"
    try:
        text = _decoded(secret, "tls.crt")
        names, (begin, end) = dns_names_of(text), validity_of(text)
    except (KeyError, ValueError):
        return "Issuing certificate as Secret does not contain a certificate"
    if sorted(spec.get("dnsNames") or []) != list(names):
        return "Fields on existing CertificateRequest resource not up to date: [spec.dnsNames]"
    notes: Mapping[str, str] = secret["metadata"].get("annotations") or {}
    if any(notes.get(key) != value for key, value in _issuer_notes(spec).items()):
        return "Issuing certificate as Secret was previously issued by another issuer"
    if datetime.now(UTC) >= _renewal(found, begin, end):
        return f"Renewing certificate as renewal was scheduled at {_text(_renewal(found, begin, end))}"
    return None


def _request(spec: Object) -> Request:
    names = tuple(spec.get("dnsNames") or ())
    common_name = spec.get("commonName") or ""
    if not names and not common_name:
        raise NotReadyError("InvalidRequest", "at least one of commonName or dnsNames must be set")
    key = spec.get("privateKey") or {}
    return Request(
        dns_names=names,
        common_name=common_name,
        lifetime=_duration(spec.get("duration"), DEFAULT_LIFETIME),
        algorithm=key.get("algorithm", "RSA"),
        size=key.get("size", 0),
        authority=bool(spec.get("isCA")),
    )


def _renewal(found: Object, begin: datetime, end: datetime) -> datetime:
    return end - _duration(found["spec"].get("renewBefore"), (end - begin) / 3)


def _duration(text: str | None, default: timedelta) -> timedelta:
    if not text:
        return default
    return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(text)))


def _is_for(selector: Mapping[str, Any], name: str) -> bool:
    names: list[str] = selector.get("dnsNames") or []
    zones: list[str] = selector.get("dnsZones") or []
    bare = name.removeprefix("*.")
    if names and name not in names:
        return False
    return not zones or any(bare == zone or fnmatchcase(bare, f"*.{zone}") for zone in zones)


def _issuer_notes(spec: Object) -> dict[str, str]:
    reference = spec["issuerRef"]
    kind = reference.get("kind", ISSUER.kind)
    return {"cert-manager.io/issuer-name": reference["name"], "cert-manager.io/issuer-kind": kind}


def _not_ready(found: Object, problem: NotReadyError) -> list[Object]:
    return with_condition(
        found, "Ready", true=False, reason=problem.reason, message=problem.message, generation=True
    )


def _secret(namespace: str, name: str, kind: str, data: Mapping[str, bytes]) -> Object:
    return {
        "apiVersion": SECRET.api_version,
        "kind": SECRET.kind,
        "metadata": {"name": name, "namespace": namespace},
        "type": kind,
        "data": {key: b64encode(value).decode() for key, value in data.items()},
    }


def _decoded(secret: Object, key: str) -> bytes:
    return b64decode((secret.get("data") or {})[key])


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
