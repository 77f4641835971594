from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.novelty.showing import nearest_liked
from services.novelty.showing.nearest_liked import NearestLiked
from tests.novelty.tastes import unit_rows


def neighbours(embeddings, liked, count, leaving_out=()):
    search = NearestLiked(embeddings, count)
    search.look_through(liked, leaving_out)
    return search.found()


def brute_force(embedding, liked, count, leaving_out):
    """One pair at a time, in Python's own numbers."""

    def cosine(position):
        one, other = embedding.tolist(), liked[position].tolist()
        norms = sum(x * x for x in one) * sum(x * x for x in other)
        return sum(x * y for x, y in zip(one, other, strict=True)) / norms**0.5

    positions = [position for position in range(len(liked)) if position not in leaving_out]
    nearness = {position: round(cosine(position), 12) for position in positions}
    return sorted(positions, key=lambda position: (-nearness[position], position))[:count]


@given(
    seed=st.integers(0, 2**32 - 1),
    liked_count=st.integers(1, 40),
    dimension=st.integers(2, 12),
    count=st.integers(1, 16),
    rows_at_once=st.integers(1, 50),
    leaving_out=st.frozensets(st.integers(0, 39)),
    repeated=st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39)), max_size=6),
)
def test_it_finds_what_brute_force_finds(
    seed, liked_count, dimension, count, rows_at_once, leaving_out, repeated
):
    """Whatever is liked, repeated or left out, and however it is cut into blocks."""
    liked = unit_rows(liked_count, dimension, seed=seed)
    for position, original in repeated:
        liked[position % liked_count] = liked[original % liked_count]
    leaving_out = {position for position in leaving_out if position < liked_count}
    embeddings = np.concatenate([unit_rows(3, dimension, seed=seed + 1), liked[:1]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest_liked, "_ROWS_AT_ONCE", rows_at_once)
        found = neighbours(embeddings, liked, count, leaving_out)
    for embedding, near in zip(embeddings, found, strict=True):
        expected = brute_force(embedding, liked, count, leaving_out)
        assert [one.position for one in near] == expected


def test_similarities_are_cosines():
    """An embedding and itself give 1, though norms are 1 only within a thousandth."""
    liked = unit_rows(20)
    liked[3] *= 1.0009
    (near,) = neighbours(liked[4:5] * np.float32(0.9995), liked, 20)
    assert (near[0].position, near[0].cosine_similarity) == (4, 1.0)
    cosines = (liked[4:5] @ liked.T)[0] / np.linalg.norm(liked, axis=1)
    similarities = {one.position: one.cosine_similarity for one in near}
    assert [similarities[position] for position in range(20)] == pytest.approx(
        cosines.tolist(), abs=1e-6
    )


def test_fewer_liked_images_than_asked_for():
    """All of them, and none where all are left out."""
    liked = unit_rows(3)
    assert len(neighbours(liked[:1], liked, 5)[0]) == 3
    assert neighbours(liked[:2], liked, 5, leaving_out=range(3)) == [(), ()]
    assert neighbours(liked[:0], liked, 5) == []


def test_liked_images_on_the_disk(tmp_path):
    """Mapped from a file they are the same, and stay unchanged."""
    liked = unit_rows(5000, 8)
    np.save(tmp_path / "liked.npy", liked)
    mapped = np.load(tmp_path / "liked.npy", mmap_mode="r", allow_pickle=False)
    queries = unit_rows(4, 8, seed=1)
    assert neighbours(queries, mapped, 16) == neighbours(queries, liked, 16)
    assert (mapped == liked).all()
