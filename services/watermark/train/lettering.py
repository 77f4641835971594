"""What marks are written in: fonts and texts, one set to train with and another to test with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import ImageFont

Font = ImageFont.FreeTypeFont

_SUFFIXES = (".ttf", ".otf")
_SMALLEST_PX = 6


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts that marks say.

    Attributes:
        syllables: What names are put together from, two or three a name.
        signatures: Templates of short texts that credit somebody; `{name}` and `{year}` are filled in.
        warnings: Templates of short texts that forbid or advertise.
    """

    syllables: tuple[str, ...]
    signatures: tuple[str, ...]
    warnings: tuple[str, ...]


TRAINING_TEXTS = Texts(
    syllables=(
        "al", "an", "ber", "cor", "del", "el", "fer", "gar", "hol", "in", "jo", "ka", "lin", "mar",
        "nor", "os", "pet", "ri", "sun", "tor", "um", "ver", "win", "yor", "zen", "land", "ton",
        "field", "smith", "berg",
    ),
    signatures=(
        "© {name}", "© {year} {name}", "{name} Photography", "@{name}", "www.{name}.com",
        "{name}.de", "photo: {name}", "{name} {name}", "(c) {name} {year}", "{name}",
        "by {name}", "{name}.photos", "Foto {name}", "{name} Images", "f/{name}",
    ),
    warnings=(
        "SAMPLE", "PREVIEW", "{name}stock", "DRAFT", "DO NOT COPY", "{name} images", "COPYRIGHT",
        "{name}.com", "PROOF", "© {name}", "WATERMARK", "{name} {year}", "ALL RIGHTS RESERVED",
        "CONFIDENTIAL", "NOT FOR SALE", "{name}",
    ),
)  # fmt: skip

HELD_OUT_TEXTS = Texts(
    syllables=(
        "bi", "chu", "dra", "eth", "fio", "gwen", "hux", "ix", "kei", "lum", "moy", "neb", "oph",
        "qua", "rhi", "sko", "tae", "ulv", "wex", "yps", "zo", "wood", "mann", "sson", "ley",
        "vale",
    ),
    signatures=(
        "{name} Studio", "Copyright {year} {name}", "instagram.com/{name}", "{name}.net",
        "shot by {name}", "#{name}", "{name} & {name}", "Picture {name}/{name}", "{name}-art.org",
    ),
    warnings=(
        "{name}pix", "UNLICENSED", "EVALUATION", "{name} agency", "COMP IMAGE", "PROTECTED",
        "{name} premium", "www.{name}.org", "TRIAL VERSION",
    ),
)  # fmt: skip


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
        """One of the fonts, or None for Pillow's own."""
        return self.fonts[rng.integers(len(self.fonts))] if self.fonts else None

    def signature(self, rng: np.random.Generator) -> str:
        """A short text that credits somebody."""
        return self._fill(self.texts.signatures, rng)

    def warning(self, rng: np.random.Generator) -> str:
        """A short text that forbids or advertises."""
        return self._fill(self.texts.warnings, rng)

    def _fill(self, templates: Sequence[str], rng: np.random.Generator) -> str:
        text = templates[int(rng.integers(len(templates)))]
        while "{name}" in text:
            text = text.replace("{name}", self._name(rng), 1)
        text = text.replace("{year}", str(rng.integers(1998, 2027)))
        change = rng.random()
        return text.upper() if change < 0.2 else text.lower() if change < 0.3 else text

    def _name(self, rng: np.random.Generator) -> str:
        chosen = rng.choice(self.texts.syllables, size=int(rng.integers(2, 4)))
        return "".join(chosen).capitalize()


def find_fonts(folders: Sequence[Path]) -> tuple[Path, ...]:
    """Every TrueType and OpenType file under the folders, in the order of their paths."""
    return tuple(
        path
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in _SUFFIXES
    )


@lru_cache(maxsize=512)
def load_font(path: Path | None, size_px: int) -> Font:
    """A font at a size; None is Pillow's own."""
    size_px = max(size_px, _SMALLEST_PX)
    if path is None:
        font = ImageFont.load_default(size_px)
        assert isinstance(font, ImageFont.FreeTypeFont)
        return font
    return ImageFont.truetype(path, size_px)
