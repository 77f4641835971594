"""One hostile or odd image, and what must become of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from services.crawler.crawl.placeholders import Placeholders

FETCHED = "FETCHED"
# The sides of the input that the worker makes of each image, for looking at its colours.
INPUT_PX = 16

Color = tuple[int, int, int]


@dataclass(frozen=True)
class ImageCase:
    """A row of the table.

    Attributes:
        number: The number of the image, and a letter.
        name: What it is.
        make: Makes its bytes.
        expected: The outcome's reason, or FETCHED.
        size_px: Width and height that it must have, upright; None if they do not matter.
        animated: Whether it must count as the first of several frames.
        flat: Whether it must count as flat, so that only its digest tells it from others; None if it does not matter.
        colors: What the worker's input of 16x16 pixels must show, by row and column.
        same_as: Makes an image that it must be a near-duplicate of.
        placeholders: Makes the list of placeholders that is configured.
        memory_mb: By how much the worker may grow over what it had when it was ready, megabytes.
        wall_s: The limit on its time, seconds, at which the worker is killed.
        kills: Whether it is expected to cost the worker's life.
    """

    number: str
    name: str
    make: Callable[[], bytes]
    expected: str = FETCHED
    size_px: tuple[int, int] | None = None
    animated: bool = False
    flat: bool | None = None
    colors: Mapping[tuple[int, int], Color] = field(default_factory=dict)
    same_as: Callable[[], bytes] | None = None
    placeholders: Callable[[], Placeholders] = Placeholders
    memory_mb: int = 64
    wall_s: float = 20.0
    kills: bool = False
