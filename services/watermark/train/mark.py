"""Marks: stamps placed over a photo as stock agencies, photographers and sites place them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw

from services.watermark.train.lettering import Lettering
from services.watermark.train.stamp import (
    Ink,
    Stamp,
    choose_ink,
    emblem_stamp,
    letter_stamp,
)

Overlay = PillowImage.Image


class MarkKind(StrEnum):
    """The kinds of mark, by how they lie on the photo."""

    CORNER = "corner"
    CENTER = "center"
    DIAGONAL = "diagonal"
    TILED = "tiled"
    LOGO = "logo"
    BAR = "bar"
    STOCK = "stock"


# Kinds that are harder to see are trained on more often.
_SHARES = {
    MarkKind.CORNER: 0.20,
    MarkKind.CENTER: 0.13,
    MarkKind.DIAGONAL: 0.19,
    MarkKind.TILED: 0.16,
    MarkKind.LOGO: 0.18,
    MarkKind.BAR: 0.06,
    MarkKind.STOCK: 0.08,
}


@dataclass(frozen=True, slots=True)
class MarkPlan:
    """What to draw.

    Attributes:
        kind: How the mark lies on the photo.
        opacity: Of its stamps, 0..1.
    """

    kind: MarkKind
    opacity: float


def choose_plan(rng: np.random.Generator, kind: MarkKind | None = None) -> MarkPlan:
    """A plan at random: any kind unless one is given, opacity 0.15 to 0.9."""
    chosen = kind or MarkKind(str(rng.choice(list(_SHARES), p=list(_SHARES.values()))))
    return MarkPlan(chosen, float(rng.uniform(0.15, 0.9)))


def draw_mark(
    plan: MarkPlan, size: tuple[int, int], lettering: Lettering, rng: np.random.Generator
) -> Overlay:
    """Draws one mark on a transparent RGBA layer of `size` (width, height) pixels."""
    overlay = PillowImage.new("RGBA", size, (0, 0, 0, 0))
    ink = choose_ink(rng, plan.opacity)
    _Mark(overlay, ink, lettering, rng).draw(plan.kind)
    return overlay


@dataclass(frozen=True, slots=True)
class _Mark:
    overlay: Overlay
    ink: Ink
    lettering: Lettering
    rng: np.random.Generator

    def draw(self, kind: MarkKind) -> None:
        draw = {
            MarkKind.CORNER: self._corner,
            MarkKind.CENTER: self._center,
            MarkKind.DIAGONAL: self._diagonal,
            MarkKind.TILED: self._tiled,
            MarkKind.LOGO: self._logo,
            MarkKind.BAR: self._bar,
            MarkKind.STOCK: self._stock,
        }[kind]
        draw()

    def _corner(self) -> None:
        stamp = self._letters(self.lettering.signature(self.rng), 0.12, 0.35)
        if self.rng.random() < 0.1:
            stamp = stamp.rotate(90, expand=True)
        self._place_in_corner(stamp)

    def _center(self) -> None:
        stamp = self._letters(self.lettering.warning(self.rng), 0.25, 0.7)
        across, down = self.rng.uniform(0.35, 0.65, size=2)
        self._paste_around(stamp, across, down)

    def _diagonal(self) -> None:
        stamp = self._letters(self.lettering.warning(self.rng), 0.5, 1.1)
        angle = float(self.rng.uniform(18, 55) * self.rng.choice([-1, 1]))
        self._paste_around(_turned(stamp, angle), 0.5, 0.5)

    def _tiled(self) -> None:
        stamp = self._letters(self.lettering.warning(self.rng), 0.12, 0.32)
        angle = float(self.rng.choice([0, 1]) * self.rng.uniform(-50, 50))
        self._repeat(_turned(stamp, angle))

    def _logo(self) -> None:
        text = self.lettering.warning(self.rng)
        width_px = self.overlay.width * self.rng.uniform(0.07, 0.3)
        font = self.lettering.choose_font(self.rng)
        letters = text[: int(self.rng.integers(1, 3))]
        stamp = emblem_stamp(letters, width_px, self.ink, font=font, rng=self.rng)
        if self.rng.random() < 0.6:
            self._place_in_corner(stamp)
        else:
            across, down = self.rng.uniform(0.2, 0.8, size=2)
            self._paste_around(stamp, across, down)

    def _bar(self) -> None:
        width_px, height_px = self.overlay.size
        thick_px = max(round(height_px * self.rng.uniform(0.035, 0.1)), 8)
        top = 0 if self.rng.random() < 0.25 else height_px - thick_px
        level = int(self.rng.choice([0, 20, 235, 255]))
        ground = (level, level, level, round(255 * self.ink.opacity))
        ImageDraw.Draw(self.overlay).rectangle((0, top, width_px, top + thick_px), fill=ground)
        ink = Ink((255 - level,) * 3, self.ink.finish, min(self.ink.opacity + 0.2, 1.0))
        text = self.lettering.signature(self.rng)
        font = self.lettering.choose_font(self.rng)
        wide = letter_stamp(text, width_px * 0.5, ink, font)
        scale = thick_px * 0.8 / wide.height
        stamp = letter_stamp(text, width_px * 0.5 * min(scale, 1.6), ink, font)
        left = round((width_px - stamp.width) * float(self.rng.choice([0.03, 0.5, 0.97])))
        self.overlay.alpha_composite(*_clipped(stamp, left, top + (thick_px - stamp.height) // 2))

    def _stock(self) -> None:
        width_px, height_px = self.overlay.size
        draw = ImageDraw.Draw(self.overlay)
        line = (*self.ink.colour, round(255 * self.ink.opacity))
        thick_px = max(round(width_px * self.rng.uniform(0.002, 0.006)), 1)
        draw.line((0, 0, width_px, height_px), fill=line, width=thick_px)
        draw.line((0, height_px, width_px, 0), fill=line, width=thick_px)
        self._paste_around(self._letters(self.lettering.warning(self.rng), 0.25, 0.5), 0.5, 0.5)
        if self.rng.random() < 0.5:
            self._place_in_corner(self._letters(self.lettering.signature(self.rng), 0.12, 0.3))

    def _letters(self, text: str, low: float, high: float) -> Stamp:
        width_px = self.overlay.width * self.rng.uniform(low, high)
        return letter_stamp(text, width_px, self.ink, self.lettering.choose_font(self.rng))

    def _place_in_corner(self, stamp: Stamp) -> None:
        margin = self.rng.uniform(0.01, 0.05)
        across, down = ((1, 1), (1, 1), (0, 1), (0, 0), (1, 0), (0.5, 1))[self.rng.integers(6)]
        room_x = self.overlay.width * (1 - 2 * margin) - stamp.width
        room_y = self.overlay.height * (1 - 2 * margin) - stamp.height
        left = round(self.overlay.width * margin + across * room_x)
        top = round(self.overlay.height * margin + down * room_y)
        self.overlay.alpha_composite(*_clipped(stamp, left, top))

    def _paste_around(self, stamp: Stamp, across: float, down: float) -> None:
        left = round(self.overlay.width * across - stamp.width / 2)
        top = round(self.overlay.height * down - stamp.height / 2)
        if left < self.overlay.width and top < self.overlay.height:
            self.overlay.alpha_composite(*_clipped(stamp, left, top))

    def _repeat(self, stamp: Stamp) -> None:
        step_x = max(round(stamp.width * self.rng.uniform(1.1, 2.0)), 8)
        step_y = max(round(stamp.height * self.rng.uniform(1.3, 4.0)), 8)
        shift = step_x // 2 if self.rng.random() < 0.5 else 0
        top = -int(self.rng.integers(step_y))
        for row in range(math.ceil((self.overlay.height - top) / step_y)):
            left = -int(stamp.width // 2) - shift * (row % 2)
            while left < self.overlay.width:
                self.overlay.alpha_composite(*_clipped(stamp, left, top + row * step_y))
                left += step_x


def _turned(stamp: Stamp, angle: float) -> Stamp:
    return stamp.rotate(angle, PillowImage.Resampling.BICUBIC, expand=True)


def _clipped(stamp: Stamp, left: int, top: int) -> tuple[Stamp, tuple[int, int], tuple[int, int]]:
    """The arguments of `alpha_composite`, which refuses a negative destination."""
    source = (min(max(-left, 0), stamp.width), min(max(-top, 0), stamp.height))
    return stamp, (max(left, 0), max(top, 0)), source
