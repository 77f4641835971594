from __future__ import annotations

import json

from services.watermark.train.calibration import Calibration, Line
from services.watermark.train.metrics_file import METRICS_FILE, write_metrics


def test_what_was_measured_and_how_it_is_calibrated(tmp_path):
    """Both, by name."""
    calibration = Calibration(Line(1.5, -1.0), Line(2.0, 0.5), 0.75, 0.02)

    write_metrics(tmp_path, {"step": 3.0, "first_auc": 0.9}, calibration)

    assert json.loads((tmp_path / METRICS_FILE).read_text()) == {
        "held_out": {"step": 3.0, "first_auc": 0.9},
        "calibration": {
            "quadrant": {"slope": 1.5, "offset": -1.0},
            "image": {"slope": 2.0, "offset": 0.5},
            "threshold": 0.75,
            "max_false_positive_ratio": 0.02,
        },
    }
