"""Stand-in of the `gcp` provider: KMS, service accounts, project IAM and API switches of the lab's one project."""

import base64
import json
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from re import compile as regular_expression
from typing import Any, ClassVar, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from twin.providers.errors import ApiError, not_found
from twin.providers.inputs import Violation
from twin.providers.kinds import Call, Created, ResourceKind, State, StoredKind, Surroundings, collection_of, stored
from twin.providers.stand_in import StandIn

KEY_RING: Final = "gcp:kms/keyRing:KeyRing"
CRYPTO_KEY: Final = "gcp:kms/cryptoKey:CryptoKey"
CRYPTO_KEY_MEMBER: Final = "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember"
ACCOUNT: Final = "gcp:serviceaccount/account:Account"
ACCOUNT_KEY: Final = "gcp:serviceaccount/key:Key"
SERVICE: Final = "gcp:projects/service:Service"
PROJECT_MEMBER: Final = "gcp:projects/iAMMember:IAMMember"

ALWAYS_ENABLED: Final = frozenset({"serviceusage.googleapis.com", "cloudresourcemanager.googleapis.com"})
"""What must be on by hand in the project that the program's own credentials belong to."""

RESOURCE_NAME: Final = regular_expression(r"[a-zA-Z0-9_-]{1,63}")
ACCOUNT_ID: Final = regular_expression(r"[a-z](?:[-a-z0-9]{4,28}[a-z0-9])")
KEY_RING_ID: Final = regular_expression(r"projects/([^/]+)/locations/([^/]+)/keyRings/([^/]+)")
CRYPTO_KEY_ID: Final = regular_expression(rf"({KEY_RING_ID.pattern})/cryptoKeys/([^/]+)")
DURATION: Final = regular_expression(r"(\d+(?:\.\d{1,9})?)s")
ROLE: Final = regular_expression(r"(?:(?:projects|organizations)/[^/]+/)?roles/[A-Za-z0-9_.]+")
MEMBER: Final = regular_expression(
    r"allUsers|allAuthenticatedUsers|(?:user|group|serviceAccount|domain|principal|principalSet|deleted:\w+):.+"
)
SHORTEST_ROTATION_SECONDS: Final = 86400
MOST_KEYS: Final = 10
"""User-managed keys that one service account can have."""
KEY_BITS: Final = 2048
KEY_LIFETIME: Final = timedelta(days=365 * 10)
ATTRIBUTION: Final = {"goog-pulumi-provisioned": "true"}


class _GoogleKind(StoredKind):
    """Something in the lab's project; `deletionPolicy` is the provider's own guard."""

    api: ClassVar[str]
    """The API that must be enabled before one can be made."""

    def project(self, inputs: State, configuration: Mapping[str, Any]) -> str | None:
        """The project, from the resource or the provider."""
        return inputs.get("project") or configuration.get("project")

    def required_project(self, call: Call) -> str:
        """The project, with the API enabled; ApiError when it is another one, or the API is not."""
        project = self.project(call.inputs, call.configuration)
        if project is None:
            raise ApiError(
                HTTPStatus.BAD_REQUEST, "project: required field is not set, neither here nor in the provider"
            )
        self.require_access(project)
        return project

    def require_access(self, project: str) -> None:
        """ApiError when the project is not the lab's, or the API is not enabled in it."""
        known = self.world.lab.cloud.google.project
        if project != known:
            raise ApiError(
                HTTPStatus.FORBIDDEN,
                f"no permission on project {project}, or it does not exist; the lab's is {known}",
            )
        if self.api not in ALWAYS_ENABLED and self.store.get(collection_of(SERVICE), f"{project}/{self.api}") is None:
            raise ApiError(
                HTTPStatus.FORBIDDEN,
                f"{self.api} is disabled in project {project}; enable it first, and make this depend on it",
            )

    async def delete(self, resource_id: str, call: Call, outputs: State) -> None:
        """As `deletionPolicy` says."""
        policy = outputs.get("deletionPolicy") or "DELETE"
        if policy == "PREVENT":
            raise ApiError(HTTPStatus.FORBIDDEN, f"{self.noun} {resource_id} has deletionPolicy PREVENT")
        if policy == "DELETE":
            await super().delete(resource_id, call, outputs)


