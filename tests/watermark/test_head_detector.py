from __future__ import annotations

import numpy as np
import pytest

from services.servicekit.embedding import Embedding, Precision
from services.servicekit.errors import FailedPrecondition, Misconfigured
from services.servicekit.inference.backend import BackendOptions
from services.servicekit.inference.onnxruntime_backend import OnnxRuntimeBackend
from services.watermark.detector import DetectorUnfit
from services.watermark.detector_folder import HEAD_INPUT, OUTPUTS, HeadEncoder
from services.watermark.head_detector import (
    HeadDetector,
    HeadOfAnotherEncoder,
    ServedEncoder,
    quadrants_of,
)
from tests.watermark.detectors import FixedBackend, fake_folder
from tests.watermark.heads import head_folder, head_model

SIDE_PX = 8
ENCODER = HeadEncoder(encoder_id="a" * 64, precision=Precision.FP32, dimension=2)


def embed(images, *, encoder_id: str = ENCODER.encoder_id, precision=Precision.FP32):
    """Brightness as an angle: black is (1, 0), white is (0, 1)."""
    angles = images.mean(axis=(1, 2, 3)) / 255 * np.pi / 2
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    return [Embedding(row, encoder_id, precision) for row in rows]


def detector(embed_=embed, **changes) -> HeadDetector:
    model = head_model(np.array([0.0, 8.0], np.float32), -4.0)
    backend = OnnxRuntimeBackend(
        model, BackendOptions(threads=1, input_name=HEAD_INPUT, output_names=OUTPUTS)
    )
    folder = head_folder(model, ENCODER, side_px=SIDE_PX)
    return HeadDetector(folder, backend, embed_, threshold=None, **changes)


def test_quadrants_are_cut_in_the_order_of_the_contract():
    """Top left, top right, bottom left, bottom right of the first image, then those of the next."""
    images = np.zeros((2, SIDE_PX, SIDE_PX, 3), np.uint8)
    half = SIDE_PX // 2
    images[0, :half, half:] = 1
    images[0, half:, :half] = 2
    images[0, half:, half:] = 3
    images[1] = 4

    quadrants = quadrants_of(images)

    assert quadrants.shape == (8, half, half, 3)
    assert [set(one.flat) for one in quadrants] == [{0}, {1}, {2}, {3}, {4}, {4}, {4}, {4}]


def test_every_quadrant_is_judged_by_its_own_embedding():
    """The head's probability of each, and its largest for the image."""
    images = np.zeros((2, SIDE_PX, SIDE_PX, 3), np.uint8)
    half = SIDE_PX // 2
    images[0, half:, :half] = 255

    marked, black = detector().detect(images)

    high, low = 1 / (1 + np.exp(-4.0)), 1 / (1 + np.exp(4.0))
    assert marked.quadrant_probabilities == pytest.approx((low, low, high, low), abs=1e-6)
    assert (marked.probability, marked.watermarked) == (pytest.approx(high, abs=1e-6), True)
    assert (black.probability, black.watermarked) == (pytest.approx(low, abs=1e-6), False)


@pytest.mark.parametrize(
    ("encoder_id", "precision", "says"),
    [
        ("b" * 64, Precision.FP32, "the embedder serves encoder bbbbbbbbbbbb in FP32"),
        (ENCODER.encoder_id, Precision.BF16, "the embedder serves encoder aaaaaaaaaaaa in BF16"),
    ],
)
def test_embeddings_of_another_encoder_are_never_judged(encoder_id, precision, says):
    """Nor of another precision; the error names both."""
    other = detector(lambda images: embed(images, encoder_id=encoder_id, precision=precision))

    with pytest.raises(
        HeadOfAnotherEncoder, match="over embeddings of encoder aaaaaaaaaaaa"
    ) as caught:
        other.detect(np.zeros((1, SIDE_PX, SIDE_PX, 3), np.uint8))

    assert says in str(caught.value)
    assert isinstance(caught.value, FailedPrecondition)
    assert caught.value.served == ServedEncoder(encoder_id, precision)


def test_the_embedder_is_not_asked_before_there_is_an_image():
    """So that the service starts while the embedder is away."""

    def never(images):
        raise AssertionError

    assert detector(never).execution_provider == "embedder"


def test_a_head_that_gives_no_probabilities_is_refused():
    """As any other detector."""
    folder = head_folder(b"", ENCODER)
    with pytest.raises(DetectorUnfit, match="not probabilities"):
        HeadDetector(folder, FixedBackend(np.full(2, 2.0), np.zeros((2, 4))), embed, threshold=None)


def test_a_head_of_another_dimension_is_refused():
    """Whatever its description says."""
    folder = head_folder(
        b"", HeadEncoder(encoder_id="a" * 64, precision=Precision.FP32, dimension=3)
    )
    model = head_model(np.zeros(2, np.float32), 0.0)
    backend = OnnxRuntimeBackend(model, BackendOptions(threads=1, input_name=HEAD_INPUT))
    with pytest.raises(DetectorUnfit, match="its network fails"):
        HeadDetector(folder, backend, embed, threshold=None)


def test_a_network_is_no_head():
    """It has no encoder to be asked."""
    with pytest.raises(Misconfigured, match="is no head over embeddings"):
        HeadDetector(fake_folder(), FixedBackend(), embed, threshold=None)
