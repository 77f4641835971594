from __future__ import annotations

import numpy as np
import pytest

from services.watermark.train.mark import MarkKind, MarkPlan, choose_plan, draw_mark
from tests.watermark.train.lettering_for_tests import HELD_OUT, TRAINING

KINDS = list(MarkKind)


def coverage(kind, seed=0, size=(320, 240), opacity=0.5, lettering=TRAINING):
    """The alpha of a mark, (height, width) in 0..255."""
    rng = np.random.default_rng(seed)
    overlay = draw_mark(MarkPlan(kind, opacity), size, lettering, rng)
    return np.asarray(overlay.getchannel("A"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(320, 240), (200, 640), (90, 60)])
def test_every_kind_leaves_a_mark(kind, size):
    """On layers of any shape, whatever is drawn; never all over it."""
    for seed in range(12):
        alpha = coverage(kind, seed, size)

        assert alpha.shape == size[::-1]
        assert 0.0003 < np.mean(alpha > 0) < 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_one_seed_draws_one_mark(kind):
    """And another seed another."""
    assert np.array_equal(coverage(kind, 5), coverage(kind, 5))
    assert not np.array_equal(coverage(kind, 5), coverage(kind, 6))
    assert not np.array_equal(coverage(kind, 5), coverage(kind, 5, lettering=HELD_OUT))


@pytest.mark.parametrize("kind", [MarkKind.CENTER, MarkKind.LOGO])
def test_a_mark_is_no_more_opaque_than_planned(kind):
    """Where stamps neither overlap nor are turned."""
    for opacity in (0.15, 0.9):
        assert coverage(kind, 1, opacity=opacity).max() <= round(255 * opacity) + 1


def test_corner_marks_are_near_an_edge():
    """Of one side or the other, and small."""
    for seed in range(20):
        rows, columns = np.nonzero(coverage(MarkKind.CORNER, seed))
        across, down = columns.mean() / 320, rows.mean() / 240

        assert down < 0.35 or down > 0.65
        assert not (0.35 < across < 0.65) or down > 0.65


def test_tiled_marks_reach_every_quadrant():
    """They are repeated over the whole photo."""
    for seed in range(10):
        alpha = coverage(MarkKind.TILED, seed)
        halves = alpha.reshape(2, 120, 2, 160)

        assert np.all(halves.max(axis=(1, 3)) > 0)


def test_bars_go_from_side_to_side():
    """At the top or the bottom."""
    alpha = coverage(MarkKind.BAR, 3)
    full = np.flatnonzero((alpha > 0).all(axis=1))

    assert 8 <= len(full) <= 30
    assert full[0] == 0 or full[-1] == 239


def test_plans_are_of_every_kind_and_opacity():
    """Unless a kind is asked for."""
    plans = [choose_plan(np.random.default_rng(seed)) for seed in range(400)]

    assert {plan.kind for plan in plans} == set(MarkKind)
    opacities = [plan.opacity for plan in plans]
    assert 0.15 <= min(opacities) < 0.2
    assert 0.85 < max(opacities) <= 0.9
    assert choose_plan(np.random.default_rng(0), MarkKind.LOGO).kind is MarkKind.LOGO
