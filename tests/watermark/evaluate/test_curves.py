from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import auc

from services.watermark.evaluate.curves import curves_of
from tests.watermark.evaluate.judged import clean, hard_negative, marked


def test_each_generator_has_its_curves():
    """A perfect one and a blind one; hard negatives are on neither."""
    judged = [clean(0.1), clean(0.2), hard_negative(0.95), marked(0.9)]
    judged += [marked(value, generator="second") for value in (0.1, 0.2)]

    first, second = curves_of(judged)

    assert (first.generator, second.generator) == ("first", "second")
    assert auc(first.fpr, first.tpr) == 1.0
    assert auc(second.fpr, second.tpr) == 0.5
    assert min(first.precision) == pytest.approx(0.5)
    assert max(second.precision[:-1]) == pytest.approx(0.5)


def test_long_curves_are_thinned():
    """The ends stay."""
    values = np.random.default_rng(0).random(3000)
    judged = [clean(float(v)) for v in values[:1500]] + [marked(float(v)) for v in values[1500:]]

    curve = curves_of(judged)[0]

    assert len(curve.fpr) <= 400
    assert (curve.fpr[0], curve.fpr[-1], curve.tpr[-1]) == (0.0, 1.0, 1.0)
