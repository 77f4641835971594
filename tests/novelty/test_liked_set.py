from __future__ import annotations

import numpy as np
import pytest

from services.novelty.liked_set import LikedSetBuilder, Role, UnfitEmbedding
from services.servicekit.embedding import Precision
from services.servicekit.errors import InvalidInput
from tests.novelty.tastes import ENCODER_ID, OTHER_ENCODER_ID, embedding, options, unit_rows


def filled(count=8, *, limit=100, background=0):
    builder = LikedSetBuilder(limit)
    for role, rows in ((Role.LIKED, count), (Role.BACKGROUND, background)):
        for values in unit_rows(rows, 4):
            builder.add(role, embedding(values))
    return builder


@pytest.mark.parametrize("count", [0, 1, 7])
def test_too_few_liked(count):
    """Fewer than 8 liked images are refused with both numbers, however much background there is."""
    with pytest.raises(InvalidInput, match=f"needs 8 liked images at least, and there are {count}"):
        filled(count, background=20).build()


def test_lists_are_kept_apart_and_in_order():
    """Liked and background come back as two matrices."""
    built = filled(9, background=3).build()
    np.testing.assert_array_equal(built.liked, unit_rows(9, 4))
    np.testing.assert_array_equal(built.background, unit_rows(3, 4))
    assert (built.encoder_id, built.precision) == (ENCODER_ID, Precision.FP32)


def test_no_background_is_an_empty_matrix():
    """Its dimension is that of the liked ones."""
    assert filled().build().background.shape == (0, 4)


@pytest.mark.parametrize(
    ("odd", "problem"),
    [
        (embedding([1, 0, 0, 0], encoder_id=OTHER_ENCODER_ID), "its encoder id is 'bbb"),
        (embedding([1, 0, 0, 0], encoder_id="lite0"), "its encoder id is 'lite0', not 64 hex"),
        (embedding([1, 0, 0, 0], precision=Precision.BF16), "its precision is BF16, and FP32"),
        (embedding([1, 0, 0]), "it has 3 values, and 4 before it"),
    ],
)
def test_mixed_embeddings(odd, problem):
    """The message names the list, the position in it and what differs."""
    builder = filled(8, background=2)
    with pytest.raises(UnfitEmbedding, match=rf"^background\[2\]: {problem}") as caught:
        builder.add(Role.BACKGROUND, odd)
    assert (caught.value.role, caught.value.position) == (Role.BACKGROUND, 2)


def test_the_limit_holds_for_both_lists_together():
    """Exactly the limit is taken, one more is refused."""
    builder = filled(8, limit=10, background=2)
    with pytest.raises(InvalidInput, match="at most 10 embeddings"):
        builder.add(Role.LIKED, embedding([1, 0, 0, 0]))
    assert len(builder.build().liked) == 8


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"request_id": ""}, "request_id has 0 characters"),
        ({"request_id": "x" * 129}, "request_id has 129 characters"),
        ({"name": ""}, "cannot be a profile's name"),
        ({"name": "../etc"}, "cannot be a profile's name"),
        ({"component_count": -1}, "component_count is -1"),
        ({"component_count": 257}, "component_count is 257"),
        ({"keep_ratio": 0.0}, "keep_ratio is 0"),
        ({"keep_ratio": -0.1}, "keep_ratio is -0.1"),
        ({"keep_ratio": 1.001}, "keep_ratio is 1.001"),
        ({"keep_ratio": float("nan")}, "keep_ratio is nan"),
        ({"keep_ratio": float("inf")}, "keep_ratio is inf"),
        ({"pass_ratio": 0.0}, "pass_ratio is 0"),
        ({"pass_ratio": float("nan")}, "pass_ratio is nan"),
        ({"threshold_nats": float("inf")}, "threshold_nats is inf"),
        ({"keep_ratio": 0.9, "pass_ratio": 0.1}, "keep_ratio and pass_ratio are set"),
        ({"pass_ratio": 0.1, "threshold_nats": 0.0}, "pass_ratio and threshold_nats are set"),
    ],
)
def test_options_out_of_range(change, problem):
    """Each option is refused by name and value."""
    with pytest.raises(InvalidInput, match=problem):
        options(**change)


@pytest.mark.parametrize(
    "change",
    [
        {"request_id": "x"},
        {"request_id": "x" * 128},
        {"name": "a"},
        {"name": "a" * 64},
        {"component_count": 0},
        {"component_count": 1},
        {"component_count": 256},
        {"keep_ratio": 1.0},
        {"keep_ratio": 5e-324},
        {"pass_ratio": 1.0},
        {"threshold_nats": 0.0},
        {"seed": -(2**63)},
    ],
)
def test_options_at_their_limits(change):
    """The ends of the ranges are inside, and are kept as they were given."""
    ((name, value),) = change.items()
    assert getattr(options(**change), name) == value


def test_the_keep_ratio_has_a_default_where_nothing_else_is_stated():
    """0.95; none where the threshold is set in another way."""
    assert options().wanted_keep_ratio == 0.95
    assert options(keep_ratio=0.5).wanted_keep_ratio == 0.5
    assert options(pass_ratio=0.5).wanted_keep_ratio is None
    assert options(threshold_nats=0.0).wanted_keep_ratio is None
