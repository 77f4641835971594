"""The photos to train with, each with exactly one role."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import structlog

from services.servicekit.errors import ItemRejected, Misconfigured
from services.servicekit.image import DecodeLimits, Rgb, decode

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_LIMITS = DecodeLimits()


class Role(StrEnum):
    """What a photo is used for."""

    TRAIN = "train"
    CALIBRATE = "calibrate"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class PhotoFolders:
    """Where the photos are.

    Attributes:
        training: 80 % train, 10 % calibrate, 10 % test.
        held_out: Half calibrates, half tests; for sources that nothing is trained on.
        clean: Really clean images with all that users post: 80 % train, 10 % calibrate, 10 % test.
        marked: Images with real marks, the same.
    """

    training: tuple[Path, ...]
    held_out: tuple[Path, ...] = ()
    clean: tuple[Path, ...] = ()
    marked: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo.

    Attributes:
        path: Its file, which decodes.
        source: The name of the folder that was given, for the report.
        role: What it is used for.
        labelled: Whether it is judged as it is; marks are drawn on the others.
        marked: Whether it carries a real mark.
    """

    path: Path
    source: str
    role: Role
    labelled: bool = False
    marked: bool = False

    def read(self) -> Rgb:
        """Decodes it: (height, width, 3) uint8."""
        return decode(self.path.read_bytes(), _LIMITS).rgb


def find_photos(folders: PhotoFolders) -> list[Photo]:
    """Finds photos and gives them roles by their bytes' SHA-256, so that no photo has two.

    A copy of an earlier file and a file that does not decode are left out.

    Raises:
        Misconfigured: A folder is missing, or no photo is left for a role.
    """
    # Of two copies the first is kept: what trains must not test.
    groups = (
        (folders.training, (0.8, 0.9), False, False),
        (folders.held_out, (0.0, 0.5), False, False),
        (folders.clean, (0.8, 0.9), True, False),
        (folders.marked, (0.8, 0.9), True, True),
    )
    seen: set[str] = set()
    photos = [
        Photo(path, folder.name, role_of(digest, bounds), labelled, marked)
        for group, bounds, labelled, marked in groups
        for folder in group
        for path, digest in _new_files(folder, seen)
    ]
    for role in Role:
        if not any(photo.role is role and not photo.labelled for photo in photos):
            message = f"{len(photos)} photos are too few: none is left to {role.value}"
            raise Misconfigured(message)
    return photos


def drawn_on(photos: Sequence[Photo], role: Role) -> list[Photo]:
    """Those of a role that marks are drawn on: no labelled ones."""
    return [photo for photo in photos if photo.role is role and not photo.labelled]


def count_by_source(photos: Sequence[Photo]) -> dict[str, dict[str, int]]:
    """How many photos of each source have which role."""
    by_source: dict[str, dict[str, int]] = {}
    for photo in photos:
        roles = by_source.setdefault(photo.source, {})
        roles[photo.role.value] = roles.get(photo.role.value, 0) + 1
    return by_source


def role_of(digest: str, bounds: tuple[float, float]) -> Role:
    """The role of the photo with this SHA-256 (64 hex digits).

    Args:
        digest: Its first 32 bits are taken as a share, 0..1.
        bounds: Shares under the first train, shares under the second calibrate, the others test.
    """
    share = int(digest[:8], 16) / 2**32
    if share < bounds[0]:
        return Role.TRAIN
    return Role.CALIBRATE if share < bounds[1] else Role.TEST


def _new_files(folder: Path, seen: set[str]) -> Iterator[tuple[Path, str]]:
    """The folder's readable photos and their digests, without those seen before."""
    if not folder.is_dir():
        message = f"{folder}: there is no such folder of photos"
        raise Misconfigured(message)
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in _SUFFIXES:
            continue
        encoded = path.read_bytes()
        digest = hashlib.sha256(encoded).hexdigest()
        if digest in seen:
            continue
        seen.add(digest)
        try:
            decode(encoded, _LIMITS)
        except ItemRejected as error:
            structlog.get_logger().warning("photo_left_out", path=str(path), reason=error.reason)
            continue
        yield path, digest
