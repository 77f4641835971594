from __future__ import annotations

import numpy as np
import pytest
from PIL import features

from services.watermark.train.lettering import (
    HELD_OUT_TEXTS,
    TRAINING_TEXTS,
    Lettering,
    find_fonts,
    load_font,
)
from tests.watermark.train.lettering_for_tests import TRAINING


def test_held_out_texts_share_nothing_with_training():
    """Neither what names are made of nor what is said around them."""
    for part in ("syllables", "signatures", "warnings"):
        assert not set(getattr(TRAINING_TEXTS, part)) & set(getattr(HELD_OUT_TEXTS, part))


def test_texts_are_filled_in():
    """No template is left in what is written, and one seed writes one text."""
    for write in (TRAINING.signature, TRAINING.warning):
        texts = [write(np.random.default_rng(seed)) for seed in range(200)]

        assert texts == [write(np.random.default_rng(seed)) for seed in range(200)]
        assert len(set(texts)) > 50
        assert not any("{" in text or not text.strip() for text in texts)


def test_fonts_are_found_by_their_names(tmp_path):
    """In every folder, deep down, in one order."""
    for name in ("b/z.ttf", "b/a.OTF", "b/c/d.ttf", "b/readme.txt", "a/e.ttf"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    found = find_fonts([tmp_path / "b", tmp_path / "a"])

    names = [str(path.relative_to(tmp_path)) for path in found]
    assert names == ["b/a.OTF", "b/c/d.ttf", "b/z.ttf", "a/e.ttf"]


def test_without_fonts_pillow_writes_in_its_own():
    """Which scales; nothing is smaller than 6 pixels."""
    lettering = Lettering((), TRAINING_TEXTS)

    assert features.check("freetype2")
    assert lettering.choose_font(np.random.default_rng(0)) is None
    assert load_font(None, 40).getlength("mark") == pytest.approx(
        2 * load_font(None, 20).getlength("mark"), rel=0.1
    )
    assert load_font(None, 1).size == 6
