"""Detector folders and backends without a trained network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from services.servicekit.embedding import Precision
from services.watermark.detector_folder import DetectorDescription, DetectorFolder
from tests.fakes.onnx_files import cast_model

MODEL = cast_model()
SIDE_PX = 32


def facts(**changes: Any) -> dict[str, Any]:
    """The content of a detector.json beside `MODEL`."""
    return {
        "name": "fake",
        "detector_id": hashlib.sha256(MODEL).hexdigest(),
        "input_width_px": SIDE_PX,
        "input_height_px": SIDE_PX,
        "threshold": 0.5,
        "quadrants": ["top-left", "top-right", "bottom-left", "bottom-right"],
        "architecture": "none",
        "training": {"seed": 0},
        "format_version": 1,
        **changes,
    }


def write_detector(folder: Path, *, model: bytes = MODEL, **changes: Any) -> Path:
    """A detector folder on disk; its description fits `MODEL` unless told otherwise."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model)
    (folder / "detector.json").write_text(json.dumps(facts(**changes)))
    return folder


def fake_folder(**changes: Any) -> DetectorFolder:
    """A loaded detector folder that is nowhere."""
    known = facts(**changes)
    known["quadrants"] = tuple(known["quadrants"])
    return DetectorFolder(Path("nowhere"), DetectorDescription(**known), MODEL)


class BrightnessBackend:
    """Takes brightness for a watermark: a quadrant's probability is its mean level ÷ 255.

    Args:
        white: What a white quadrant has instead of 1, for a network that does not work with every image.

    Attributes:
        batch_sizes: The sizes of the batches that were computed.
    """

    execution_provider = "FakeExecutionProvider"
    instances = 1
    precision = Precision.FP32

    def __init__(self, white: float = 1.0) -> None:
        self.batch_sizes: list[int] = []
        self._white = white

    def run(self, batch: npt.NDArray[np.uint8]) -> Sequence[npt.NDArray[np.float32]]:
        self.batch_sizes.append(len(batch))
        count, height_px, width_px, _ = batch.shape
        halves = batch.reshape(count, 2, height_px // 2, 2, width_px // 2, 3)
        quadrants = (halves.mean(axis=(2, 4, 5)) / 255).reshape(count, 4).astype(np.float32)
        quadrants[quadrants == 1] = self._white
        return [quadrants.max(axis=1), quadrants]


class FixedBackend:
    """Gives the same outputs whatever it is asked."""

    execution_provider = "FakeExecutionProvider"
    instances = 1
    precision = Precision.FP32

    def __init__(self, *outputs: npt.ArrayLike) -> None:
        self._outputs = [np.asarray(output, dtype=np.float32) for output in outputs]

    def run(self, batch: npt.NDArray[np.uint8]) -> Sequence[npt.NDArray[np.float32]]:
        return self._outputs
