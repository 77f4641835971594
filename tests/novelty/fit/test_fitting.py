from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from services.novelty.duplicate import Duplicate
from services.novelty.fit import choosing, duplicates, fitted, fitter, fitting
from services.novelty.fit.fit_warnings import warnings_for
from services.novelty.fit.fitting import (
    MixtureTooLarge,
    TooFewDifferent,
    TooManyComponents,
    fit_taste,
    learn,
)
from services.novelty.fit.threshold_rule import NoBackground
from services.novelty.liked_images import ImageLabel
from services.novelty.mixture import Covariance
from services.servicekit.errors import Unavailable
from tests.novelty.tastes import liked_set, options, unit_rows

LABELS = tuple(ImageLabel(name=str(number)) for number in range(30))


def two_clusters(count, dimension=16):
    half = count // 2
    return np.concatenate(
        [unit_rows(half, dimension, centre=0), unit_rows(count - half, dimension, centre=1, seed=1)]
    )


def test_the_recipe():
    """One component is the scaled diagonal Gaussian with 0.3 on each variance, in closed form."""
    rows = unit_rows(20)
    mixture = fit_taste(liked_set(rows), options()).mixture
    exact = rows.astype(np.float64)
    scale = exact.std()
    assert (mixture.component_count, mixture.covariance) == (1, Covariance.DIAG)
    assert mixture.scale == pytest.approx(scale)
    np.testing.assert_allclose(mixture.means[0], exact.mean(axis=0) / scale, rtol=1e-9)
    variances = exact.var(axis=0) / scale**2 + 0.3
    np.testing.assert_allclose(mixture.precisions_cholesky[0], variances**-0.5, rtol=1e-9)


def test_clusters_are_found():
    """Two clear clusters get at least two components, and one cluster of few images gets one."""
    assert fit_taste(liked_set(two_clusters(120)), options()).mixture.component_count >= 2
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


def test_identical_images_are_one_image():
    """Forty copies of one picture are refused with both numbers, and so are seven pictures and a copy."""
    rows = np.tile(unit_rows(1), (40, 1))
    with pytest.raises(TooFewDifferent, match="8 different liked images at least, .* 1: 39 more"):
        fit_taste(liked_set(rows), options())
    rows = unit_rows(7)[[0, 1, 2, 3, 4, 5, 6, 3]]
    with pytest.raises(TooFewDifferent, match="there are 7: 1 more"):
        fit_taste(liked_set(rows), options())


def test_duplicates_count_once_and_are_listed():
    """The mixture is that of the pictures without their copies."""
    rows = unit_rows(20)
    plain = fit_taste(liked_set(rows), options())
    taste = fit_taste(liked_set(np.concatenate([rows, rows[3:5], rows[3:4]])), options())
    assert taste.duplicates == (Duplicate(20, 3), Duplicate(21, 4), Duplicate(22, 3))
    assert (taste.liked_count, taste.duplicate_count, plain.duplicate_count) == (20, 3, 0)
    np.testing.assert_array_equal(taste.mixture.means, plain.mixture.means)
    assert taste.threshold_nats == plain.threshold_nats
    assert taste.warnings[1].startswith("3 of 23 liked images repeat another one")


def test_many_duplicates_are_counted_and_not_all_listed(monkeypatch):
    """A profile keeps so many positions at most."""
    monkeypatch.setattr(fitting, "MAX_LISTED_DUPLICATES", 2)
    taste = fit_taste(liked_set(np.concatenate([unit_rows(20)] * 2)), options())
    assert (len(taste.duplicates), taste.duplicate_count) == (2, 20)


def test_the_threshold_by_a_pass_ratio():
    """That share of the background reaches it, whatever the liked images do."""
    rows, background = unit_rows(40), unit_rows(200, seed=5)
    taste = fit_taste(liked_set(rows, background), options(pass_ratio=0.1))
    passing = taste.background_log_likelihoods >= taste.threshold_nats
    assert passing.mean() == pytest.approx(0.1)
    assert (taste.keep_ratio, taste.pass_ratio) == (None, 0.1)
    with pytest.raises(NoBackground, match="share of the background sample, and none was given"):
        fit_taste(liked_set(rows), options(pass_ratio=0.1))


def test_the_threshold_itself():
    """It is taken as it is."""
    taste = fit_taste(liked_set(unit_rows(40)), options(threshold_nats=-12.5))
    assert (taste.threshold_nats, taste.keep_ratio, taste.pass_ratio) == (-12.5, None, None)


def test_both_separations_stand_beside_each_other():
    """With a background, of the mixture and of the five nearest; without one, of neither."""
    rows = unit_rows(40, 64)
    taste = fit_taste(liked_set(rows, unit_rows(30, 64, centre=5)), options())
    assert (taste.separation, taste.neighbour_separation) == (1.0, 1.0)
    alone = fit_taste(liked_set(rows), options())
    assert (alone.separation, alone.neighbour_separation) == (None, None)


def test_a_mixture_that_is_worse_than_its_neighbours_says_so():
    """One Gaussian over three clusters prefers what lies between them; the nearest liked images do not."""
    rows = np.concatenate([unit_rows(12, 8, centre=axis, seed=axis) for axis in range(3)])
    between = unit_rows(7, 8) * 0.1 + np.eye(3, 8).sum(axis=0)
    between = (between / np.linalg.norm(between, axis=1, keepdims=True)).astype(np.float32)
    one = options(component_count=1, covariance=Covariance.DIAG)
    taste = fit_taste(liked_set(rows, between), one)
    assert taste.neighbour_separation > 0.9 > taste.separation
    assert any("five nearest liked images" in sentence for sentence in taste.warnings)


