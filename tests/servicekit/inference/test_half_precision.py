from __future__ import annotations

import sys

import numpy as np
import onnxruntime
import pytest

from services.servicekit.encoder_folder import ENCODERS, load_encoder_folder
from services.servicekit.errors import Misconfigured
from services.servicekit.inference.half_precision import to_half_precision
from tests.fakes.image_files import photo


def session(model: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])


@pytest.mark.export
def test_a_model_in_half_precision_is_near_the_whole():
    """Half the bytes, the same inputs and outputs, embeddings whose cosine is over 0.999."""
    model = load_encoder_folder(ENCODERS.bundled / "efficientnet-lite0").read_model()
    pixels = np.stack([photo(224, 224, seed=seed) for seed in range(3)])

    half = to_half_precision(model)

    assert len(half) < 0.6 * len(model)
    whole, rounded = (session(one).run(None, {"pixels": pixels})[0] for one in (model, half))
    assert rounded.dtype == np.float32
    assert np.abs(np.linalg.norm(rounded, axis=1) - 1).max() < 1e-3
    assert (whole * rounded).sum(axis=1).min() > 0.999
    assert np.abs(whole - rounded).max() > 1e-6


def test_without_onnx_the_start_stops(monkeypatch):
    """The line says which extra brings it."""
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(
        Misconfigured, match=r"fp16 needs onnx: pip install -c constraints.txt -e '\.\[gpu\]'"
    ):
        to_half_precision(b"")
