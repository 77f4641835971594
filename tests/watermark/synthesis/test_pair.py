from __future__ import annotations

import numpy as np
import pytest

from services.watermark.synthesis.drawn_marks import KINDS, NEGATIVES
from services.watermark.synthesis.encoding import Encoding
from services.watermark.synthesis.pair import make_pair, shrunk
from tests.fakes.image_files import photo
from tests.watermark.synthesis.drawing import MARKS

PHOTO = photo(300, 200, seed=7)


def pair_of(kind, seed=0):
    return make_pair(PHOTO, MARKS, kind, np.random.default_rng(seed))


@pytest.mark.parametrize("kind", KINDS)
def test_both_images_go_through_one_encoding(kind):
    """Of one size, and where there is no mark they show nearly the same."""
    for seed in range(3):
        pair = pair_of(kind, seed)
        clean, marked = pair.encoded()
        mask = pair.mask_at(*pair.encoding.size)
        apart = np.abs(marked.astype(int) - clean.astype(int)).max(axis=2)

        assert isinstance(pair.encoding, Encoding)
        assert clean.shape == marked.shape == (*pair.encoding.size[::-1], 3)
        assert mask.shape == clean.shape[:2]
        assert np.median(apart[~mask]) < max(np.median(apart[mask]) / 2, 4)


def test_far_from_a_mark_the_files_show_the_same():
    """A JPEG spreads a change over a block or two, no further: nothing tells which image was marked."""
    seen = 0
    for seed in range(12):
        pair = pair_of("logo", seed)
        left, top, right, bottom = pair.drawn.box
        clean, marked = pair.encoded()
        across = pair.encoding.size[0] / pair.clean.shape[1]
        if any(saving.format == "WEBP" for saving in pair.encoding.savings):
            continue
        far = np.ones(clean.shape[:2], np.bool_)
        left, top, right, bottom = (round(side * across) for side in (left, top, right, bottom))
        far[max(top - 50, 0) : bottom + 50, max(left - 50, 0) : right + 50] = False
        assert np.array_equal(clean[far], marked[far])
        seen += far.any()
    assert seen >= 5


def test_a_pair_differs_in_the_mark_alone():
    """Before the encoding, to the pixel."""
    for seed in range(20):
        pair = pair_of("center", seed)
        apart = np.abs(pair.clean.astype(int) - pair.drawn.pixels).max(axis=2)

        assert np.array_equal(apart >= 10, pair.drawn.mask)


def test_marks_are_drawn_before_or_after_resizing():
    """Then the clean photo has the encoding's size already."""
    resized = [
        pair for pair in (pair_of("logo", seed) for seed in range(40))
        if pair.encoding.size != (300, 200)
    ]  # fmt: skip

    after = [pair.clean.shape[1::-1] == pair.encoding.size for pair in resized]
    assert 3 < sum(after) < len(after) - 3


def test_a_hard_negative_may_be_in_both_images():
    """It is named, and the mark's mask does not have it."""
    pairs = [pair_of("signature", seed) for seed in range(60)]
    with_negative = [pair for pair in pairs if pair.negative]

    assert 3 <= len(with_negative) <= 25
    assert {pair.negative for pair in with_negative} <= set(NEGATIVES)
    assert all(pair.drawn.kind == "signature" for pair in with_negative)


def test_a_hard_negative_is_a_pair_too():
    """Of which neither image is marked."""
    pair = pair_of("border")

    assert not pair.drawn.is_mark
    assert pair.negative == ""
    assert not pair.mask_at(64, 64).any()


def test_masks_follow_the_image_to_other_sizes():
    """A fifth of a pixel counts."""
    pair = pair_of("bar", 2)
    height_px, width_px = pair.drawn.mask.shape
    small = pair.mask_at(64, 64)

    assert np.array_equal(pair.mask_at(width_px, height_px), pair.drawn.mask)
    assert small.mean() == pytest.approx(pair.drawn.mask.mean(), abs=0.08)


def test_large_photos_are_made_smaller():
    """To 1,600 pixels on the longer side, in proportion; others stay."""
    assert shrunk(np.zeros((1000, 3200, 3), np.uint8)).shape == (500, 1600, 3)
    assert shrunk(PHOTO) is PHOTO
