"""Files that strangers may have put in the place of ours: only regular ones are read, and none is waited for."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from io import BufferedReader
from pathlib import Path


class NoRegularFile(OSError):
    """A link, folder, pipe or device has the name of a file."""


def file_digest(path: Path) -> tuple[str, int]:
    """SHA-256 of a file, 64 hex digits, and how many bytes it has.

    Raises:
        OSError: It is not there, no regular file, or cannot be read.
    """
    with _open_regular(path) as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
        return digest, handle.tell()


def read_file(path: Path, *, max_bytes: int) -> bytes:
    """The bytes of a file; empty if there are more than `max_bytes`.

    Raises:
        OSError: It is not there, no regular file, or cannot be read.
    """
    with _open_regular(path) as handle:
        content = handle.read(max_bytes + 1)
    return content if len(content) <= max_bytes else b""


def is_same_file(path: Path, other: Path) -> bool:
    """Whether two names are hard links to one file.

    Raises:
        FileNotFoundError: The first is not there.
    """
    first = path.lstat()
    try:
        return os.path.samestat(first, other.lstat())
    except FileNotFoundError:
        return False


def _open_regular(path: Path) -> BufferedReader:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _irregular() from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _irregular()
    return os.fdopen(descriptor, "rb")


def _irregular() -> NoRegularFile:
    return NoRegularFile("it is no regular file")