class KeyRing(_GoogleKind):
    """A key ring. Nobody can delete one: a delete only makes Pulumi forget it, and its name stays taken."""

    token = KEY_RING
    noun = "key ring"
    api = "cloudkms.googleapis.com"
    replace_on = frozenset({"location", "name", "project"})
    generated_name = "name"

    def completed(self, inputs: State, configuration: Mapping[str, Any]) -> State:
        """The project of the provider."""
        return {"project": self.project(inputs, configuration)}

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """The rules of its name."""
        del configuration
        yield from _name_violations(inputs)

    def claim(self, properties: State) -> str | None:
        """The full name."""
        return f"name projects/{properties['project']}/locations/{properties['location']}/keyRings/{properties['name']}"

    def import_target(self, import_id: str) -> tuple[str, State]:
        """The full name, or its parts without the words between."""
        parts = import_id.split("/")
        full = f"projects/{parts[0]}/locations/{parts[1]}/keyRings/{parts[2]}" if len(parts) == 3 else import_id
        if not KEY_RING_ID.fullmatch(full):
            raise _import_error("projects/PROJECT/locations/LOCATION/keyRings/NAME", import_id)
        return full, {}

    def made(self, call: Call) -> Created:
        """The id is the full name."""
        project = self.required_project(call)
        full = f"projects/{project}/locations/{call.inputs['location']}/keyRings/{call.inputs['name']}"
        return Created(full, {"project": project})

    def removed(self, resource_id: str, current: State) -> bool:
        """It stays."""
        del resource_id, current
        return False


class CryptoKey(_GoogleKind):
    """A key. It cannot be deleted either: a delete destroys its versions, and its name stays taken."""

    token = CRYPTO_KEY
    noun = "crypto key"
    api = "cloudkms.googleapis.com"
    replace_on = frozenset(
        {
            "keyRing", "name", "purpose", "importOnly", "skipInitialVersionCreation", "destroyScheduledDuration",
            "cryptoKeyBackend",
        }
    )  # fmt: skip
    secret_outputs = frozenset({"effectiveLabels", "pulumiLabels"})
    generated_name = "name"

    def completed(self, inputs: State, configuration: Mapping[str, Any]) -> State:
        """Encrypts and decrypts unless told otherwise; labelled as Pulumi's."""
        labels = inputs.get("labels", {})
        attributed = {**labels, **ATTRIBUTION} if configuration.get("addPulumiAttributionLabel", True) else labels
        return {
            "purpose": inputs.get("purpose", "ENCRYPT_DECRYPT"),
            "destroyScheduledDuration": inputs.get("destroyScheduledDuration", "2592000s"),
            "effectiveLabels": attributed,
            "pulumiLabels": attributed,
        }

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """A rotation period of a day at least, and only where keys rotate by themselves."""
        del configuration
        yield from _name_violations(inputs)
        if "keyRing" in inputs and not KEY_RING_ID.fullmatch(inputs["keyRing"]):
            yield Violation("keyRing", f"must be the id of a key ring, not `{inputs['keyRing']}`")
        period = inputs.get("rotationPeriod")
        if period is None:
            return
        duration = DURATION.fullmatch(period)
        if duration is None:
            yield Violation("rotationPeriod", f"must be seconds with the letter s, e.g. 7776000s, not `{period}`")
        elif float(duration[1]) < SHORTEST_ROTATION_SECONDS:
            yield Violation("rotationPeriod", f"must be at least {SHORTEST_ROTATION_SECONDS}s (a day), not {period}")
        if inputs.get("purpose", "ENCRYPT_DECRYPT") != "ENCRYPT_DECRYPT":
            yield Violation("rotationPeriod", "only a key with the purpose ENCRYPT_DECRYPT rotates")

    def claim(self, properties: State) -> str | None:
        """The full name."""
        return f"name {properties['keyRing']}/cryptoKeys/{properties['name']}"

    def import_target(self, import_id: str) -> tuple[str, State]:
        """The full name."""
        if not CRYPTO_KEY_ID.fullmatch(import_id):
            raise _import_error("projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/NAME", import_id)
        return import_id, {}

    def made(self, call: Call) -> Created:
        """In a key ring that exists."""
        ring = call.inputs["keyRing"]
        self.require_access(ring.split("/")[1])
        if self.store.get(collection_of(KEY_RING), ring) is None:
            raise not_found(f"key ring {ring}")
        full = f"{ring}/cryptoKeys/{call.inputs['name']}"
        first = {"name": f"{full}/cryptoKeyVersions/1", "state": "ENABLED"}
        primaries = [] if call.inputs.get("skipInitialVersionCreation") else [first]
        return Created(full, {**self.completed(call.inputs, call.configuration), "primaries": primaries})

    def removed(self, resource_id: str, current: State) -> bool:
        """It stays, without a version that could decrypt."""
        body = self.store.get(self.collection, resource_id)
        if body is not None:
            primaries = [{**version, "state": "DESTROY_SCHEDULED"} for version in current.get("primaries", [])]
            outputs = {**body["outputs"], "primaries": primaries}
            inputs = {name: value for name, value in body["inputs"].items() if name != "rotationPeriod"}
            self.store.put(self.collection, resource_id, {**body, "inputs": inputs, "outputs": outputs})
        return False


