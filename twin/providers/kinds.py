"""What a stand-in knows about one resource type."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, ClassVar

from twin.faults import Faults
from twin.providers.errors import ApiError, NotEmulatedError, already_exists
from twin.providers.inputs import Violation
from twin.store import Collection, Store
from twin.world import World

State = dict[str, Any]
"""Properties in clear, by their names on the wire; JSON."""

JOURNAL = Collection("providers/journal")
"""Key: URN. What the last `create` of each URN made: the engine may have died before it wrote that down."""


@dataclass(frozen=True)
class Surroundings:
    """What every stand-in works with."""

    store: Store
    world: World
    faults: Faults


@dataclass(frozen=True)
class Call:
    """One create, update or delete."""

    urn: str
    inputs: State
    """As checked, in clear and without unknowns; for a delete, the last ones."""
    configuration: Mapping[str, Any] = field(default_factory=dict)
    """Of the provider."""

    @property
    def name(self) -> str:
        """The resource's logical name."""
        return self.urn.rsplit("::", 1)[-1]


@dataclass(frozen=True)
class Created:
    """A new resource."""

    resource_id: str
    outputs: State
    """What the API adds to the inputs, or changes of them."""


@dataclass(frozen=True)
class Found:
    """A resource as the API tells it."""

    resource_id: str
    inputs: State
    outputs: State
    """What is not an input."""


class ResourceKind(ABC):
    """One resource type of a provider."""

    token: ClassVar[str]
    replace_on: ClassVar[frozenset[str]] = frozenset()
    """Top-level inputs that cannot be changed in place."""
    secret_outputs: ClassVar[frozenset[str]] = frozenset()
    """Outputs that are secret whatever the inputs were."""
    generated_name: ClassVar[str | None] = None
    """The input that Pulumi fills with the logical name and seven random digits when it is not given."""
    renewed_on_update: ClassVar[frozenset[str]] = frozenset()
    """Outputs that every update changes; unknown while one is previewed. All others stay as they are."""
    told_once: ClassVar[frozenset[str]] = frozenset()
    """Inputs and outputs that the API never tells again: an import does not bring them, a refresh keeps them."""

    def __init__(self, surroundings: Surroundings) -> None:
        self.store = surroundings.store
        self.world = surroundings.world
        self.faults = surroundings.faults

    def completed(self, inputs: State, configuration: Mapping[str, Any]) -> State:
        """Outputs that follow from the inputs without asking the API, such as its defaults; known at preview."""
        del inputs, configuration
        return {}

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """What is wrong with inputs of the right types; a value that is not known yet is absent from `inputs`."""
        del inputs, configuration
        return ()

    def import_target(self, import_id: str) -> tuple[str, State]:
        """The id and the outputs that an import id tells, enough for `read`; ApiError when its format is not right."""
        raise NotEmulatedError(f"{self.token} has no import (asked for `{import_id}`)")

    @abstractmethod
    async def create(self, call: Call) -> Created:
        """Make it; ApiError when the API refuses."""

    def clashes(self, outputs: State, inputs: State) -> bool:
        """Whether the resource with these outputs must be gone before its replacement can be made from `inputs`."""
        del outputs, inputs
        return False

    @abstractmethod
    async def read(self, resource_id: str, inputs: State, outputs: State) -> Found | None:
        """As it is now, None when it is gone. `inputs` and `outputs` are the last known; while importing, `inputs` is
        empty and `outputs` are what `import_target` told.
        """

    @abstractmethod
    async def update(self, resource_id: str, call: Call, outputs: State) -> State:
        """Change it in place and return the outputs as `Created.outputs`; `outputs` are the last known."""

    @abstractmethod
    async def delete(self, resource_id: str, call: Call, outputs: State) -> None:
        """Remove it; what is gone already is no error."""


