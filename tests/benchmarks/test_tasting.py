from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from benchmarks import taste
from benchmarks.tasting.goals import goals_of
from benchmarks.tasting.measured_process import MeasuredProcess, ProcessFailed
from benchmarks.tasting.photos import Photos
from benchmarks.tasting.simulated import Population, clip_shaped, unit
from benchmarks.tasting.trials import by_source, calibration, repeated_folds
from tests.novelty.tastes import unit_rows

ROOT = Path(__file__).parents[2]


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
    found = by_source(photos, unit_rows(30, 32, centre=7))
    assert {name: one["liked"] for name, one in found.items()} == {"a": 20, "b": 10}
    assert found["a"]["auc"] > 0.9


def test_small_sources_are_held_out_together():
    """Three of three photos each make nine that are scored by a fit to the rest."""
    rows = unit_rows(29, 32)
    photos = Photos(rows, ("a",) * 20 + ("b",) * 3 + ("c",) * 3 + ("d",) * 3)
    found = by_source(photos, unit_rows(30, 32, centre=7))
    assert {name: one["liked"] for name, one in found.items()} == {"a": 20, "others": 9}


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
    written = capsys.readouterr()
    report = json.loads(written.out)
    measured, goals = report["measured"], {goal["name"]: goal for goal in report["goals"]}
    assert (measured["liked"], measured["other"]) == (60, 58)
    auc = goals["5 folds: AUC"]
    assert auc["measured"] == measured["folds"]["auc"] == 1.0
    assert (auc["goal"], auc["interval"], auc["met"]) == (">= 0.99", [1.0, 1.0], True)
    assert "5 folds: others kept at 95 % of liked" in goals
    assert "AUC lost as n grows: photos, 15/30/60" in goals
    assert "AUC lost as n grows: drawn, 15/30/60/100, against drawn" in goals
    assert list(measured["clip_shaped"]) == ["100"]
    assert len(written.err.splitlines()) > len(goals)


def test_a_goal_that_is_missed_is_the_exit_status():
    """Growth that loses more than a hundredth is, and so is a degenerate fit; the photos' own AUC is not."""
    grown = {"auc_of_photos": 0.9, "auc_of_drawn": 0.9}
    share = {
        "auc": 0.5,
        "auc_interval": (0.4, 0.6),
        "others_kept": 0.9,
        "others_kept_interval": (0, 1),
    }
    calibrated = {
        "liked": 60, "unseen": 5000, "kept_mean": 0.9, "inside_stated_interval": 0.95,
        "inside_interval_for_so_few_unseen": 0.0,
    }  # fmt: skip
    measured = {
        "folds": share,
        "sources": {"a": share},
        "calibration_photos": calibrated,
        "calibration_drawn": calibrated | {"liked": 40, "unseen": 20},
        "calibration_clustered": calibrated | {"liked": 20},
        "growth_photos": {15: 0.95, 30: 0.93, 60: 0.96},
        "growth_drawn": {15: grown, 30: grown},
        "clip_shaped": {100: {"degenerate": True}, 1000: {"degenerate": False}},
    }
    missed = [goal.name for goal in goals_of(measured) if goal.must and not goal.met]
    assert missed == [
        "photos: mean share kept, off the keep ratio",
        "drawn: splits inside the interval widened by the chance of 20 unseen",
        "drawn: mean share kept, off the keep ratio",
        "AUC lost as n grows: photos, 15/30/60",
        "degenerate fits, CLIP-shaped: 100/1000",
    ]
    assert sum(not goal.must for goal in goals_of(measured)) == 5


def test_a_large_fit_is_measured_alone_and_through_the_service(monkeypatch, capsys):
    """In real processes, whose time and memory are those of the fit."""
    monkeypatch.setattr(sys, "argv", ["taste.py", "--large", "400"])
    assert taste.main() == 0
    report = json.loads(capsys.readouterr().out)
    measured = report["measured"]
    parts = [measured["alone"]["fit"], *measured["through_the_service"].values()]
    assert [list(part) for part in parts] == [["wall_s", "cpu_s", "peak_rss_bytes"]] * 3
    assert all(part["cpu_s"] > 0.2 and part["peak_rss_bytes"] > 30e6 for part in parts)
    alone, served = measured["results"]["alone"], measured["results"]["through_the_service"]
    assert 0.8 < alone["kept_of_unseen"] <= 1.0
    assert (alone["liked_count"], alone["duplicate_count"]) == (396, 4)
    for name in ("liked_count", "duplicate_count", "component_count", "covariance", "warnings"):
        assert served[name] == alone[name]
    assert [goal["met"] for goal in report["goals"]] == [True] * 4


def test_a_process_that_fails_says_why(tmp_path):
    """With the end of its output."""
    process = MeasuredProcess(
        (sys.executable, "-c", "raise SystemExit('no photos')"), tmp_path / "log"
    )
    with pytest.raises(ProcessFailed, match="no photos"):
        process.cost()


def test_the_memory_of_a_process_is_measured(tmp_path):
    """A hundred megabytes are there; whoever measures is a small process, as a benchmark is."""
    measured = (sys.executable, "-c", "bytearray(100_000_000).count(1)")
    code = (
        "from pathlib import Path\n"
        "from benchmarks.tasting.measured_process import MeasuredProcess\n"
        f"print(MeasuredProcess({measured!r}, Path({str(tmp_path / 'log')!r})).cost()['peak_rss_bytes'])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert 100e6 < int(done.stdout) < 1e9
