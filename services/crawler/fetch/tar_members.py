"""The members of a tar file, whoever wrote it: from any of them on, in memory that does not grow with their number."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, cast

_BLOCK_BYTES = 512
# Names of 4,096 bytes fit. CPython's reader takes quadratic time for such headers (CVE-2024-6232) and reads whatever
# length they state.
_HEADER_MAX_BYTES = 8_192
# What CPython's reader raises for headers that are none, besides its own errors.
_HEADER_ERRORS = (tarfile.TarError, ValueError, ArithmeticError, LookupError, RecursionError)


class BrokenTar(Exception):
    """A tar file that cannot be read further; the text says why."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member.

    Attributes:
        name: As it stands there; bytes that are no UTF-8 as lone surrogates.
        offset: Where its header begins, bytes.
        data_offset: Where its bytes begin.
        size: How many bytes; a file's are all there.
        is_file: Whether it is a file and nothing else: no link, no folder, no device, no sparse file.
    """

    name: str
    offset: int
    data_offset: int
    size: int
    is_file: bool


def read_members(handle: BinaryIO, offset: int = 0) -> Iterator[Member]:
    """Reads the headers from an offset on, which is where one begins; blocks.

    Raises:
        BrokenTar: It is no tar file, or ends in the middle. What is whole comes before.
        OSError: The disk fails.
    """
    file_bytes = os.fstat(handle.fileno()).st_size
    handle.seek(offset)
    try:
        archive: Any = tarfile.TarFile(fileobj=cast("IO[bytes]", _HeaderReader(handle)), mode="r")
        at = offset
        while (found := archive.next()) is not None:
            # It would keep them all.
            archive.members.clear()
            member = _member(found)
            _check(member, at, archive.offset, file_bytes)
            at = archive.offset
            yield member
        handle.seek(at)
        end = handle.read(_BLOCK_BYTES)
    except _HEADER_ERRORS as error:
        raise BrokenTar(str(error) or type(error).__name__) from error
    if end.strip(b"\0"):
        message = "what follows its last member is no header"
        raise BrokenTar(message)


def _check(member: Member, before: int, after: int, file_bytes: int) -> None:
    # A negative size would lead back to where the reader has been (CVE-2025-8194).
    if member.size < 0 or after <= before:
        message = "a header states a negative size"
        raise BrokenTar(message)
    if member.is_file and member.data_offset + member.size > file_bytes:
        message = f"it ends in the middle of its member at {member.offset:,}"
        raise BrokenTar(message)


def _member(found: tarfile.TarInfo) -> Member:
    is_file = found.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not found.issparse()
    return Member(found.name, found.offset, found.offset_data, found.size, is_file)


class _HeaderReader:
    """A file that gives no more at once than a header needs."""

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle

    def read(self, count: int = -1) -> bytes:
        if not 0 <= count <= _HEADER_MAX_BYTES:
            message = "a header is too long"
            raise BrokenTar(message)
        return self._handle.read(count)

    def seek(self, offset: int) -> int:
        return self._handle.seek(offset)

    def tell(self) -> int:
        return self._handle.tell()
