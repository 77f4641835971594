from __future__ import annotations

import numpy as np
import pytest

from services.novelty.showing.map_rows import MapRole, MapRows, drawn_evenly_of
from tests.novelty.tastes import liked_images, taste, unit_rows


def test_a_profile_shows_what_it_was_fitted_to():
    """Each liked picture once, then the background; held-out log-likelihoods where there are such."""
    liked, own = liked_images(), taste()
    rows = MapRows.of_profile(own, liked)
    assert rows.roles == (MapRole.LIKED,) * 20 + (MapRole.BACKGROUND,) * 3
    assert rows.positions.tolist() == [0, 1, 2, 3, 4, *range(6, 21), 0, 1, 2]
    shown = rows.positions[:20]
    assert (rows.embeddings[:20] == liked.embeddings[shown]).all()
    assert (rows.embeddings[20:] == liked.background).all()
    held_out = [liked.held_out_log_likelihoods[position] for position in shown]
    assert rows.log_likelihoods[:20].tolist() == held_out
    of_others = own.mixture.log_likelihoods(liked.background)
    assert rows.log_likelihoods[20:] == pytest.approx(of_others)


def test_images_without_a_held_out_score_have_the_mixtures():
    """As where so many were liked that they took part in every fit."""
    liked = liked_images(held_out_log_likelihoods=(1.5, *(None,) * 20), background=0)
    rows, own = MapRows.of_profile(taste(), liked), taste()
    assert rows.log_likelihoods[0] == 1.5
    of_second = own.mixture.log_likelihoods(liked.embeddings[1:2])[0]
    assert rows.log_likelihoods[1] == pytest.approx(of_second)


def test_many_are_drawn_evenly():
    """500 of each."""
    liked = liked_images(2000, background=1200)
    rows = MapRows.of_profile(taste(), liked)
    assert len(rows.roles) == len(rows.embeddings) == 1000
    assert rows.positions[[0, 499, 500, 999]].tolist() == [0, 1999, 0, 1199]
    assert set(np.diff(rows.positions[:500])) <= {4, 5}


def test_given_ones_come_last():
    """At the positions that they have in their own list."""
    own, given = taste(), unit_rows(2, 4, seed=9)
    rows = MapRows.of_profile(own, liked_images()).with_given(given, np.array([0, 2]), own)
    assert rows.roles[-2:] == (MapRole.GIVEN, MapRole.GIVEN)
    assert rows.positions[-2:].tolist() == [0, 2]
    assert (rows.embeddings[-2:] == given).all()
    assert rows.log_likelihoods[-2:] == pytest.approx(own.mixture.log_likelihoods(given))
    assert len(rows.roles) == len(rows.positions) == len(rows.log_likelihoods) == 25


def test_positions_are_drawn_evenly():
    """All where they are few; the first and the last are always there."""
    assert drawn_evenly_of(5, 500).tolist() == [0, 1, 2, 3, 4]
    assert drawn_evenly_of(0, 500).size == 0
    drawn = drawn_evenly_of(300_000, 500)
    assert (len(drawn), drawn[0], drawn[-1]) == (500, 0, 299_999)
    assert set(np.diff(drawn)) <= {601, 602}
