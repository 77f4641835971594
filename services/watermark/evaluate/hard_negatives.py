"""What looks like a mark and is none: a camera's date, a frame, and a sign that stands in the scene."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.transforms import Affine2D
from PIL import Image as PillowImage

from services.servicekit.image import Rgb
from services.watermark.evaluate.compositing import Ink, inked
from services.watermark.evaluate.layouts import Canvas
from services.watermark.evaluate.outline import Outline, coverage, fitted, moved
from services.watermark.evaluate.wording import choose_font, choose_text

_DATE_INK = Ink((1.0, 0.35, 0.03), 0.9, softness_px=0.8)
_SIGNS = ("TRAILHEAD", "Bakery", "Gleis 4", "OPEN", "Plaza Mayor", "No. 27", "FERRY")

HardNegative = Callable[[Rgb, Canvas, np.random.Generator], tuple[Rgb, str]]
"""Gives the changed photo and the text on it."""


def date_stamp(photo: Rgb, canvas: Canvas, rng: np.random.Generator) -> tuple[Rgb, str]:
    """The orange date of a film camera, lower right."""
    text = f"{rng.integers(80, 100)} {rng.integers(1, 13)} {rng.integers(1, 29):02d}"
    font = choose_font(canvas.fonts, text, rng)
    width = canvas.width_px * float(rng.uniform(0.1, 0.2))
    place = Affine2D().translate(canvas.width_px * 0.95 - width / 2, canvas.height_px * 0.93)
    outline = moved(fitted(font.outline(text, spacing=0.15), width=width), place)
    covered = coverage(outline, height_px=canvas.height_px, width_px=canvas.width_px)
    return inked(photo, covered, _DATE_INK), text


def frame(photo: Rgb, _canvas: Canvas, rng: np.random.Generator) -> tuple[Rgb, str]:
    """A plain border in one colour, perhaps with a thin line in it."""
    framed = photo.copy()
    border = max(2, int(rng.uniform(0.01, 0.06) * min(photo.shape[:2])))
    inner = photo[border:-border, border:-border]
    framed[:] = rng.choice([0, 12, 240, 255])
    if rng.random() < 0.4:
        line = border // 2
        framed[line:-line, line:-line] = rng.choice([90, 180])
        framed[line + 2 : -line - 2, line + 2 : -line - 2] = framed[0, 0]
    framed[border:-border, border:-border] = inner
    return framed, ""


def scene_sign(photo: Rgb, canvas: Canvas, rng: np.random.Generator) -> tuple[Rgb, str]:
    """A painted board in perspective, with the grain and light of the photo around it."""
    text = choose_text(_SIGNS, canvas.fonts, rng)
    font = choose_font(canvas.fonts, text, rng)
    painted_board = _tilted(_board(font.outline(text), rng), rng)
    height_px, width_px = photo.shape[:2]
    wide = int(width_px * rng.uniform(0.1, 0.3))
    high = max(8, int(wide * rng.uniform(0.3, 0.5)))
    left = int(rng.uniform(0, width_px - wide))
    top = int(rng.uniform(0, max(1, height_px - high)))
    board = np.asarray(painted_board.resize((wide, high), PillowImage.Resampling.BICUBIC))
    board = board[: height_px - top]
    under = photo[top : top + len(board), left : left + wide].astype(np.float32)
    light = 0.6 + 0.4 * under.mean(axis=2, keepdims=True) / max(1.0, float(under.mean()))
    grain = rng.normal(0, 4, under.shape)
    alpha = board[..., 3:].astype(np.float32) / 255
    painted = np.clip(board[..., :3] * np.clip(light, 0.4, 1.15) + grain, 0, 255)
    changed = photo.copy()
    blended = under + alpha * (painted - under)
    changed[top : top + len(board), left : left + wide] = np.round(blended).astype(np.uint8)
    return changed, text


def _board(letters: Outline, rng: np.random.Generator) -> PillowImage.Image:
    """400×160 RGBA: a text in one paint on another."""
    place = Affine2D().translate(200, 80)
    outline = moved(fitted(letters, width=270), place)
    covered = coverage(outline, height_px=160, width_px=400)[..., None]
    paint, letter = rng.uniform(30, 110, 3), rng.uniform(170, 245, 3)
    if rng.random() < 0.5:
        paint, letter = letter, paint
    colours = paint + covered * (letter - paint)
    whole = np.dstack((colours, np.full((160, 400), 255.0)))
    return PillowImage.fromarray(np.round(whole).astype(np.uint8))


def _tilted(board: PillowImage.Image, rng: np.random.Generator) -> PillowImage.Image:
    """The board with one side farther away."""
    far = float(rng.uniform(-0.0003, 0.0003))
    lean = float(rng.uniform(-0.06, 0.06))
    coefficients = (1.0, 0.0, 0.0, lean, 1.0, 0.0, far, 0.0)
    return board.transform(
        board.size, PillowImage.Transform.PERSPECTIVE, coefficients, PillowImage.Resampling.BICUBIC
    )
