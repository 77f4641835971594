from __future__ import annotations

import numpy as np

from benchmarks.scoring import full_covariance, stream
from benchmarks.scoring.embeddings import MadeUpEmbeddings


def test_made_up_embeddings_have_the_shape_of_real_ones():
    """Unit vectors in a narrow cone, nearer to those of their own cluster; the same seed gives the same."""
    made_up = MadeUpEmbeddings(64, 3, seed=1)
    first, other = made_up.of_cluster(0, 50, seed=2), made_up.of_cluster(1, 50, seed=2)
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1.0, rtol=1e-6)
    assert (first @ other.T).min() > 0.2
    assert np.median(first @ first.T) > np.median(first @ other.T)
    np.testing.assert_array_equal(made_up.draw(9, seed=4), made_up.draw(9, seed=4))


def test_full_covariances_agree_with_sklearn():
    """What is compared is the same: the goals for differences hold on a few rows, too."""
    report = full_covariance.measure(64, 1)
    assert report["largest_relative_difference"] <= 1e-4
    assert report["verdicts_changed_outside_margin"] == 0
    assert report["is_the_same_twice"]
    assert report["ratio"] > 0


async def test_every_embedding_of_a_stream_is_counted():
    """A run over a real server process ends with as many scores as embeddings, and says what they cost."""
    report = await stream.measure(600, 1)
    for form in ("many_a_message", "one_a_message"):
        assert report[form]["per_cpu_s"] > 0
        assert report[form]["per_wall_s"] > 0
