from __future__ import annotations

import json
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from benchmarks import taste
from benchmarks.tasting.photos import Photos
from benchmarks.tasting.simulated import Population, clip_shaped, unit
from benchmarks.tasting.trials import by_source, calibration, repeated_folds
from tests.novelty.tastes import unit_rows


def test_a_population_is_like_what_it_was_fitted_to():
    """Drawn embeddings have the mean and the spread of the real ones, and norm 1."""
    rows = np.concatenate([unit_rows(150, 32), unit_rows(150, 32, centre=3)])
    drawn = Population.of(rows, 2, 0).draw(4000, 1)
    np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(drawn.mean(axis=0), rows.mean(axis=0), atol=0.05)
    np.testing.assert_allclose(drawn.std(axis=0), rows.std(axis=0), atol=0.05)


def test_clip_shaped_embeddings_lie_in_one_cone():
    """Any two are alike, and a few directions hold most of the variance."""
    rows = clip_shaped(0).draw(500, 1)
    assert 0.5 < (rows[:250] @ rows[250:].T).mean() < 0.7
    variances = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False) ** 2
    assert variances[:50].sum() > 0.6 * variances.sum()


def test_separation_has_intervals_around_it():
    """Kinds that lie apart are told apart, the same kind is not."""
    rows = unit_rows(30, 32)
    apart = repeated_folds(rows, unit_rows(40, 32, centre=3), 1)
    assert (apart.auc, apart.auc_interval, apart.others_kept) == (1.0, (1.0, 1.0), 0.0)
    same = repeated_folds(rows, unit_rows(40, 32, seed=1), 1)
    assert same.auc_interval[0] < 0.5 < same.auc_interval[1] + 0.1
    assert same.others_kept > 0.5


def test_sources_are_scored_by_fits_without_them():
    """A source that is unlike the others is missed; those with too few photos are left out."""
    rows = np.concatenate(
        [unit_rows(20, 32), unit_rows(10, 32, centre=5), unit_rows(3, 32, seed=2)]
    )
    photos = Photos(rows, ("a",) * 20 + ("b",) * 10 + ("c",) * 3)
    found = by_source(photos, unit_rows(30, 32, centre=7), 8)
    assert list(found) == ["a", "b"]
    assert found["b"]["liked"] == 10


def test_calibration_counts_what_passes():
    """Of unseen images of the same kind about 95 % pass, as stated."""
    found = calibration(unit_rows(300, 16), unit_rows(2000, 16, seed=1), 5, 60)
    assert found["kept_mean"] == pytest.approx(0.95, abs=0.04)
    assert found["inside_stated_interval"] >= 0.8
    assert (found["splits"], found["liked"], found["unseen"]) == (5, 60, 2000)


@dataclass
class DrawnPhotos:
    """In place of the reader: no photos are needed."""

    def read(self, *folders, leaving_out=frozenset()):
        kind = 3 if "other" in folders[0].name else 0
        rows = unit(unit_rows(60, 32, centre=kind, seed=kind))
        return Photos(
            np.delete(rows, sorted(leaving_out), axis=0), ("a",) * (60 - len(leaving_out))
        )


def test_it_prints_goals_beside_measured_values(monkeypatch, capsys, tmp_path):
    """As JSON, one goal each with whether it was met."""
    monkeypatch.setattr(taste, "PhotoReader", DrawnPhotos)
    monkeypatch.setattr(taste, "_SPLITS", 2)
    command = ["taste.py", "--photos", str(tmp_path), "--leave-out", "1,2", "--repeats", "1"]
    monkeypatch.setattr(sys, "argv", [*command, "--most", "100", "--most-clip", "100"])
    taste.main()
    report = json.loads(capsys.readouterr().out)
    assert (report["measured"]["liked"], report["measured"]["other"]) == (60, 58)
    assert [goal["name"] for goal in report["goals"]][:2] == ["AUC", "others kept at 95 % of liked"]
    assert report["goals"][0]["measured"] == report["measured"]["folds"]["auc"] == 1.0
    assert report["goals"][0]["met"]
    assert list(report["measured"]["clip_shaped"]) == ["100"]
