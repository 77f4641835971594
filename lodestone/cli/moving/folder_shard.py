"""A folder of images, for people: readable names, and beside each image its facts and its embedding."""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any, Final

from lodestone.cli.moving.disk import NotReadable, read_regular, sync
from lodestone.cli.moving.exported_row import (
    IMAGE_SUFFIXES,
    MAX_ENCODED_BYTES,
    MAX_FACTS_BYTES,
    ExportedRow,
    facts_from,
    request_of,
)
from lodestone.cli.moving.found_row import BadRow, FoundRow, Refused
from lodestone.cli.moving.npy_values import MAX_BYTES, npy_bytes, values_of
from lodestone.cli.moving.shard import Sealed, ShardDamaged, ShardFormat, require_file
from lodestone.cli.words import printable

SUMS: Final = "SHA256SUMS"
_FACTS: Final = ".json"
_VALUES: Final = ".npy"
_LIMITS: Final = {
    **dict.fromkeys(IMAGE_SUFFIXES, MAX_ENCODED_BYTES),
    _FACTS: MAX_FACTS_BYTES,
    _VALUES: MAX_BYTES,
}
# 16 digits: of a million names, two are the same with a chance of 3e-8.
_DIGITS: Final = 16
_SHORT_DIGITS: Final = 8
_NAME: Final = re.compile(r"[a-z0-9._-]{1,200}")
_LINE: Final = re.compile(r"([0-9a-f]{64})  ([a-z0-9._-]{1,200})")
_SUMS_MAX_BYTES: Final = 64 * 1024 * 1024


class FolderShardWriter:
    """Writes `NAME.jpg`, `NAME.json` and `NAME.npy` for each image, and `SHA256SUMS`, which `sha256sum -c` checks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sums: dict[str, str] = {}
        self._size_bytes = 0
        path.mkdir()

    def fits(self, row: ExportedRow) -> bool:  # noqa: ARG002 - the protocol's signature
        """Any image fits."""
        return True

    def add(self, row: ExportedRow) -> None:
        """Writes an image."""
        stem = PurePath(row.facts["file_name"]).stem
        name = f"{stem.removesuffix(row.digest[:_SHORT_DIGITS])}{row.digest[:_DIGITS]}"
        self._write(name + row.suffix, row.encoded)
        self._write(name + _FACTS, row.json)
        if row.values is not None:
            self._write(name + _VALUES, npy_bytes(row.values))

    def seal(self) -> Sealed:
        """Ends the shard, and syncs it."""
        sums = "".join(f"{self._sums[name]}  {name}\n" for name in sorted(self._sums)).encode()
        (self._path / SUMS).write_bytes(sums)
        # All at once: one after the other, each would be waited for.
        for name in (*self._sums, SUMS):
            sync(self._path / name)
        sync(self._path)
        return Sealed(self._size_bytes + len(sums), hashlib.sha256(sums).hexdigest())

    def _write(self, name: str, content: bytes) -> None:
        (self._path / name).write_bytes(content)
        self._sums[name] = hashlib.sha256(content).hexdigest()
        self._size_bytes += len(content)


def read_folder_shard(path: Path, sha256: str, salvage: bool) -> Iterator[FoundRow | Refused]:
    """Reads a shard. Links are not followed.

    Raises:
        ShardDamaged: Its SHA256SUMS is not what was exported, or it cannot be listed.
    """
    sums = None if salvage else _sums(path, sha256)
    try:
        if path.is_symlink():
            raise ShardDamaged("it is a link, and links are not followed")
        names = sorted(one.name for one in path.iterdir() if one.name != SUMS)
    except OSError as error:
        raise ShardDamaged(f"it cannot be read: {error.strerror}") from error
    groups: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for name in names if sums is None else sorted({*names, *sums}):
        suffix = PurePath(name).suffix
        is_ours = _NAME.fullmatch(name) is not None and suffix in _LIMITS
        if not is_ours or (sums is not None and name not in sums):
            yield Refused(f"{path.name}/{printable(name)}", "it is no file that was exported")
        else:
            groups[name.removesuffix(suffix)][suffix] = name
    read = [(_facts(path, group, sums), group) for group in groups.values()]
    # In the order of accepting, which decides what is a duplicate of what.
    for facts, group in sorted(read, key=lambda one: _sequence(one[0])):
        yield _row(path, group, facts, sums)


def require_files(path: Path, sealed: Sealed) -> None:
    """Passes a shard that has all its files, with as many bytes as they had.

    Raises:
        ShardDamaged: It has not, or its SHA256SUMS is not what was exported.
    """
    if not path.is_dir() or path.is_symlink():
        raise ShardDamaged("it is no folder" if os.path.lexists(path) else "it is gone")
    size_bytes = 0
    for name in (*_sums(path, sealed.sha256), SUMS):
        try:
            size_bytes += require_file(path / name)
        except ShardDamaged as error:
            raise ShardDamaged(f"of its file {name}: {error}") from error
    if size_bytes != sealed.size_bytes:
        raise ShardDamaged(f"its files have {size_bytes:,} bytes instead of {sealed.size_bytes:,}")


def _row(
    path: Path, group: dict[str, str], facts: dict[str, Any] | BadRow, sums: dict[str, str] | None
) -> FoundRow | Refused:
    images = [name for suffix, name in group.items() if suffix in IMAGE_SUFFIXES]
    shown = f"{path.name}/{images[0] if images else min(group.values())}"
    if isinstance(facts, BadRow):
        return Refused(shown, str(facts))
    if len(images) != 1:
        return Refused(shown, "its image is missing")
    try:
        encoded = _read(path / images[0], sums)
        values = values_of(_read(path / group[_VALUES], sums)) if _VALUES in group else None
        return FoundRow(shown, request_of(facts, encoded, values))
    except BadRow as error:
        return Refused(shown, str(error))


def _facts(
    path: Path, group: dict[str, str], sums: dict[str, str] | None
) -> dict[str, Any] | BadRow:
    if _FACTS not in group:
        return BadRow("its .json is missing")
    try:
        return facts_from(_read(path / group[_FACTS], sums))
    except BadRow as error:
        return error


def _sequence(facts: dict[str, Any] | BadRow) -> int:
    found = None if isinstance(facts, BadRow) else facts.get("sequence")
    return found if isinstance(found, int) else 0


def _read(path: Path, sums: dict[str, str] | None) -> bytes:
    try:
        content = read_regular(path, max_bytes=_LIMITS[path.suffix])
    except NotReadable as error:
        raise BadRow(f"{path.name}: {error}") from error
    if sums is not None and hashlib.sha256(content).hexdigest() != sums[path.name]:
        raise BadRow(f"{path.name} is not what was exported")
    return content


def _sums(path: Path, sha256: str) -> dict[str, str]:
    """The SHA-256 of each file, by its name."""
    try:
        content = read_regular(path / SUMS, max_bytes=_SUMS_MAX_BYTES)
    except NotReadable as error:
        raise ShardDamaged(f"{SUMS}: {error}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ShardDamaged(f"its {SUMS} is not what was exported")
    lines = map(_LINE.fullmatch, content.decode("ascii", "replace").splitlines())
    return {line[2]: line[1] for line in lines if line is not None}


FOLDER: Final = ShardFormat("folder", "", FolderShardWriter, read_folder_shard, require_files)
