"""What a training leaves beside the detector: what was measured, and how it was calibrated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

from services.watermark.train.calibration import Calibration
from services.watermark.writing import replacing

METRICS_FILE: Final = "metrics.json"


def write_metrics(out: Path, held_out: Mapping[str, float], calibration: Calibration) -> None:
    """Writes `metrics.json`.

    Args:
        out: The detector's folder.
        held_out: The last point of the curves.
        calibration: On other photos than those.

    Raises:
        FileNotWritten: The disk is full, for example.
    """
    metrics = {"held_out": held_out, "calibration": asdict(calibration)}
    with replacing(out / METRICS_FILE) as draft:
        draft.write_text(json.dumps(metrics, indent=2) + "\n")
