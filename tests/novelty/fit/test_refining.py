from __future__ import annotations

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from services.novelty.fit import refining
from services.novelty.fit.refining import refine
from services.novelty.mixture import Covariance
from services.servicekit.errors import InvalidInput
from tests.novelty.tastes import mixture, unit_rows


def nothing():
    pass


@pytest.mark.parametrize("covariance", list(Covariance))
def test_a_pass_is_a_round_of_sklearns(monkeypatch, covariance):
    """One EM round over all rows at once gives the same mixture as one over parts of them."""
    monkeypatch.setattr(refining, "_ROWS_AT_ONCE", 7)
    start = mixture(covariance, components=3, dimension=4)
    rows = unit_rows(200, 4)
    refined = refine(start, rows, 0.1, between=nothing)
    factors = start.precisions_cholesky
    precisions = factors**2 if covariance is Covariance.DIAG else factors @ factors.swapaxes(-1, -2)
    expected = GaussianMixture(
        3, covariance_type=covariance.lower(), reg_covar=0.1, max_iter=1, weights_init=start.weights,
        means_init=start.means, precisions_init=precisions,
    )  # fmt: skip
    with pytest.warns(UserWarning, match="converge"):
        expected.fit(rows.astype(np.float64) / start.scale)
    np.testing.assert_allclose(refined.weights, expected.weights_, atol=1e-6)
    np.testing.assert_allclose(refined.means, expected.means_, atol=1e-5)
    np.testing.assert_allclose(
        refined.precisions_cholesky, expected.precisions_cholesky_, atol=1e-5
    )


def test_passes_raise_the_likelihood():
    """As expectation-maximisation must."""
    rows = unit_rows(300, 4)
    steps = [mixture(components=3)]
    for _ in range(5):
        steps.append(refine(steps[-1], rows, 0.0, between=nothing))
    means = [step.log_likelihoods(rows).mean() for step in steps]
    assert means == sorted(means)


def test_it_can_be_ended_between_parts(monkeypatch):
    """What `between` raises ends the pass."""
    monkeypatch.setattr(refining, "_ROWS_AT_ONCE", 10)
    asked = []

    def between():
        asked.append(None)
        if len(asked) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        refine(mixture(), unit_rows(100, 4), 0.1, between=between)
    assert len(asked) == 3


def test_a_covariance_without_an_inverse():
    """Identical rows without a floor are one clear error."""
    rows = np.tile(unit_rows(1, 4), (20, 1))
    with pytest.raises(InvalidInput, match="cannot be fitted"):
        refine(mixture(Covariance.TIED), rows, 0.0, between=nothing)
