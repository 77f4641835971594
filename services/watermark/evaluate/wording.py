"""What the second generator writes, and in which fonts: words and families of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.font_manager import FontProperties, get_font
from matplotlib.path import Path as Curve
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from services.servicekit.errors import Misconfigured
from services.watermark.evaluate.outline import Outline, Piece

NAMES = (
    "Ferngully Atelier",
    "Marrow & Thistle",
    "Osprey Kollektiv",
    "Lumen Harbor",
    "Fotoklubben Skarv",
    "Estúdio Maré",
    "Halbzeit Bildwerk",
    "Tidewrack",
    "Ольга Ветрова",
    "Φωτοθήκη Νότος",
    "Zażółć Studio",
    "N. Quillfeather",
)
HANDLES = ("@quill.frames", "@two_herons", "@mosslight", "/u/driftglass", "@kestrel35mm", "@ø.nord")
DOMAINS = (
    "pixelwren.example",
    "www.saltmarsh-prints.test",
    "thornbury.example/gallery",
    "bildarkiv.example",
    "lightkeeper.test",
)
SHOUTS = (
    "PREVIEW ONLY",
    "UNLICENSED",
    "COMP IMAGE",
    "MUESTRA",
    "ENTWURF",
    "BOZZA",
    "ОБРАЗЕЦ",
    "ÉPREUVE",
)

# matplotlib's own files beside DejaVu, which many systems have and a trainer may find.
_BUNDLED = (
    "STIXGeneral.ttf",
    "STIXGeneralBol.ttf",
    "STIXGeneralItalic.ttf",
    "STIXGeneralBolIta.ttf",
    "cmb10.ttf",
    "cmr10.ttf",
    "cmss10.ttf",
    "cmti10.ttf",
    "cmtt10.ttf",
)
# Computer Modern keeps other signs where Unicode has the rest.
_PLAIN = re.compile(r"[A-Za-z0-9 .,@/&-]*")
_SIZE = 100.0


@dataclass(frozen=True, slots=True)
class Font:
    """A font file.

    Attributes:
        path: The file.
        family: The name of its family, which holds its weights and slopes together.
    """

    path: Path
    family: str

    def has(self, text: str) -> bool:
        """Whether it has a glyph for every character but spaces."""
        if self.family.startswith("cm") and not _PLAIN.fullmatch(text):
            return False
        characters = get_font(self.path).get_charmap()
        return all(ord(character) in characters for character in text if character != " ")

    def outline(self, text: str, *, spacing: float = 0.0) -> Outline:
        """The text as curves, its letters about 70 high; `spacing` more between letters, in shares of their size."""
        properties = FontProperties(fname=self.path)
        if not spacing:
            return (Piece(_flipped(TextPath((0, 0), text, size=_SIZE, prop=properties))),)
        pieces, x = [], 0.0
        for character in text:
            if character == " ":
                x += _SIZE * (0.4 + spacing)
                continue
            glyph = TextPath((x, 0), character, size=_SIZE, prop=properties)
            pieces.append(Piece(_flipped(glyph)))
            x += float(glyph.get_extents().width) + _SIZE * (0.08 + spacing)
        return tuple(pieces)


def bundled_fonts() -> tuple[Font, ...]:
    """The STIX and Computer Modern fonts in matplotlib."""
    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    return tuple(_font(folder / name) for name in _BUNDLED)


def fonts_of(files: Sequence[Path]) -> tuple[Font, ...]:
    """The fonts in these files, in their order.

    Raises:
        Misconfigured: One cannot be read.
    """
    return tuple(_font(path) for path in files)


def choose_font(fonts: Sequence[Font], text: str, rng: np.random.Generator) -> Font:
    """One of the fonts that have all of the text.

    Raises:
        Misconfigured: None has.
    """
    fitting = [font for font in fonts if font.has(text)]
    if not fitting:
        message = f"none of {len(fonts)} fonts has all letters of {text!r}"
        raise Misconfigured(message)
    return fitting[int(rng.integers(len(fitting)))]


def choose_text(texts: Sequence[str], fonts: Sequence[Font], rng: np.random.Generator) -> str:
    """One of the texts that a font has.

    Raises:
        Misconfigured: No font has any of them.
    """
    writable = [text for text in texts if any(font.has(text) for font in fonts)]
    if not writable:
        message = f"none of {len(fonts)} fonts has the letters of any text, such as {texts[0]!r}"
        raise Misconfigured(message)
    return writable[int(rng.integers(len(writable)))]


def _font(path: Path) -> Font:
    try:
        return Font(path, get_font(path).family_name)
    except (OSError, RuntimeError) as error:
        message = f"{path}: this font cannot be read: {error}"
        raise Misconfigured(message) from error


def _flipped(curve: Curve) -> Curve:
    return Affine2D().scale(1, -1).transform_path(curve)
