from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from services.watermark.train.embedder_head.encoder import QuadrantEncoder
from services.watermark.train.embedder_head.examples import ExamplePlan, embed_examples
from services.watermark.train.marks import Marks
from services.watermark.train.photos import Role
from services.watermark.train.tiles import UNKNOWN
from tests.watermark.train.drawn_photos import photos_in
from tests.watermark.train.embedder_head.tiny_encoder import DIMENSION, tiny_encoder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A real encoder of small inputs."""
    return QuadrantEncoder(tiny_encoder(tmp_path_factory.mktemp("e") / "tiny"), threads=1)


def test_pairs_are_drawn_and_each_image_is_embedded(tmp_path, encoder):
    """First the clean one, then that with a mark or hard negative; a clean one has a mark nowhere."""
    examples = embed_examples(photos_in(tmp_path), Marks(), encoder, ExamplePlan(30, 0))

    assert examples.embeddings.shape == (60, 4, DIMENSION)
    assert not examples.marked[::2].any()
    assert not examples.quadrants[~examples.marked].any()
    assert 15 < examples.marked.sum() <= 30
    assert (examples.quadrants[examples.marked] == 1).any(axis=1).mean() > 0.9


def test_more_pairs_leave_the_earlier_ones_as_they_are(tmp_path, encoder):
    """One seed, one set of pairs; another seed, another."""
    photos = photos_in(tmp_path)
    few, many, other = (
        embed_examples(photos, Marks(), encoder, ExamplePlan(pairs, seed))
        for pairs, seed in ((4, 0), (6, 0), (4, 1))
    )

    assert np.array_equal(many.first(8).embeddings, few.embeddings)
    assert np.array_equal(many.first(8).marked, few.marked)
    assert not np.array_equal(other.embeddings, few.embeddings)


def test_labelled_images_come_first_as_they_are(tmp_path, encoder):
    """Of a marked one it is not known where; those that calibrate or test are left out."""
    real = photos_in(tmp_path / "real", range(10, 12), labelled=True, marked=True)
    clean = photos_in(tmp_path / "clean", range(20, 23), labelled=True)
    photos = [*photos_in(tmp_path / "photos"), *real, *clean]
    photos[-1] = replace(photos[-1], role=Role.TEST)

    examples = embed_examples(photos, Marks(), encoder, ExamplePlan(1, 0))

    assert examples.marked[:4].tolist() == [True, True, False, False]
    assert (examples.quadrants[:2] == UNKNOWN).all()
    assert not examples.quadrants[2:4].any()
    assert len(examples.marked) == 4 + 2
