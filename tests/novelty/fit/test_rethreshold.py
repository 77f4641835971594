from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from services.novelty.fit.fitting import fit_taste
from services.novelty.fit.rethreshold import with_threshold
from services.novelty.fit.threshold_rule import NoBackground, ThresholdRule
from services.novelty.mixture import Covariance
from tests.novelty.tastes import liked_set, mixture, options, taste, unit_rows

LIKED, BACKGROUND = unit_rows(40), unit_rows(60, seed=5)


@pytest.fixture(scope="module")
def fitted():
    return fit_taste(liked_set(LIKED, BACKGROUND), options())


@pytest.mark.parametrize(
    "way", [{"keep_ratio": 0.6}, {"pass_ratio": 0.3}, {"threshold_nats": -4.0}], ids=str
)
def test_it_is_the_taste_that_a_fit_would_have_given(fitted, way):
    """Threshold, ratios and warnings; all else stays as it was."""
    found = with_threshold(fitted, ThresholdRule(**way))
    expected = fit_taste(liked_set(LIKED, BACKGROUND), options(**way))
    assert found.threshold_nats == expected.threshold_nats != fitted.threshold_nats
    assert (found.keep_ratio, found.pass_ratio) == (expected.keep_ratio, expected.pass_ratio)
    assert found.warnings == expected.warnings
    assert found.mixture is fitted.mixture


def test_the_same_threshold_is_the_same_taste(fitted):
    """By the same ratio, or because it comes out so."""
    assert with_threshold(fitted, ThresholdRule(keep_ratio=0.95)) is fitted
    assert with_threshold(fitted, ThresholdRule(threshold_nats=fitted.threshold_nats)) is fitted


def test_there_and_back(fitted):
    """The first threshold comes back with its warnings."""
    wide = with_threshold(fitted, ThresholdRule(threshold_nats=-10_000.0))
    assert any("background sample passes too" in sentence for sentence in wide.warnings)
    back = with_threshold(wide, ThresholdRule(keep_ratio=0.95))
    assert back.threshold_nats == fitted.threshold_nats
    assert back.warnings == fitted.warnings


def test_a_relative_taste_keeps_the_rule_of_the_fit():
    """Under 0 an image is likelier an ordinary one, whatever share is to be kept."""
    density = replace(mixture(), background=mixture(components=1, seed=2))
    relative = taste(density, threshold_nats=1.5, keep_ratio=0.5)
    assert with_threshold(relative, ThresholdRule(keep_ratio=1.0)).threshold_nats == 0.0
    assert with_threshold(taste(), ThresholdRule(keep_ratio=1.0)).threshold_nats == -4.0


def test_a_pass_ratio_needs_a_background():
    """As in a fit."""
    alone = taste(background_log_likelihoods=np.empty(0), background_count=0)
    with pytest.raises(NoBackground):
        with_threshold(alone, ThresholdRule(pass_ratio=0.5))


def test_what_only_the_fit_knew_is_still_said():
    """A profile of an older release does not say what was found then, other than in its warnings."""
    known = with_threshold(taste(), ThresholdRule(threshold_nats=-3.0)).warnings
    old = taste(
        mixture(Covariance.FULL),
        warnings=(*known, "The covariances hold 32 numbers.", "It is degenerate."),
        threshold_nats=-3.0,
    )
    found = with_threshold(old, ThresholdRule(threshold_nats=-1.0)).warnings
    assert found[-2:] == ("The covariances hold 32 numbers.", "It is degenerate.")
    assert not set(found) & {known[0]}
