from __future__ import annotations

import numpy as np
import pytest

from services.novelty.precision_check import compare_precisions
from services.servicekit.embedding import Precision

HELD_OUT = np.linspace(-5.0, 194.0, 200)
"""From 5 nats under the threshold to 194 over it, one nat apart: a shift of one nat moves one of 200."""

OWN = np.linspace(100.0, 300.0, 9)


def compare(own, other, *, threshold_nats=0.0, held_out=HELD_OUT):
    return compare_precisions(
        Precision.BF16, own, other, threshold_nats=threshold_nats, held_out=held_out
    )


def test_shifts_are_absolute_values():
    """Some up, some down: the largest and the median of their sizes."""
    shifts = np.array([-3.0, 0.5, -0.5, 0.25, 1.0, 0.0, 2.0, -0.75, 0.1])
    check = compare(OWN, OWN + shifts)
    assert (check.precision, check.image_count) == (Precision.BF16, 9)
    assert check.max_shift_nats == pytest.approx(3.0)
    assert check.median_shift_nats == pytest.approx(0.5)


def test_the_same_embeddings_move_nothing():
    """Not even a score that lies on the threshold."""
    own = np.append(OWN, 0.0)
    check = compare(own, own)
    assert (check.moved_count, check.moved_share, check.max_shift_nats) == (0, 0.0, 0.0)
    assert check.admitted


@pytest.mark.parametrize(("before", "after"), [(0.0, -0.01), (-0.01, 0.0)])
def test_one_moved_verdict_is_too_many(before, after):
    """However small the shift; the threshold itself is accepted."""
    check = compare(np.append(OWN, before), np.append(OWN, after))
    assert check.moved_count == 1
    assert check.moved_share < 0.001
    assert not check.admitted


def test_shifts_count_where_new_images_score():
    """Images of the fit lie far over the threshold: what leaves their verdicts alone may move those of new ones."""
    small, large = compare(OWN, OWN - 2.0), compare(OWN, OWN - 3.0)
    assert small.moved_count == large.moved_count == 0
    assert small.moved_share == pytest.approx(2 / 200)
    assert large.moved_share == pytest.approx(3 / 200)
    assert small.admitted
    assert not large.admitted


def test_shifts_in_both_directions_are_averaged():
    """Half of them up by one nat, half of them down by one: one verdict of 200 either way."""
    shifts = np.tile([1.0, -1.0], 5)
    check = compare(np.linspace(100.0, 300.0, 10), np.linspace(100.0, 300.0, 10) + shifts)
    assert check.moved_share == pytest.approx(1 / 200)


def test_of_few_held_out_images_one_may_move():
    """A threshold is set by held-out scores, so that one of them lies on it or next to it."""
    held_out = np.array([0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0])
    check = compare(OWN, OWN - 1.0, held_out=held_out)
    assert check.moved_share == pytest.approx(1 / 8)
    assert check.admitted
    assert not compare(OWN, OWN - 11.0, held_out=held_out).admitted
