"""Whether an image has more detail than a smaller copy of it could have: an enlargement has more pixels and no more."""

from __future__ import annotations

import math
from itertools import product
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

_Grey = npt.NDArray[np.float64]

# Pixels a side. So many of them, on an even grid, are looked at: the cost does not grow with the image.
TILE_PX: Final = 256
_TILES_A_SIDE: Final = 5
# Rings of spatial frequency, relative to the highest that the smaller copy can hold. The outer one begins where the
# filters that enlarge have faded out; the inner one says how strong detail is in this picture at all.
_INNER: Final = (0.55, 0.90)
_OUTER: Final = (1.10, 1.60)
# Of the highest frequency that the image itself can hold: over that are rounding and the edges of JPEG's blocks.
_HIGHEST: Final = 0.95
# Columns, or rows, in a window in which they are compared with each other.
_WINDOW: Final = 8
# Exclusive. Where pixels are repeated some columns do not differ from the next one at all; elsewhere the columns of a
# window differ from the next ones by about the same.
_EVEN: Final = 0.35
# Blocks and frames lie on the axes: so many lines of the spectrum on either side are left out.
_AXIS_LINES: Final = 3


def detail_ratio(grey: PillowImage.Image, beyond_px: int) -> float:
    """How much stronger or weaker detail is right over the highest frequency of a smaller copy than right under it.

    The quotient of mean spectral densities; photos have about (1.9)^-2.5 = 0.2 where they are sharp, as their spectrum
    falls with a power of the frequency between 2 and 3 (D. J. Field, "Relations between the statistics of natural
    images and the response properties of cortical cells", 1987). An enlargement has next to nothing over its source's
    highest frequency. 0 if pixels are repeated, or if the image is too small for the question.

    Args:
        grey: All pixels of an upright image, 8-bit grey, at least 2 a side.
        beyond_px: How many pixels the smaller copy has, 1 or more.
    """
    cutoff = math.sqrt(beyond_px / (grey.width * grey.height))
    tiles = _tiles(grey)
    if min(_evenness(tiles, axis) for axis in (1, 2)) < _EVEN:
        return 0.0
    power, frequencies = _power(tiles)
    inner = _mean(power, frequencies, _INNER[0] * cutoff, _INNER[1] * cutoff)
    outer = _mean(power, frequencies, _OUTER[0] * cutoff, min(_OUTER[1] * cutoff, _HIGHEST))
    return outer / inner if inner > 0.0 else 0.0


def _tiles(grey: PillowImage.Image) -> _Grey:
    """Tiles of an even grid, (n, side, side)."""
    side = min(TILE_PX, grey.width, grey.height)
    places = product(_places(grey.width, side), _places(grey.height, side))
    tiles = [grey.crop((left, top, left + side, top + side)) for left, top in places]
    return np.stack([np.asarray(tile, dtype=np.float64) for tile in tiles])


def _evenness(tiles: _Grey, axis: int) -> float:
    """How alike the differences between neighbours along an axis are, from place to place; near 0 if some are none."""
    if tiles.shape[axis] <= _WINDOW:
        return 1.0
    steps = np.abs(np.diff(tiles, axis=axis)).mean(axis=3 - axis)
    windows = np.lib.stride_tricks.sliding_window_view(steps, _WINDOW, axis=1)
    largest = windows.max(axis=2)
    shares = windows.min(axis=2)[largest > 0.0] / largest[largest > 0.0]
    return float(np.median(shares)) if shares.size else 0.0


def _power(tiles: _Grey) -> tuple[_Grey, _Grey]:
    """The spectral density, summed over tiles, and the frequency of each of its bins; 1 is half a wave a pixel."""
    side = tiles.shape[1]
    window = np.outer(np.hanning(side), np.hanning(side))
    total = np.zeros((side, side))
    for tile in tiles:
        total += np.abs(np.fft.fft2((tile - tile.mean()) * window)) ** 2
    lines = np.abs(np.fft.fftfreq(side, 1 / side))
    on_axis = lines < _AXIS_LINES
    frequencies = 2 * np.hypot(lines[:, None], lines) / side
    frequencies[on_axis, :] = frequencies[:, on_axis] = np.inf
    return total, frequencies


def _places(length: int, side: int) -> list[int]:
    """Where tiles begin, evenly from one edge to the other; fewer where they would lie over each other."""
    count = max(1, min(_TILES_A_SIDE, length // side))
    return [int(place) for place in np.linspace(0, length - side, count)]


def _mean(power: _Grey, frequencies: _Grey, low: float, high: float) -> float:
    inside = (frequencies >= low) & (frequencies < high)
    return float(power[inside].mean()) if inside.any() else 0.0
