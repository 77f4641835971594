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

QUADRANTS: Final = ("top-left", "top-right", "bottom-left", "bottom-right")
_WIDTH_PX: Final = 760
_OPACITY_MAX: Final = 0.6


def draw_heat(image: Path, facts: dict[str, Any]) -> Figure:
    """The image in grey; the redder a quadrant, the more probable is a mark in it.

    Args:
        image: An image file.
        facts: `file`, `probability`, `threshold` and `quadrants`, probabilities by `QUADRANTS`.
    """
    with PillowImage.open(image) as opened:
        grey = np.asarray(opened.convert("L"))
    height_px, width_px = grey.shape
    four = np.asarray([facts["quadrants"][name] for name in QUADRANTS]).reshape(2, 2)
    clear = LinearSegmentedColormap.from_list("clear", [THRESHOLD, THRESHOLD])
    with drawing_style():
        figure = new_figure(_WIDTH_PX, round(_WIDTH_PX * height_px / width_px) + 70)
        axes = figure.add_subplot()
        extent = (0, width_px, height_px, 0)
        axes.imshow(grey, cmap="gray", vmin=0, vmax=255, extent=extent)
        axes.imshow(four, cmap=clear, alpha=four * _OPACITY_MAX, extent=extent)
        for place, value in enumerate(four.flat):
            x, y = (place % 2 + 0.5) * width_px / 2, (place // 2 + 0.5) * height_px / 2
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
        set_title(figure, axes, f"{facts['file']}: {words}")
    return figure
