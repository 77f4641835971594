"""A contact sheet: a row for each kind, for a person to see whether its marks look like real ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont, ImageOps

from services.servicekit.errors import Misconfigured
from services.watermark.synthesis.generator import MarkedPhoto, MarkGenerator
from services.watermark.synthesis.photo_folder import PhotoFolder
from services.watermark.writing import replacing

COLUMNS = 5
_CELL_PX = (336, 252)
_GAP_PX = 16
_HEADING_PX = 34
_CAPTION_PX = 24
_PAPER, _LINE, _INK, _FAINT = (255, 255, 255), (200, 205, 210), (28, 32, 36), (92, 102, 112)
_SUFFIXES = {".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
_QUALITY = 82


def check_place(path: Path, made: Path) -> None:
    """Passes the path of a file that a sheet can be written to: told before the work, not after it.

    Args:
        path: Of the sheet.
        made: A folder that may not be there yet, and will be.

    Raises:
        Misconfigured: Its suffix is not one of .jpg, .jpeg and .webp, or there is no such folder.
    """
    _check_suffix(path)
    if not path.parent.is_dir() and path.parent.resolve() != made.resolve():
        message = f"{path}: cannot be written: there is no folder {path.parent}"
        raise Misconfigured(message)


def write_sheet(sheet: PillowImage.Image, path: Path) -> None:
    """Writes it in the format that its suffix names.

    Raises:
        Misconfigured: The suffix is of no such format.
        FileNotWritten: The disk is full, for example.
    """
    _check_suffix(path)
    with replacing(path) as draft:
        sheet.save(draft, _SUFFIXES[path.suffix.lower()], quality=_QUALITY)


def contact_sheet(photos: PhotoFolder, generator: MarkGenerator, seed: int) -> PillowImage.Image:
    """Every kind five times, each on another photo: 1,776 pixels wide."""
    rows = []
    for row, kind in enumerate(generator.kinds):
        cells = []
        for index in range(row * COLUMNS, (row + 1) * COLUMNS):
            _, photo = photos.photo(index)
            drawn = generator.draw(photo, kind, np.random.default_rng((seed, index)))
            cells.append(_Cell(_small(drawn), _caption(drawn)))
        is_mark = kind not in generator.hard_negatives
        rows.append(_row_picture(_heading(kind, is_mark=is_mark), cells))
    sheet = PillowImage.new("RGB", (rows[0].width, sum(row.height for row in rows)), _PAPER)
    top = 0
    for picture in rows:
        sheet.paste(picture, (0, top))
        top += picture.height
    return sheet


def _check_suffix(path: Path) -> None:
    if path.suffix.lower() not in _SUFFIXES:
        message = f"{path}: a sheet is a file with the suffix {' or '.join(_SUFFIXES)}"
        raise Misconfigured(message)


@dataclass(frozen=True, slots=True)
class _Cell:
    picture: PillowImage.Image
    caption: str


def _small(drawn: MarkedPhoto) -> PillowImage.Image:
    picture = PillowImage.fromarray(drawn.pixels)
    picture.thumbnail(_CELL_PX, PillowImage.Resampling.LANCZOS)
    # A white frame in the photo would not be seen on paper.
    return ImageOps.expand(picture, 1, _LINE)


def _caption(drawn: MarkedPhoto) -> str:
    """A hard negative has no opacity or width that anybody would ask for."""
    if not drawn.is_mark:
        return ""
    return f"opacity {drawn.opacity:.2f}, {drawn.width_ratio:.0%} of the width"


def _heading(kind: str, *, is_mark: bool) -> str:
    words = kind.replace("_", " ")
    return words if is_mark else f"{words}: a hard negative, no mark"


def _row_picture(heading: str, cells: Sequence[_Cell]) -> PillowImage.Image:
    tallest_px = max(cell.picture.height for cell in cells)
    caption_px = _CAPTION_PX if any(cell.caption for cell in cells) else 0
    step_px = _CELL_PX[0] + _GAP_PX
    height_px = _GAP_PX + _HEADING_PX + tallest_px + caption_px
    row = PillowImage.new("RGB", (len(cells) * step_px + _GAP_PX, height_px), _PAPER)
    draw = ImageDraw.Draw(row)
    draw.text((_GAP_PX, _GAP_PX), heading, font=ImageFont.load_default(22), fill=_INK)
    for column, cell in enumerate(cells):
        left, top = _GAP_PX + column * step_px, _GAP_PX + _HEADING_PX
        row.paste(cell.picture, (left, top))
        place = (left, top + cell.picture.height + 4)
        draw.text(place, cell.caption, font=ImageFont.load_default(15), fill=_FAINT)
    return row