class StoredKind(ResourceKind):
    """A resource that is a document in the store.

    Each change and its entry in the journal are one transaction, so a killed daemon has done all of it or nothing.
    """

    noun: ClassVar[str]
    """How the API calls it, e.g. `bucket`."""
    overwrites: ClassVar[bool] = False
    """Whether a create takes the place of what is there, as an API does whose call is a PUT."""

    @property
    def collection(self) -> Collection:
        """Where its documents are."""
        return collection_of(self.token)

    def key(self, resource_id: str, properties: State) -> str:
        """Where its document is."""
        del properties
        return resource_id

    def claim(self, properties: State) -> str | None:
        """What only one of them can have, e.g. `name seaweedfs`; None when nothing is exclusive."""
        del properties
        return None

    @abstractmethod
    def made(self, call: Call) -> Created:
        """The new resource; ApiError when the API refuses. Runs inside the transaction."""

    def changed(self, resource_id: str, call: Call, current: State) -> State:
        """The outputs that an update changes; ApiError when the API refuses. Runs inside the transaction."""
        del resource_id, current
        return self.completed(call.inputs, call.configuration)

    def removed(self, resource_id: str, current: State) -> bool:
        """Refuse the removal with ApiError, or clean up what hangs on it; False to leave the resource as it is."""
        del resource_id, current
        return True

    def clashes(self, outputs: State, inputs: State) -> bool:
        """The replacement would claim what the old one still has."""
        try:
            claim = self.claim(outputs)
            return claim is not None and claim == self.claim(inputs)
        except KeyError:
            # The claim depends on something that is not known yet.
            return False

    async def create(self, call: Call) -> Created:
        """Make it and note it in the journal."""
        with self.store.transaction():
            created = self.made(call)
            properties = {**call.inputs, **created.outputs}
            key = self.key(created.resource_id, properties)
            if not self.overwrites:
                self._refuse_second(self.claim(properties), other_than=None)
                if self._get(key) is not None:
                    raise already_exists(f"{self.noun} {key}")
            self._put(key, Found(created.resource_id, call.inputs, created.outputs))
            self._note(call.urn, created)
        return created

    async def read(self, resource_id: str, inputs: State, outputs: State) -> Found | None:
        """The document."""
        del inputs
        return self._get(self.key(resource_id, outputs))

    async def update(self, resource_id: str, call: Call, outputs: State) -> State:
        """Change the document."""
        with self.store.transaction():
            key = self.key(resource_id, outputs)
            found = self._get(key)
            if found is None:
                raise ApiError(
                    HTTPStatus.NOT_FOUND,
                    f"{self.noun} {key} does not exist; it was removed behind Pulumi's back, a refresh sees that",
                )
            changed = {**found.outputs, **self.changed(resource_id, call, {**found.inputs, **found.outputs})}
            if not self.overwrites:
                self._refuse_second(self.claim({**call.inputs, **changed}), other_than=key)
            self._put(key, Found(resource_id, call.inputs, changed))
        return changed

    async def delete(self, resource_id: str, call: Call, outputs: State) -> None:
        """Remove the document."""
        with self.store.transaction():
            key = self.key(resource_id, outputs)
            found = self._get(key)
            if found is not None and self.removed(resource_id, {**found.inputs, **found.outputs}):
                self.store.delete(self.collection, key)
            self.store.delete(JOURNAL, call.urn)

    def _note(self, urn: str, created: Created) -> None:
        """Tell the journal, unless the engine could not do without what is told once: then only a new one helps it."""
        if self.told_once & created.outputs.keys():
            self.store.delete(JOURNAL, urn)
        else:
            self.store.put(JOURNAL, urn, {"token": self.token, "id": created.resource_id, "at": now()})

    def _refuse_second(self, claim: str | None, other_than: str | None) -> None:
        if claim is None:
            return
        for key, body in self.store.items(self.collection):
            if key != other_than and self.claim({**body["inputs"], **body["outputs"]}) == claim:
                raise already_exists(f"{self.noun} with {claim}")

    def _get(self, key: str) -> Found | None:
        body = self.store.get(self.collection, key)
        return None if body is None else Found(body["id"], body["inputs"], body["outputs"])

    def _put(self, key: str, found: Found) -> None:
        body = {
            "id": found.resource_id,
            "inputs": found.inputs,
            "outputs": {name: value for name, value in found.outputs.items() if name not in self.told_once},
        }
        self.store.put(self.collection, key, body)


def collection_of(token: str) -> Collection:
    """Where the documents of a stored resource type are."""
    return Collection(f"providers/{token}")


def stored(store: Store, token: str) -> list[State]:
    """Inputs, outputs and `id` of every resource of the type."""
    return [{**body["inputs"], **body["outputs"], "id": body["id"]} for _, body in store.items(collection_of(token))]


def now() -> str:
    """The time in the form that the cloud APIs print it, e.g. `2026-01-24T08:00:00Z`."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
