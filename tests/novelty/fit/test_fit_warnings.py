from __future__ import annotations

import numpy as np
import pytest

from services.novelty.fit.fit_warnings import warnings_for
from services.novelty.mixture import Covariance
from tests.novelty.tastes import mixture, taste


def warned(*, covariance=Covariance.DIAG, **changes):
    fields = {
        "density": mixture(covariance, components=2, dimension=16),
        "liked_count": 40,
        "duplicate_count": 0,
        "threshold_nats": 0.0,
        "held_out_log_likelihoods": np.arange(-1.0, 39.0),
        "background_log_likelihoods": np.empty(0),
        "background_count": len(changes.get("background_log_likelihoods", ())),
        "separation": None,
        "neighbour_separation": None,
        "gap_nats": 0.1,
    }
    return warnings_for(taste(**(fields | changes)))


def test_a_good_fit_has_none():
    """Nothing is said where nothing is wrong."""
    assert warned() == ()


def test_a_small_profile_states_its_interval():
    """Under 30 liked images the sentence states how wide the expected share is; from 30 on there is none."""
    (sentence,) = warned(liked_count=10, held_out_log_likelihoods=np.arange(-1.0, 9.0))
    assert sentence.startswith(
        "10 liked images make a small profile: of new ones like them 55.5% to 99.7%"
    )
    assert warned(liked_count=30) == ()


def test_duplicates_are_counted():
    """Of how many, and that each picture counts once."""
    (sentence,) = warned(duplicate_count=3)
    assert sentence.startswith("3 of 43 liked images repeat another one")


def test_a_simplified_fit_says_so():
    """With what was degenerate."""
    (sentence,) = warned(simplified_from="6 full components")
    assert sentence.startswith("6 full components made a degenerate fit")


def test_a_degenerate_fit_that_was_asked_for():
    """It stays, and is said."""
    (sentence,) = warned(is_degenerate=True)
    assert sentence.startswith("The mixture that was asked for is degenerate")


def test_more_covariances_than_images_can_tell():
    """A full covariance with more numbers than the embeddings have is announced as an overfit."""
    (sentence,) = warned(liked_count=31, covariance=Covariance.FULL)
    assert "512 numbers, learned from 31 liked images" in sentence
    assert warned(liked_count=32, covariance=Covariance.FULL) == ()


def test_a_baseline_that_is_better():
    """Half a hundredth of AUC is let pass, more is said with both numbers."""
    assert warned(separation=0.95, neighbour_separation=0.954) == ()
    (sentence,) = warned(separation=0.95, neighbour_separation=0.97)
    assert "AUC 0.970 against 0.950" in sentence


def test_a_background_that_passes():
    """A profile that lets more than half of the background through says so."""
    assert warned(background_log_likelihoods=np.array([0.0, 1.0, -1.0, -1.0])) == ()
    (sentence,) = warned(background_log_likelihoods=np.array([0.0, 1.0, 2.0, -1.0]))
    assert sentence.startswith("75% of the background sample passes too")


@pytest.mark.parametrize(("count", "said"), [(9, True), (10, False)])
def test_a_background_too_small_for_its_pass_ratio(count, said):
    """One in ten cannot be told from nine images."""
    sentences = warned(background_log_likelihoods=np.full(count, -1.0), pass_ratio=0.1)
    assert [f"sample of {count} is too small" in one for one in sentences] == [True] * said