class _Member(_GoogleKind):
    """One member of one role; granting it twice is granting it once."""

    overwrites = True

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """Roles and members have a fixed form."""
        del configuration
        if "role" in inputs and not ROLE.fullmatch(inputs["role"]):
            yield Violation("role", f"must look like roles/SERVICE.ROLE, not `{inputs['role']}`")
        if "member" in inputs and not MEMBER.fullmatch(inputs["member"]):
            yield Violation("member", f"must look like serviceAccount:EMAIL or user:EMAIL, not `{inputs['member']}`")

    def require_member(self, member: str) -> None:
        """ApiError when it is a service account of this project that does not exist."""
        kind, _, email = member.partition(":")
        project = self.world.lab.cloud.google.project
        ours = kind == "serviceAccount" and email.endswith(f"@{project}.iam.gserviceaccount.com")
        if ours and all(account["email"] != email for account in stored(self.store, ACCOUNT)):
            raise ApiError(HTTPStatus.BAD_REQUEST, f"service account {email} does not exist")


class CryptoKeyMember(_Member):
    """A member of a role on one key."""

    token = CRYPTO_KEY_MEMBER
    noun = "member of key"
    api = "cloudkms.googleapis.com"
    replace_on = frozenset({"cryptoKeyId", "role", "member", "condition"})

    def import_target(self, import_id: str) -> tuple[str, State]:
        """Key, role and member with blanks between."""
        return import_id.replace(" ", "/"), {}

    def made(self, call: Call) -> Created:
        """On a key that exists."""
        key, role, member = (call.inputs[name] for name in ("cryptoKeyId", "role", "member"))
        if self.store.get(collection_of(CRYPTO_KEY), key) is None:
            raise not_found(f"crypto key {key}")
        self.require_access(key.split("/")[1])
        self.require_member(member)
        return Created(f"{key}/{role}/{member}", {"etag": _etag()})


class ProjectMember(_Member):
    """A member of a role on the project."""

    token = PROJECT_MEMBER
    noun = "member of project"
    api = "cloudresourcemanager.googleapis.com"
    replace_on = frozenset({"project", "role", "member", "condition"})

    def import_target(self, import_id: str) -> tuple[str, State]:
        """Project, role and member with blanks between."""
        return import_id.replace(" ", "/"), {}

    def made(self, call: Call) -> Created:
        """On the lab's project."""
        project = self.required_project(call)
        self.require_member(call.inputs["member"])
        return Created(f"{project}/{call.inputs['role']}/{call.inputs['member']}", {"etag": _etag()})


