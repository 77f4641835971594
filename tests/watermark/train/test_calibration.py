from __future__ import annotations

import numpy as np
import pytest

from services.watermark.train.calibration import (
    Line,
    NothingLearnt,
    calibrate,
    smooth_maximum,
    threshold_for,
)
from services.watermark.train.mark import MarkKind
from tests.watermark.train.judged import judged


def images(clean_mean, marked_mean, count=400):
    random = np.random.default_rng(0)
    clean = [judged(logit) for logit in random.normal(clean_mean, 1, count)]
    marked = [judged(logit, MarkKind.LOGO) for logit in random.normal(marked_mean, 1, count)]
    return [*clean, *marked]


def test_the_smooth_maximum_is_near_the_largest():
    """And rises with each of the four."""
    one = judged(3.0)
    assert smooth_maximum([one])[0] == pytest.approx(3.0, abs=1e-4)
    assert smooth_maximum([judged(3.1)])[0] > smooth_maximum([one])[0]
    assert smooth_maximum([judged(500.0)])[0] == 500.0


def test_probabilities_are_those_of_the_evidence():
    """Two normal distributions two apart: even odds in the middle, and the true slope of 2."""
    calibration = calibrate(images(-1.0, 1.0))

    assert calibration.image.probability(np.zeros(1))[0] == pytest.approx(0.5, abs=0.05)
    assert calibration.image.slope == pytest.approx(2.0, rel=0.2)
    assert calibration.quadrant.slope > 0


def test_the_threshold_flags_few_clean_images():
    """At most 2.5 % of those it was set on, and not fewer than it must."""
    everything = images(-1.0, 1.0)
    calibration = calibrate(everything)
    clean = calibration.image.probability(smooth_maximum(everything[:400]))

    assert np.sum(clean > calibration.threshold) == 10


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


def test_a_network_that_learnt_nothing_is_refused():
    """Or the other way round."""
    with pytest.raises(NothingLearnt) as caught:
        calibrate(images(1.0, -1.0))

    assert caught.value.slope < 0


def test_lines_give_probabilities():
    """In [0, 1], rising."""
    values = Line(2.0, -1.0).probability(np.asarray([-400.0, 0.0, 0.5, 400.0]))

    assert values == pytest.approx([0.0, 0.2689, 0.5, 1.0], abs=1e-4)
