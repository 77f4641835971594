"""What the sample site has: the photos as they are, and which copies of which of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from PIL import Image

from samples.copies import (
    SCREEN_PX,
    Maker,
    recompressed,
    resized,
    shrunk_size,
    truncated,
    watermarked,
)
from samples.photo_folder import SamplePhotos

_LONG_SIDES_PX = (2400, 1600)
_COPIED_LIKED = 9
# Of the photo's area: what `without_edges` leaves.
_SHARE_OF_PREVIEW = 0.64


class Kind(StrEnum):
    """What a file of the site is to the crawl."""

    HELD_BACK = "held_back"
    OTHER = "other"
    RESIZED_COPY = "resized_copy"
    RECOMPRESSED_COPY = "recompressed_copy"
    EXACT_COPY = "exact_copy"
    WATERMARKED_COPY = "watermarked_copy"
    LIKED_COPY = "liked_copy"
    TOO_SMALL = "too_small"
    BROKEN = "broken"
    MISSING = "missing"


@dataclass(frozen=True)
class Planned:
    """One file of the site.

    Attributes:
        name: Its file name.
        kind: What it is.
        photo: What it is made from; None for a file without a picture.
        make: Makes it from the decoded photo; None if it is the photo's bytes, or no picture.
    """

    name: str
    kind: Kind
    photo: Path | None
    make: Maker | None = None


def planned_files(photos: SamplePhotos) -> tuple[Planned, ...]:
    """Everything the site links to, the same for the same photos."""
    return (
        *(Planned(photo.name, Kind.HELD_BACK, photo) for photo in photos.held_back),
        *(Planned(photo.name, Kind.OTHER, photo) for photo in photos.other),
        *_copies_of_held_back(photos.held_back),
        *_copies_of_liked(photos.liked[:_COPIED_LIKED]),
        *_bad_files(photos.held_back),
    )


def _copies_of_held_back(held_back: tuple[Path, ...]) -> Iterator[Planned]:
    for i, photo in enumerate(held_back):
        side = _long_side(photo, prefer=_LONG_SIDES_PX[i % 2])
        if side is not None:
            name = f"{photo.stem}_{side}.jpg"
            yield Planned(name, Kind.RESIZED_COPY, photo, resized(side))
        if i % 2 == 0 and _area(_size(photo)) * _SHARE_OF_PREVIEW >= SCREEN_PX:
            name = f"{photo.stem}_preview.jpg"
            yield Planned(name, Kind.WATERMARKED_COPY, photo, watermarked)
        else:
            name = f"{photo.stem}_q40.jpg"
            yield Planned(name, Kind.RECOMPRESSED_COPY, photo, recompressed(40))
        if i % 3 == 0:
            yield Planned(f"copy_of_{photo.name}", Kind.EXACT_COPY, photo)


def _copies_of_liked(liked: tuple[Path, ...]) -> Iterator[Planned]:
    for i, photo in enumerate(liked):
        if _area(_size(photo)) < SCREEN_PX:
            continue
        side = _long_side(photo, prefer=_LONG_SIDES_PX[i % 2])
        if i % 3 == 0 and side is not None:
            yield Planned(f"{photo.stem}_{side}.jpg", Kind.LIKED_COPY, photo, resized(side))
        elif i % 3 == 1:
            yield Planned(f"{photo.stem}_q40.jpg", Kind.LIKED_COPY, photo, recompressed(40))
        else:
            yield Planned(f"copy_of_{photo.name}", Kind.LIKED_COPY, photo)


def _bad_files(held_back: tuple[Path, ...]) -> Iterator[Planned]:
    first, last = held_back[0], held_back[-1]
    yield Planned(f"{first.stem}_thumbnail.jpg", Kind.TOO_SMALL, first, resized(320))
    yield Planned(f"{last.stem}_cut_short.jpg", Kind.BROKEN, last, truncated)
    yield Planned("read_me.jpg", Kind.BROKEN, None)
    yield Planned("gone.jpg", Kind.MISSING, None)


def _long_side(photo: Path, *, prefer: int) -> int | None:
    """A longer side smaller than the photo's that leaves it large enough for the screen; None if none does."""
    size = _size(photo)
    for side in sorted(_LONG_SIDES_PX, key=lambda side: side != prefer):
        if side < max(size) and _area(shrunk_size(size, side)) >= SCREEN_PX:
            return side
    return None


def _size(photo: Path) -> tuple[int, int]:
    with Image.open(photo) as image:
        return image.size


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]
