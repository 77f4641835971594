"""How far a dump, or a folder of dumps, was listed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

_HEAD_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class DumpPosition:
    """Where listing goes on.

    Attributes:
        file: The dump, as a path below the folder; empty at the beginning.
        number: How many dumps come before it.
        head_bytes: How many bytes `head` is of.
        head: The digest of the file's first bytes: a file that begins otherwise is another one.
        offset: The byte of the decompressed file.
        end: Size and time of change (ns) of the file whose end was reached there; None before.
    """

    file: str = ""
    number: int = 0
    head_bytes: int = 0
    head: str = ""
    offset: int = 0
    end: tuple[int, int] | None = None

    @classmethod
    def at_start(cls, file: str, number: int, path: Path) -> DumpPosition:
        """The first byte of a file that is there."""
        head = _head(path, _HEAD_BYTES)
        return cls(file, number, len(head), hashlib.sha256(head).hexdigest())

    @classmethod
    def read(cls, cursor: str) -> DumpPosition:
        """What `write` wrote; the beginning if it was something else."""
        try:
            file, number, head_bytes, head, offset, end = json.loads(cursor)
        except (RecursionError, TypeError, ValueError):
            return cls()
        counts = (number, head_bytes, offset)
        if not all(map(_is_count, counts)) or not isinstance(file, str):
            return cls()
        return cls(file, number, min(head_bytes, _HEAD_BYTES), str(head), offset, _read_end(end))

    def write(self) -> str:
        """As a cursor."""
        end = list(self.end) if self.end else None
        fields = [self.file, self.number, self.head_bytes, self.head, self.offset, end]
        return json.dumps(fields, ensure_ascii=False)

    def is_of(self, path: Path) -> bool:
        """Whether a file begins as the one that was listed."""
        head = _head(path, self.head_bytes)
        return bool(head) and hashlib.sha256(head).hexdigest() == self.head

    def has_ended(self, path: Path) -> bool:
        """Whether the file was listed to its end and did not change since."""
        return self.end is not None and self.end == _size_and_time(path)

    def at_end(self, path: Path) -> DumpPosition:
        """The same place, at the end of the file as it is now."""
        return replace(self, end=_size_and_time(path))


def _head(path: Path, count: int) -> bytes:
    with path.open("rb") as handle:
        return handle.read(count)


def _size_and_time(path: Path) -> tuple[int, int]:
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _read_end(end: Any) -> tuple[int, int] | None:
    is_pair = isinstance(end, list) and len(end) == 2 and all(map(_is_count, end))
    return (end[0], end[1]) if is_pair else None
