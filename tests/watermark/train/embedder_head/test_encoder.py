from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from services.servicekit.embedding import Precision
from services.servicekit.errors import Misconfigured
from services.servicekit.resize import InputShape
from services.watermark.head_detector import quadrants_of
from services.watermark.train.embedder_head.encoder import QuadrantEncoder
from tests.fakes.image_files import photo
from tests.watermark.train.embedder_head.tiny_encoder import DIMENSION, tiny_encoder


@pytest.fixture
def folder(tmp_path):
    """An encoder of 32×24 inputs."""
    return tiny_encoder(tmp_path / "tiny", width_px=32, height_px=24)


def test_each_quadrant_has_an_embedding_of_its_own(folder):
    """In the order that the watermark service asks for them; more images than fit in a batch."""
    encoder = QuadrantEncoder(folder, threads=1)
    images = np.stack([photo(64, 48, seed=seed) for seed in range(11)])

    embeddings = encoder.embed(images)

    assert encoder.shape == InputShape(64, 48)
    assert embeddings.shape == (11, 4, DIMENSION)
    assert np.linalg.norm(embeddings, axis=2) == pytest.approx(1, abs=1e-5)
    each = encoder.embed_each(quadrants_of(images))
    assert np.stack([one.values for one in each]) == pytest.approx(
        embeddings.reshape(-1, DIMENSION), abs=1e-6
    )


def test_embeddings_say_whose_they_are(folder):
    """The same as a head over them states."""
    encoder = QuadrantEncoder(folder, threads=1)

    [one] = encoder.embed_each(np.zeros((1, 24, 32, 3), np.uint8) + np.uint8(9))

    assert (one.encoder_id, one.precision) == (folder.encoder_id, Precision.FP32)
    assert (encoder.facts.encoder_id, encoder.facts.dimension) == (folder.encoder_id, DIMENSION)
    assert encoder.served.precision is encoder.facts.precision is Precision.FP32


def test_an_encoder_that_gives_something_else_is_refused(folder):
    """Whatever its folder says."""
    encoder = QuadrantEncoder(replace(folder, dimension=7), threads=1)

    with pytest.raises(Misconfigured, match=r"'tiny' gives \(4, 24\) for 4 inputs, not \(4, 7\)"):
        encoder.embed(np.zeros((1, 48, 64, 3), np.uint8))
