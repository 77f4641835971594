from __future__ import annotations

import numpy as np
import pytest

from services.novelty.profile import OtherEncoder
from services.novelty.thumbnail_comparison import (
    NotTheThumbnail,
    TooFewThumbnails,
    compare_thumbnails,
    other_precision,
)
from services.servicekit.embedding import Precision
from services.servicekit.errors import InvalidInput
from tests.novelty.tastes import OTHER_ENCODER_ID, embedding, profile
from tests.novelty.thumbnail_samples import thumbnails

BF16, FP16, FP32 = Precision.BF16, Precision.FP16, Precision.FP32


def shifted(some, amount):
    """The embeddings of thumbnails in another precision, turned a little."""
    rows = np.stack([one.embedding for one in some]).astype(np.float64)
    rows[:, 1] += amount
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return [embedding(row, precision=BF16) for row in rows]


def test_both_precisions_are_scored_by_the_profile():
    """The shifts are those of its log-likelihoods."""
    some = thumbnails()
    other = shifted(some, 0.1)
    check = compare_thumbnails(profile(), some, other)
    mixture = profile().taste.mixture
    shifts = np.abs(
        mixture.log_likelihoods(np.stack([one.values for one in other]))
        - mixture.log_likelihoods(np.stack([one.embedding for one in some]))
    )
    assert (check.precision, check.image_count) == (BF16, 9)
    assert check.max_shift_nats == pytest.approx(shifts.max())
    assert check.median_shift_nats == pytest.approx(np.median(shifts))
    assert check.max_shift_nats > 0.1


def test_the_threshold_is_the_profiles():
    """The same shift moves a verdict of one profile and none of another."""
    some = thumbnails()
    scores = profile().taste.mixture.log_likelihoods(np.stack([one.embedding for one in some]))
    other = shifted(some, 0.1)
    far, near = float(scores.min()) - 50.0, float(np.median(scores))
    held_out = np.linspace(far + 100.0, far + 200.0, 50)
    away = profile(threshold_nats=far, held_out_log_likelihoods=held_out)
    assert compare_thumbnails(away, some, other).admitted
    close = profile(threshold_nats=near, held_out_log_likelihoods=held_out)
    check = compare_thumbnails(close, some, other)
    assert check.moved_count > 0
    assert not check.admitted


def test_fewer_than_8_prove_nothing():
    """Eight will do."""
    for count in (0, 7):
        with pytest.raises(TooFewThumbnails, match=f"landscapes@1 keeps {count} thumbnails"):
            compare_thumbnails(profile(), thumbnails(range(count)), [])
    some = thumbnails(range(8))
    assert compare_thumbnails(profile(), some, shifted(some, 0.0)).image_count == 8


def test_one_embedding_of_each_thumbnail():
    """No more and no fewer."""
    some = thumbnails()
    with pytest.raises(InvalidInput, match="^8 embeddings, and profile landscapes@1 has 9"):
        compare_thumbnails(profile(), some, shifted(some[:8], 0.0))


def test_embeddings_are_of_the_thumbnails():
    """One of another image, as in another order, would look like a shift."""
    some = thumbnails()
    other = shifted(some, 0.0)
    other[3] = embedding(np.eye(4)[2], precision=BF16)
    with pytest.raises(NotTheThumbnail, match=r"^embeddings\[3\]: .* it is of another image"):
        compare_thumbnails(profile(), some, other)
    other[3] = embedding([1.0, 0.0], precision=BF16)
    with pytest.raises(NotTheThumbnail, match=r"^embeddings\[3\]: it has 2 values"):
        compare_thumbnails(profile(), some, other)


def test_they_are_of_one_other_precision():
    """And of the profile's encoder."""
    some = thumbnails()
    other = shifted(some, 0.0)
    assert other_precision(profile(), other) is BF16
    with pytest.raises(InvalidInput, match="there are no embeddings"):
        other_precision(profile(), [])
    with pytest.raises(InvalidInput, match="landscapes@1 was fitted in FP32: there is nothing"):
        other_precision(profile(), [embedding(other[0].values)])
    odd = embedding(other[1].values, precision=FP16)
    with pytest.raises(NotTheThumbnail, match=r"^embeddings\[1\]: its precision is FP16, and BF16"):
        other_precision(profile(), [other[0], odd])
    odd = embedding(other[1].values, encoder_id=OTHER_ENCODER_ID, precision=BF16)
    with pytest.raises(OtherEncoder, match=OTHER_ENCODER_ID):
        other_precision(profile(), [other[0], odd])
