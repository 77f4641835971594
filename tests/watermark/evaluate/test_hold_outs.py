from __future__ import annotations

import numpy as np
import pytest

from services.servicekit.errors import Misconfigured
from services.watermark.evaluate import wording
from services.watermark.evaluate.hold_outs import hold_outs_of
from services.watermark.evaluate.second_generator import SecondGenerator
from services.watermark.evaluate.wording import bundled_fonts
from services.watermark.synthesis.drawn_marks import DrawnMarks
from services.watermark.synthesis.lettering import Lettering
from services.watermark.synthesis.texts import TRAINING_TEXTS


def test_each_name_is_held_out_once():
    """And is not among those to train with; copies are one."""
    turns = hold_outs_of(["b", "a", "c", "a"])

    assert [turn.held_out for turn in turns] == ["a", "b", "c"]
    assert all(sorted((turn.held_out, *turn.training)) == ["a", "b", "c"] for turn in turns)


def test_font_families_are_held_out_whole():
    """Bold and italic go with their family: no font of a turn is on both sides."""
    fonts = bundled_fonts()
    for turn in hold_outs_of([font.family for font in fonts]):
        training = [font for font in fonts if font.family in turn.training]
        held_out = [font for font in fonts if font.family == turn.held_out]
        assert not SecondGenerator(training).families & SecondGenerator(held_out).families
        assert len(training) + len(held_out) == len(fonts)


def test_one_name_cannot_be_held_out():
    """Nothing would be left to train with."""
    with pytest.raises(Misconfigured, match="two at least"):
        hold_outs_of(["only", "only"])


def test_no_text_is_drawn_by_both_generators():
    """What one is trained with the other does not write."""
    rng = np.random.default_rng(0)
    photo = np.full((120, 160, 3), 120, np.uint8)
    first = DrawnMarks(Lettering((), TRAINING_TEXTS))
    texts = {first.draw(photo, kind, rng).text for kind in first.kinds for _ in range(4)} - {""}
    ours = (*wording.NAMES, *wording.HANDLES, *wording.DOMAINS, *wording.SHOUTS)

    assert len(texts) > 20
    assert not [text for text in texts for our in ours if our.lower() in text.lower()]
