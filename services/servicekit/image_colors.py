"""Every mode that an image file may have, as 8-bit RGB."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

# What brings a colour of the file's depth, in which `tRNS` states the clear one, to the 8 bits that Pillow gives.
_SCALES_TO_8_BITS = {"L;2": 85.0, "L;4": 17.0, "RGB;16B": 1 / 256}


def raw_mode(image: PillowImage.Image) -> str:
    """How a file that is not loaded yet stores its pixels, for example `RGB;16B`; empty if it does not say."""
    tiles = getattr(image, "tile", [])
    arguments = tiles[0][3] if tiles else ""
    return arguments if isinstance(arguments, str) else ""


def to_rgb(image: PillowImage.Image, *, stored_as: str = "") -> PillowImage.Image:
    """Brings a loaded image of any mode to 8-bit RGB; one that is RGB is returned as it is.

    Transparency is laid over white: an alpha channel, clear palette entries, or the one clear colour of a PNG's `tRNS`
    (https://www.w3.org/TR/png-3/#11tRNS), which counts in the depth of the file, hence `stored_as`, its `raw_mode`.
    16 bits keep their upper 8. CMYK goes by (1 - C)(1 - K); colour profiles are not applied.
    """
    if image.mode.startswith("I;16"):
        return _grey_of_16_bits(image)
    if stored_as in _SCALES_TO_8_BITS:
        _scale_clear_color(image, _SCALES_TO_8_BITS[stored_as])
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = PillowImage.new("RGBA", rgba.size, "white")
        return PillowImage.alpha_composite(white, rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _grey_of_16_bits(image: PillowImage.Image) -> PillowImage.Image:
    # `convert` clips 16 bits to 8 instead of scaling them.
    values: npt.NDArray[np.uint16] = np.asarray(image, dtype=np.uint16)
    scaled = (values >> 8).astype(np.uint8)
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        scaled[values == clear] = 255
    return PillowImage.fromarray(scaled).convert("RGB")


def _scale_clear_color(image: PillowImage.Image, scale: float) -> None:
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        image.info["transparency"] = min(255, int(clear * scale))
    elif isinstance(clear, tuple):
        image.info["transparency"] = tuple(min(255, int(channel * scale)) for channel in clear)
