from __future__ import annotations

import numpy as np
import pytest

from services.watermark.evaluate.threshold import threshold_for


@pytest.mark.parametrize(
    ("probabilities", "ratio", "threshold"),
    [
        ([0.1, 0.2, 0.3, 0.4], 0.0, 0.4),
        ([0.1, 0.2, 0.3, 0.4], 0.25, 0.3),
        ([0.4, 0.3, 0.2, 0.1], 0.49, 0.3),
        ([0.5], 0.5, 0.5),
    ],
)
def test_the_threshold_is_one_of_the_probabilities(probabilities, ratio, threshold):
    """Exactly it passes, so the ratio holds."""
    assert threshold_for(np.asarray(probabilities), ratio) == threshold


@pytest.mark.parametrize("count", [1, 49, 50, 150, 350])
def test_two_percent_are_lost_at_most(count):
    """And as many as may be: 0.02 of 150 is three, of 49 none."""
    clean = np.linspace(0.01, 0.99, count)

    over = int(np.sum(clean > threshold_for(clean, 0.02)))

    assert over == count // 50
