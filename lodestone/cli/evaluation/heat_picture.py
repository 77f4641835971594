"""What a detector says of the four quadrants of an image, laid over it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from PIL import Image as PillowImage

from lodestone.cli.pictures.drawing import (
    INK,
    PAPER,
    THRESHOLD,
    drawing_style,
    new_figure,
    set_title,
)

_WIDTH_PX: Final = 760
_HEIGHT_MAX_PX: Final = 1600
_TITLE_PX: Final = 70
_OPACITY_MAX: Final = 0.6

UPSCALED: Final = "scaled up: smaller than what the detector takes in"


def draw_heat(image: Path, facts: dict[str, Any]) -> Figure:
    """The image in grey; the redder a part, the more probable is a mark in it. 760 pixels wide, at most 1,600 high.

    Args:
        image: An image file.
        facts: `file`, `probability`, `threshold`, `upscaled`, `quadrants`, which are probabilities by the names of four
            parts, row by row, and `columns`, how many of these are side by side.
    """
    with PillowImage.open(image) as opened:
        grey = np.asarray(opened.convert("L"))
    height_px, width_px = grey.shape
    columns = facts["columns"]
    four = np.asarray(list(facts["quadrants"].values())).reshape(-1, columns)
    clear = LinearSegmentedColormap.from_list("clear", [THRESHOLD, THRESHOLD])
    with drawing_style():
        whole_px = round(_WIDTH_PX * height_px / width_px) + _TITLE_PX
        figure = new_figure(_WIDTH_PX, min(whole_px, _HEIGHT_MAX_PX))
        # A narrow picture stays under its title.
        axes = figure.add_subplot(anchor="W")
        extent = (0, width_px, height_px, 0)
        axes.imshow(grey, cmap="gray", vmin=0, vmax=255, extent=extent)
        axes.imshow(four, cmap=clear, alpha=four * _OPACITY_MAX, extent=extent)
        for place, value in enumerate(four.flat):
            row, column = divmod(place, columns)
            x, y = (column + 0.5) * width_px / columns, (row + 0.5) * height_px * columns / 4
            axes.text(
                *(x, y, f"{value:.2f}"),
                ha="center",
                color=INK,
                size="x-large",
                bbox={"facecolor": PAPER, "edgecolor": "none", "alpha": 0.8},
            )
        axes.set_axis_off()
        over = "over" if facts["probability"] > facts["threshold"] else "not over"
        words = f"{facts['probability']:.3f}, {over} the threshold of {facts['threshold']:g}"
        note = f"\n{UPSCALED}" if facts["upscaled"] else ""
        set_title(figure, axes, f"{facts['file']}: {words}{note}")
    return figure
