from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from services.watermark.synthesis.drawn_marks import KINDS, NEGATIVES, OPACITIES
from services.watermark.synthesis.generator import VISIBLE_LEVELS
from tests.fakes.image_files import photo
from tests.watermark.synthesis.drawing import MARKS, drawn, plain

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("kind", KINDS)
def test_the_mask_is_what_the_mark_changed(kind):
    """By ten levels or more, and nothing else; the photo itself stays as it is."""
    before = photo(320, 240, seed=4)
    kept = before.copy()
    for seed in range(8):
        marked = drawn(kind, seed, before)
        apart = np.abs(marked.pixels.astype(int) - before.astype(int)).max(axis=2)

        assert marked.is_mark
        assert np.array_equal(marked.mask, apart >= VISIBLE_LEVELS)
        assert 12 <= marked.mask.sum() < 0.8 * marked.mask.size
    assert np.array_equal(before, kept)


@pytest.mark.parametrize("kind", KINDS)
def test_opacity_and_width_are_in_their_ranges(kind):
    """As stated, apart from whole pixels; and they differ from mark to mark."""
    marks = [drawn(kind, seed) for seed in range(25)]
    low, high = KINDS[kind].widths

    assert all(OPACITIES[0] <= mark.opacity <= OPACITIES[1] for mark in marks)
    assert np.ptp([mark.opacity for mark in marks]) > 0.4
    assert all(0 < mark.width_ratio <= max(high, 8 / 320) * 1.12 + 0.02 for mark in marks)
    if high < 1:
        assert max(mark.width_ratio for mark in marks) > low


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", [0, 60, 128, 200, 255])
def test_marks_are_seen_on_every_grey(kind, level):
    """Also where light lies on light: it is drawn again against its ground."""
    for seed in range(6):
        assert drawn(kind, seed, plain(level)).mask.sum() >= 12


@pytest.mark.parametrize("kind", NEGATIVES)
def test_hard_negatives_have_empty_masks(kind):
    """They change the photo, and are no marks."""
    before = photo(320, 240, seed=4)
    changes = 0
    for seed in range(8):
        negative = drawn(kind, seed, before)

        assert not negative.is_mark
        assert not negative.mask.any()
        assert negative.box is None
        changes += not np.array_equal(negative.pixels, before)
    assert changes >= 7


@pytest.mark.parametrize("kind", MARKS.kinds)
@pytest.mark.parametrize("size", [(2, 2), (16, 16), (24, 400), (900, 30), (1300, 900)])
def test_every_kind_on_photos_of_every_shape(kind, size):
    """Tiny, huge, tall and wide ones; what comes back has the photo's shape."""
    rgb = photo(*size, seed=2)
    for seed in range(2):
        marked = drawn(kind, seed, rgb)

        assert marked.pixels.shape == rgb.shape
        assert marked.pixels.dtype == np.uint8
        assert marked.mask.shape == rgb.shape[:2]


@pytest.mark.parametrize("kind", KINDS)
def test_marks_are_seen_on_small_photos(kind):
    """From some tens of pixels a side."""
    for size in ((48, 48), (40, 400), (900, 48)):
        assert drawn(kind, 3, photo(*size, seed=2)).mask.any()


@pytest.mark.parametrize("kind", MARKS.kinds)
def test_one_seed_draws_one_mark(kind):
    """And another seed another."""
    first, again = drawn(kind, 5), drawn(kind, 5)

    assert np.array_equal(first.pixels, again.pixels)
    assert (first.opacity, first.width_ratio, first.text) == (
        again.opacity,
        again.width_ratio,
        again.text,
    )
    assert any(not np.array_equal(first.pixels, drawn(kind, seed).pixels) for seed in (6, 7))


def test_another_process_draws_the_same():
    """Nothing depends on the order of hashes."""
    code = (
        "import hashlib\n"
        "from tests.watermark.synthesis.drawing import MARKS, drawn\n"
        "all = b''.join(drawn(kind, 1).pixels.tobytes() for kind in MARKS.kinds)\n"
        "print(hashlib.sha256(all).hexdigest())\n"
    )
    here = b"".join(drawn(kind, 1).pixels.tobytes() for kind in MARKS.kinds)

    for hash_seed in ("0", "1"):
        environment = {"PYTHONHASHSEED": hash_seed, "PATH": "/usr/bin"}
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
        assert done.stdout.decode().strip() == hashlib.sha256(here).hexdigest()


def test_kinds_are_chosen_by_their_shares():
    """Marks alone, each of them."""
    rng = np.random.default_rng(0)
    chosen = [MARKS.choose_kind(rng) for _ in range(2000)]

    assert set(chosen) == set(KINDS)
    assert chosen.count("signature") > chosen.count("banner") > 20
    assert MARKS.kinds == (*KINDS, *MARKS.hard_negatives)


def test_tiled_marks_reach_every_quadrant():
    """They are repeated over the whole photo; the width is that of one copy."""
    for seed in range(8):
        tiled = drawn("tiled", seed, plain(90))
        quadrants = tiled.mask.reshape(2, 120, 2, 160)

        assert quadrants.any(axis=(1, 3)).all()
        assert tiled.width_ratio < 0.5


def test_bars_and_banners_go_from_side_to_side():
    """Banners at the bottom."""
    for seed in range(8):
        for kind in ("bar", "banner"):
            mark = drawn(kind, seed, plain(110))
            assert mark.width_ratio == 1.0
            assert mark.mask.any(axis=1).mean() < 0.3
        assert mark.box is not None
        assert mark.box[1] > 0.9 * 240
