from __future__ import annotations

import numpy as np
import pytest

from services.novelty.fit.liked_set import Role, TooManyImages, UnfitEmbedding
from services.novelty.fit.submission import Origin, SubmissionBuilder
from services.novelty.liked_images import ImageLabel
from services.servicekit.embedding import Precision
from services.servicekit.errors import InvalidInput
from tests.novelty.tastes import ENCODER_ID, OTHER_ENCODER_ID, embedding, submission, unit_rows

NONE = ImageLabel()
NAMED = ImageLabel("a" * 64, "photo.jpg")


def filled(count=8, *, limit=100, background=0):
    builder = SubmissionBuilder(limit)
    for role, rows in ((Role.LIKED, count), (Role.BACKGROUND, background)):
        for values in unit_rows(rows, 4):
            builder.add(role, embedding(values), NONE)
    return builder


@pytest.mark.parametrize("count", [0, 1, 7])
def test_too_few_liked(count):
    """Fewer than 8 liked images make no liked set, however much background there is; both numbers are said."""
    sent = filled(count, background=20).build()
    with pytest.raises(InvalidInput, match=f"needs 8 liked images at least, and there are {count}"):
        sent.to_liked_set()


def test_lists_are_kept_apart_and_in_order():
    """Liked, background and what is to be removed come back as they were sent."""
    builder = filled(9, background=3)
    builder.add(Role.REMOVED, None, NAMED)
    builder.add(Role.REMOVED, embedding([0, 1, 0, 0]), NONE)
    sent = builder.build()
    np.testing.assert_array_equal(sent.liked, unit_rows(9, 4))
    np.testing.assert_array_equal(sent.background, unit_rows(3, 4))
    assert [one.label for one in sent.removed] == [NAMED, NONE]
    assert sent.removed[0].values is None
    np.testing.assert_array_equal(sent.removed[1].values, [0, 1, 0, 0])
    assert sent.origin == Origin(ENCODER_ID, Precision.FP32, 4)


def test_a_liked_set_has_all_of_it():
    """With the labels, one per liked image."""
    labels = [ImageLabel(name=str(number)) for number in range(8)]
    liked_set = submission(labels=labels, background=unit_rows(2, 4)).to_liked_set()
    np.testing.assert_array_equal(liked_set.liked, unit_rows(8, 4))
    np.testing.assert_array_equal(liked_set.background, unit_rows(2, 4))
    assert liked_set.labels == tuple(labels)
    assert (liked_set.encoder_id, liked_set.precision) == (ENCODER_ID, Precision.FP32)


def test_labels_stay_with_their_images():
    """Some have none; those of the background are not kept."""
    builder = SubmissionBuilder(100)
    builder.add(Role.LIKED, embedding([1, 0, 0, 0]), NONE)
    builder.add(Role.BACKGROUND, embedding([1, 0, 0, 0]), NAMED)
    builder.add(Role.LIKED, embedding([0, 1, 0, 0]), NAMED)
    assert builder.build().labels == (NONE, NAMED)


def test_no_background_is_an_empty_matrix():
    """Its dimension is that of the liked ones; with nothing at all there is none."""
    assert filled().build().background.shape == (0, 4)
    assert SubmissionBuilder(1).build().origin is None


def test_nothing_to_remove_it_from():
    """A fit that begins with nothing cannot leave anything out."""
    sent = submission(removed=[(NAMED, None)])
    with pytest.raises(InvalidInput, match="something to remove, and no base_profile"):
        sent.to_liked_set()


@pytest.mark.parametrize(
    ("odd", "problem"),
    [
        (embedding([1, 0, 0, 0], encoder_id=OTHER_ENCODER_ID), "its encoder id is 'bbb"),
        (embedding([1, 0, 0, 0], encoder_id="lite0"), "its encoder id is 'lite0', not 64 hex"),
        (embedding([1, 0, 0, 0], precision=Precision.BF16), "its precision is BF16, and FP32"),
        (embedding([1, 0, 0]), "it has 3 values, and 4 before it"),
    ],
)
@pytest.mark.parametrize("role", list(Role))
def test_mixed_embeddings(odd, problem, role):
    """The message names the list, the position in it and what differs."""
    builder = filled(2, background=2)
    for number in range(2):
        builder.add(Role.REMOVED, embedding(np.eye(4)[number]), NONE)
    with pytest.raises(UnfitEmbedding, match=rf"^{role}\[2\]: {problem}") as caught:
        builder.add(role, odd, NONE)
    assert (caught.value.role, caught.value.position) == (role, 2)


def test_an_encoder_id_that_is_none_comes_first():
    """The first embedding sets no bad example."""
    with pytest.raises(UnfitEmbedding, match=r"^liked\[0\]: its encoder id is '', not 64 hex"):
        SubmissionBuilder(9).add(Role.LIKED, embedding([1, 0], encoder_id=""), NONE)


def test_what_nothing_is_known_of():
    """What is to be removed has a digest or an embedding; a name is not enough. The others have an embedding."""
    builder = filled()
    with pytest.raises(UnfitEmbedding, match=r"^removed\[0\]: it has neither"):
        builder.add(Role.REMOVED, None, ImageLabel(name="photo.jpg"))
    with pytest.raises(UnfitEmbedding, match=r"^liked\[8\]: it has no embedding$"):
        builder.add(Role.LIKED, None, NAMED)


def test_the_limit_holds_for_each_list():
    """Exactly the limit is taken in every one, and one more is refused; a background takes no place of the liked."""
    builder = filled(8, limit=8, background=8)
    for _ in range(8):
        builder.add(Role.REMOVED, None, NAMED)
    for role in Role:
        with pytest.raises(TooManyImages, match=f"at most 8 {role} embeddings"):
            builder.add(role, embedding([1, 0, 0, 0]), NAMED)
    assert len(builder.build().liked) == 8
