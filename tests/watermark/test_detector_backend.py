from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from services.servicekit.embedding import Precision
from services.servicekit.errors import Misconfigured
from services.watermark.config import WatermarkBackend
from services.watermark.detector import DetectorUnfit
from services.watermark.detector_backend import detector_backend
from services.watermark.detector_folder import DETECTORS, HeadEncoder, load_detector_folder
from tests.fakes.onnx_files import cast_model
from tests.watermark.detectors import fake_folder
from tests.watermark.heads import head_folder, head_model

NETWORK = DETECTORS.bundled / "quadrant-tiles"


def head():
    encoder = HeadEncoder(encoder_id="a" * 64, precision=Precision.FP32, dimension=2)
    return head_folder(head_model(np.ones(2, np.float32), 0.0), encoder)


def test_a_head_is_computed_from_embeddings():
    """Its two outputs, in the order of the contract."""
    backend = detector_backend(head(), WatermarkBackend.EMBEDDER, threads=1)

    image, quadrants = backend.run(np.zeros((3, 4, 2), np.float32))

    assert image == pytest.approx([0.5] * 3)
    assert quadrants.shape == (3, 4)


def test_a_network_is_computed_from_pixels():
    """The bundled one."""
    folder = load_detector_folder(NETWORK)
    backend = detector_backend(folder, WatermarkBackend.ONNXRUNTIME, threads=1)

    image, quadrants = backend.run(np.zeros((1, 448, 448, 3), np.uint8))

    assert (image.shape, quadrants.shape) == ((1,), (1, 4))


@pytest.mark.parametrize(
    ("model", "says"),
    [(b"no model", "the model does not load"), (cast_model(), "the model's outputs are")],
)
def test_the_folder_of_a_model_that_is_no_detector_is_named(model, says):
    """With what is wrong with the model."""
    folder = replace(fake_folder(), model=model)

    with pytest.raises(DetectorUnfit, match=f"^nowhere: .*{says}") as caught:
        detector_backend(folder, WatermarkBackend.ONNXRUNTIME, threads=1)

    assert caught.value.path == folder.path


@pytest.mark.parametrize(
    ("is_head", "backend", "cure"),
    [
        (True, WatermarkBackend.ONNXRUNTIME, "its backend is embedder, not onnxruntime"),
        (True, WatermarkBackend.CUDA, "its backend is embedder, not cuda"),
        (False, WatermarkBackend.EMBEDDER, "its backend is onnxruntime or cuda, not embedder"),
    ],
)
def test_the_backend_of_the_other_kind_is_refused(is_head, backend, cure):
    """With the one that it should be."""
    folder = head() if is_head else load_detector_folder(NETWORK)

    with pytest.raises(Misconfigured, match=cure):
        detector_backend(folder, backend, threads=1)
