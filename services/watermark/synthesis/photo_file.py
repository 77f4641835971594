"""A file that may be a photo: read within bounds, whatever it turns out to be, and named so that it can be written."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from services.servicekit.errors import ItemRejected, LodestoneError
from services.servicekit.image import DecodeLimits, Rgb, decode

_LIMITS: Final = DecodeLimits()


class PhotoUnreadable(LodestoneError):
    """A file is no photo that can be read.

    Attributes:
        path: The file.
        reason: Why not.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{shown(str(path))}: {reason}")
        self.path = path
        self.reason = reason


def read_photo(path: Path) -> Rgb:
    """Decodes a photo, (h, w, 3) uint8.

    Raises:
        PhotoUnreadable: As for `read_photo_bytes`, or it does not decode.
    """
    encoded = read_photo_bytes(path)
    try:
        return decode(encoded, _LIMITS).rgb
    except ItemRejected as error:
        raise PhotoUnreadable(path, error.reason) from error


def read_photo_bytes(path: Path) -> bytes:
    """The bytes of a regular file; never more than a photo may have, and no wait for a pipe that nobody writes to.

    Raises:
        PhotoUnreadable: It is no regular file, has too many bytes, or cannot be read.
    """
    try:
        with open(path, "rb", opener=_open) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise PhotoUnreadable(path, "it is no file")
            encoded = file.read(_LIMITS.max_bytes + 1)
    except OSError as error:
        raise PhotoUnreadable(path, error.strerror or type(error).__name__) from error
    if len(encoded) > _LIMITS.max_bytes:
        raise PhotoUnreadable(path, f"it has over {_LIMITS.max_bytes:,} bytes")
    return encoded


def shown(name: str) -> str:
    """A file's name as it can be written in UTF-8: with U+FFFD for what is none."""
    return os.fsencode(name).decode("utf-8", "replace")


def _open(path: str, flags: int) -> int:
    # A pipe must not block.
    return os.open(path, flags | os.O_NONBLOCK)
