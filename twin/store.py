"""The twin's durable state: JSON documents in one SQLite file.

Every change is a transaction, written ahead of its acknowledgement, so the state survives `kill -9` at any moment.
Calls block for well under a millisecond; they are made from the daemon's one event loop.
"""

import json
import sqlite3
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NewType

Collection = NewType("Collection", str)

SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    collection TEXT NOT NULL,
    key        TEXT NOT NULL,
    body       TEXT NOT NULL,
    PRIMARY KEY (collection, key)
) WITHOUT ROWID
"""

Document = dict[str, Any]
"""A JSON object; the collection's owner knows its shape."""


class Store:
    """Documents by (collection, key)."""

    def __init__(self, path: Path) -> None:
        """Open or create the file at `path`; sqlite3.DatabaseError when it is not a database."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute(SCHEMA)
        self._depth = 0

    def close(self) -> None:
        """Fold the write-ahead log into the file and let go of it."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Generator[None]:
        """All changes inside become durable together, or none of them. May be nested; hold no `await` inside."""
        if self._depth == 0:
            self._connection.execute("BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield
        except BaseException:
            self._depth -= 1
            if self._depth == 0:
                self._connection.execute("ROLLBACK")
            raise
        self._depth -= 1
        if self._depth == 0:
            self._connection.execute("COMMIT")

    def get(self, collection: Collection, key: str) -> Document | None:
        """The document, or None."""
        row = self._connection.execute(
            "SELECT body FROM documents WHERE collection = ? AND key = ?", (collection, key)
        ).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, collection: Collection, key: str, body: Mapping[str, Any]) -> None:
        """Write the document, replacing what was there."""
        self._connection.execute(
            "INSERT INTO documents (collection, key, body) VALUES (?, ?, ?) "
            "ON CONFLICT (collection, key) DO UPDATE SET body = excluded.body",
            (collection, key, json.dumps(body, sort_keys=True)),
        )

    def delete(self, collection: Collection, key: str) -> bool:
        """Remove the document; False when there was none."""
        cursor = self._connection.execute("DELETE FROM documents WHERE collection = ? AND key = ?", (collection, key))
        return cursor.rowcount > 0

    def items(self, collection: Collection) -> list[tuple[str, Document]]:
        """Every (key, document) of the collection, ordered by key."""
        rows = self._connection.execute(
            "SELECT key, body FROM documents WHERE collection = ? ORDER BY key", (collection,)
        ).fetchall()
        return [(key, json.loads(body)) for key, body in rows]

    def next_number(self, sequence: str) -> int:
        """1, 2, 3, … for each named sequence, never the same twice."""
        with self.transaction():
            document = self.get(Collection("sequence"), sequence) or {"last": 0}
            number = int(document["last"]) + 1
            self.put(Collection("sequence"), sequence, {"last": number})
        return number
