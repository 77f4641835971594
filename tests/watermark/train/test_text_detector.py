from __future__ import annotations

from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

pytestmark = pytest.mark.export


def test_all_convolutions_are_read_in_order():
    """The first makes 16 channels of three, the last 24 of the pyramid's 96; 24 have a hard swish behind."""
    from services.watermark.train.text_detector import published_convolutions

    shapes = [convolution.weight.shape for convolution in published_convolutions()]
    swishes = [convolution.swish_line is not None for convolution in published_convolutions()]

    assert shapes[0] == (16, 3, 3, 3)
    assert shapes[-1] == (24, 96, 3, 3)
    assert len(shapes) == 62
    assert sum(swishes) == 24


@pytest.mark.parametrize("installed", [True, False])
def test_a_missing_or_other_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, installed: bool
):
    """It would be another detector with the same name; the error says which package to install."""
    from services.servicekit.errors import Misconfigured
    from services.watermark.train import text_detector

    (tmp_path / "models").mkdir()
    (tmp_path / "models/ch_PP-OCRv4_det_infer.onnx").write_bytes(b"another")
    spec = ModuleSpec("package", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(text_detector, "find_spec", lambda _name: spec if installed else None)

    with pytest.raises(Misconfigured, match=r"rapidocr-onnxruntime==1\.4\.4"):
        next(text_detector.published_convolutions())
