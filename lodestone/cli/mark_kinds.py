"""The kinds of mark that `lodestone watermark` draws."""

from __future__ import annotations

from enum import StrEnum


class MarkKind(StrEnum):
    """What an option that names a kind of mark takes."""

    SIGNATURE = "signature"
    ADDRESS = "address"
    RIGHTS = "rights"
    CENTER = "center"
    DIAGONAL = "diagonal"
    TILED = "tiled"
    STOCK = "stock"
    LOGO = "logo"
    BRAND = "brand"
    SCRIBBLE = "scribble"
    SIDE = "side"
    BAR = "bar"
    BANNER = "banner"
    STAMP = "stamp"
    PLATE = "plate"


KIND_NAMES = ", ".join(MarkKind)
"""All of them, for a help text."""
