"""What the marks are like: some fonts, texts and kinds to train with, others to calibrate and test with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from services.watermark.evaluate.second_generator import SecondGenerator
from services.watermark.synthesis.drawn_marks import DrawnMarks
from services.watermark.synthesis.generator import MarkGenerator
from services.watermark.synthesis.lettering import Lettering
from services.watermark.synthesis.texts import HELD_OUT_TEXTS, TRAINING_TEXTS


@dataclass(frozen=True, slots=True)
class Marks:
    """What the marks are like. Without fonts they are written in the one inside Pillow.

    Attributes:
        fonts: Font files to train with.
        held_out_fonts: Font files to calibrate and test with.
        left_out: Kinds that are not trained on.
    """

    fonts: tuple[Path, ...] = ()
    held_out_fonts: tuple[Path, ...] = ()
    left_out: frozenset[str] = frozenset()

    def to_train(self) -> MarkGenerator:
        """Draws what is trained on; those left out among its kinds."""
        return DrawnMarks(Lettering(self.fonts, TRAINING_TEXTS))

    def font_digests(self) -> list[str]:
        """The SHA-256 of each font to train with."""
        return [hashlib.sha256(path.read_bytes()).hexdigest() for path in self.fonts]

    def to_calibrate(self) -> dict[str, MarkGenerator]:
        """Draws what is calibrated on, in other fonts and texts."""
        return {"first": DrawnMarks(Lettering(self.held_out_fonts, HELD_OUT_TEXTS))}

    def to_test(self) -> dict[str, MarkGenerator]:
        """Draws what is measured on: the same, and a second generator with fonts and texts of its own."""
        return {**self.to_calibrate(), "second": SecondGenerator()}
