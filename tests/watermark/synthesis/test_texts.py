from __future__ import annotations

from dataclasses import fields

import numpy as np

from services.watermark.synthesis.texts import HELD_OUT_TEXTS, TRAINING_TEXTS, Texts


def test_held_out_texts_share_nothing_with_training():
    """Neither what names are made of nor what is said around them."""
    for part in fields(Texts):
        assert not set(getattr(TRAINING_TEXTS, part.name)) & set(getattr(HELD_OUT_TEXTS, part.name))


def test_texts_are_filled_in():
    """No template is left in what is written, and one seed writes one text."""
    for texts in (TRAINING_TEXTS, HELD_OUT_TEXTS):
        for templates in (texts.signatures, texts.addresses, texts.rights, texts.warnings):
            written = [texts.fill(templates, np.random.default_rng(seed)) for seed in range(200)]

            assert written == [
                texts.fill(templates, np.random.default_rng(seed)) for seed in range(200)
            ]
            assert len(set(written)) > 50
            assert not any("{" in text or not text.strip() for text in written)
