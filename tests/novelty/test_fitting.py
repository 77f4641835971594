from __future__ import annotations

import time

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from services.novelty import fitter
from services.novelty.fitting import MixtureTooLarge, TooManyComponents, fit_taste
from services.novelty.mixture import Covariance
from services.servicekit.errors import InvalidInput, Unavailable
from tests.novelty.tastes import liked_set, options, unit_rows


def two_clusters(count, dimension=16):
    half = count // 2
    return np.concatenate(
        [unit_rows(half, dimension, centre=0), unit_rows(count - half, dimension, centre=1, seed=1)]
    )


def test_the_recipe():
    """One component is the scaled diagonal Gaussian with 0.1 on each variance, in closed form."""
    rows = unit_rows(20)
    mixture = fit_taste(liked_set(rows), options()).mixture
    exact = rows.astype(np.float64)
    scale = exact.std()
    assert (mixture.component_count, mixture.covariance) == (1, Covariance.DIAG)
    assert mixture.scale == pytest.approx(scale)
    np.testing.assert_allclose(mixture.means[0], exact.mean(axis=0) / scale, rtol=1e-9)
    variances = exact.var(axis=0) / scale**2 + 0.1
    np.testing.assert_allclose(mixture.precisions_cholesky[0], variances**-0.5, rtol=1e-9)


def test_clusters_are_found():
    """Two clear clusters get at least two components, and one cluster of few images gets one."""
    assert fit_taste(liked_set(two_clusters(90)), options()).mixture.component_count >= 2
    assert fit_taste(liked_set(unit_rows(29)), options()).mixture.component_count == 1


@pytest.mark.parametrize("covariance", list(Covariance))
def test_what_is_asked_for_is_fitted(covariance):
    """A count and a form that were asked for are not second-guessed."""
    taste = fit_taste(liked_set(unit_rows(40)), options(component_count=5, covariance=covariance))
    assert taste.mixture.component_count == 5
    assert taste.mixture.precisions_cholesky.shape == covariance.shape(5, 16)


def test_sixteen_full_components_are_sklearns():
    """`16, full` is plain GaussianMixture on the embeddings as they are."""
    rows = unit_rows(120)
    taste = fit_taste(
        liked_set(rows), options(component_count=16, covariance=Covariance.FULL, seed=3)
    )
    plain = GaussianMixture(16, random_state=3).fit(rows.astype(np.float64))
    np.testing.assert_allclose(
        taste.mixture.log_likelihoods(rows), plain.score_samples(rows.astype(np.float64)), rtol=1e-9
    )


def test_held_out_scores_are_of_mixtures_that_never_saw_them():
    """Each leave-one-out score is that of a fit to the others."""
    rows = unit_rows(12)
    taste = fit_taste(liked_set(rows), options())
    expected = [
        fit_taste(liked_set(np.delete(rows, row, axis=0)), options()).mixture.log_likelihoods(
            rows[row : row + 1]
        )[0]
        for row in range(12)
    ]
    np.testing.assert_allclose(taste.held_out_log_likelihoods, np.sort(expected), rtol=1e-9)
    assert taste.held_out_log_likelihoods.mean() < taste.mixture.log_likelihoods(rows).mean()


@pytest.mark.parametrize("count", [51, 130, 700])
def test_every_liked_image_has_a_held_out_score(count):
    """However many folds there are, each image is held out once and scores below its training score on average."""
    rows = two_clusters(count)
    taste = fit_taste(liked_set(rows), options())
    assert len(taste.held_out_log_likelihoods) == taste.liked_count == count
    assert (np.diff(taste.held_out_log_likelihoods) >= 0).all()
    assert taste.held_out_log_likelihoods.mean() < taste.mixture.log_likelihoods(rows).mean()


def test_the_ratio_of_unseen_images_is_kept():
    """About 95 % of images that took no part pass, and images of another kind do not."""
    kept = []
    for seed in range(10):
        taste = fit_taste(liked_set(unit_rows(60, 64, seed=seed)), options())
        unseen = taste.mixture.log_likelihoods(unit_rows(400, 64, seed=100 + seed))
        kept.append(np.mean(unseen >= taste.threshold_nats))
        others = taste.mixture.log_likelihoods(unit_rows(50, 64, centre=5))
        assert (others < taste.threshold_nats).all()
    assert np.mean(kept) == pytest.approx(0.95, abs=0.03)


def test_the_same_request_gives_the_same_taste():
    """Seed and embeddings decide everything, bit for bit."""
    rows = two_clusters(120)
    first, second = (fit_taste(liked_set(rows), options(seed=-5)) for _ in range(2))
    for name in ("weights", "means", "precisions_cholesky"):
        np.testing.assert_array_equal(getattr(first.mixture, name), getattr(second.mixture, name))
    np.testing.assert_array_equal(first.held_out_log_likelihoods, second.held_out_log_likelihoods)
    assert first.threshold_nats == second.threshold_nats


def test_the_background_is_scored_by_the_final_mixture():
    """Its scores are kept in order, and it takes no part in the fit."""
    rows, background = unit_rows(20), unit_rows(7, centre=2)
    taste = fit_taste(liked_set(rows, background), options())
    assert taste.background_count == 7
    np.testing.assert_array_equal(
        taste.background_log_likelihoods, np.sort(taste.mixture.log_likelihoods(background))
    )
    assert taste.threshold_nats == fit_taste(liked_set(rows), options()).threshold_nats


