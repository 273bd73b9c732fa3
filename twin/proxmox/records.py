"""Typed access to one collection of the store."""

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from twin.store import Collection, Store


class Record(BaseModel):
    """A document of the emulation."""

    model_config = ConfigDict(frozen=True, extra="forbid")


RecordType = TypeVar("RecordType", bound=Record)


class Records(Generic[RecordType]):
    """All documents of one collection, as values of one type."""

    def __init__(self, store: Store, name: str, kind: type[RecordType]) -> None:
        self._store = store
        self._collection = Collection(f"proxmox/{name}")
        self._kind = kind

    def get(self, key: str) -> RecordType | None:
        """The record, or None."""
        document = self._store.get(self._collection, key)
        return None if document is None else self._kind.model_validate(document)

    def put(self, key: str, record: RecordType) -> None:
        """Write the record, replacing what was there."""
        self._store.put(self._collection, key, record.model_dump(mode="json"))

    def delete(self, key: str) -> bool:
        """Remove the record; False when there was none."""
        return self._store.delete(self._collection, key)

    def all(self) -> list[RecordType]:
        """Every record, ordered by key."""
        return [self._kind.model_validate(document) for _, document in self._store.items(self._collection)]

    def items(self) -> list[tuple[str, RecordType]]:
        """Every (key, record), ordered by key."""
        return [(key, self._kind.model_validate(document)) for key, document in self._store.items(self._collection)]
