"""Sample photos as folders on disk, one folder a role, whole or not there at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from samples.errors import TooFewPhotosError

Progress = Callable[[str], None]

_INDEX: Final = "photos.json"


class Role(StrEnum):
    """What the sample run uses a photo for."""

    LIKED = "liked"
    HELD_BACK = "held_back"
    BACKGROUND = "background"
    OTHER = "other"


MINIMUM: Final = {Role.LIKED: 12, Role.HELD_BACK: 6, Role.BACKGROUND: 10, Role.OTHER: 20}


@dataclass(frozen=True)
class Photo:
    """One photo and where it is from.

    Attributes:
        role: What it is for.
        name: Its file name, unique among all roles.
        licence: Under which it is free.
        author: Who made it, as far as its source says; may be empty.
        source: Where it is from, one line.
    """

    role: Role
    name: str
    licence: str
    author: str
    source: str


@dataclass(frozen=True)
class SamplePhotos:
    """The sample photos.

    Attributes:
        folder: Holds one folder for each role, named like it, with nothing but photos in it.
        liked: What the profile is learned from.
        held_back: The same kind, for the crawl to find.
        background: Another kind, for the profile to be told from.
        other: That other kind again, for the crawl to reject.
    """

    folder: Path
    liked: tuple[Path, ...]
    held_back: tuple[Path, ...]
    background: tuple[Path, ...]
    other: tuple[Path, ...]


def load_photos(folder: Path, key: str) -> SamplePhotos | None:
    """The photos that `seal_photos` left in `folder` under `key`; None if they are not there, or not all."""
    try:
        index = json.loads((folder / _INDEX).read_text())
        if index["key"] != key:
            return None
        paths = {role: _paths(folder, role, index["photos"]) for role in Role}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not all(path.is_file() for role in Role for path in paths[role]):
        return None
    return SamplePhotos(
        folder,
        liked=paths[Role.LIKED],
        held_back=paths[Role.HELD_BACK],
        background=paths[Role.BACKGROUND],
        other=paths[Role.OTHER],
    )


def list_photos(folder: Path) -> list[Photo]:
    """What `seal_photos` wrote of the photos in `folder`.

    Raises:
        OSError: There is no index.
    """
    rows = json.loads((folder / _INDEX).read_text())["photos"]
    return [Photo(**{**row, "role": Role(row["role"])}) for row in rows]


def seal_photos(
    folder: Path, photos: Iterable[Photo], *, key: str, missing: Iterable[str] = ()
) -> None:
    """Writes the index of the photos that lie in `folder`.

    Args:
        folder: Has a file `<role>/<name>` for each photo.
        photos: What to list.
        key: Of what they were chosen by.
        missing: Packages that were not to be had, for the error.

    Raises:
        TooFewPhotosError: Too few of some role.
    """
    rows = [asdict(photo) for photo in photos]
    for role, wanted in MINIMUM.items():
        found = sum(row["role"] == role for row in rows)
        if found < wanted:
            raise TooFewPhotosError(role, found=found, wanted=wanted, missing=tuple(missing))
    (folder / _INDEX).write_text(json.dumps({"key": key, "photos": rows}, indent=1))


def link_or_copy(source: Path, target: Path) -> None:
    """Puts the file `source` at `target` too: a hard link where the file system allows it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _paths(folder: Path, role: Role, rows: list[dict[str, str]]) -> tuple[Path, ...]:
    return tuple(folder / role / row["name"] for row in rows if row["role"] == role)
