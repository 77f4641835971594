from __future__ import annotations

import pytest

from services.watermark.evaluate.reliability import reliability
from tests.watermark.evaluate.judged import clean, hard_negative, marked


def test_shares_are_those_of_half_marked():
    """Nine marked images weigh as much as three clean ones; hard negatives are left out."""
    judged = [clean(0.25), clean(0.05), clean(0.05)]
    judged += [marked(0.21)] * 3 + [marked(1.0)] * 6 + [hard_negative(0.5)]

    bins = reliability(judged)

    assert [(one.low, one.images) for one in bins] == [(0.0, 2), (0.2, 4), (0.9, 6)]
    assert [one.marked_share for one in bins] == pytest.approx([0.0, 0.5, 1.0])
    assert bins[1].mean_probability == pytest.approx(0.23)
