from __future__ import annotations

import numpy as np
import pytest

from services.watermark.evaluate import wording
from services.watermark.evaluate.second_generator import OPACITIES, SecondGenerator
from services.watermark.evaluate.wording import bundled_fonts
from services.watermark.synthesis.drawn_marks import DrawnMarks
from services.watermark.synthesis.lettering import Lettering
from services.watermark.synthesis.texts import TRAINING_TEXTS

GENERATOR = SecondGenerator()
MARKS = [kind for kind in GENERATOR.kinds if kind not in GENERATOR.hard_negatives]


def photo(level=None, *, height_px=240, width_px=320):
    """Grey of one level, or a soft gradient."""
    if level is not None:
        return np.full((height_px, width_px, 3), level, np.uint8)
    ramp = np.linspace(30, 220, width_px).astype(np.uint8)
    return np.repeat(np.repeat(ramp[None, :, None], height_px, axis=0), 3, axis=2)


@pytest.mark.parametrize("kind", MARKS)
def test_a_mark_changes_what_its_mask_says(kind):
    """By 10 levels in it, by less outside; opacity and width are in their ranges; the photo stays as it was."""
    before = photo()
    kept = before.copy()
    for seed in range(4):
        drawn = GENERATOR.draw(before, kind, np.random.default_rng(seed))
        apart = np.abs(drawn.pixels.astype(int) - kept).max(axis=2)
        assert drawn.is_mark
        assert drawn.kind == kind
        assert drawn.mask.any()
        assert np.array_equal(drawn.mask, apart >= 10)
        assert OPACITIES[0] <= drawn.opacity <= OPACITIES[1]
        assert 0 < drawn.width_ratio <= 1
    assert np.array_equal(before, kept)


@pytest.mark.parametrize("kind", ["corner", "logo", "badge", "signature", "copyright-line"])
def test_the_width_is_that_of_the_mark(kind):
    """The box around the mask is as wide as said, up to soft edges and shadows; it lies on the photo."""
    for seed in range(6):
        before = photo(120, height_px=600, width_px=800)
        drawn = GENERATOR.draw(before, kind, np.random.default_rng(seed))
        left, _, right, _ = drawn.box
        assert (right - left) / 800 == pytest.approx(drawn.width_ratio, rel=0.15, abs=0.015)


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("kind", MARKS)
def test_marks_are_seen_on_any_photo(kind, level):
    """White on white and black on black are drawn in the other ink."""
    drawn = GENERATOR.draw(photo(level), kind, np.random.default_rng(5))

    assert drawn.mask.any()


def test_a_tiled_mark_is_everywhere():
    """In each quarter of the photo."""
    for seed in range(5):
        mask = GENERATOR.draw(photo(120), "tiled", np.random.default_rng(seed)).mask
        quarters = mask.reshape(2, 120, 2, 160).any(axis=(1, 3))
        assert quarters.all()


@pytest.mark.parametrize("kind", GENERATOR.hard_negatives)
def test_a_hard_negative_is_no_mark(kind):
    """It changes the photo, and its mask is empty."""
    before = photo()
    drawn = GENERATOR.draw(before, kind, np.random.default_rng(0))

    assert not drawn.is_mark
    assert not drawn.mask.any()
    assert not np.array_equal(drawn.pixels, before)


@pytest.mark.parametrize("kind", GENERATOR.kinds)
def test_the_same_random_numbers_draw_the_same(kind):
    """And others draw something else."""
    first, again, other = (
        GENERATOR.draw(photo(), kind, np.random.default_rng(seed)).pixels for seed in (7, 7, 8)
    )

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("size", [(32, 32), (40, 400), (400, 40), (449, 447)])
def test_every_size_can_be_marked(size):
    """Small photos and long ones."""
    before = photo(120, height_px=size[0], width_px=size[1])
    for kind in GENERATOR.kinds:
        drawn = GENERATOR.draw(before, kind, np.random.default_rng(1))
        assert drawn.pixels.shape == before.shape


def test_it_writes_in_the_fonts_it_is_given():
    """One family alone: no other is used."""
    stix = [font for font in bundled_fonts() if font.family == "STIXGeneral"]

    assert SecondGenerator(stix).families == {"STIXGeneral"}


def test_no_text_is_drawn_by_both_generators():
    """What a detector is trained with the second one does not write."""
    rng = np.random.default_rng(0)
    first = DrawnMarks(Lettering((), TRAINING_TEXTS))
    texts = {first.draw(photo(120), kind, rng).text for kind in first.kinds for _ in range(4)}
    ours = (*wording.NAMES, *wording.HANDLES, *wording.DOMAINS, *wording.SHOUTS)

    assert len(texts - {""}) > 20
    assert not [text for text in texts for our in ours if our.lower() in text.lower()]
