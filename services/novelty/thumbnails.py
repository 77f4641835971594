"""Small pictures of liked images: to show them, and to see whether verdicts hold in another precision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from services.novelty.mixture import Embeddings
from services.servicekit.errors import InvalidInput, ItemRejected
from services.servicekit.image import DecodeLimits, open_image

MAX_THUMBNAILS: Final = 64
MAX_JPEG_BYTES: Final = 64 * 1024
MAX_SIDE_PX: Final = 512

_JPEG_BEGINS: Final = b"\xff\xd8\xff"
_LIMITS: Final = DecodeLimits(max_bytes=MAX_JPEG_BYTES, max_pixels=MAX_SIDE_PX**2)


class UnfitThumbnail(InvalidInput):
    """A thumbnail cannot be kept.

    Attributes:
        index: Its place in the request, from 0.
        problem: What is wrong with it.
    """

    def __init__(self, index: int, problem: str) -> None:
        super().__init__(f"thumbnails[{index}]: {problem}")
        self.index = index
        self.problem = problem


@dataclass(frozen=True, slots=True, eq=False)
class Thumbnail:
    """A small picture of a liked image.

    Attributes:
        position: The place of the image among the liked ones, from 0.
        jpeg: At most 65,536 bytes, and 512 pixels a side.
        embedding: (dimension,) of that JPEG itself, norm 1, in the profile's precision.
    """

    position: int
    jpeg: bytes
    embedding: Embeddings


def check_thumbnails(thumbnails: Sequence[Thumbnail], liked_count: int) -> None:
    """Refuses thumbnails that are not what they should be; their embeddings apart.

    Args:
        thumbnails: All of a request.
        liked_count: How many images are liked.

    Raises:
        InvalidInput: There are none or more than 64.
        UnfitThumbnail: One is no JPEG that decodes, is too large, or is of an image that is not there or has another.
    """
    if not 1 <= len(thumbnails) <= MAX_THUMBNAILS:
        raise InvalidInput(f"{len(thumbnails)} thumbnails; a request has 1 to {MAX_THUMBNAILS}")
    positions: set[int] = set()
    for index, thumbnail in enumerate(thumbnails):
        problem = _problem(thumbnail, liked_count)
        if thumbnail.position in positions:
            problem = f"position {thumbnail.position} comes twice"
        if problem:
            raise UnfitThumbnail(index, problem)
        positions.add(thumbnail.position)


def joined(given: Sequence[Thumbnail], carried: Sequence[Thumbnail]) -> tuple[Thumbnail, ...]:
    """What was given and, as far as 64 allow, what a refit carried over of other images; by position."""
    positions = {thumbnail.position for thumbnail in given}
    others = [thumbnail for thumbnail in carried if thumbnail.position not in positions]
    together = [*given, *others[: MAX_THUMBNAILS - len(given)]]
    return tuple(sorted(together, key=lambda thumbnail: thumbnail.position))


def carried_over(
    thumbnails: Iterable[Thumbnail], position_of: Mapping[int, int]
) -> tuple[Thumbnail, ...]:
    """The thumbnails of images that stay in a refit under their new positions, by these.

    Args:
        thumbnails: Of the version that the refit begins with.
        position_of: The new positions of the images that stay, by their old ones.
    """
    staying = [
        replace(thumbnail, position=position_of[thumbnail.position])
        for thumbnail in thumbnails
        if thumbnail.position in position_of
    ]
    return tuple(sorted(staying, key=lambda thumbnail: thumbnail.position))


def _problem(thumbnail: Thumbnail, liked_count: int) -> str:
    if not 0 <= thumbnail.position < liked_count:
        return f"there is no liked image {thumbnail.position}: they are 0 to {liked_count - 1}"
    if not thumbnail.jpeg.startswith(_JPEG_BEGINS):
        return "it is no JPEG"
    try:
        opened = open_image(thumbnail.jpeg, _LIMITS)
        if max(opened.width_px, opened.height_px) > MAX_SIDE_PX:
            return f"{opened.width_px}x{opened.height_px} pixels, over {MAX_SIDE_PX} a side"
        opened.rgb()
    except ItemRejected as error:
        return error.reason
    return ""
