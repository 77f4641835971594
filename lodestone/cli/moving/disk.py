"""Files that are on the disk, whole, when they have their names."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from pathlib import Path
from typing import Final

PART: Final = ".part"


class NotReadable(Exception):
    """A file that is not to be read; the text says why."""


def sync(path: Path) -> None:
    """Writes a file, or the names in a folder, through to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes) -> None:
    """Gives a file new content at once: whoever looks sees the old or the new one."""
    part = path.with_name(path.name + PART)
    part.write_bytes(content)
    sync(part)
    part.replace(path)
    sync(path.parent)


def place(part: Path, path: Path) -> None:
    """Gives a synced file or folder its name, in place of what a crash left there."""
    if path.is_dir():
        remove(path)
    part.replace(path)
    sync(path.parent)


def remove(path: Path) -> None:
    """Removes a file, or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def read_regular(path: Path, *, max_bytes: int) -> bytes:
    """Reads a file that is one: no link, no pipe, no device.

    Raises:
        NotReadable: It is none, too large, or cannot be read.
    """
    try:
        if path.is_symlink():
            raise NotReadable("it is a link, and links are not followed")
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as handle:
            facts = os.fstat(handle.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise NotReadable("it is no plain file")
            if facts.st_size > max_bytes:
                raise NotReadable(
                    f"it has {facts.st_size:,} bytes, and at most {max_bytes:,} are read"
                )
            return handle.read(max_bytes)
    except OSError as error:
        raise NotReadable(f"it cannot be read: {error.strerror}") from error
