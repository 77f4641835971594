"""Fingerprints in a file, for an index of more than fits in memory; never more than a copy of the catalogue's."""

from __future__ import annotations

import fcntl
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from services.crawler.seen.duplicate_index import Entry
from services.crawler.seen.near_hashes import Hashes, Places, with_room
from services.servicekit.disk import sync
from services.servicekit.errors import LodestoneError, Misconfigured

# Of the layout, of what the hashes mean and of what may be missing: the first version may lack images of a SQLite
# catalogue that got the numbers of purged ones.
_VERSION = 2
_ROW = np.dtype([("hash64", "<u8"), ("hash256", "u1", 32), ("digest", "u1", 32)])
# Rows that are read at a time where all are.
_BLOCK = 65_536


class FingerprintFileDamaged(LodestoneError):
    """The file does not have what it says it has: it is to be made again.

    Attributes:
        path: Where it is.
        cause: What is wrong, one line.
    """

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(f"{path}: {cause}")
        self.path = path
        self.cause = cause


class FingerprintFileTaken(Misconfigured):
    """Another crawler has the file open.

    Attributes:
        path: Where it is.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(f"another crawler uses {path}")
        self.path = path


class FingerprintFile:
    """`NAME.rows`, 72 bytes an image in the order of adding, and `NAME.json`: how many of them count, and their CRC-32.

    Rows are on the disk before the JSON, which is replaced in one step: what a crash leaves behind the last row that
    counts is written over. Rows are read from an open file, one at a time, so they take no memory here. One thread may
    append while others read.
    """

    def __init__(self, path: Path) -> None:
        """Opens or creates the file of that path without a suffix; it has nothing until `load`.

        Raises:
            FingerprintFileTaken: Another process has it open.
            Misconfigured: It cannot be opened.
        """
        self._path = path.with_suffix(".rows")
        self._facts_path = path.with_suffix(".json")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a+b", buffering=0)
        except OSError as error:
            raise Misconfigured(f"cannot open {self._path}: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise FingerprintFileTaken(self._path) from error
        self._count = 0
        self._crc = 0

    @property
    def path(self) -> Path:
        """Where its rows are."""
        return self._path

    def __len__(self) -> int:
        """How many rows count."""
        return self._count

    def load(self) -> Hashes:
        """Reads and checks all rows, of which it returns the 64-bit hashes; behind them there is room for more.

        Raises:
            FingerprintFileDamaged: They are not what was written, or of another version.
        """
        count, crc = self._facts()
        hashes, found = np.empty(with_room(count), np.uint64), 0
        for first in range(0, count, _BLOCK):
            size = min(_BLOCK, count - first)
            block = self._read(first, size)
            found = zlib.crc32(block, found)
            hashes[first : first + size] = np.frombuffer(block, _ROW)["hash64"]
        if found != crc:
            raise FingerprintFileDamaged(self._path, "its checksum is another")
        self._count, self._crc = count, crc
        return hashes

    def append(self, entries: Sequence[Entry]) -> None:
        """Adds rows behind the last one, on the disk when it returns.

        Raises:
            OSError: They cannot be written; nothing is added.
        """
        rows = _rows(entries).tobytes()
        self._write(rows, self._count * _ROW.itemsize)
        count, crc = self._count + len(entries), zlib.crc32(rows, self._crc)
        self._write_facts(count, crc)
        self._count, self._crc = count, crc

    def read(self, places: Places) -> tuple[Hashes, list[str]]:
        """The 256-bit hashes at these places, (n, 4), and the digests.

        Raises:
            FingerprintFileDamaged: Somebody cut the file.
        """
        rows = np.frombuffer(b"".join(self._read(place, 1) for place in places.tolist()), _ROW)
        hashes = np.ascontiguousarray(rows["hash256"]).view(np.uint64)
        return hashes, [digest.tobytes().hex() for digest in rows["digest"]]

    def digests_from_behind(self, size: int) -> Iterator[list[str]]:
        """Yields all digests, `size` at a time, the last ones first."""
        for end in range(self._count, 0, -size):
            start = max(end - size, 0)
            yield self.read(np.arange(start, end))[1]

    def clear(self) -> None:
        """Forgets all rows.

        Raises:
            OSError: It cannot be written.
        """
        self._facts_path.unlink(missing_ok=True)
        self._file.truncate(0)
        self._count = self._crc = 0

    def close(self) -> None:
        """Closes it; another process may open it."""
        self._file.close()

    def _facts(self) -> tuple[int, int]:
        """How many rows there should be, and their checksum."""
        try:
            facts = json.loads(self._facts_path.read_text(encoding="utf-8"))
            version, count, crc = (facts[name] for name in ("version", "count", "crc32"))
        except FileNotFoundError:
            return 0, 0
        except (OSError, ValueError, TypeError, LookupError) as error:
            raise FingerprintFileDamaged(self._facts_path, "it cannot be read") from error
        if version != _VERSION:
            raise FingerprintFileDamaged(self._facts_path, f"its version is {version!r}")
        there = os.fstat(self._file.fileno()).st_size // _ROW.itemsize
        if not (isinstance(count, int) and 0 <= count <= there):
            raise FingerprintFileDamaged(self._path, f"it has {there:,} rows, not {count!r}")
        return count, crc

    def _read(self, place: int, count: int) -> bytes:
        size = count * _ROW.itemsize
        found = os.pread(self._file.fileno(), size, place * _ROW.itemsize)
        if len(found) < size:
            raise FingerprintFileDamaged(self._path, f"it ends before row {place + count:,}")
        return found

    def _write(self, rows: bytes, offset: int) -> None:
        # Whatever is behind the last row that counts is not of ours.
        self._file.truncate(offset)
        left = memoryview(rows)
        while left:
            left = left[self._file.write(left) :]
        os.fsync(self._file.fileno())

    def _write_facts(self, count: int, crc: int) -> None:
        self._facts_path.parent.mkdir(parents=True, exist_ok=True)
        part = self._facts_path.with_suffix(".tmp")
        part.write_text(json.dumps({"version": _VERSION, "count": count, "crc32": crc}))
        sync(part)
        part.replace(self._facts_path)
        sync(part.parent)


def _rows(entries: Sequence[Entry]) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    rows = np.empty(len(entries), _ROW)
    rows["hash64"] = [fingerprint.hash64 for _, fingerprint in entries]
    hashes = b"".join(fingerprint.hash256 for _, fingerprint in entries)
    rows["hash256"] = np.frombuffer(hashes, np.uint8).reshape(-1, 32)
    digests = bytes.fromhex("".join(digest for digest, _ in entries))
    rows["digest"] = np.frombuffer(digests, np.uint8).reshape(-1, 32)
    return rows