class Account(_GoogleKind):
    """A service account. Its keys, and what it was granted, go with it."""

    token = ACCOUNT
    noun = "service account"
    api = "iam.googleapis.com"
    replace_on = frozenset({"accountId", "project"})
    generated_name = "accountId"

    def completed(self, inputs: State, configuration: Mapping[str, Any]) -> State:
        """Its address follows from id and project."""
        project = self.project(inputs, configuration)
        if project is None or "accountId" not in inputs:
            return {"disabled": inputs.get("disabled", False)}
        email = f"{inputs['accountId']}@{project}.iam.gserviceaccount.com"
        return {
            "disabled": inputs.get("disabled", False),
            "email": email,
            "member": f"serviceAccount:{email}",
            "name": f"projects/{project}/serviceAccounts/{email}",
            "project": project,
        }

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """The rules of its id."""
        del configuration
        if "accountId" in inputs and not ACCOUNT_ID.fullmatch(inputs["accountId"]):
            yield Violation(
                "accountId",
                f"`{inputs['accountId']}` must be 6 to 30 of a-z, 0-9 and hyphens, begin with a letter "
                "and not end with a hyphen",
            )

    def claim(self, properties: State) -> str | None:
        """The address."""
        return f"name {properties['email']}"

    def import_target(self, import_id: str) -> tuple[str, State]:
        """The full name."""
        return import_id, {}

    async def create(self, call: Call) -> Created:
        """Take the one that is there when told to ignore that."""
        name = self.completed(call.inputs, call.configuration).get("name", "")
        existing = self.store.get(self.collection, name)
        if existing is not None and call.inputs.get("createIgnoreAlreadyExists"):
            return Created(name, existing["outputs"])
        return await super().create(call)

    def made(self, call: Call) -> Created:
        """With a number that no other account ever had."""
        self.required_project(call)
        completed = self.completed(call.inputs, call.configuration)
        unique = str(secrets.randbelow(9 * 10**20) + 10**20)
        return Created(completed["name"], {**completed, "uniqueId": unique})

    def removed(self, resource_id: str, current: State) -> bool:
        """Keys and grants go."""
        for key in stored(self.store, ACCOUNT_KEY):
            if key["name"].startswith(f"{resource_id}/"):
                self.store.delete(collection_of(ACCOUNT_KEY), key["id"])
        for token in (CRYPTO_KEY_MEMBER, PROJECT_MEMBER):
            for member in stored(self.store, token):
                if member["member"] == current["member"]:
                    self.store.delete(collection_of(token), member["id"])
        return True


class AccountKey(_GoogleKind):
    """A key of a service account: the private half is told once, as a secret, and kept nowhere."""

    token = ACCOUNT_KEY
    noun = "service account key"
    api = "iam.googleapis.com"
    replace_on = frozenset(
        {"serviceAccountId", "keepers", "keyAlgorithm", "privateKeyType", "publicKeyData", "publicKeyType"}
    )
    secret_outputs = frozenset({"privateKey"})
    told_once = frozenset({"privateKey"})

    def completed(self, inputs: State, configuration: Mapping[str, Any]) -> State:
        """What the API makes unless told otherwise."""
        del configuration
        return {
            "keyAlgorithm": inputs.get("keyAlgorithm", "KEY_ALG_RSA_2048"),
            "privateKeyType": inputs.get("privateKeyType", "TYPE_GOOGLE_CREDENTIALS_FILE"),
            "publicKeyType": inputs.get("publicKeyType", "TYPE_X509_PEM_FILE"),
        }

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """Only the forms that the twin makes."""
        for name, emulated in self.completed({}, configuration).items():
            if inputs.get(name, emulated) != emulated:
                yield Violation(name, f"the twin emulates {emulated} only, not {inputs[name]}")
        if "publicKeyData" in inputs:
            yield Violation("publicKeyData", "the twin does not emulate the upload of public keys")

    def made(self, call: Call) -> Created:
        """For an account that exists and has room for one more."""
        wanted = call.inputs["serviceAccountId"].rsplit("/", 1)[-1]
        accounts = stored(self.store, ACCOUNT)
        account = next((a for a in accounts if wanted in (a["email"], a["uniqueId"])), None)
        if account is None:
            raise not_found(f"service account {wanted}")
        self.require_access(account["project"])
        keys = [key for key in stored(self.store, self.token) if key["name"].startswith(f"{account['name']}/")]
        if len(keys) >= MOST_KEYS:
            raise ApiError(
                HTTPStatus.TOO_MANY_REQUESTS, f"{account['email']} has {MOST_KEYS} keys, the most there can be"
            )
        key_id = secrets.token_hex(20)
        start = datetime.now(UTC).replace(microsecond=0)
        private, public = _key_pair(account, key_id, start)
        name = f"{account['name']}/keys/{key_id}"
        outputs = {
            **self.completed(call.inputs, call.configuration),
            "name": name, "privateKey": private, "publicKey": public,
            "validAfter": _stamp(start), "validBefore": _stamp(start + KEY_LIFETIME),
        }  # fmt: skip
        return Created(name, outputs)


