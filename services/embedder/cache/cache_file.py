"""The cache's file: SQLite, so that a process may be killed at any instant and several may use it at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from services.embedder.cache.entry import Entry

PAGE_BYTES: Final = 16_384
"""Of 4 KiB, a page has room for one embedding of 512 values, and half of it stays empty."""

# SQLite keeps what was written in a journal beside the file until it has so many pages.
_JOURNAL_PAGES = 128
_SHRINKS_BY = 4
_SHRINKS_AT_MOST = 256

_TABLES = """
CREATE TABLE IF NOT EXISTS embeddings (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    turn INTEGER NOT NULL,
    sealed BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS embeddings_by_turn ON embeddings (turn);
"""


@dataclass(frozen=True, slots=True)
class Found:
    """What lies under a key.

    Attributes:
        entry: The entry; None if it is damaged.
        turn: Grows by one with each new entry; that of the newest one at the time when this one came, or when its use
            was last noted.
    """

    entry: Entry | None
    turn: int


class CacheFile:
    """One connection to the file, for one thread at a time. Every method raises sqlite3.Error, or OSError.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path, *, max_bytes: int, timeout_s: float) -> None:
        """Opens or creates it.

        Args:
            path: The file; its folder exists.
            max_bytes: The file's size at most. The journal beside it (`-wal`) has a few MB more.
            timeout_s: How long another process is waited for, seconds.
        """
        self.path = path
        self._max_pages = max_bytes // PAGE_BYTES
        self._connection = sqlite3.connect(
            path, timeout=timeout_s, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare()
            self._identity = _identity(path)
        except (sqlite3.Error, OSError):
            self.close()
            raise

    def is_in_place(self) -> bool:
        """Whether the path still leads to this file: neither was it removed nor is there another."""
        return self._identity == _identity(self.path)

    def find(self, key: bytes) -> Found | None:
        """What lies under a key; None if nothing does."""
        rows = self._rows("SELECT turn, sealed FROM embeddings WHERE key = ?", key)
        if not rows:
            return None
        [(turn, sealed)] = rows
        return Found(Entry.unsealed(key, sealed), turn if isinstance(turn, int) else 0)

    def write(self, entries: Sequence[Entry], used: Sequence[bytes] = ()) -> None:
        """Keeps entries and notes which keys were used, in one transaction.

        In a full file a new entry takes the place of the one that was used longest ago.
        """
        with self._transaction():
            turn = self._number("SELECT CAST(max(turn) AS INTEGER) FROM embeddings")
            for key in used:
                self._rows("UPDATE embeddings SET turn = ? WHERE key = ?", turn, key)
            for entry in entries:
                turn += 1
                self._put(entry, turn)
        self._shrink()

    def middle_turn(self) -> int:
        """Between the newest entry's turn and that of the entry that goes next; 0 in an empty file."""
        return self._number("SELECT CAST((min(turn) + max(turn)) / 2 AS INTEGER) FROM embeddings")

    def used_bytes(self) -> int:
        """What entries take of the file, with what SQLite needs around them."""
        return self._used_pages() * PAGE_BYTES

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def _prepare(self) -> None:
        # The disk is never waited for. What was committed outlives the process all the same; a power cut may damage the
        # file, which is noticed by SQLite or by an entry's checksum, and costs no more than the cache.
        self._rows("PRAGMA synchronous = OFF")
        self._rows(f"PRAGMA wal_autocheckpoint = {_JOURNAL_PAGES}")
        self._rows(f"PRAGMA journal_size_limit = {_JOURNAL_PAGES * PAGE_BYTES}")
        if not self._rows("SELECT 1 FROM sqlite_schema WHERE name = 'embeddings_by_turn'"):
            self._rows(f"PRAGMA page_size = {PAGE_BYTES}")
            self._rows("PRAGMA auto_vacuum = INCREMENTAL")
            self._rows("PRAGMA journal_mode = WAL")
            with self._transaction():
                for statement in _TABLES.split(";"):
                    self._rows(statement)

    def _put(self, entry: Entry, turn: int) -> None:
        place = self._rows("SELECT id FROM embeddings WHERE key = ?", entry.key)
        if not place and self._is_full():
            place = self._rows("SELECT id FROM embeddings ORDER BY turn, id LIMIT 1")
        place_id = place[0][0] if place else None
        row = (place_id, entry.key, turn, entry.sealed())
        self._rows("REPLACE INTO embeddings (id, key, turn, sealed) VALUES (?, ?, ?, ?)", *row)

    def _is_full(self) -> bool:
        """Indexes still grow a little when entries take the places of others."""
        return self._used_pages() >= self._max_pages - self._max_pages // 32 - 4

    def _shrink(self) -> None:
        """Gives up what is over the limit, if that was lowered or entries have grown; a part at each write."""
        deleted = 0
        while self._used_pages() > self._max_pages and deleted < _SHRINKS_AT_MOST:
            self._rows(
                "DELETE FROM embeddings WHERE id IN "
                "(SELECT id FROM embeddings ORDER BY turn, id LIMIT ?)",
                _SHRINKS_BY,
            )
            deleted += _SHRINKS_BY
        if self._number("PRAGMA page_count") > self._max_pages:
            # One page per step, and execute() takes only the first.
            self._connection.executescript(f"PRAGMA incremental_vacuum({_SHRINKS_AT_MOST})")

    def _used_pages(self) -> int:
        return self._number("PRAGMA page_count") - self._number("PRAGMA freelist_count")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._rows("BEGIN IMMEDIATE")
        try:
            yield
            self._rows("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._rows("ROLLBACK")
            raise

    def _number(self, statement: str) -> int:
        return int(self._rows(statement)[0][0] or 0)

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows at once: a statement that is not read to its end keeps the journal from being emptied."""
        return self._connection.execute(statement, values).fetchall()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
