from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from services.watermark.evaluate.metrics import NothingToCompare, bootstrapped, measure, tpr_at
from tests.watermark.evaluate.judged import clean, marked


def images(rng, count, mean, make):
    values = 1 / (1 + np.exp(-rng.normal(mean, 1, count)))
    return [make(float(value), f"photo {place}") for place, value in enumerate(values)]


def test_the_area_is_that_of_scikit_learn():
    """On overlapping sets with ties."""
    rng = np.random.default_rng(1)
    negative, positive = images(rng, 80, -1, clean), images(rng, 90, 1, marked)
    negative = [clean(round(one.probability, 1), one.facts.photo) for one in negative]
    positive = [marked(round(one.probability, 1), one.facts.photo) for one in positive]

    rates = measure(negative, positive, threshold=0.5, resamples=2)

    values = [one.probability for one in (*negative, *positive)]
    assert rates.auc.value == pytest.approx(roc_auc_score([0] * 80 + [1] * 90, values))
    assert (rates.clean, rates.marked, rates.photos) == (80, 90, 90)


def test_rates_by_hand():
    """Of 20 clean images one may be flagged at 5 % and none at 1 %; exactly the threshold passes."""
    negative = [clean(place / 100, f"{place}") for place in range(1, 20)] + [clean(0.9, "20")]
    positive = [marked(value, f"{value}") for value in (0.95, 0.5, 0.19, 0.1)]

    rates = measure(negative, positive, threshold=0.5, resamples=2)

    assert rates.tpr_at_1.value == 0.25
    assert rates.tpr_at_5.value == 0.5
    assert rates.tpr.value == 0.25
    assert rates.fpr.value == 0.05
    assert rates.accuracy.value == pytest.approx((0.25 + 0.95) / 2)


def test_tpr_at_a_limit_counts_the_limit():
    """An FPR of just the limit is allowed, the next one is not."""
    fpr, tpr = np.asarray([0.0, 0.05, 0.0500001, 1.0]), np.asarray([0.1, 0.4, 0.9, 1.0])

    assert tpr_at(fpr, tpr, 0.05) == 0.4


def test_intervals_are_over_photos():
    """Copies of the images tell nothing new: only more photos make the interval narrower."""
    rng = np.random.default_rng(2)
    negative, positive = images(rng, 30, -0.5, clean), images(rng, 30, 0.5, marked)
    more = images(rng, 300, -0.5, clean), images(rng, 300, 0.5, marked)

    once = measure(negative, positive, threshold=0.5).auc
    copied = measure(negative * 5, positive * 5, threshold=0.5).auc
    many = measure(*more, threshold=0.5).auc

    assert (copied.low, copied.high) == pytest.approx((once.low, once.high))
    assert many.high - many.low < 0.5 * (once.high - once.low)
    assert once.low < once.value < once.high


def test_the_interval_of_a_mean_is_the_known_one():
    """Of 400 images, half of them 1: 1.96 standard errors, 0.049, to either side."""
    sample = [clean(float(place % 2), f"{place}") for place in range(400)]
    values = np.asarray([one.probability for one in sample])

    found = bootstrapped(sample, lambda n: [float(np.average(values, weights=n))], resamples=500)

    assert found[0].value == 0.5
    assert found[0].low == pytest.approx(0.451, abs=0.012)
    assert found[0].high == pytest.approx(0.549, abs=0.012)


def test_both_kinds_of_image_are_needed():
    """The error counts them."""
    with pytest.raises(NothingToCompare) as caught:
        measure([clean(0.5)], [], threshold=0.5)

    assert (caught.value.clean, caught.value.marked) == (1, 0)
