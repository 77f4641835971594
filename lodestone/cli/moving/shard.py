"""A shard: some images of an export in one file or folder, which is there whole or not at all."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from lodestone.cli.moving.exported_row import ExportedRow
from lodestone.cli.moving.found_row import FoundRow, Refused


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a shard is that will not change any more; it is synced.

    Attributes:
        size_bytes: How many bytes.
        sha256: Of the file; of a folder, that of its SHA256SUMS.
    """

    size_bytes: int
    sha256: str


class ShardWriter(Protocol):
    """Writes one shard beside its place."""

    def fits(self, row: ExportedRow) -> bool:
        """Whether the shard can hold this image."""
        ...

    def add(self, row: ExportedRow) -> None:
        """Writes an image."""
        ...

    def seal(self) -> Sealed:
        """Ends the shard, and syncs it."""
        ...


class ShardDamaged(Exception):
    """A shard that cannot be read, or read further; the text says why."""


# Reads a shard; told whether to read what is not as it was exported. Raises ShardDamaged.
ReadShard: TypeAlias = Callable[[Path, str, bool], Iterator[FoundRow | Refused]]

# Passes a shard that has its files and their sizes, which it does not read. Raises ShardDamaged.
CheckShard: TypeAlias = Callable[[Path, Sealed], None]


@dataclass(frozen=True, slots=True)
class ShardFormat:
    """A format of exports.

    Attributes:
        word: What it is called: `folder`.
        suffix: Of a shard's name; empty for folders.
        open_writer: Begins a shard at a path, which is not there.
        read: Reads a shard of a path and SHA-256.
        check: Passes a shard at a path that is there as it was sealed, as far as sizes tell.
    """

    word: str
    suffix: str
    open_writer: Callable[[Path], ShardWriter]
    read: ReadShard
    check: CheckShard


def sealed_file(path: Path) -> Sealed:
    """A file that is written and synced."""
    with path.open("rb") as handle:
        return Sealed(path.stat().st_size, hashlib.file_digest(handle, "sha256").hexdigest())


def require_file(path: Path) -> int:
    """Passes a plain file, and returns how many bytes it has.

    Raises:
        ShardDamaged: It is none, or is not there.
    """
    try:
        facts = path.lstat()
    except FileNotFoundError as error:
        raise ShardDamaged("it is gone") from error
    except OSError as error:
        raise ShardDamaged(f"it cannot be read: {error.strerror}") from error
    if stat.S_ISLNK(facts.st_mode):
        raise ShardDamaged("it is a link, and links are not followed")
    if not stat.S_ISREG(facts.st_mode):
        raise ShardDamaged("it is no plain file")
    return facts.st_size


def require_size(path: Path, sealed: Sealed) -> None:
    """Passes a file that has its size.

    Raises:
        ShardDamaged: It has not, or is none.
    """
    size_bytes = require_file(path)
    if size_bytes != sealed.size_bytes:
        raise ShardDamaged(f"it has {size_bytes:,} bytes instead of {sealed.size_bytes:,}")


def require_sha256(path: Path, sha256: str) -> None:
    """Passes a file that is what was exported.

    Raises:
        ShardDamaged: It is not, or cannot be read.
    """
    require_file(path)
    try:
        found = sealed_file(path)
    except OSError as error:
        raise ShardDamaged(f"it cannot be read: {error.strerror}") from error
    if found.sha256 != sha256:
        raise ShardDamaged(
            f"it is not what was exported: its SHA-256 is {found.sha256[:12]}…, not {sha256[:12]}…"
        )