def test_a_large_set_is_calibrated_on_images_that_took_no_part(monkeypatch):
    """Over the limit some are kept out of the fit, and what passes of unseen ones is what was asked for."""
    monkeypatch.setattr(fitter, "FITTED_AT_ONCE", 1000)
    monkeypatch.setattr(fitted, "FITTED_AT_ONCE", 1000)
    monkeypatch.setattr(fitted, "_KEPT_OUT", 500)
    monkeypatch.setattr(duplicates, "ALL_PAIRS_UP_TO", 1000)
    rows = two_clusters(3000, 32)
    taste = fit_taste(liked_set(rows[:2500]), options())
    assert len(taste.held_out_log_likelihoods) == 500
    assert taste.liked_count == 2500
    unseen = taste.mixture.log_likelihoods(two_clusters(2000, 32)[1::2])
    assert np.mean(unseen >= taste.threshold_nats) == pytest.approx(0.95, abs=0.03)
    again = fit_taste(liked_set(rows[:2500]), options())
    np.testing.assert_array_equal(taste.mixture.means, again.mixture.means)


def test_degenerate_fits_are_simplified_and_said(monkeypatch):
    """What was chosen and learned its images by heart gives way to one component; what was asked for stays."""
    monkeypatch.setattr(choosing, "_WIDEST_GAP", np.inf)
    rows = two_clusters(120, 64)
    assert fit_taste(liked_set(rows), options()).mixture.component_count == 2
    monkeypatch.setattr(fitted, "is_degenerate", lambda *_, **__: True)
    taste = fit_taste(liked_set(rows), options())
    assert taste.mixture.component_count == 1
    assert taste.warnings[0].startswith("2 diag components made a degenerate fit")
    asked = fit_taste(liked_set(rows), options(component_count=3))
    assert asked.mixture.component_count == 3
    assert asked.warnings[0].startswith("The mixture that was asked for is degenerate")


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
    monkeypatch.setattr(choosing, "_ROWS_TO_CHOOSE_ON", 60)
    sizes = []
    fit = fitter.Fitter.fit

    def counted(self, rows, count):
        sizes.append(len(rows))
        return fit(self, rows, count)

    monkeypatch.setattr(fitter.Fitter, "fit", counted)
    fit_taste(liked_set(two_clusters(120, 64)), options())
    assert sizes[0] == 40
    assert sizes[-1] == 108


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


def test_each_score_stays_with_its_image():
    """Held-out scores are those of the images that count; copies have none, and say whose they are."""
    rows = unit_rows(20)
    sent = np.concatenate([rows[:5], rows[2:3], rows[5:], rows[7:8]])
    plain = learn(liked_set(rows), options())
    learned = learn(replace(liked_set(sent), labels=LABELS[:22]), options())
    liked, counting = learned.liked, [position for position in range(22) if position not in {5, 21}]
    assert liked.originals == tuple({5: 2, 21: 8}.get(position) for position in range(22))
    scores = liked.held_out_log_likelihoods
    assert (scores[5], scores[21]) == (None, None)
    kept = tuple(scores[position] for position in counting)
    assert kept == plain.liked.held_out_log_likelihoods
    assert sorted(kept) == learned.taste.held_out_log_likelihoods.tolist()
    assert liked.labels == LABELS[:22]
    np.testing.assert_array_equal(liked.embeddings, sent)


def test_a_score_is_that_of_its_own_image():
    """Leave-one-out: the score of image 3 is what a fit to the others says of image 3."""
    rows = unit_rows(12)
    others = fit_taste(liked_set(np.delete(rows, 3, axis=0)), options()).mixture
    scores = learn(liked_set(rows), options()).liked.held_out_log_likelihoods
    assert scores[3] == pytest.approx(others.log_likelihoods(rows[3:4])[0], rel=1e-9)
    assert learn(liked_set(rows), options()).liked.labels == (ImageLabel(),) * 12


def test_relative_scores_stay_with_their_images_too():
    """They are those of the ratio, as in the list that the taste keeps."""
    liked, clutter = tastes_and_clutter(30)
    learned = learn(liked_set(liked, clutter), options())
    assert learned.taste.mixture.background is not None
    scores = learned.liked.held_out_log_likelihoods
    assert sorted(scores) == learned.taste.held_out_log_likelihoods.tolist()
    np.testing.assert_array_equal(learned.liked.background, clutter)


def test_in_a_large_set_only_those_kept_out_have_scores(monkeypatch):
    """The mixture never saw them, and says of them what is kept."""
    monkeypatch.setattr(fitter, "FITTED_AT_ONCE", 1000)
    monkeypatch.setattr(fitted, "FITTED_AT_ONCE", 1000)
    monkeypatch.setattr(fitted, "_KEPT_OUT", 500)
    rows = two_clusters(2500, 32)
    rows[100] = rows[7]
    learned = learn(liked_set(rows), options())
    scores = learned.liked.held_out_log_likelihoods
    places = [place for place, score in enumerate(scores) if score is not None]
    assert len(places) == 500
    assert 100 not in places
    expected = learned.taste.mixture.log_likelihoods(rows[places])
    np.testing.assert_allclose([scores[place] for place in places], expected, rtol=1e-9)


def test_a_taste_knows_what_was_asked_for():
    """And what was found of the fit, so that its warnings can be said again."""
    asked = options(component_count=3, covariance=Covariance.TIED)
    taste = fit_taste(liked_set(unit_rows(40)), asked)
    assert (taste.asked_component_count, taste.asked_covariance) == (3, Covariance.TIED)
    assert taste.gap_nats > 0
    assert taste.warnings == warnings_for(taste)
    chosen = fit_taste(liked_set(unit_rows(40)), options())
    assert (chosen.asked_component_count, chosen.asked_covariance) == (0, None)
