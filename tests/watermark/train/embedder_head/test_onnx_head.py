from __future__ import annotations

import numpy as np
import pytest

from services.servicekit.inference.backend import BackendOptions
from services.servicekit.inference.onnxruntime_backend import OnnxRuntimeBackend
from services.watermark.detector_folder import HEAD_INPUT, OUTPUTS
from services.watermark.train.calibration import Calibration, Line
from services.watermark.train.embedder_head.head import Head
from services.watermark.train.embedder_head.onnx_head import head_model
from services.watermark.train.held_out_images import smooth_maximum

CALIBRATION = Calibration(Line(0.8, -0.3), Line(1.2, 0.4), 0.5, 0.02)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_graph_computes_what_the_head_computes(count):
    """Quadrants and image, with a line for each."""
    random = np.random.default_rng(0)
    head = Head(random.normal(0, 1, 16), -0.7)
    backend = OnnxRuntimeBackend(
        head_model(head, CALIBRATION),
        BackendOptions(threads=1, input_name=HEAD_INPUT, output_names=OUTPUTS),
    )
    embeddings = random.normal(0, 1, (count, 4, 16)).astype(np.float32)

    image, quadrants = backend.run(embeddings)

    log_odds = head.log_odds(embeddings)
    assert (image.shape, quadrants.shape) == ((count,), (count, 4))
    assert quadrants == pytest.approx(CALIBRATION.quadrant.probability(log_odds), abs=1e-5)
    expected = CALIBRATION.image.probability(smooth_maximum(log_odds))
    assert image == pytest.approx(expected, abs=1e-5)


def test_the_same_head_gives_the_same_bytes():
    """Which name no machine."""
    head = Head(np.arange(4.0), 0.5)

    assert head_model(head, CALIBRATION) == head_model(head, CALIBRATION)
    assert len(head_model(head, CALIBRATION)) < 2000
