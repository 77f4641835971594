from __future__ import annotations

import numpy as np

from services.novelty.calibration import threshold_of
from services.novelty.fit.fitted import fit_mixture
from services.novelty.fit.share_estimate import estimate_share
from tests.novelty.tastes import liked_set, options


def clusters(count, seed):
    """Six clusters that lie apart: k-means does not find the same ones in every draw."""
    centres = np.random.default_rng(7).normal(0.0, 1.0, (6, 64))
    rng = np.random.default_rng(seed)
    rows = centres[rng.integers(0, 6, count)] + rng.normal(0.0, 0.5, (count, 64))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_the_threshold_holds_with_several_components():
    """Over ten draws, the share of unseen images that pass lies in the stated interval in nine or more."""
    unseen, inside = clusters(4000, 99), 0
    for draw in range(10):
        found = fit_mixture(liked_set(clusters(400, draw)), options(), stopped=lambda: False)
        assert found.mixture.component_count > 1
        threshold_nats = threshold_of(found.held_out, 0.95)
        stated = estimate_share(found.held_out, threshold_nats)
        share = np.mean(found.mixture.log_likelihoods(unseen) >= threshold_nats)
        inside += stated.low <= share <= stated.high
    assert inside >= 9


def test_held_out_scores_are_those_of_the_images_at_their_positions():
    """In their order, each near what the mixture of all says of it, and lower on average."""
    rows = clusters(200, 0)
    found = fit_mixture(liked_set(rows), options(), stopped=lambda: False)
    np.testing.assert_array_equal(found.positions, np.arange(200))
    own = found.mixture.log_likelihoods(rows)
    assert np.corrcoef(own, found.held_out)[0, 1] > 0.9
    assert found.held_out.mean() < own.mean()
