from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.fakes.image_files import photo

pytestmark = pytest.mark.export

_EDGES = ["p2o.Add.43", "batch_norm_0.tmp_4", "p2o.Add.147"]
"""Of the published graph: 56x56 strokes, the first layer of the head, 14x14 places."""


def test_the_body_sees_what_the_published_network_sees(tmp_path: Path):
    """Strokes, eightfold text and coarse places are those of the published file, which takes blue, green, red."""
    import onnxruntime
    import torch
    from onnx.utils import extract_model

    from services.watermark.train.body import Body
    from services.watermark.train.text_detector import published_file

    (tmp_path / "whole.onnx").write_bytes(published_file())
    extract_model(str(tmp_path / "whole.onnx"), str(tmp_path / "part.onnx"), ["x"], _EDGES)
    pixels = photo(224, 224)[None]
    published = onnxruntime.InferenceSession(tmp_path / "part.onnx")
    images = pixels[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
    wanted = published.run(None, {"x": np.ascontiguousarray(images)})

    with torch.no_grad():
        seen = Body()(torch.from_numpy(pixels))

    assert [part.shape[1:] for part in seen] == [(48, 56, 56), (24, 56, 56), (192, 14, 14)]
    wanted[1] *= 8
    for ours, theirs in zip(seen, wanted, strict=True):
        assert np.abs(ours.numpy() - theirs).max() <= 1e-4 * np.abs(theirs).max()