def test_more_components_than_images():
    """Refused with both numbers; as many as images is allowed."""
    rows = unit_rows(15)
    with pytest.raises(TooManyComponents, match=r"16 components need 16 .* there are 15"):
        fit_taste(liked_set(rows), options(component_count=16))
    assert fit_taste(liked_set(rows), options(component_count=15)).mixture.component_count == 15


def test_a_mixture_that_is_too_large():
    """256 full covariances of 1280 coordinates are refused before the work, with the sizes."""
    rows = np.tile(unit_rows(1, 1280), (256, 1))
    with pytest.raises(MixtureTooLarge, match="3,358 MB, over the limit of 537 MB"):
        fit_taste(liked_set(rows), options(component_count=256, covariance=Covariance.FULL))


@pytest.mark.parametrize("covariance", list(Covariance))
def test_identical_images_do_not_break_a_fit(covariance):
    """Every copy scores the same and passes."""
    rows = np.tile(unit_rows(1), (40, 1))
    taste = fit_taste(liked_set(rows), options(component_count=3, covariance=covariance))
    assert np.isfinite(taste.held_out_log_likelihoods).all()


def test_embeddings_without_any_spread():
    """One value everywhere leaves nothing to divide by: one clear error."""
    with pytest.raises(InvalidInput, match="all values of all liked embeddings are equal"):
        fit_taste(liked_set(np.full((10, 16), 0.25, np.float32)), options())


def test_a_fit_can_be_stopped():
    """It looks up between its steps and gives way."""
    asked = []

    def stopped():
        asked.append(None)
        return len(asked) > 3

    with pytest.raises(Unavailable, match="shutting down"):
        fit_taste(liked_set(unit_rows(30)), options(), stopped=stopped)
    assert len(asked) == 4


def test_a_small_fit_is_fast():
    """100 images of 1280 coordinates take a moment, folds included (0.4 s on a busy core)."""
    rows = two_clusters(100, 1280)
    start = time.process_time()
    fit_taste(liked_set(rows), options())
    assert time.process_time() - start < 2.0


def test_large_sets_choose_on_a_sample(monkeypatch):
    """The count is chosen on at most so many rows."""
    monkeypatch.setattr(fitter, "_ROWS_TO_CHOOSE_ON", 60)
    sizes = []
    fit = fitter.Fitter.fit

    def counted(self, rows, count):
        sizes.append(len(rows))
        return fit(self, rows, count)

    monkeypatch.setattr(fitter.Fitter, "fit", counted)
    fit_taste(liked_set(two_clusters(90)), options())
    assert sizes[0] == 40
    assert sizes[-1] == 81


def tastes_and_clutter(count, *, seed=0, dimension=64):
    """Liked images that scatter widely, and a background close around their middle."""
    rng = np.random.default_rng(seed)
    liked = rng.normal(0.0, 0.5, (count, dimension))
    clutter = rng.normal(0.0, 0.05, (count, dimension))
    centre = np.eye(1, dimension)
    return [
        (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        for rows in (liked + centre, clutter + centre)
    ]


def auc(taste, liked, others):
    scores = [taste.mixture.log_likelihoods(rows) for rows in (liked, others)]
    return np.mean(scores[0][:, np.newaxis] > scores[1])


def test_a_background_that_lies_nearer_than_the_liked_is_told_apart():
    """Where the density of liked images prefers the background, the profile becomes relative to it."""
    liked, clutter = tastes_and_clutter(30)
    unseen, others = tastes_and_clutter(100, seed=1)
    absolute = fit_taste(liked_set(liked), options())
    relative = fit_taste(liked_set(liked, clutter), options())
    assert absolute.mixture.background is None
    assert relative.mixture.background is not None
    assert auc(absolute, unseen, others) < 0.2
    assert auc(relative, unseen, others) > 0.95
    kept = relative.mixture.log_likelihoods(unseen) >= relative.threshold_nats
    assert kept.mean() > 0.85


def test_a_background_that_does_not_help_changes_nothing():
    """Where liked images stand out anyway, log-likelihoods stay absolute."""
    rows, background = unit_rows(30, 64), unit_rows(30, 64, centre=5)
    taste = fit_taste(liked_set(rows, background), options())
    assert taste.mixture.background is None
    assert taste.threshold_nats == fit_taste(liked_set(rows), options()).threshold_nats


def test_a_handful_of_background_is_only_shown():
    """Fewer than 8 images are too few to be relative to."""
    liked, clutter = tastes_and_clutter(30)
    assert fit_taste(liked_set(liked, clutter[:7]), options()).mixture.background is None
    assert fit_taste(liked_set(liked, clutter[:8]), options()).mixture.background is not None


def test_background_scores_are_held_out_too():
    """In a relative profile, no background image is scored by a density that was fitted to it."""
    liked, clutter = tastes_and_clutter(20)
    taste = fit_taste(liked_set(liked, clutter), options())
    trained = np.sort(taste.mixture.log_likelihoods(clutter))
    assert (taste.background_log_likelihoods > trained).all()
