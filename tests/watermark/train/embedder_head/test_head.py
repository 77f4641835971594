from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from services.watermark.train.embedder_head.examples import Examples
from services.watermark.train.embedder_head.head import fit_head
from services.watermark.train.held_out_images import smooth_maximum
from services.watermark.train.tiles import UNKNOWN

DIMENSION = 10


def made(count, *, seed=0, scale=1.0, quadrants_known=True):
    """Half of the images have a mark in one quadrant: it moves the first coordinate by three spreads."""
    random = np.random.default_rng(seed)
    marked = np.arange(count) % 2 == 1
    quadrants = np.zeros((count, 4), np.uint8)
    quadrants[marked, random.integers(4, size=marked.sum())] = 1
    embeddings = random.normal(0, 1, (count, 4, DIMENSION))
    embeddings[..., 0] += 3 * quadrants
    if not quadrants_known:
        quadrants[marked] = UNKNOWN
    return Examples((scale * embeddings).astype(np.float32), quadrants, marked)


def auc(head, examples):
    return roc_auc_score(examples.marked, smooth_maximum(head.log_odds(examples.embeddings)))


@pytest.mark.parametrize("quadrants_known", [True, False])
def test_a_mark_in_one_quadrant_is_found(quadrants_known):
    """Whether it is known in which or not; it is the first coordinate that counts."""
    head = fit_head(made(400, quadrants_known=quadrants_known), 0.01)

    assert auc(head, made(400, seed=1)) > 0.95
    assert np.argmax(np.abs(head.weights)) == 0
    assert head.log_odds(np.zeros((2, 4, DIMENSION), np.float32)) == pytest.approx(head.offset)


def test_the_scale_of_embeddings_does_not_matter():
    """Encoders of other dimensions have smaller coordinates."""
    examples, small = made(200), made(200, scale=0.01)

    one, other = fit_head(examples, 0.03), fit_head(small, 0.03)

    log_odds = one.log_odds(examples.embeddings)
    assert other.log_odds(small.embeddings) == pytest.approx(log_odds, abs=0.02)


def test_a_penalty_keeps_weights_small():
    """And the same examples give the same head."""
    examples = made(200)
    heads = [fit_head(examples, penalty) for penalty in (0.01, 0.3, 0.3)]

    lengths = [np.linalg.norm(head.weights) for head in heads]
    assert lengths[1] < lengths[0] / 2
    assert np.array_equal(heads[1].weights, heads[2].weights)


def test_the_gradient_is_that_of_the_loss():
    """Against differences of the loss, with quadrants that are not known among the others."""
    from services.watermark.train.embedder_head.head import _Loss

    examples = made(40)
    examples.quadrants[3:9] = UNKNOWN
    loss = _Loss(examples.embeddings.reshape(-1, DIMENSION), examples, 0.1)
    values = np.random.default_rng(1).normal(0, 0.5, DIMENSION + 1)

    _, gradient = loss(values)

    step = 1e-2
    for place in range(DIMENSION + 1):
        aside = np.zeros(DIMENSION + 1)
        aside[place] = step
        slope = (loss(values + aside)[0] - loss(values - aside)[0]) / (2 * step)
        assert gradient[place] == pytest.approx(slope, abs=1e-3)


def test_a_coordinate_that_never_moves_is_borne():
    """Its spread is 0; nothing is divided by it."""
    examples = made(100)
    examples.embeddings[..., 3] = 0.25

    head = fit_head(examples, 0.01)

    assert np.isfinite(head.weights).all()
    assert auc(head, examples) > 0.9
