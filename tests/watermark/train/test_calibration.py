from __future__ import annotations

import numpy as np
import pytest

from services.watermark.train.calibration import Known, Line, NothingLearnt, calibrate


def known(clean_mean, marked_mean, count=400):
    random = np.random.default_rng(0)
    log_odds = [random.normal(mean, 1, count) for mean in (clean_mean, marked_mean)]
    return Known(np.concatenate(log_odds), np.arange(2 * count) >= count)


def test_probabilities_are_those_of_the_evidence():
    """Two normal distributions two apart: even odds in the middle, and the true slope of 2."""
    calibration = calibrate(known(-1.0, 1.0), known(-2.0, 2.0), 0.02)

    assert calibration.image.probability(np.zeros(1))[0] == pytest.approx(0.5, abs=0.05)
    assert calibration.image.slope == pytest.approx(2.0, rel=0.2)
    assert calibration.quadrant.slope == pytest.approx(4.0, rel=0.3)


@pytest.mark.parametrize(("ratio", "flagged"), [(0.02, 8), (0.1, 40), (0.0, 0)])
def test_the_threshold_flags_few_clean_images(ratio, flagged):
    """At most that share of those it was set on, and not fewer than it must."""
    images = known(-1.0, 1.0)
    calibration = calibrate(images, images, ratio)
    clean = calibration.image.probability(images.log_odds[~images.marked])

    assert np.sum(clean > calibration.threshold) == flagged
    assert calibration.max_false_positive_ratio == ratio


def test_a_network_that_learnt_nothing_is_refused():
    """Or the other way round."""
    with pytest.raises(NothingLearnt) as caught:
        calibrate(known(1.0, -1.0), known(-1.0, 1.0), 0.02)

    assert caught.value.slope < 0


def test_lines_give_probabilities():
    """In [0, 1], rising."""
    values = Line(2.0, -1.0).probability(np.asarray([-400.0, 0.0, 0.5, 400.0]))

    assert values == pytest.approx([0.0, 0.2689, 0.5, 1.0], abs=1e-4)
