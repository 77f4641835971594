"""The list of sample photos, `photos.toml`."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from samples.photo_folder import Role

_SIZE = re.compile(r"\d+x\d+")


@dataclass(frozen=True)
class ListedPhoto:
    """One photo of one package.

    Attributes:
        role: What the sample run uses it for.
        path: Inside the package.
        name: A file name for it, unique in the list: the package's name, and the picture's.
    """

    role: Role
    path: PurePosixPath
    name: str


@dataclass(frozen=True)
class ListedPackage:
    """One Debian package and what is used of it.

    Attributes:
        name: As apt knows it.
        licence: Of its pictures, as its copyright file states it.
        source: Where they come from, one line.
        photos: The chosen ones.
    """

    name: str
    licence: str
    source: str
    photos: tuple[ListedPhoto, ...]


@dataclass(frozen=True)
class PhotoList:
    """All chosen photos.

    Attributes:
        packages: In the list's order.
        key: Digest of the list: another key means other photos.
    """

    packages: tuple[ListedPackage, ...]
    key: str


def read_photo_list(path: Path | None = None) -> PhotoList:
    """Reads the list at `path`; the one beside this module if None."""
    text = (path or Path(__file__).with_name("photos.toml")).read_bytes()
    tables = tomllib.loads(text.decode())["package"]
    packages = tuple(
        ListedPackage(table["name"], table["license"], table["source"], tuple(_photos(table)))
        for table in tables
    )
    return PhotoList(packages, hashlib.sha256(text).hexdigest())


def _photos(table: dict[str, str | list[str]]) -> Iterator[ListedPhoto]:
    for role in Role:
        for relative in table[role]:
            path = PurePosixPath(str(table["folder"]), relative)
            yield ListedPhoto(role, path, f"{table['name']}_{_label(PurePosixPath(relative))}")


def _label(relative: PurePosixPath) -> str:
    """The picture's own name: its file's, or the first folder's where the file is named by its size."""
    if _SIZE.fullmatch(relative.stem):
        return f"{relative.parts[0]}{relative.suffix}"
    return relative.name
