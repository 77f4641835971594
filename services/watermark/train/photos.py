"""The photos to train with, each with exactly one role."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import structlog

from services.servicekit.errors import ItemRejected, LodestoneError, Misconfigured
from services.servicekit.image import DecodeLimits, Rgb, decode

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_LIMITS = DecodeLimits()
_FEW = 50


class PhotoLost(LodestoneError):
    """A photo that was found at the start is not there any more, or is another one.

    Attributes:
        path: Its file.
        reason: What is wrong with it.
    """

    def __init__(self, path: Path, reason: str) -> None:
        # The fields as they are: the error crosses from the process that draws to the one that trains.
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: this photo was there when the training began: {self.reason}"


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
        calibrate: All calibrate, in place of those that would; for sources that nothing is trained on.
        held_out: Half calibrates, half tests, or all test if others calibrate; for sources that nothing is trained on.
        clean: Really clean images with all that users post: 80 % train, 10 % calibrate, 10 % test.
        marked: Images with real marks, the same.
    """

    training: tuple[Path, ...]
    calibrate: tuple[Path, ...] = ()
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
        digest: The SHA-256 of its bytes, 64 hex digits.
        labelled: Whether it is judged as it is; marks are drawn on the others.
        marked: Whether it carries a real mark.
    """

    path: Path
    source: str
    role: Role
    digest: str
    labelled: bool = False
    marked: bool = False

    def read(self) -> Rgb:
        """Decodes it: (height, width, 3) uint8.

        Raises:
            PhotoLost: The file is gone, or has other bytes than it had.
        """
        try:
            encoded = self.path.read_bytes()
        except OSError as error:
            raise PhotoLost(self.path, error.strerror or type(error).__name__) from error
        if hashlib.sha256(encoded).hexdigest() != self.digest:
            raise PhotoLost(self.path, "it has changed")
        return decode(encoded, _LIMITS).rgb


def find_photos(folders: PhotoFolders) -> list[Photo]:
    """Finds photos and gives them roles by their bytes' SHA-256, so that no photo has two.

    A copy of an earlier file is left out, and so is, with its reason in the log, whatever is no regular file or cannot
    be read or decoded. Where some photos are given to calibrate with, no others do: those that would are left out.

    Raises:
        Misconfigured: A folder is missing, no photo is left for a role, or a folder to calibrate with has no photo of
            its own or is trained on.
    """
    # Of two copies the first is kept: what trains must not test.
    groups = (
        (folders.training, (0.8, 0.9), False, False),
        (folders.calibrate, (0.0, 1.0), False, False),
        (folders.held_out, (0.0, 0.0 if folders.calibrate else 0.5), False, False),
        (folders.clean, (0.8, 0.9), True, False),
        (folders.marked, (0.8, 0.9), True, True),
    )
    seen: set[str] = set()
    photos = [
        Photo(path, folder.name, role_of(digest, bounds), digest, labelled, marked)
        for group, bounds, labelled, marked in groups
        for folder in group
        for path, digest in _new_files(folder, seen)
    ]
    if folders.calibrate:
        _require_other_sources(photos, folders)
        photos = [photo for photo in photos if _may_calibrate(photo, folders)]
    for role in Role:
        if not any(photo.role is role and not photo.labelled for photo in photos):
            message = f"{len(photos)} photos are too few: none is left to {role.value}"
            raise Misconfigured(message)
    _tell_counts(photos)
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


def _require_other_sources(photos: Sequence[Photo], folders: PhotoFolders) -> None:
    """Each folder to calibrate with has photos, and is none that is trained on."""
    trained = {folder.resolve() for folder in folders.training}
    for folder in folders.calibrate:
        if folder.resolve() in trained:
            message = f"{folder}: photos that train cannot calibrate: give those of other sources"
            raise Misconfigured(message)
        if not any(photo.path.is_relative_to(folder) for photo in photos):
            message = f"{folder}: no photo in it that was not given before"
            raise Misconfigured(message)


def _may_calibrate(photo: Photo, folders: PhotoFolders) -> bool:
    """Whether it keeps its role where some photos are given to calibrate with."""
    given = any(photo.path.is_relative_to(folder) for folder in folders.calibrate)
    return given or photo.labelled or photo.role is not Role.CALIBRATE


def _tell_counts(photos: Sequence[Photo]) -> None:
    """How many photos have which role; few to train with are worth a warning."""
    counts = {role.value: len(drawn_on(photos, role)) for role in Role}
    labelled = sum(photo.labelled for photo in photos)
    structlog.get_logger().info("photos", **counts, labelled=labelled)
    count = counts[Role.TRAIN]
    if count < _FEW:
        structlog.get_logger().warning("few_photos_to_train_with", count=count, better_from=_FEW)


def _new_files(folder: Path, seen: set[str]) -> Iterator[tuple[Path, str]]:
    """The folder's readable photos and their digests, without those seen before."""
    if not folder.is_dir():
        message = f"{folder}: there is no such folder of photos"
        raise Misconfigured(message)
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in _SUFFIXES:
            continue
        encoded = _photo_bytes(path)
        if encoded is None:
            continue
        digest = hashlib.sha256(encoded).hexdigest()
        if digest not in seen:
            seen.add(digest)
            yield path, digest


def _photo_bytes(path: Path) -> bytes | None:
    """A photo's bytes, which decode; None for anything else, with the reason in the log."""
    try:
        # A pipe with such a name would be waited for.
        if path.is_file():
            encoded = path.read_bytes()
            decode(encoded, _LIMITS)
            return encoded
        reason = "no regular file"
    except ItemRejected as error:
        reason = error.reason
    except OSError as error:
        reason = error.strerror or type(error).__name__
    structlog.get_logger().warning("photo_left_out", path=str(path), reason=reason)
    return None
