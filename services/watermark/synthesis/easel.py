"""A photo to be marked: where stamps are put on a transparent layer over it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw

from services.servicekit.image import Rgb
from services.watermark.synthesis.blending import Blend
from services.watermark.synthesis.finishing import Shape, Stamp, edge_of, finished
from services.watermark.synthesis.generator import Box
from services.watermark.synthesis.ink import (
    BLACK,
    WHITE,
    Colour,
    Finish,
    Ink,
    choose_ink,
    visible_ink,
)
from services.watermark.synthesis.lettering import Lettering

Place = tuple[int, int]
"""Left and top of a stamp, pixels; may be outside of the photo."""

_VIEW_PX = 32


@dataclass(slots=True)
class Easel:
    """One photo while a mark is drawn.

    Attributes:
        overlay: RGBA, of the photo's size.
        levels: (32, 32) mean grey levels of the photo.
        lettering: What is written, and with what.
        rng: What chance is taken from.
        bold: Whether ink and grounds are those that are seen best where they are.
        ink: The mark's ink; chosen with its first stamp if none is given.
        width_px: Width of the mark, or of one copy of it.
        text: What was written.
    """

    overlay: PillowImage.Image
    levels: Rgb
    lettering: Lettering
    rng: np.random.Generator
    bold: bool = False
    ink: Ink | None = None
    width_px: float = 0.0
    text: str = ""

    @property
    def width(self) -> int:
        """Of the photo, pixels."""
        return self.overlay.width

    @property
    def height(self) -> int:
        """Of the photo, pixels."""
        return self.overlay.height

    @property
    def draw(self) -> ImageDraw.ImageDraw:
        """Draws on the overlay."""
        return ImageDraw.Draw(self.overlay)

    def ink_at(self, place: Place, shape: Shape) -> Ink:
        """The mark's ink, chosen for this place if it has none yet."""
        if self.ink is None:
            level = self.level_at(place, shape)
            self.ink = visible_ink(level) if self.bold else choose_ink(self.rng, level)
        return self.ink

    def level_at(self, place: Place, shape: Shape) -> float:
        """The mean grey level of the photo under a shape, 0..255."""
        left, top = place
        return self._level_in((left, top, left + shape.width, top + shape.height))

    def _level_in(self, box: Box) -> float:
        across, down = _VIEW_PX / self.width, _VIEW_PX / self.height
        x = min(max(int(box[0] * across), 0), _VIEW_PX - 1)
        y = min(max(int(box[1] * down), 0), _VIEW_PX - 1)
        right, bottom = max(math.ceil(box[2] * across), x + 1), max(math.ceil(box[3] * down), y + 1)
        return float(self.levels[y:bottom, x:right].mean())

    def put(self, shape: Shape, places: Sequence[Place], *, turn: float = 0.0) -> None:
        """Puts a shape in ink at places (of the shape itself), turned by degrees around its middle."""
        self.width_px = max(self.width_px, float(min(shape.width, self.width)))
        if turn:
            turned = shape.rotate(turn, PillowImage.Resampling.BICUBIC, expand=True)
            moved = ((turned.width - shape.width) // 2, (turned.height - shape.height) // 2)
            shape = turned
            places = [(left - moved[0], top - moved[1]) for left, top in places]
            self.width_px = max(self.width_px, float(min(turned.width, self.width)))
        margin = 2 * edge_of(shape)
        stamp = finished(shape, self.ink_at(places[0], shape))
        for left, top in places:
            self.paste(stamp, (left - margin, top - margin))

    def paste(self, stamp: Stamp, place: Place) -> None:
        """Lays a stamp on the overlay, as far as it is inside."""
        left, top = place
        if not (-stamp.width < left < self.width and -stamp.height < top < self.height):
            return
        source = (max(-left, 0), max(-top, 0))
        self.overlay.alpha_composite(stamp, (max(left, 0), max(top, 0)), source)

    def lay_ground(self, box: Box, alpha: float) -> None:
        """Fills a box of the photo for something to be put on it; the mark's ink is then what is seen on that."""
        colour, letters = self._ground_colours(box)
        left, top, right, bottom = box
        self.overlay.paste((*colour, round(255 * alpha)), (left, top, right, bottom))
        self.ink = Ink(letters, Finish.PLAIN, Blend.NORMAL)

    def _ground_colours(self, box: Box) -> tuple[Colour, Colour]:
        """Of a ground and of what is put on it: against the photo on a bold easel, else as it comes."""
        if self.bold:
            return (WHITE, BLACK) if self._level_in(box) < 128 else (BLACK, WHITE)
        if self.rng.random() < 0.2:
            red, green, blue = (int(value) for value in self.rng.integers(0, 160, size=3))
            return (red, green, blue), WHITE
        return (BLACK, WHITE) if self.rng.random() < 0.65 else (WHITE, BLACK)

    def corner(self, shape: Shape) -> Place:
        """A place near a corner or the middle of the lower edge; mostly at the lower right."""
        margin = self.rng.uniform(0.01, 0.05) * min(self.width, self.height)
        corners = ((1, 1), (1, 1), (1, 1), (0, 1), (0, 1), (0, 0), (1, 0), (0.5, 1), (0.5, 0))
        across, down = corners[int(self.rng.integers(len(corners)))]
        left = margin + across * (self.width - 2 * margin - shape.width)
        top = margin + down * (self.height - 2 * margin - shape.height)
        return round(left), round(top)

    def around(self, shape: Shape, across: float, down: float) -> Place:
        """The place that brings the shape's middle to these shares of the photo's sides."""
        left = round(self.width * across - shape.width / 2)
        return left, round(self.height * down - shape.height / 2)


def easel_for(
    photo: Rgb, lettering: Lettering, rng: np.random.Generator, *, bold: bool = False
) -> Easel:
    """An empty easel over an (h, w, 3) uint8 photo."""
    image = PillowImage.fromarray(photo)
    view = image.resize((_VIEW_PX, _VIEW_PX), PillowImage.Resampling.BOX, reducing_gap=1.0)
    overlay = PillowImage.new("RGBA", image.size, (0, 0, 0, 0))
    return Easel(overlay, np.asarray(view.convert("L")), lettering, rng, bold)
