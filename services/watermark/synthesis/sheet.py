"""A contact sheet: a row for each kind, for a person to see whether its marks look like real ones."""

from __future__ import annotations

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from services.watermark.synthesis.generator import MarkGenerator
from services.watermark.synthesis.photo_folder import PhotoFolder

_CELL_PX = 360
_LABEL_PX = 22
_COLUMNS = 5
_GROUND = (70, 70, 70)


def contact_sheet(photos: PhotoFolder, generator: MarkGenerator, seed: int) -> PillowImage.Image:
    """Every kind five times, each on another photo."""
    kinds = generator.kinds
    row_px = _CELL_PX + _LABEL_PX
    sheet = PillowImage.new("RGB", (_COLUMNS * _CELL_PX, len(kinds) * row_px), _GROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for row, kind in enumerate(kinds):
        for column in range(_COLUMNS):
            index = row * _COLUMNS + column
            _, photo = photos.photo(index)
            drawn = generator.draw(photo, kind, np.random.default_rng((seed, index)))
            image = PillowImage.fromarray(drawn.pixels)
            image.thumbnail((_CELL_PX - 4, _CELL_PX - 4), PillowImage.Resampling.LANCZOS)
            left, top = column * _CELL_PX, row * row_px
            sheet.paste(image, (left, top + _LABEL_PX))
            label = f"{kind}  opacity {drawn.opacity:.2f}  width {drawn.width_ratio:.2f}"
            draw.text((left + 2, top + 3), label, font=font, fill=(255, 255, 255))
    return sheet
