from __future__ import annotations

import pytest

from services.watermark.config import WatermarkBackend, WatermarkSettings
from services.watermark.detector_folder import DETECTORS


def test_the_defaults_serve_the_bundled_detector(tmp_path):
    """On the CPU, with the detector's own threshold."""
    settings = WatermarkSettings()

    assert settings.backend is WatermarkBackend.ONNXRUNTIME
    assert settings.threshold is None
    assert (settings.max_batch, settings.queue_limit) == (8, 256)
    assert DETECTORS.find(settings.detector, tmp_path) == DETECTORS.bundled / "quadrant-tiles"


def test_settings_come_from_the_environment(monkeypatch):
    """Under the service's prefix."""
    monkeypatch.setenv("LODESTONE_WATERMARK_BACKEND", "cuda")
    monkeypatch.setenv("LODESTONE_WATERMARK_THRESHOLD", "0.9")
    monkeypatch.setenv("LODESTONE_WATERMARK_DETECTOR", "mine")

    settings = WatermarkSettings()

    assert (settings.backend, settings.threshold, settings.detector) == ("cuda", 0.9, "mine")


def test_a_head_is_computed_by_the_embedder(monkeypatch):
    """Which is where all clients look for it."""
    monkeypatch.setenv("LODESTONE_WATERMARK_BACKEND", "embedder")
    monkeypatch.setenv("LODESTONE_EMBEDDER", "127.0.0.1:6001")

    settings = WatermarkSettings()

    assert settings.backend is WatermarkBackend.EMBEDDER
    assert settings.embedder == "127.0.0.1:6001"


@pytest.mark.parametrize("threshold", ["-0.1", "1.1", "nan", "high"])
def test_a_threshold_is_a_probability(monkeypatch, threshold):
    """Anything else is a wrong setting."""
    monkeypatch.setenv("LODESTONE_WATERMARK_THRESHOLD", threshold)

    with pytest.raises(ValueError, match="threshold"):
        WatermarkSettings()
