"""A tar file of images, as the webdataset library reads it: members in a row that share a key, the image's digest."""

from __future__ import annotations

import io
import os
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

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
from lodestone.cli.moving.shard import (
    Sealed,
    ShardDamaged,
    ShardFormat,
    require_file,
    require_sha256,
    require_size,
    sealed_file,
)
from lodestone.cli.words import printable

_BLOCK: Final = tarfile.BLOCKSIZE
_MEMBER: Final = re.compile(r"([0-9a-f]{64})(\.[a-z]{3,4})")
_FACTS: Final = ".json"
_VALUES: Final = ".npy"
_LIMITS: Final = {
    **dict.fromkeys(IMAGE_SUFFIXES, MAX_ENCODED_BYTES),
    _FACTS: MAX_FACTS_BYTES,
    _VALUES: MAX_BYTES,
}


class TarShardWriter:
    """Writes `DIGEST.jpg`, `DIGEST.json` and, with an embedding, `DIGEST.npy` for each image."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("xb")
        self._tar = tarfile.open(fileobj=self._file, mode="w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115 - closed by seal

    def fits(self, row: ExportedRow) -> bool:  # noqa: ARG002 - the protocol's signature
        """Any image fits."""
        return True

    def add(self, row: ExportedRow) -> None:
        """Writes an image."""
        self._add(row.digest + row.suffix, row.encoded)
        self._add(row.digest + _FACTS, row.json)
        if row.values is not None:
            self._add(row.digest + _VALUES, npy_bytes(row.values))

    def seal(self) -> Sealed:
        """Ends the shard, and syncs it."""
        self._tar.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return sealed_file(self._path)

    def _add(self, name: str, content: bytes) -> None:
        # Everything else of a member is the same whoever exports, and when.
        member = tarfile.TarInfo(name)
        member.size = len(content)
        member.mode = 0o644
        self._tar.addfile(member, io.BytesIO(content))


@dataclass
class _Group:
    """The members of one key; contents by suffix."""

    key: str
    parts: dict[str, bytes] = field(default_factory=dict)


def read_tar_shard(path: Path, sha256: str, salvage: bool) -> Iterator[FoundRow | Refused]:
    """Reads a shard. Nothing is unpacked: names lead nowhere.

    Raises:
        ShardDamaged: It is not what was exported, or breaks off; what is whole comes before.
    """
    require_file(path)
    if not salvage:
        require_sha256(path, sha256)
    try:
        with path.open("rb") as handle:
            yield from _rows(path.name, handle)
    except OSError as error:
        raise ShardDamaged(f"it cannot be read: {error.strerror}") from error


def _rows(shard: str, handle: BinaryIO) -> Iterator[FoundRow | Refused]:
    group = _Group("")
    for name, content in _members(handle):
        found = _MEMBER.fullmatch(name)
        shown = f"{shard}: {printable(name)}"
        if found is None or found[2] not in _LIMITS:
            yield Refused(shown, "it is no member that an export has")
            continue
        if found[1] != group.key:
            if group.key:
                yield _row(shard, group)
            group = _Group(found[1])
        if isinstance(content, str):
            yield Refused(shown, content)
        else:
            group.parts[found[2]] = content
    if group.key:
        yield _row(shard, group)


def _row(shard: str, group: _Group) -> FoundRow | Refused:
    name = f"{shard}: {group.key[:12]}"
    images = [content for suffix, content in group.parts.items() if suffix in IMAGE_SUFFIXES]
    if len(images) != 1 or _FACTS not in group.parts:
        return Refused(name, "its image or its .json is missing")
    try:
        values = values_of(group.parts[_VALUES]) if _VALUES in group.parts else None
        return FoundRow(name, request_of(facts_from(group.parts[_FACTS]), images[0], values))
    except BadRow as error:
        return Refused(name, str(error))


def _members(handle: BinaryIO) -> Iterator[tuple[str, bytes | str]]:
    """Yields the name and content of each member, or why there is none: plain files of plain headers, as an export has.

    Longer names, links, sparse files and the like would need other headers, which nothing here reads.
    """
    end = os.fstat(handle.fileno()).st_size
    while True:
        header = handle.read(_BLOCK)
        if header == bytes(_BLOCK):
            return
        try:
            member = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise ShardDamaged(f"it breaks off: {error}") from error
        begin = handle.tell()
        if member.size < 0 or begin + member.size > end:
            raise ShardDamaged(f"it ends in the middle of its member at {begin - _BLOCK:,}")
        yield member.name, _content(handle, member)
        handle.seek(begin + -(-member.size // _BLOCK) * _BLOCK)


def _content(handle: BinaryIO, member: tarfile.TarInfo) -> bytes | str:
    limit = _LIMITS.get(Path(member.name).suffix, 0)
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        return "it is no plain file"
    if member.size > limit:
        return f"it has {member.size:,} bytes, and at most {limit:,} are read"
    return handle.read(member.size)


TAR: Final = ShardFormat("webdataset", ".tar", TarShardWriter, read_tar_shard, require_size)
