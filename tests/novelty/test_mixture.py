from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from services.novelty.mixture import Covariance, Mixture
from tests.novelty.tastes import mixture, unit_rows


def fitted(covariance, rows, *, scale, components=3):
    estimator = GaussianMixture(components, covariance_type=covariance.lower(), random_state=0)
    estimator.fit(rows / scale)
    return estimator, Mixture(
        covariance=covariance,
        scale=scale,
        weights=estimator.weights_,
        means=estimator.means_,
        precisions_cholesky=estimator.precisions_cholesky_,
    )


def narrow(dimension):
    """Three full covariances learned from rows of an embedding's cone, and 700 other rows of it."""
    rows = unit_rows(1200, dimension, seed=5).astype(np.float64)
    scale = float(rows.std())
    parts = np.array_split(rows / scale, 3)
    floor = 1e-3 * np.eye(dimension)
    covariances = np.stack([np.cov(part.T) + floor for part in parts])
    lower = np.linalg.cholesky(covariances)
    density = Mixture(
        covariance=Covariance.FULL,
        scale=scale,
        weights=np.full(3, 1 / 3),
        means=np.stack([part.mean(axis=0) for part in parts]),
        precisions_cholesky=np.linalg.inv(lower).transpose(0, 2, 1),
    )
    return density, unit_rows(700, dimension, seed=6)


@pytest.mark.parametrize("covariance", list(Covariance))
def test_log_likelihoods_are_those_of_sklearn(covariance):
    """All three forms agree with score_samples, minus the change of variables."""
    rows = unit_rows(200, 12).astype(np.float64)
    estimator, density = fitted(covariance, rows, scale=0.25)
    expected = estimator.score_samples(rows / 0.25) - 12 * np.log(0.25)
    np.testing.assert_allclose(density.log_likelihoods(rows), expected, rtol=1e-10)


@pytest.mark.parametrize("covariance", list(Covariance))
def test_density_over_embeddings_integrates_to_one(covariance):
    """The log-likelihood is that of the embedding itself, whatever the scale inside."""
    density = mixture(covariance, components=2, dimension=2, scale=0.5)
    side = np.linspace(-6.0, 6.0, 601)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    cell = (side[1] - side[0]) ** 2
    assert np.exp(density.log_likelihoods(grid)).sum() * cell == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("covariance", list(Covariance))
def test_the_batch_makes_no_difference(covariance):
    """Rows one by one, together, and over more than one chunk score the same."""
    density = mixture(covariance, components=3, dimension=5)
    rows = unit_rows(2500, 5)
    together = density.log_likelihoods(rows)
    for row in (0, 2047, 2048, 2499):
        alone = density.log_likelihoods(rows[row : row + 1])[0]
        assert alone == pytest.approx(together[row], rel=1e-12)


def test_no_rows_give_no_log_likelihoods():
    """An empty background sample is scored like any other."""
    assert mixture(dimension=4).log_likelihoods(np.empty((0, 4))).shape == (0,)


def test_far_rows_stay_finite():
    """A row hundreds of deviations away is unlikely, not minus infinity or NaN."""
    far = np.full((1, 4), 1e3)
    found = mixture(scale=0.1).log_likelihoods(far)
    assert np.isfinite(found).all()
    assert found[0] < -1e6


def test_float32_embeddings_are_scored_in_float64():
    """Single-precision input loses nothing on the way to the score."""
    density, rows = mixture(dimension=16, components=2), unit_rows(10, 16)
    exact = density.log_likelihoods(rows.astype(np.float64))
    np.testing.assert_array_equal(density.log_likelihoods(rows), exact)


@pytest.mark.parametrize(
    ("covariance", "shape"),
    [(Covariance.DIAG, (3, 5)), (Covariance.FULL, (3, 5, 5)), (Covariance.TIED, (5, 5))],
)
def test_size_and_shape(covariance, shape):
    """The shape of the factors follows from the form, and the size from all arrays."""
    assert covariance.shape(3, 5) == shape
    density = mixture(covariance, components=3, dimension=5)
    assert (density.component_count, density.dimension) == (3, 5)
    exact = 8 * (3 + 3 * 5 + int(np.prod(shape)))
    assert density.size_bytes == exact + (4 * 3 * 5 * 5 if covariance is Covariance.FULL else 0)


@pytest.mark.parametrize("covariance", list(Covariance))
def test_with_a_background_it_is_the_ratio(covariance):
    """Relative log-likelihoods are the difference of two absolute ones, and the size counts both."""
    own, ordinary = mixture(covariance), mixture(components=1, seed=1, scale=0.3)
    relative = replace(own, background=ordinary)
    rows = unit_rows(30, 4)
    np.testing.assert_allclose(
        relative.log_likelihoods(rows), own.log_likelihoods(rows) - ordinary.log_likelihoods(rows)
    )
    assert relative.size_bytes == own.size_bytes + ordinary.size_bytes


def test_a_mixture_relative_to_itself_says_nothing():
    """What the background explains as well scores 0."""
    density = mixture()
    relative = replace(density, background=density)
    assert not relative.log_likelihoods(unit_rows(5, 4)).any()


@pytest.mark.parametrize("covariance", [Covariance.DIAG, Covariance.TIED])
def test_quick_is_exact_where_it_is_quick_enough(covariance):
    """Only full covariances give digits away."""
    density, rows = mixture(covariance, dimension=16), unit_rows(20, 16)
    quick = density.quick_log_likelihoods(rows)
    np.testing.assert_array_equal(quick, density.log_likelihoods(rows))


@pytest.mark.parametrize("dimension", [3, 64, 100, 512])
def test_quick_log_likelihoods_are_the_exact_ones_in_fewer_digits(dimension):
    """Rows in the cone of embeddings and far from it come out within 1e-4 of themselves, the near ones closer."""
    density, near = narrow(dimension)
    far = unit_rows(700, dimension, centre=1)
    rows = np.concatenate([near, far])
    exact = density.log_likelihoods(rows)
    quick = density.quick_log_likelihoods(rows)
    assert (quick != exact).any()
    np.testing.assert_allclose(quick, exact, rtol=1e-4)
    np.testing.assert_allclose(quick[:700], exact[:700], rtol=1e-6, atol=1e-3)


def test_no_verdict_changes_outside_the_margin():
    """Over thresholds all along the scores, quick and exact agree but within 1e-4 of the threshold."""
    density, rows = narrow(64)
    exact = density.log_likelihoods(rows)
    quick = density.quick_log_likelihoods(rows)
    thresholds = np.linspace(exact.min(), exact.max(), 500)[:, np.newaxis]
    outside = np.abs(exact - thresholds) > 1e-4 * np.abs(thresholds)
    assert outside.any(axis=1).all()
    np.testing.assert_array_equal((quick >= thresholds)[outside], (exact >= thresholds)[outside])


def test_quick_gives_the_same_twice():
    """The same rows give the same bits."""
    density, rows = narrow(100)
    first = density.quick_log_likelihoods(rows)
    np.testing.assert_array_equal(density.quick_log_likelihoods(rows), first)


def test_quick_with_a_background():
    """The ratio takes both densities quickly, and no rows give none."""
    own, rows = narrow(64)
    ordinary = mixture(Covariance.FULL, components=1, dimension=64)
    relative = replace(own, background=ordinary)
    expected = relative.log_likelihoods(rows)
    np.testing.assert_allclose(relative.quick_log_likelihoods(rows), expected, atol=2e-3)
    assert relative.quick_log_likelihoods(rows[:0]).shape == (0,)
