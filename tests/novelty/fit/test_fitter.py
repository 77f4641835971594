from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from services.novelty import mixture
from services.novelty.fit import fitter as module
from services.novelty.fit import refining
from services.novelty.fit.fitter import Fitter
from services.novelty.mixture import Covariance
from services.novelty.rows import RowSelection
from services.servicekit.errors import InvalidInput, Unavailable
from tests.novelty.tastes import unit_rows


def fitter(covariance=Covariance.DIAG, **changes):
    return Fitter(**({"covariance": covariance, "seed": 0, "stopped": lambda: False} | changes))


@pytest.fixture
def rounds(monkeypatch):
    """The most rounds that each fit of scikit-learn's was allowed."""
    allowed = []

    class Counted(GaussianMixture):
        def fit(self, rows):
            allowed.append(self.max_iter)
            fitted = super().fit(rows)
            assert fitted.n_iter_ <= self.max_iter
            return fitted

    monkeypatch.setattr(module, "GaussianMixture", Counted)
    return allowed


@pytest.fixture
def passes(monkeypatch):
    """How many rows each pass over all of them saw."""
    seen = []

    def counted(start, rows, floor, *, between):
        seen.append(len(rows))
        return refining.refine(start, rows, floor, between=between)

    monkeypatch.setattr(module, "refine", counted)
    return seen


@pytest.mark.parametrize(("count", "most"), [(60, 100), (2000, 100), (2001, 15)])
def test_rounds_are_bounded(rounds, passes, count, most):
    """A hundred for small sets, fifteen for large ones."""
    fitter().fit(unit_rows(count, 4), 3)
    assert (rounds, passes) == ([most], [])


def test_of_very_many_a_draw_is_fitted_and_three_passes_go_over_all(monkeypatch, rounds, passes):
    """However many there are."""
    monkeypatch.setattr(module, "FITTED_AT_ONCE", 500)
    for count in (1000, 3000):
        fitter().fit(unit_rows(count, 4), 3)
    assert rounds == [100, 100]
    assert passes == [1000] * 3 + [3000] * 3


def test_the_draw_is_decided_by_the_seed(monkeypatch):
    """The same seed gives the same mixture, another one another."""
    monkeypatch.setattr(module, "FITTED_AT_ONCE", 100)
    rows = unit_rows(1000, 4)
    one, same, other = (fitter(seed=seed).fit(rows, 2) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.means, same.means)
    assert not np.array_equal(one.means, other.means)


def test_very_many_rows_are_not_copied(monkeypatch):
    """A fit to a selection of 20 MB takes a fraction of that beside it."""
    monkeypatch.setattr(module, "FITTED_AT_ONCE", 1000)
    monkeypatch.setattr(refining, "_ROWS_AT_ONCE", 1000)
    monkeypatch.setattr(mixture, "_ROWS_AT_ONCE", 1000)
    rows = np.tile(unit_rows(1000, 64), (80, 1))
    selection = RowSelection(rows, np.arange(10, len(rows)))
    tracemalloc.start()
    try:
        fitter(Covariance.TIED, floor=0.1).fit(selection, 2)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < rows.nbytes / 4


def test_held_out_rows_were_not_fitted_to():
    """Each fold is scored by a fit to the others."""
    rows = unit_rows(60, 4)
    found = fitter().held_out_log_likelihoods(rows, fitter().fit(rows, 1))
    expected = np.empty(60)
    for fold in fitter().folds(60, 10):
        rest = np.delete(rows, fold, axis=0)
        expected[fold] = fitter().fit(rest, 1).log_likelihoods(rows[fold])
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("covariance", list(Covariance))
def test_several_components_forget_what_is_held_out(covariance):
    """They begin with those of all rows, and come to rest where they would without the held-out ones."""
    rows = np.concatenate([unit_rows(150, 4), unit_rows(150, 4, centre=1, seed=1)])
    own = fitter(covariance, floor=0.1)
    found = own.held_out_log_likelihoods(rows, own.fit(rows, 2))
    for fold in own.folds(300, 10 if covariance is Covariance.DIAG else 5):
        without = own.fit(np.delete(rows, fold, axis=0), 2)
        np.testing.assert_allclose(found[fold], without.log_likelihoods(rows[fold]), atol=0.05)


def test_as_many_components_as_rows():
    """One cannot be fitted to the rest; there is one component less then."""
    rows = unit_rows(12, 4)
    assert np.isfinite(fitter().held_out_log_likelihoods(rows, fitter().fit(rows, 12))).all()


def test_rows_that_are_all_equal():
    """One clear error."""
    with pytest.raises(InvalidInput, match="all values of all liked embeddings are equal"):
        fitter().fit(np.full((9, 4), 0.5, np.float32), 1)


def test_it_ends_when_told_to():
    """Before the work."""
    with pytest.raises(Unavailable):
        fitter(stopped=lambda: True).fit(unit_rows(9), 1)
