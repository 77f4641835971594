"""What marks are written in: fonts, and which texts each of them can write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import ImageFont

from services.servicekit.errors import Misconfigured
from services.watermark.synthesis.texts import Texts

Font = ImageFont.FreeTypeFont

_SUFFIXES = (".ttf", ".otf")
_SMALLEST_PX = 5
_PROBE_PX = 20
_FOREIGN_SHARE = 0.1
_NO_CHARACTER = "\U0010ffff"
_LATIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@.:/-_#&()"


@dataclass(frozen=True, slots=True)
class Lettering:
    """Fonts and texts to write marks with.

    Attributes:
        fonts: TrueType or OpenType files; with none, the font inside Pillow (Aileron) is used.
        texts: What is written.
    """

    fonts: tuple[Path, ...]
    texts: Texts

    def choose_font(self, rng: np.random.Generator) -> Path | None:
        """One of the fonts, all families alike; None for Pillow's own."""
        if not self.fonts:
            return None
        families = _families(self.fonts)
        family = families[int(rng.integers(len(families)))]
        return family[int(rng.integers(len(family)))]

    def write(self, templates: Sequence[str], font: Path | None, rng: np.random.Generator) -> str:
        """A text from the templates, or now and then one in another script that the font has."""
        if rng.random() < _FOREIGN_SHARE:
            scripts = [texts for texts in self.texts.foreign if can_write(font, "".join(texts))]
            if scripts:
                return self.texts.fill(scripts[int(rng.integers(len(scripts)))], rng)
        text = self.texts.fill(templates, rng)
        return text if can_write(font, text) else text.replace("©", "(c)")


def find_fonts(folders: Sequence[Path]) -> tuple[Path, ...]:
    """Every TrueType and OpenType file under the folders that has Latin letters, in the order of their paths.

    Fonts of other scripts, of symbols and of pictures are left out.

    Raises:
        Misconfigured: A folder is not there or has no such font, or a file is no font that can be read.
    """
    return tuple(path for folder in folders for path in _fonts_in(folder))


@lru_cache(maxsize=512)
def load_font(path: Path | None, size_px: int) -> Font:
    """A font at a size; None is Pillow's own."""
    size_px = max(size_px, _SMALLEST_PX)
    if path is None:
        font = ImageFont.load_default(size_px)
        assert isinstance(font, ImageFont.FreeTypeFont)
        return font
    return ImageFont.truetype(path, size_px)


def can_write(font: Path | None, text: str) -> bool:
    """Whether the font has a glyph for every character."""
    return all(_has(font, character) for character in text if not character.isspace())


@lru_cache(maxsize=65_536)
def _has(font: Path | None, character: str) -> bool:
    """A character that a font does not have looks like one that no font has."""
    probe = load_font(font, _PROBE_PX)
    missing, drawn = probe.getmask(_NO_CHARACTER), probe.getmask(character)
    return drawn.getbbox() is not None and bytes(drawn) != bytes(missing)


def _fonts_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        message = f"{folder}: there is no such folder of fonts"
        raise Misconfigured(message)
    files = (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in _SUFFIXES)
    fonts = [path for path in files if path.is_file() and _has_letters(path)]
    if not fonts:
        message = f"{folder}: there are no fonts in it that write Latin letters (.ttf, .otf)"
        raise Misconfigured(message)
    return fonts


def _has_letters(path: Path) -> bool:
    """A font of last resort has letters too, but draws the same box for each."""
    try:
        probe = load_font(path, _PROBE_PX)
        return can_write(path, _LATIN) and bytes(probe.getmask("A")) != bytes(probe.getmask("B"))
    except OSError as error:
        # Pictures of one size alone, as emoji are.
        if str(error) == "invalid pixel size":
            return False
        message = f"{path}: this font cannot be read: {error}"
        raise Misconfigured(message) from error


@lru_cache(maxsize=16)
def _families(fonts: tuple[Path, ...]) -> tuple[tuple[Path, ...], ...]:
    families: dict[str, list[Path]] = {}
    for path in fonts:
        families.setdefault(load_font(path, _PROBE_PX).getname()[0] or path.name, []).append(path)
    return tuple(tuple(paths) for paths in families.values())
