from __future__ import annotations

import pytest

from services.servicekit.errors import Misconfigured
from services.servicekit.inference.backend import BackendName
from services.watermark.config import BUNDLED_DETECTORS, WatermarkSettings, find_detector


def test_the_defaults_serve_the_bundled_detector(tmp_path):
    """On the CPU, with the detector's own threshold."""
    settings = WatermarkSettings()

    assert settings.backend is BackendName.ONNXRUNTIME
    assert settings.threshold is None
    assert find_detector(settings.detector, tmp_path) == BUNDLED_DETECTORS / "quadrant-head"


def test_settings_come_from_the_environment(monkeypatch):
    """Under the service's prefix."""
    monkeypatch.setenv("LODESTONE_WATERMARK_BACKEND", "cuda")
    monkeypatch.setenv("LODESTONE_WATERMARK_THRESHOLD", "0.9")
    monkeypatch.setenv("LODESTONE_WATERMARK_DETECTOR", "mine")

    settings = WatermarkSettings()

    assert (settings.backend, settings.threshold, settings.detector) == ("cuda", 0.9, "mine")


@pytest.mark.parametrize("threshold", ["-0.1", "1.1", "nan", "high"])
def test_a_threshold_is_a_probability(monkeypatch, threshold):
    """Anything else is a wrong setting."""
    monkeypatch.setenv("LODESTONE_WATERMARK_THRESHOLD", threshold)

    with pytest.raises(ValueError, match="threshold"):
        WatermarkSettings()


def test_a_detector_in_the_data_folder_hides_a_bundled_one(tmp_path):
    """So that a retrained one takes its place under the same name."""
    mine = tmp_path / "artifacts" / "detectors" / "quadrant-head"
    mine.mkdir(parents=True)

    assert find_detector("quadrant-head", tmp_path) == mine


def test_a_path_is_taken_as_it_is(tmp_path):
    """Whether or not there is something; loading says so."""
    assert find_detector(f"{tmp_path}/elsewhere", tmp_path) == tmp_path / "elsewhere"


def test_an_unknown_name_lists_the_known_ones(tmp_path):
    """Those of the data folder and the bundled ones."""
    mine = tmp_path / "artifacts" / "detectors" / "mine"
    mine.mkdir(parents=True)
    (mine / "detector.json").write_text("{}")

    with pytest.raises(Misconfigured) as caught:
        find_detector("bogus", tmp_path)

    assert str(caught.value).startswith(
        "there is no detector 'bogus'; there is mine, quadrant-head"
    )
