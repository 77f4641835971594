"""Image files on this machine: found, and read as the services take them."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lodestone.cli.errors import CliError
from lodestone.cli.words import printable
from lodestone.image.v1.image_pb2 import Image

IMAGE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif"})
MAX_BYTES: Final = 20_000_000
UNREADABLE: Final = "UNREADABLE"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that has no pixels to offer.

    Attributes:
        verdict: A word: the contract's rejection code, or `UNREADABLE` for what never reached a service.
        reason: A sentence.
    """

    verdict: str
    reason: str


def find_images(folder: Path) -> list[Path]:
    """The image files of a folder and its subfolders, by suffix, sorted.

    Raises:
        CliError: It is missing, no folder, empty, or has no images.
    """
    if not folder.exists():
        raise CliError(f"there is no folder {folder}")
    if not folder.is_dir():
        raise CliError(f"{folder} is not a folder")
    files = regular_files(folder)
    images = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    if not files:
        raise CliError(f"the folder {folder} is empty")
    if not images:
        raise CliError(f"the folder {folder} has no images (jpg, png, webp, gif or avif)")
    return images


def other_files(folder: Path) -> Counter[str]:
    """What `find_images` leaves out of a folder and its subfolders, by kind: `.heic`, `no suffix`, `broken link`.

    A link to a folder is one, `linked folder`: nobody looks into it.

    Raises:
        OSError: A folder cannot be listed.
    """
    kinds: Counter[str] = Counter()
    for parent, folders, names in os.walk(folder, onerror=_raise):
        kinds["linked folder"] += sum((Path(parent) / name).is_symlink() for name in folders)
        for path in (Path(parent) / name for name in names):
            suffix = path.suffix.lower()
            if not path.exists():
                kinds["broken link"] += 1
            elif suffix not in IMAGE_SUFFIXES or not path.is_file():
                kinds[suffix or "no suffix"] += 1
    return +kinds


def regular_files(folder: Path) -> list[Path]:
    """Every regular file of a folder and its subfolders, sorted.

    Raises:
        OSError: A folder cannot be listed.
    """
    found = []
    for parent, _, names in os.walk(folder, onerror=_raise):
        found += [Path(parent) / name for name in names]
    return sorted(path for path in found if path.is_file())


def expand(paths: list[Path]) -> Iterator[Path]:
    """Folders as their regular files (an empty one as itself), files as they are.

    Raises:
        CliError: A path is not there.
    """
    for path in paths:
        if not path.exists():
            raise CliError(f"there is no file or folder {path}")
    for path in paths:
        inside = regular_files(path) if path.is_dir() else []
        yield from inside or [path]


async def read_image(path: Path) -> Image | Unreadable:
    """The file as the services take it; what cannot be read, or is over 20 MB, is a reason instead."""
    return await asyncio.to_thread(_read, path)


def _read(path: Path) -> Image | Unreadable:
    try:
        if path.is_dir():
            return Unreadable(UNREADABLE, "the folder is empty")
        if not path.is_file():
            return Unreadable(UNREADABLE, "not a regular file")
        size_bytes = path.stat().st_size
        if size_bytes > MAX_BYTES:
            reason = f"{size_bytes:,} bytes are more than the limit of {MAX_BYTES:,}"
            return Unreadable("TOO_MANY_BYTES", reason)
        return Image(encoded=path.read_bytes())
    except OSError as error:
        return Unreadable(UNREADABLE, (error.strerror or "cannot be read").lower())


def shown(path: Path) -> str:
    """A path for people, without control characters or broken encodings."""
    return printable(str(path))


def _raise(error: OSError) -> None:
    raise error