class Service(_GoogleKind):
    """An API of the project, switched on. It stays on after a delete unless `disableOnDestroy` is set."""

    token = SERVICE
    noun = "service"
    api = "serviceusage.googleapis.com"
    overwrites = True
    replace_on = frozenset({"project", "service"})

    def completed(self, inputs: State, configuration: Mapping[str, Any]) -> State:
        """The project of the provider."""
        return {"project": self.project(inputs, configuration)}

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """The names of APIs."""
        del configuration
        service = inputs.get("service", "x.googleapis.com")
        if not regular_expression(r"[a-z][a-z0-9-]*(\.[a-z0-9-]+)+").fullmatch(service):
            yield Violation("service", f"must be the name of an API, e.g. cloudkms.googleapis.com, not `{service}`")

    def import_target(self, import_id: str) -> tuple[str, State]:
        """`project/service`."""
        return import_id, {}

    def made(self, call: Call) -> Created:
        """The id is project and service."""
        project = self.required_project(call)
        return Created(f"{project}/{call.inputs['service']}", {"project": project})

    def removed(self, resource_id: str, current: State) -> bool:
        """Switched off only when that was asked for."""
        del resource_id
        return bool(current.get("disableOnDestroy"))


class Gcp(StandIn):
    """The `gcp` provider."""

    name = "gcp"
    sdk = "pulumi_gcp"

    def kinds(self, surroundings: Surroundings) -> Iterable[ResourceKind]:
        """What the lab uses of Google Cloud."""
        kinds = (KeyRing, CryptoKey, CryptoKeyMember, Account, AccountKey, Service, ProjectMember)
        return [kind(surroundings) for kind in kinds]


def _name_violations(inputs: State) -> Iterable[Violation]:
    if "name" in inputs and not RESOURCE_NAME.fullmatch(inputs["name"]):
        yield Violation("name", f"`{inputs['name']}` must be 1 to 63 letters, digits, hyphens and underscores")


def _import_error(form: str, import_id: str) -> ApiError:
    return ApiError(HTTPStatus.BAD_REQUEST, f"the import id must have the form {form}, not `{import_id}`")


def _etag() -> str:
    return base64.b64encode(secrets.token_bytes(8)).decode()


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _key_pair(account: State, key_id: str, start: datetime) -> tuple[str, str]:
    """Credentials file and public certificate, both base64."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, account["uniqueId"])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + KEY_LIFETIME)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    credentials = {
        "type": "service_account",
        "project_id": account["project"],
        "private_key_id": key_id,
        "private_key": pem.decode(),
        "client_email": account["email"],
        "client_id": account["uniqueId"],
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    public = certificate.public_bytes(serialization.Encoding.PEM)
    return base64.b64encode(json.dumps(credentials).encode()).decode(), base64.b64encode(public).decode()
