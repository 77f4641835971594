from __future__ import annotations

import numpy as np
import pytest

from services.watermark.train.mark import MarkKind, MarkPlan
from services.watermark.train.synthesis import crop_at_random, synthesize_pair
from tests.fakes.image_files import photo
from tests.watermark.train.lettering_for_tests import TRAINING


def pair_of(kind, seed=0, opacity=0.7):
    rgb = photo(300, 200, seed=7)
    return synthesize_pair(rgb, MarkPlan(kind, opacity), TRAINING, np.random.default_rng(seed))


@pytest.mark.parametrize("kind", list(MarkKind))
def test_one_seed_makes_one_pair(kind):
    """To the last pixel; another seed makes another."""
    first, again, other = pair_of(kind, 1), pair_of(kind, 1), pair_of(kind, 2)

    for name in ("clean", "marked", "mask"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    assert not np.array_equal(first.mask, other.mask)


@pytest.mark.parametrize("kind", list(MarkKind))
def test_the_mask_is_where_the_pair_differs(kind):
    """Inside it the two forms are far apart, outside they are not (JPEG spreads a little)."""
    for seed in range(6):
        pair = pair_of(kind, seed)
        apart = np.abs(pair.marked.astype(int) - pair.clean.astype(int)).max(axis=2)

        assert pair.clean.shape == pair.marked.shape == (448, 448, 3)
        assert pair.mask.shape == (448, 448)
        assert pair.mask.any()
        assert np.median(apart[pair.mask]) >= 10
        assert np.median(apart[~pair.mask]) <= np.median(apart[pair.mask]) / 3


def test_an_invisible_mark_leaves_no_other_trace():
    """Both forms go through one encoding: without the mark they are the same to the last pixel."""
    for seed in range(20):
        pair = pair_of(MarkKind.CORNER, seed, opacity=0.0)

        assert not pair.mask.any()
        assert np.array_equal(pair.clean, pair.marked)


def test_clean_forms_are_encoded_in_many_ways():
    """Sharper, smaller, more compressed: but always of the same photo."""
    forms = [pair_of(MarkKind.LOGO, seed).clean.astype(int) for seed in range(12)]

    assert len({form.tobytes() for form in forms}) > 8
    assert all(np.abs(form - forms[0]).mean() < 20 for form in forms)


def test_crops_keep_most_of_the_photo():
    """60 to 100 % of each side, sometimes mirrored, and the same for one seed."""
    rgb = photo(200, 100)
    shapes = set()
    for seed in range(30):
        crop = crop_at_random(rgb, np.random.default_rng(seed))
        height_px, width_px, _ = crop.shape
        shapes.add(crop.shape)

        assert 60 <= height_px <= 100
        assert 120 <= width_px <= 200
        assert np.array_equal(crop, crop_at_random(rgb, np.random.default_rng(seed)))
    assert len(shapes) > 20
